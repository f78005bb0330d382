"""Stage probes: what the kubelet asks the containers, what they answer, and what follows from it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from poddoctor.model import POD, Body, Read, Snapshot, Symptom, SymptomKind
from poddoctor.pod.containers import Container, containers
from poddoctor.pod.reads import Event, condition, log_reads, log_text, pod_events, pod_of
from poddoctor.pod.units import parse_time, show_duration

from ._probe import Probe, ProbeKind, declared, probes_of, shorten
from ._probe_facts import Unhealthy, attributes_of, grace_of, last_unhealthy, port_notes

_PROBE = (
    "probe",
    "probe_field",
    "field",
    "handler",
    "port",
    "port_name",
    "path",
    "scheme",
    "other_scheme",
    "command",
    "delay",
    "period",
    "timeout",
    "threshold",
    "budget",
    "grace",
    "declared",
    "other_port",
    "other_port_name",
    "listens_on",
    "loopback",
    "cpu_limit",
    "suggested_timeout",
    "suggested_threshold",
    "startup_threshold",
    "has_startup",
    "failure",
    "status",
    "why",
    "counts",
    "effect",
    "mismatch",
    "slow_start",
)

SYMPTOMS: Mapping[str, SymptomKind] = {
    "probes.unhealthy": SymptomKind("The kubelet says that a probe fails, and the state agrees", _PROBE),
    "probes.unready": SymptomKind(
        "A container runs and its readiness probe has not succeeded", (*_PROBE, "for")
    ),
    "probes.starting": SymptomKind(
        "A container started moments ago: its probe still has time", (*_PROBE, "left")
    ),
    "probes.unstarted": SymptomKind("A container's startup probe has used up its time", (*_PROBE, "for")),
    "probes.killed": SymptomKind(
        "A probe had the container killed", (*_PROBE, "lived", "times", "exit_code")
    ),
    "probes.start-cut-short": SymptomKind(
        "A probe had the container killed before the program was up", (*_PROBE, "lived", "times", "exit_code")
    ),
    "probes.killing-event": SymptomKind("The kubelet's own word that a probe had it killed", ("probe",)),
    "probes.maybe-killed": SymptomKind(
        "It ended by a signal, as after a failed probe, but no event says so", (*_PROBE, "lived", "exit_code")
    ),
    "probes.port-unknown": SymptomKind("A probe names a port that its container does not declare", _PROBE),
    "probes.gate-unmet": SymptomKind(
        "A readiness gate is not True while all containers are ready", ("gate", "gate_status", "setter")
    ),
}

_KILLING = re.compile(r"[Cc]ontainer (\S+) failed (liveness|startup) probe")
_BACKOFF_RESET = timedelta(minutes=10)
_OUTLIVED = timedelta(minutes=2)
_SIGNALS = (137, 143)
_GATES = (
    ("target-health.elbv2.k8s.aws/", "the AWS Load Balancer Controller"),
    ("target-health.alb.ingress.k8s.aws/", "the AWS Load Balancer Controller"),
    ("cloud.google.com/load-balancer-neg-ready", "GKE's network endpoint group controller"),
    ("networking.gke.io/", "GKE's load balancer controller"),
    ("InPlaceUpdateReady", "OpenKruise"),
    ("apps.kruise.io/", "OpenKruise"),
)


def reads(snapshot: Snapshot) -> Iterable[Read]:
    """The logs of containers whose probe is refused: they often say where the program listens."""
    pod = _alive(snapshot)
    if pod is None:
        return
    for one in containers(pod, "app", "sidecar"):
        if any(_matters(one, probe, snapshot) for probe in probes_of(one)):
            yield from log_reads(snapshot, one.name)


def _alive(snapshot: Snapshot) -> Body | None:
    """The pod while probes matter to it: not ended, not being deleted."""
    pod = pod_of(snapshot)
    if pod is None or (pod.get("metadata") or {}).get("deletionTimestamp"):
        return None
    return None if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed") else pod


def _matters(one: Container, probe: Probe, snapshot: Snapshot) -> bool:
    if probe.handler == "exec":
        return False
    return (one.is_running and not one.ready) or (
        probe.kind != "readiness" and _ends_often(one, snapshot.clock)
    )


def examine(snapshot: Snapshot) -> Iterable[Symptom]:
    """What the probes of each container say."""
    pod = _alive(snapshot)
    if pod is None:
        return
    events = pod_events(snapshot)
    for one in containers(pod, "app", "sidecar"):
        yield from _container(snapshot, one, events)
    yield from _gates(pod)


def _container(snapshot: Snapshot, one: Container, events: list[Event]) -> Iterator[Symptom]:
    probes = {probe.kind: probe for probe in probes_of(one)}
    if not probes:
        return
    unhealthy = last_unhealthy(one, events)
    killed = _killed(snapshot, one, probes, unhealthy, events)
    yield from killed
    if killed:
        ready = unhealthy.get("readiness")
        if ready and "readiness" in probes and not killed[0].past:
            yield _event_symptom(
                one, ready, attributes_of(snapshot, one, probes["readiness"], ready, "unready")
            )
        return
    yield from _maybe_killed(snapshot, one, probes, unhealthy, events)
    if not one.is_running or one.ready or _crashes_by_itself(one, snapshot.clock):
        return
    if "startup" in probes and not one.status.get("started"):
        yield from _not_started(snapshot, one, probes["startup"], unhealthy.get("startup"))
    elif "readiness" in probes:
        yield from _not_ready(snapshot, one, probes["readiness"], unhealthy.get("readiness"))


# --- killed ------------------------------------------------------------------------------------------------


def _killed(
    snapshot: Snapshot,
    one: Container,
    probes: Mapping[ProbeKind, Probe],
    unhealthy: Mapping[ProbeKind, Unhealthy],
    events: list[Event],
) -> list[Symptom]:
    killing = _killing_event(one, events)
    if killing is None:
        return []
    event, kind = killing
    probe = probes.get(kind)
    if probe is None or not _last_end_agrees(one, event):
        return []
    past = _over(one, event, snapshot.clock)
    seen = unhealthy.get(kind)
    lived = _lived(one)
    values = attributes_of(snapshot, one, probe, seen, "kills")
    values |= {"times": str(max(event.count, one.restarts, 1)), "exit_code": _exit_code(one)}
    if lived:
        values["lived"] = show_duration(lived)
    if seen and _starts_slowly(snapshot, one, probe, lived, values):
        values["slow_start"] = "yes"
    found = [
        Symptom(
            "probes.killed",
            one.subject,
            f"{one.spec_path}.{probe.field}",
            _budget_text(probe, lived, values),
            {key: value for key, value in values.items() if value},
            event.time,
            past,
            (*_seen_note(seen), *port_notes(one, values)),
        ),
        Symptom(
            "probes.killing-event",
            one.subject,
            event.source,
            event.message,
            {"probe": kind},
            event.time,
            past,
        ),
    ]
    if kind == "startup" or values.get("slow_start"):
        found.insert(0, replace(found[0], name="probes.start-cut-short"))
    if seen:
        found.append(_event_symptom(one, seen, values, past=past))
    return found


def _killing_event(one: Container, events: list[Event]) -> tuple[Event, ProbeKind] | None:
    for event in reversed(events):
        found = _KILLING.search(event.message) if event.reason == "Killing" else None
        if found and found[1] == one.name:
            return event, "liveness" if found[2] == "liveness" else "startup"
    return None


def _last_end_agrees(one: Container, event: Event) -> bool:
    """Whether the last end can be the one that the event speaks of (events of a noisy pod get lost)."""
    end = one.terminated or one.last_terminated
    if not end:
        return True
    if end.get("reason") == "OOMKilled":
        return False
    started, finished = parse_time(end.get("startedAt")), parse_time(end.get("finishedAt"))
    if started and finished and event.time and started <= event.time <= finished + timedelta(seconds=5):
        return True
    if one.is_running and one.started_at and event.time and event.time >= one.started_at:
        return True
    return end.get("exitCode") in (*_SIGNALS, 0)


def _over(one: Container, event: Event, clock: datetime) -> bool:
    """Whether it has got over it: serves again, and ended long ago, or once and runs longer now."""
    if not (one.is_running and one.ready):
        return False
    if event.time and one.started_at and event.time > one.started_at:
        return False
    return _serves_again(one, clock)


def _serves_again(one: Container, clock: datetime) -> bool:
    ended = parse_time(one.last_terminated.get("finishedAt"))
    if ended is not None and clock - ended > _BACKOFF_RESET:
        return True
    if one.restarts > 1 or one.started_at is None:
        return False
    # It has outlived the run that was cut short.
    lived = _lived(one)
    return lived is None or clock - one.started_at > min(lived + timedelta(seconds=30), _OUTLIVED)


def _lived(one: Container) -> timedelta | None:
    end = one.terminated or one.last_terminated
    started, finished = parse_time(end.get("startedAt")), parse_time(end.get("finishedAt"))
    return finished - started if started and finished else None


def _exit_code(one: Container) -> str:
    end = one.terminated or one.last_terminated
    return str(end["exitCode"]) if end.get("exitCode") is not None else ""


def _budget_text(probe: Probe, lived: timedelta | None, values: Mapping[str, str]) -> str:
    text = f"{probe.asks}: killed after {probe.arithmetic} = {probe.budget}s"
    if lived is not None:
        text += f"; the last run lived {show_duration(lived)}, exit code {values.get('exit_code') or '?'}"
    return text


def _seen_note(seen: Unhealthy | None) -> Iterator[tuple[str, str]]:
    if seen:
        yield shorten(seen.event.message, 300), seen.event.source


def _starts_slowly(
    snapshot: Snapshot, one: Container, probe: Probe, lived: timedelta | None, values: Mapping[str, str]
) -> bool:
    """Killed at the first budget, nothing listened yet, and the log ends in the middle of starting."""
    if (
        values.get("failure") not in ("refused", "timeout")
        or values.get("mismatch")
        or values.get("listens_on")
    ):
        return False
    if probe.kind == "liveness" and lived is not None:
        limit = probe.budget + 2 * probe.period + 5 + (probe.grace or grace_of(snapshot))
        if lived.total_seconds() > limit:
            return False
    return probe.kind == "startup" or bool(_starting_line(snapshot, one))


_STARTING = re.compile(
    r"(?i)\b(?:starting|loading|initiali[sz]ing|warming|warm-up|migrat|booting|building|indexing|"
    r"importing|compiling|preparing|restoring|replaying)"
)


def _starting_line(snapshot: Snapshot, one: Container) -> str:
    for read in log_reads(snapshot, one.name):
        lines = [line for line in (log_text(snapshot, read) or "").splitlines() if line.strip()]
        for line in reversed(lines[-3:]):
            if _STARTING.search(line):
                return line
    return ""


def _maybe_killed(
    snapshot: Snapshot,
    one: Container,
    probes: Mapping[ProbeKind, Probe],
    unhealthy: Mapping[ProbeKind, Unhealthy],
    events: list[Event],
) -> Iterator[Symptom]:
    """An end by SIGTERM or SIGKILL with a probe that can kill, when the events are gone."""
    end = one.terminated or one.last_terminated
    probe = probes.get("liveness") or probes.get("startup")
    if probe is None or end.get("reason") == "OOMKilled" or end.get("exitCode") not in _SIGNALS:
        return
    if any(event.reason == "Killing" and event.container in ("", one.name) for event in events):
        return
    lived, seen = _lived(one), unhealthy.get(probe.kind)
    # Kubelet cannot have killed it before the probe had failed often enough.
    if lived is None or lived.total_seconds() < probe.delay + (probe.failures - 1) * probe.period - 1:
        return
    values = attributes_of(snapshot, one, probe, seen, "kills")
    values |= {"lived": show_duration(lived), "exit_code": _exit_code(one)}
    clock_over = one.is_running and one.ready and _serves_again(one, snapshot.clock)
    # Enough failures in that very run say it nearly as well as the lost event would.
    counted = seen is not None and seen.counts and seen.event.count >= probe.failures
    in_time = seen is not None and _within(end, seen.event)
    values["times"] = str(max(one.restarts, 1))
    yield Symptom(
        "probes.killed" if counted and in_time else "probes.maybe-killed",
        one.subject,
        f"{one.status_path}.{'state' if one.terminated else 'lastState'}.terminated",
        f"exit code {end.get('exitCode')} after {show_duration(lived)}, reason {end.get('reason') or 'none'}",
        {key: value for key, value in values.items() if value},
        parse_time(end.get("finishedAt")),
        clock_over,
        ((_budget_text(probe, lived, values), f"{one.spec_path}.{probe.field}"), *port_notes(one, values)),
    )
    if seen:
        yield _event_symptom(one, seen, values, past=clock_over)


def _within(end: Body, event: Event) -> bool:
    """Whether the probe's last failure fell into the run that ended, or into the one that followed it."""
    started = parse_time(end.get("startedAt"))
    return event.time is not None and started is not None and event.time >= started


