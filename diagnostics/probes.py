"""Stage probes: what the kubelet asks the containers, what they answer, and what follows from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from poddoctor.model import POD, Body, Read, Snapshot, Symptom, SymptomKind
from poddoctor.pod.containers import Container, containers
from poddoctor.pod.owner import owner_of
from poddoctor.pod.pattern import lazy
from poddoctor.pod.reads import Event, condition, log_reads, log_text, pod_events, pod_of
from poddoctor.pod.units import parse_time, show_duration

from ._logtext import decisive
from ._probe import Probe, ProbeKind, declared, probes_of, shorten
from ._probe_agent import agent_of, heard, original
from ._probe_facts import Unhealthy, attributes_of, from_access_log, last_unhealthy, port_notes
from ._probe_kills import ends_often, event_symptom, killed_by_probe, lived_for, maybe_killed

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
    "asked_host",
    "other_port",
    "other_port_name",
    "other_path",
    "context_path",
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
    "hint",
    "undeclared",
    "amid",
    "proven",
    "bound_by",
    "bound_env",
    "bound_patch",
    "starved",
    "slow_start",
    "for",
    "left",
    "lived",
    "early",
    "startup_patch",
    "forbidden",
    "grpc_service",
    "speaks",
    "times",
    "exit_code",
)

SYMPTOMS: Mapping[str, SymptomKind] = {
    "probes.unhealthy": SymptomKind("The kubelet says that a probe fails, and the state agrees", _PROBE),
    "probes.unready": SymptomKind("A container runs and its readiness probe has not succeeded", _PROBE),
    "probes.starting": SymptomKind("A container started moments ago: its probe still has time", _PROBE),
    "probes.unstarted": SymptomKind("A container's startup probe has used up its time", _PROBE),
    "probes.killed": SymptomKind("A probe had the container killed", _PROBE),
    "probes.start-cut-short": SymptomKind(
        "A probe had the container killed before the program was up", _PROBE
    ),
    "probes.killing-event": SymptomKind("The kubelet's own word that a probe had it killed", ("probe",)),
    "probes.maybe-killed": SymptomKind(
        "It ended by a signal, as after a failed probe, but no event says so", _PROBE
    ),
    "probes.told-to-stop": SymptomKind("The program says that it was asked to stop", ("probe",)),
    "probes.port-unknown": SymptomKind("A probe names a port that its container does not declare", _PROBE),
    "probes.gate-unmet": SymptomKind(
        "A readiness gate is not True while all containers have been ready for some time",
        ("gate", "gate_status", "setter", "said", "injected", "refused_by"),
    ),
    "probes.gate-young": SymptomKind(
        "A readiness gate is not True yet: the containers became ready moments ago",
        ("gate", "gate_status", "setter", "said", "injected", "refused_by"),
    ),
}

_OFTEN = 6
_JUST_NOW = timedelta(minutes=1)
_GATE_TIME = timedelta(minutes=2)
_NO_MATTER_OF_TIME = frozenset(
    {"port-unknown", "command-missing", "scheme", "grpc-unimplemented", "grpc-unknown-service"}
)
_ITS_OWN = frozenset({"http-error", "exit", "not-serving", "refused", "timeout", "reset", "other", ""})
# Lines that a server writes about each request, the probe's own among them, or about nothing at all.
_CHATTER = lazy(r'" \d{3} |kube-probe|\[(?:notice|debug)\]|(?i:\blevel=(?:info|debug)\b)')
_HEALTH_CHECK = lazy(r"(?i)FailedHealthChecks|health checks? failed")
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
        matter = [probe for probe in probes_of(one) if _matters(one, probe, snapshot)]
        if matter:
            yield from log_reads(snapshot, one.name)
        for agent in filter(None, (agent_of(snapshot, probe) for probe in matter)):
            yield log_reads(snapshot, agent.name)[1]


def _alive(snapshot: Snapshot) -> Body | None:
    """The pod while probes matter to it: not ended, not being deleted."""
    pod = pod_of(snapshot)
    if pod is None or (pod.get("metadata") or {}).get("deletionTimestamp"):
        return None
    return None if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed") else pod


def _matters(one: Container, probe: Probe, snapshot: Snapshot) -> bool:
    if one.is_running and not one.ready:
        return True
    if probe.handler == "exec":
        return False
    ended = bool(one.terminated or one.last_terminated)
    return probe.kind != "readiness" and ended and ends_often(one, snapshot.clock)


def examine(snapshot: Snapshot) -> Iterable[Symptom]:
    """What the probes of each container say."""
    pod = _alive(snapshot)
    if pod is None:
        return
    events = pod_events(snapshot)
    for one in containers(pod, "app", "sidecar"):
        yield from _container(snapshot, one, events)
    yield from _gates(snapshot, pod)


def _container(snapshot: Snapshot, one: Container, events: list[Event]) -> Iterator[Symptom]:
    probes = {probe.kind: probe for probe in probes_of(one)}
    if not probes:
        return
    unhealthy = _failures(snapshot, one, probes, events)
    probes = {kind: original(snapshot, one, probe) for kind, probe in probes.items()}
    killed = killed_by_probe(snapshot, one, probes, unhealthy, events)
    yield from (_with_words(snapshot, one, each) for each in killed)
    if killed:
        ready = unhealthy.get("readiness")
        if ready and "readiness" in probes and not killed[0].past:
            yield event_symptom(
                one, ready, attributes_of(snapshot, one, probes["readiness"], ready, "unready")
            )
        return
    yield from maybe_killed(snapshot, one, probes, unhealthy, events)
    yield from _comes_and_goes(snapshot, one, probes.get("readiness"), unhealthy.get("readiness"))
    if not one.is_running or one.ready or _crashes_by_itself(one, snapshot.clock):
        return
    if "startup" in probes and not one.status.get("started"):
        yield from _not_started(snapshot, one, probes["startup"], unhealthy.get("startup"))
    elif "readiness" in probes:
        yield from _not_ready(snapshot, one, probes["readiness"], unhealthy.get("readiness"))


def _with_words(snapshot: Snapshot, one: Container, killed: Symptom) -> Symptom:
    """Where the program itself says that it is not well, its log says why."""
    if killed.attributes.get("failure") not in ("http-error", "not-serving") or killed.past:
        return killed
    words = _decisive_words(snapshot, one, log_reads(snapshot, one.name)[0])
    return replace(killed, notes=(*killed.notes, *words)) if killed.name == "probes.killed" else killed


def _failures(
    snapshot: Snapshot, one: Container, probes: Mapping[ProbeKind, Probe], events: list[Event]
) -> dict[ProbeKind, Unhealthy]:
    """How each probe failed last: by the kubelet's events, the agent between, or the program's own log."""
    unhealthy = last_unhealthy(one, events)
    for kind, probe in probes.items():
        agent = agent_of(snapshot, probe)
        if agent and kind in unhealthy:
            unhealthy[kind] = heard(snapshot, agent, probe, unhealthy[kind])
        elif kind not in unhealthy:
            asked = original(snapshot, one, probe)
            answered = from_access_log(snapshot, one, asked)
            unhealthy |= {kind: answered} if answered else {}
    return unhealthy


def _crashes_by_itself(one: Container, clock: datetime) -> bool:
    """Whether it keeps ending on its own: then it is unready because it ended, not because of a probe."""
    if not one.restarts or not ends_often(one, clock) or one.started_at is None:
        return False
    lived = lived_for(one)
    return lived is not None and clock - one.started_at < lived + timedelta(seconds=30)


def _comes_and_goes(
    snapshot: Snapshot, one: Container, probe: Probe | None, seen: Unhealthy | None
) -> Iterator[Symptom]:
    """A container that is ready at this instant, and whose probe failed again and again until moments ago."""
    if probe is None or seen is None or not seen.counts or not (one.ready and one.started_at):
        return
    last, first = seen.event.time, seen.event.first
    up = one.started_at + timedelta(seconds=probe.budget + 60)
    if last is None or first is None or seen.event.count < _OFTEN or snapshot.clock - last > _JUST_NOW:
        return
    if last < up or last - first < timedelta(minutes=1):
        return  # it was coming up then, or it was one spell
    values = attributes_of(snapshot, one, probe, seen, "unready")
    text = f"ready now, but {probe.asks} failed {seen.event.count} times, last {_ago(snapshot, last)} ago"
    yield replace(_state("probes.unready", one, probe, values, text), past=True, time=last)
    yield event_symptom(one, seen, values, past=True)


def _ago(snapshot: Snapshot, time: datetime) -> str:
    return show_duration(snapshot.clock - time)


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
        if seen and values.get("failure") in _NO_MATTER_OF_TIME - {"port-unknown", "command-missing"}:
            yield event_symptom(one, seen, values)
        return
    text = f"started is false: {probe.asks} has not succeeded"
    if running is not None:
        text += f" in {show_duration(running)}"
        values["for"] = show_duration(running)
    said = tuple(_said(snapshot, one, values))
    yield _state("probes.unstarted", one, probe, values, text, () if seen else said)
    yield from _port_unknown(one, probe, values)
    if seen:
        yield event_symptom(one, seen, values, notes=said)


def _not_ready(snapshot: Snapshot, one: Container, probe: Probe, seen: Unhealthy | None) -> Iterator[Symptom]:
    running = snapshot.clock - one.started_at if one.started_at else None
    values = attributes_of(snapshot, one, probe, seen, "unready")
    known = values.get("failure") in _NO_MATTER_OF_TIME
    if running is not None and running.total_seconds() <= probe.budget and not known:
        yield _starting(one, probe, values, running)
        return
    text = f"ready is false: {probe.asks} does not succeed"
    if running is not None:
        text += f", running for {show_duration(running)}"
        values["for"] = show_duration(running)
    said = tuple(_said(snapshot, one, values))
    yield _state("probes.unready", one, probe, values, text, () if seen else said)
    yield from _port_unknown(one, probe, values)
    if seen:
        yield event_symptom(one, seen, values, notes=said)


def _starting(one: Container, probe: Probe, values: Mapping[str, str], running: timedelta) -> Symptom:
    left = timedelta(seconds=probe.budget) - running
    text = f"running for {show_duration(running)}; the {probe.kind} probe has {probe.arithmetic}"
    return _state("probes.starting", one, probe, {**values, "left": show_duration(left)}, text)


def _said(snapshot: Snapshot, one: Container, values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What the program that is not ready says of it: its decisive line, or else its last words.

    Where the probe itself is wrong, the program has nothing to say about it.
    """
    if values.get("failure") not in _ITS_OWN or values.get("mismatch"):
        return
    yield from _decisive_words(snapshot, one, log_reads(snapshot, one.name)[1])


