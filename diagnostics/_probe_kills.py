"""Containers that a probe had killed: from the kubelet's event, or from what it leaves behind."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from poddoctor.model import Body, Snapshot, Symptom
from poddoctor.pod.containers import Container
from poddoctor.pod.pattern import lazy
from poddoctor.pod.reads import Event, log_reads, log_text
from poddoctor.pod.units import parse_time, show_duration

from ._probe import Probe, ProbeKind, shorten
from ._probe_facts import Unhealthy, attributes_of, grace_of, port_notes

_KILLING = lazy(r"[Cc]ontainer (\S+) failed (liveness|startup) probe")
_BACKOFF_RESET = timedelta(minutes=10)
_OUTLIVED = (timedelta(seconds=90), timedelta(minutes=5))
_OUTGROWN, _TIMES_LONGER = timedelta(minutes=3), 4
_SIGNALS = (137, 143, 130, -1073741510)
_SOME_LINES = 3
_UP = lazy(r"(?i)\b(?:started(?! by\b)|ready|listening|serving|accepting|running (?:on|at)|up and running)\b")
_WRONG = lazy(
    r"(?i)\b(?:error|exception|fatal|fail(?:ed|ure)?|cannot|can't|unable|refused|denied|timed? ?out|retry)"
)
_STARTING = lazy(
    r"(?i)\b(?:starting|loading|initiali[sz]ing|warming|warm-up|migrat|booting|building|indexing|"
    r"importing|compiling|preparing|restoring|replaying)"
)


def killed_by_probe(
    snapshot: Snapshot,
    one: Container,
    probes: Mapping[ProbeKind, Probe],
    unhealthy: Mapping[ProbeKind, Unhealthy],
    events: list[Event],
) -> list[Symptom]:
    """What the event Killing says, when the last end agrees; nothing without one."""
    killing = _killing_event(one, events)
    if killing is None:
        return []
    event, kind = killing
    probe = probes.get(kind)
    if probe is None or not _last_end_agrees(one, event):
        return []
    past = _over(one, event, snapshot.clock) or (kind == "startup" and _came_up(one, event))
    seen = unhealthy.get(kind)
    lived = lived_for(one)
    values = attributes_of(snapshot, one, probe, seen, "kills")
    values |= {"times": _often(max(event.count, one.restarts)), "exit_code": _exit_code(one)}
    if lived:
        values["lived"] = show_duration(lived)
    values["startup_patch"] = _startup_patch(one, probe, values)
    age = lived or (event.time - one.started_at if event.time and one.started_at else None)
    values["early"] = "yes" if age is None or age <= _first_patience(snapshot, probe) else "no"
    if seen and _starts_slowly(snapshot, one, probe, values):
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
        found.append(event_symptom(one, seen, values, past=past))
    return found


def _startup_patch(one: Container, probe: Probe, values: Mapping[str, str]) -> str:
    """The patch that lets the command of a liveness probe ask for the start first, with more patience."""
    if probe.kind != "liveness" or not probe.command:
        return ""
    startup = {
        "exec": {"command": list(probe.command)},
        "periodSeconds": probe.period,
        "timeoutSeconds": probe.timeout,
        "failureThreshold": int(values["startup_threshold"]),
    }
    spec = {values["field"]: [{"name": one.name, "startupProbe": startup}]}
    return json.dumps({"spec": {"template": {"spec": spec}}}, separators=(",", ":"))


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


def _came_up(one: Container, event: Event) -> bool:
    """Whether the start that was cut short has succeeded since: a startup probe is asked no more after it."""
    before = not (event.time and one.started_at and event.time > one.started_at)
    return one.is_running and one.ready and one.status.get("started") is True and before


def _serves_again(one: Container, clock: datetime) -> bool:
    ended = parse_time(one.last_terminated.get("finishedAt"))
    if ended is not None and clock - ended > _BACKOFF_RESET:
        return True
    if one.started_at is None:
        return False
    # It has outlived the run that was cut short; or, where that happened again and again, by far.
    lived = lived_for(one)
    if one.restarts > 1:
        return lived is not None and clock - one.started_at > max(_TIMES_LONGER * lived, _OUTGROWN)
    lived = lived or timedelta(0)
    return clock - one.started_at > min(max(lived + timedelta(seconds=30), _OUTLIVED[0]), _OUTLIVED[1])


def lived_for(one: Container) -> timedelta | None:
    """How long the run that ended last had lived."""
    end = one.terminated or one.last_terminated
    started, finished = parse_time(end.get("startedAt")), parse_time(end.get("finishedAt"))
    return finished - started if started and finished else None


def _often(times: int) -> str:
    return "once" if times <= 1 else f"{times} times"


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


def _starts_slowly(snapshot: Snapshot, one: Container, probe: Probe, values: Mapping[str, str]) -> bool:
    """Killed at the first budget, nothing listened yet, and a reason to be slow.

    The log ends in the middle of starting; or, run after run, the program has a sliver of a CPU or writes
    what it does and never that it is up.
    """
    if (
        values.get("failure") not in ("refused", "timeout", "exit")
        or values.get("mismatch")
        or values.get("listens_on")
    ):
        return False
    if probe.kind == "liveness" and values.get("early") == "no":
        return False
    if values.get("failure") == "exit" and probe.kind == "liveness":
        return _breaks_off_starting(snapshot, one)
    again = one.restarts > 1 and (bool(values.get("starved")) or _never_up(snapshot, one))
    return probe.kind == "startup" or again or bool(_starting_line(snapshot, one))


def _first_patience(snapshot: Snapshot, probe: Probe) -> timedelta:
    """How long a run lives at most whose probe never succeeds."""
    return timedelta(seconds=probe.budget + 2 * probe.period + 5 + (probe.grace or grace_of(snapshot)))


def _starting_line(snapshot: Snapshot, one: Container) -> str:
    for read in log_reads(snapshot, one.name):
        lines = [line for line in (log_text(snapshot, read) or "").splitlines() if line.strip()]
        for line in reversed(lines[-3:]):
            if _STARTING.search(line):
                return line
    return ""


def _breaks_off_starting(snapshot: Snapshot, one: Container) -> bool:
    """Whether the log of the run that ended stops in the middle of starting, and of nothing else.

    The command of a probe may fail for any reason, so a program that complains is not merely slow.
    """
    text = log_text(snapshot, log_reads(snapshot, one.name)[0]) or ""
    last = [line for line in text.splitlines() if line.strip()][-3:]
    return bool(last) and bool(_STARTING.search(last[-1])) and not any(map(_WRONG.search, last))


def _never_up(snapshot: Snapshot, one: Container) -> bool:
    """Whether the run that was ended wrote a log, of no error and not of being up."""
    lines = [
        line
        for line in (log_text(snapshot, log_reads(snapshot, one.name)[0]) or "").splitlines()
        if line.strip()
    ]
    last = lines[-3:]
    return (
        len(lines) >= _SOME_LINES
        and not any(_UP.search(line) for line in lines)
        and not any(map(_WRONG.search, last))
    )


def maybe_killed(
    snapshot: Snapshot,
    one: Container,
    probes: Mapping[ProbeKind, Probe],
    unhealthy: Mapping[ProbeKind, Unhealthy],
    events: list[Event],
) -> Iterator[Symptom]:
    """An end by SIGTERM or SIGKILL with a probe that can kill, when the events are gone."""
    end = one.terminated or one.last_terminated
    probe = _suspect(snapshot, one, probes)
    if probe is None or end.get("reason") == "OOMKilled" or not one.restarts:
        return
    if any(event.reason == "Killing" and event.container in ("", one.name) for event in events):
        return
    lived, seen = lived_for(one), unhealthy.get(probe.kind)
    # Kubelet cannot have killed it before the probe had failed often enough.
    if lived is None or lived.total_seconds() < probe.delay + (probe.failures - 1) * probe.period - 1:
        return
    stop = _stop_line(snapshot, one)
    if end.get("exitCode") not in _SIGNALS and not stop and not _ended_on_time(one, probe, lived, snapshot):
        return
    values = attributes_of(snapshot, one, probe, seen, "kills")
    values |= {"lived": show_duration(lived), "exit_code": _exit_code(one)}
    if lived <= _first_patience(snapshot, probe) and _was_starting(snapshot, one):
        values["amid"] = "in the middle of starting"
    clock_over = one.is_running and one.ready and _serves_again(one, snapshot.clock)
    # Enough failures in that very run say it nearly as well as the lost event would.
    counted = seen is not None and seen.counts and seen.event.count >= probe.failures
    in_time = seen is not None and _within(end, seen.event)
    values["times"] = _often(one.restarts)
    yield Symptom(
        "probes.killed" if counted and in_time else "probes.maybe-killed",
        one.subject,
        f"{one.status_path}.{'state' if one.terminated else 'lastState'}.terminated",
        f"exit code {end.get('exitCode')} after {show_duration(lived)}, reason {end.get('reason') or 'none'}",
        {key: value for key, value in values.items() if value},
        parse_time(end.get("finishedAt")),
        clock_over,
        ((_budget_text(probe, None, values), f"{one.spec_path}.{probe.field}"), *port_notes(one, values)),
    )
    if stop:
        source = f"log {one.name} (previous)"
        yield Symptom(
            "probes.told-to-stop", one.subject, source, stop, {"probe": probe.kind}, past=clock_over
        )
    if seen:
        yield event_symptom(one, seen, values, past=clock_over)


def _suspect(snapshot: Snapshot, one: Container, probes: Mapping[ProbeKind, Probe]) -> Probe | None:
    """The probe that may have ended the last run: the liveness probe is asked once the start is over."""
    startup, lived = probes.get("startup"), lived_for(one)
    if startup and (lived is None or lived <= _first_patience(snapshot, startup)):
        return startup
    return probes.get("liveness") or startup


def _was_starting(snapshot: Snapshot, one: Container) -> bool:
    """Whether the run that ended wrote that it starts, and never that it is up or that something is wrong."""
    text = log_text(snapshot, log_reads(snapshot, one.name)[0]) or ""
    return bool(_STARTING.search(text)) and not _UP.search(text) and not _WRONG.search(text)


def _ended_on_time(one: Container, probe: Probe, lived: timedelta, snapshot: Snapshot) -> bool:
    """Whether a server ended well just when its probe's patience was over: it handles SIGTERM."""
    end = one.terminated or one.last_terminated
    latest = probe.budget + probe.period + (probe.grace or grace_of(snapshot)) + 3
    return end.get("exitCode") == 0 and probe.handler != "exec" and lived.total_seconds() <= latest