def _ends_often(one: Container, clock: datetime) -> bool:
    """Whether it ended within the kubelet's back-off reset, or waits to be started again."""
    ended = parse_time((one.terminated or one.last_terminated).get("finishedAt"))
    return not one.is_running or (ended is not None and clock - ended <= _BACKOFF_RESET)


def _crashes_by_itself(one: Container, clock: datetime) -> bool:
    """Whether it keeps ending on its own: then it is unready because it ended, not because of a probe."""
    if not one.restarts or not _ends_often(one, clock) or one.started_at is None:
        return False
    lived = _lived(one)
    return lived is not None and clock - one.started_at < lived + timedelta(seconds=30)


# --- not ready, not started --------------------------------------------------------------------------------


def _not_started(
    snapshot: Snapshot, one: Container, probe: Probe, seen: Unhealthy | None
) -> Iterator[Symptom]:
    running = snapshot.clock - one.started_at if one.started_at else None
    errored = seen is not None and not seen.counts
    unknown_port = bool(probe.port_name) and not probe.port
    values = attributes_of(snapshot, one, probe, seen, "never-started")
    if running is not None and running.total_seconds() <= probe.budget and not (errored or unknown_port):
        yield _starting(one, probe, values, running)
        if seen and values.get("failure") in ("scheme", "grpc-unimplemented"):
            yield _event_symptom(one, seen, values)
        return
    text = f"started is false: {probe.asks} has not succeeded"
    if running is not None:
        text += f" in {show_duration(running)}"
        values["for"] = show_duration(running)
    yield _state("probes.unstarted", one, probe, values, text)
    yield from _port_unknown(one, probe, values)
    if seen:
        yield _event_symptom(one, seen, values)