def _decisive_words(snapshot: Snapshot, one: Container, log: Read) -> Iterator[tuple[str, str]]:
    text = log_text(snapshot, log) or ""
    words = "\n".join(line if not _CHATTER.search(line) else "" for line in text.splitlines())
    line = decisive(words) if words.strip() else None
    if line:
        yield f'it says: "{shorten(line.text, 200)}"', f"log {one.name}, line {line.number}"


def _state(
    name: str,
    one: Container,
    probe: Probe,
    values: Mapping[str, str],
    text: str,
    said: Iterable[tuple[str, str]] = (),
) -> Symptom:
    notes = [
        (
            f"{probe.asks}, {probe.arithmetic}, timeout {probe.timeout}s",
            f"{one.spec_path}.{probe.field}",
        ),
        *port_notes(one, values),
        *said,
    ]
    attributes = {key: value for key, value in values.items() if value}
    return Symptom(name, one.subject, one.status_path, text, attributes, one.started_at, notes=tuple(notes))


def _port_unknown(one: Container, probe: Probe, values: Mapping[str, str]) -> Iterator[Symptom]:
    if values.get("failure") != "port-unknown":
        return
    text = f'port "{probe.port_name}"; the container declares: {declared(one) or "no ports"}'
    attributes = {key: value for key, value in values.items() if value}
    yield Symptom("probes.port-unknown", one.subject, f"{one.spec_path}.{probe.field}", text, attributes)