_STOP = lazy(r"SIGTERM|[Ss]ignal[: ]+(?:15\b|terminated)|\b15 \(SIGTERM")


def _stop_line(snapshot: Snapshot, one: Container) -> str:
    """The line of the run that ended in which the program says that it was asked to stop."""
    lines = (log_text(snapshot, log_reads(snapshot, one.name)[0]) or "").splitlines()
    return next((line.strip()[:200] for line in reversed(lines) if _STOP.search(line)), "")


def _within(end: Body, event: Event) -> bool:
    """Whether the probe's last failure fell into the run that ended, or into the one that followed it."""
    started = parse_time(end.get("startedAt"))
    return event.time is not None and started is not None and event.time >= started


def ends_often(one: Container, clock: datetime) -> bool:
    """Whether it ended within the kubelet's back-off reset, or waits to be started again."""
    ended = parse_time((one.terminated or one.last_terminated).get("finishedAt"))
    return not one.is_running or (ended is not None and clock - ended <= _BACKOFF_RESET)


def event_symptom(
    one: Container,
    seen: Unhealthy,
    values: Mapping[str, str],
    *,
    past: bool = False,
    notes: tuple[tuple[str, str], ...] = (),
) -> Symptom:
    """The kubelet's Unhealthy event, with all that is known of the probe."""
    text = shorten(seen.event.message, 300) + (f" ({seen.event.count} times)" if seen.event.count > 1 else "")
    attributes = {key: value for key, value in values.items() if value}
    evidence = (*seen.notes, *port_notes(one, values), *notes)
    return Symptom(
        "probes.unhealthy", one.subject, seen.event.source, text, attributes, seen.event.time, past, evidence
    )