def _not_ready(snapshot: Snapshot, one: Container, probe: Probe, seen: Unhealthy | None) -> Iterator[Symptom]:
    running = snapshot.clock - one.started_at if one.started_at else None
    values = attributes_of(snapshot, one, probe, seen, "unready")
    known = values.get("failure") in ("port-unknown", "command-missing")
    if running is not None and running.total_seconds() <= probe.budget and not known:
        yield _starting(one, probe, values, running)
        return
    text = f"ready is false: {probe.asks} does not succeed"
    if running is not None:
        text += f", running for {show_duration(running)}"
        values["for"] = show_duration(running)
    yield _state("probes.unready", one, probe, values, text)
    yield from _port_unknown(one, probe, values)
    if seen:
        yield _event_symptom(one, seen, values)


def _starting(one: Container, probe: Probe, values: Mapping[str, str], running: timedelta) -> Symptom:
    left = timedelta(seconds=probe.budget) - running
    text = f"running for {show_duration(running)}; the {probe.kind} probe has {probe.arithmetic}"
    return _state("probes.starting", one, probe, {**values, "left": show_duration(left)}, text)


def _state(name: str, one: Container, probe: Probe, values: Mapping[str, str], text: str) -> Symptom:
    notes = [
        (
            f"{probe.asks}, {probe.arithmetic}, timeout {probe.timeout}s",
            f"{one.spec_path}.{probe.field}",
        ),
        *port_notes(one, values),
    ]
    attributes = {key: value for key, value in values.items() if value}
    return Symptom(name, one.subject, one.status_path, text, attributes, one.started_at, notes=tuple(notes))