# --- readiness gates ---------------------------------------------------------------------------------------


def _gates(snapshot: Snapshot, pod: Body) -> Iterator[Symptom]:
    ready = condition(pod, "ContainersReady")
    if ready.get("status") != "True" or condition(pod, "Ready").get("status") == "True":
        return
    since = parse_time(ready.get("lastTransitionTime"))
    young = since is not None and snapshot.clock - since < _GATE_TIME
    for gate in (pod.get("spec") or {}).get("readinessGates") or []:
        name = str(gate.get("conditionType") or "")
        if name and condition(pod, name).get("status") != "True":
            yield _gate(snapshot, pod, name, "probes.gate-young" if young else "probes.gate-unmet")


def _gate(snapshot: Snapshot, pod: Body, name: str, symptom: str) -> Symptom:
    now, ready = condition(pod, name), condition(pod, "Ready")
    status = str(now.get("status") or "missing")
    said = str(now.get("message") or now.get("reason") or "")
    values = {
        "gate": name,
        "gate_status": status,
        "setter": next((who for prefix, who in _GATES if name.startswith(prefix)), ""),
        "said": shorten(said, 80),
        "injected": _injected(snapshot, name),
        "refused_by": "health check" if _HEALTH_CHECK.search(f"{now.get('reason')} {said}") else "",
    }
    text = f"the containers are ready, but condition {name} is {status}" + (f": {said}" if said else "")
    notes = ((str(ready["message"]), "pod.status.conditions[Ready]"),) if ready.get("message") else ()
    return Symptom(
        symptom,
        POD,
        f"pod.status.conditions[{name}]",
        text,
        {key: value for key, value in values.items() if value},
        parse_time(ready.get("lastTransitionTime")),
        notes=notes,
    )


def _injected(snapshot: Snapshot, gate: str) -> str:
    """Whether a webhook put the gate into the pod: its owner's template has none that could be taken out."""
    owner = owner_of(snapshot)
    template = ((owner.body or {}).get("spec") or {}).get("template")
    if owner.kind == "pod" or not isinstance(template, dict):
        return ""
    gates = (template.get("spec") or {}).get("readinessGates") or []
    return "no" if any(each.get("conditionType") == gate for each in gates) else "yes"