def _port_unknown(one: Container, probe: Probe, values: Mapping[str, str]) -> Iterator[Symptom]:
    if values.get("failure") != "port-unknown":
        return
    text = f'port "{probe.port_name}"; the container declares: {declared(one) or "no ports"}'
    attributes = {key: value for key, value in values.items() if value}
    yield Symptom("probes.port-unknown", one.subject, f"{one.spec_path}.{probe.field}", text, attributes)


def _event_symptom(
    one: Container, seen: Unhealthy, values: Mapping[str, str], *, past: bool = False
) -> Symptom:
    text = shorten(seen.event.message, 300) + (f" ({seen.event.count} times)" if seen.event.count > 1 else "")
    attributes = {key: value for key, value in values.items() if value}
    return Symptom(
        "probes.unhealthy", one.subject, seen.event.source, text, attributes, seen.event.time, past
    )


# --- readiness gates ---------------------------------------------------------------------------------------


def _gates(pod: Body) -> Iterator[Symptom]:
    if condition(pod, "ContainersReady").get("status") != "True":
        return
    if condition(pod, "Ready").get("status") == "True":
        return
    for gate in (pod.get("spec") or {}).get("readinessGates") or []:
        name = str(gate.get("conditionType") or "")
        now = condition(pod, name)
        if not name or now.get("status") == "True":
            continue
        status = str(now.get("status") or "missing")
        setter = next((who for prefix, who in _GATES if name.startswith(prefix)), "")
        notes = []
        if message := condition(pod, "Ready").get("message"):
            notes.append((str(message), "pod.status.conditions[Ready]"))
        yield Symptom(
            "probes.gate-unmet",
            POD,
            f"pod.status.conditions[{name}]",
            f"the containers are ready, but condition {name} is {status}"
            + (
                f": {now.get('message') or now.get('reason')}"
                if now.get("message") or now.get("reason")
                else ""
            ),
            {"gate": name, "gate_status": status} | ({"setter": setter} if setter else {}),
            parse_time(condition(pod, "Ready").get("lastTransitionTime")),
            notes=tuple(notes),
        )
