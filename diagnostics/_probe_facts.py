"""What titles and commands need of a probe and its failure: numbers, suggestions, the port that was meant."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from poddoctor.model import Snapshot
from poddoctor.pod.containers import Container
from poddoctor.pod.pattern import lazy
from poddoctor.pod.reads import Event, log_reads, log_text, pod_of
from poddoctor.pod.units import quantity, show_cpu

from ._bound import loopback
from ._listening import Place, listening
from ._probe import (
    Probe,
    ProbeKind,
    declared,
    failure_of,
    forbidden,
    missing,
    ports_of,
    program,
    shorten,
    status_code,
    why,
)

_UNHEALTHY = lazy(
    r"^(Readiness|Liveness|Startup) probe (failed|errored|warning)(?: and resulted in \w+ state)?: ?(.*)$",
    re.DOTALL,
)
_STARTUP_SECONDS = 300
_CONTEXT = lazy(r"started on port(?:\(?s?\)?:?)[^\n]{1,60}with context path '(/[\w./-]{1,60})'")
# The first frame of HTTP/2, whose length and type are bytes of zero and a few.
_HTTP2 = lazy(r'malformed HTTP response \\?"\\+x00\\+x00')
# What a program opens beside its own port says nothing about the latter.
_BESIDE = lazy(r"(?i)metric|prom|pprof|debug|admin|health|telemetry|trac(?:e|ing)|webhook|gossip|raft|peer")
_PLAIN_ON_TLS = lazy(
    r"(?i)HTTP request to an HTTPS server|plain HTTP request was sent to HTTPS port|"
    r"SSL routines:[\w:]*:http request"
)


@dataclass(frozen=True, slots=True)
class Unhealthy:
    """An Unhealthy event, taken apart."""

    kind: ProbeKind
    counts: bool
    text: str
    event: Event
    notes: tuple[tuple[str, str], ...] = ()


def last_unhealthy(one: Container, events: list[Event]) -> dict[ProbeKind, Unhealthy]:
    """The last counted failure of each probe; an errored try only where there is nothing else."""
    last: dict[ProbeKind, Unhealthy] = {}
    for event in events:
        found = _UNHEALTHY.match(event.message) if event.reason == "Unhealthy" else None
        if not found or event.container not in ("", one.name) or found[2] == "warning":
            continue
        kind: ProbeKind = found[1].lower()  # type: ignore[assignment]
        seen = Unhealthy(kind, found[2] == "failed", found[3].strip(), event)
        # The tries that the program's end cuts short say nothing about why it ended.
        if kind in last and last[kind].counts and (not seen.counts or "EOF" in seen.text):
            continue
        last[kind] = seen
    return last


class _Answered(Event):
    """What the kubelet would have said, as the program's own access log has it."""

    __slots__ = ()

    @property
    def source(self) -> str:
        """The log that it stands in."""
        return f"log {self.container}"


def from_access_log(snapshot: Snapshot, one: Container, probe: Probe) -> Unhealthy | None:
    """The error that a program last answered the probe with, where its events are gone but its log is not."""
    if probe.handler != "http" or probe.path == "/":
        return None
    asked = re.compile(rf'"(?:GET|HEAD) {re.escape(probe.path)} HTTP/[\d.]+" (\d{{3}})\b')
    for read in log_reads(snapshot, one.name)[:: -1 if one.is_running else 1]:
        found = [
            hit[1] for line in (log_text(snapshot, read) or "").splitlines() if (hit := asked.search(line))
        ]
        if found and found[-1] >= "400":
            text = f"HTTP probe failed with statuscode: {found[-1]}"
            said = f'"GET {probe.path}" is answered {found[-1]}'
            count = sum(status == found[-1] for status in found)
            event = _Answered("", "Unhealthy", "Warning", said, None, None, count, one.name, "", "")
            return Unhealthy(probe.kind, True, text, event)
        if found:
            return None
    return None


def port_notes(one: Container, values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Evidence on which port or path is the right one."""
    if values.get("context_path"):
        yield f"the program says that its context path is {values['context_path']}", f"log {one.name}"
    if values.get("failure") == "not-found" and values.get("other_port"):
        yield f"the program says that it listens on port {values['other_port']}, too", f"log {one.name}"
    if values.get("starved"):
        yield f"it may use no more than {values['cpu_limit']} CPU", f"{one.spec_path}.resources.limits"
    if values.get("hint"):
        yield f"the program says it listens on {values['listens_on']}", f"log {one.name}"
    if values.get("failure") != "refused":
        return
    if values.get("mismatch"):
        yield f"declared ports: {values.get('declared') or 'none'}", f"{one.spec_path}.ports"
    if values.get("listens_on"):
        yield f"the program says it listens on {values['listens_on']}", f"log {one.name}"
    if values.get("bound_by"):
        yield f"the program is told to listen on the loopback: {values['bound_by']}", one.spec_path


def grace_of(snapshot: Snapshot) -> int:
    """Seconds that a container of the pod has to end."""
    seconds = ((pod_of(snapshot) or {}).get("spec") or {}).get("terminationGracePeriodSeconds")
    return 30 if seconds is None else int(seconds)


def attributes_of(
    snapshot: Snapshot, one: Container, probe: Probe, seen: Unhealthy | None, effect: str
) -> dict[str, str]:
    """All that titles and commands need of a probe and its failure."""
    if not _elsewhere(snapshot, probe):
        probe = replace(probe, host="")  # it names the pod's own address
    text = seen.text if seen else ""
    failure = failure_of(text, probe) if seen else ""
    if probe.port_name and not probe.port:
        failure = "port-unknown"
    if failure == "http-error" and probe.scheme == "HTTP" and status_code(text) == "400":
        # Many TLS servers answer 400 to plain HTTP, and say what was wrong only in their log.
        failure = "scheme" if _wants_tls(snapshot, one) else failure
    unheard = failure == "timeout" and probe.handler == "grpc" and "failed to connect" in text
    if unheard and _asks_elsewhere(snapshot, one, probe):
        failure = "refused"
    values = {
        "probe": probe.kind,
        "probe_field": probe.field,
        "field": "initContainers" if one.kind == "sidecar" else "containers",
        "handler": probe.handler,
        "port": probe.port,
        "port_name": probe.port_name,
        "path": probe.path if probe.handler == "http" else "",
        "scheme": probe.scheme if probe.handler == "http" else "",
        "other_scheme": {"HTTP": "HTTPS", "HTTPS": "HTTP"}.get(probe.scheme, ""),
        "command": (missing(text) if failure == "command-missing" else "") or program(probe),
        "delay": str(probe.delay),
        "period": str(probe.period),
        "timeout": str(probe.timeout),
        "threshold": str(probe.failures),
        "budget": f"{probe.budget}s",
        "grace": str(grace_of(snapshot)),
        "declared": declared(one),
        "cpu_limit": _cpu_limit(one),
        "starved": "yes" if _is_starved(one) else "",
        "suggested_timeout": str(max(5, probe.timeout * 2)),
        "suggested_threshold": str(_threshold_for(probe)),
        "startup_threshold": str(_startup_threshold(probe)),
        "has_startup": "yes" if one.spec.get("startupProbe") else "no",
        "failure": failure,
        "status": status_code(text),
        "why": _why(probe, failure, seen, text) if failure else "",
        "counts": ("yes" if seen.counts else "no") if seen else "",
        "effect": effect,
    }
    if failure == "not-found" and (prefix := _context_path(snapshot, one, probe)):
        values["other_path"] = prefix + probe.path
        values["context_path"] = prefix
    if failure == "command-missing":
        values["forbidden"] = forbidden(text)
    if failure == "grpc-unknown-service":
        values["grpc_service"] = probe.service
    if failure == "scheme" and _HTTP2.search(text):
        values |= {"speaks": "HTTP/2, as gRPC does", "other_scheme": ""}
    values |= _port_values(snapshot, one, probe, failure)
    if unheard and failure == "refused":
        values["why"] = f"no connection to port {probe.port}"
        values["proven"] = values.get("proven", "") if _spoken(snapshot, one) else ""
    return values


def _asks_elsewhere(snapshot: Snapshot, one: Container, probe: Probe) -> bool:
    """Whether the program says where it listens, or declares it, and not at the port that is asked.

    A gRPC client tries again until its time is over, whatever it meets: a refusal looks like silence.
    """
    if _spoken(snapshot, one):
        return bool(_hint(snapshot, one, probe))
    return probe.port not in {str(port.get("containerPort")) for port in ports_of(one)} and bool(
        ports_of(one)
    )


def _hint(snapshot: Snapshot, one: Container, probe: Probe) -> dict[str, str]:
    """What speaks against the port where no event says how the probe fails: the program listens elsewhere."""
    spoken = _of_its_own(snapshot, one)
    asked_for = {place.port for place in _spoken(snapshot, one) if not place.loopback}
    others = {place.port for place in spoken if not place.loopback}
    if not spoken or not probe.port or probe.port in asked_for:
        return {}
    return {
        "hint": "yes",
        "listens_on": ", ".join(dict.fromkeys(map(str, spoken))),
        "other_port": others.pop() if len(others) == 1 else "",
    }


def _context_path(snapshot: Snapshot, one: Container, probe: Probe) -> str:
    """The prefix below which the program says that it serves, where the probe asks without it."""
    for read in log_reads(snapshot, one.name):
        for found in _CONTEXT.finditer(log_text(snapshot, read) or ""):
            prefix = "/" + found[1].strip("/")
            # A server that has two ports says its prefix of each: the probe's port must be that one.
            if prefix != "/" and not probe.path.startswith(prefix) and probe.port in found[0]:
                return prefix
    return ""


def _why(probe: Probe, failure: str, seen: Unhealthy | None, text: str) -> str:
    """The failure in a few words; a try that the runtime could not carry out says nothing of the program."""
    if failure == "exit" and seen is not None and not seen.counts:
        return f"the container runtime cannot run its command: {shorten(_rpc(text), 60)}"
    return why(probe, failure, text)


def _rpc(text: str) -> str:
    """The runtime's words without the wrapping of the call and the empty output of the command."""
    plain = re.sub(r"^(?:rpc error: code = \w+ desc = )?(?:command error: )?", "", text)
    return re.sub(r",? stdout: , stderr: , exit code -?\d+$", "", plain)


def _wants_tls(snapshot: Snapshot, one: Container) -> bool:
    """Whether the program complains of plain HTTP on its TLS port."""
    texts = (log_text(snapshot, read) for read in log_reads(snapshot, one.name))
    return any(_PLAIN_ON_TLS.search(text) for text in texts if text)


def _threshold_for(probe: Probe) -> int:
    """Enough failures for four times today's budget, and at least five minutes."""
    return max(-(-4 * probe.budget // probe.period), -(-_STARTUP_SECONDS // probe.period))


def _startup_threshold(probe: Probe) -> int:
    """Enough failures for five minutes, and for twice what the program is given today."""
    return max(30, -(-_STARTUP_SECONDS // probe.period), -(-2 * probe.budget // probe.period))


def _cpu_limit(one: Container) -> str:
    limit = quantity(((one.spec.get("resources") or {}).get("limits") or {}).get("cpu"))
    return show_cpu(limit) if limit is not None else ""


_SLIVER = Decimal("0.1")


def _is_starved(one: Container) -> bool:
    """Whether the container may use so little CPU that starting takes many times as long as elsewhere."""
    limit = quantity(((one.spec.get("resources") or {}).get("limits") or {}).get("cpu"))
    return limit is not None and limit < _SLIVER


def _elsewhere(snapshot: Snapshot, probe: Probe) -> str:
    """The host that a probe names, unless it is the pod's own: localhost is that of the node."""
    pod = pod_of(snapshot) or {}
    status, spec = pod.get("status") or {}, pod.get("spec") or {}
    own = {str(each.get("ip")) for each in status.get("podIPs") or []} | {str(status.get("podIP"))}
    return "" if spec.get("hostNetwork") or probe.host in own else probe.host


def _spoken(snapshot: Snapshot, one: Container) -> list[Place]:
    """The places where the program says that it listens."""
    return listening(log_text(snapshot, read) or "" for read in log_reads(snapshot, one.name))


def _of_its_own(snapshot: Snapshot, one: Container) -> list[Place]:
    """Those of them that may be its main port: it may wait for something else before it opens that one."""
    texts = (log_text(snapshot, read) or "" for read in log_reads(snapshot, one.name))
    return listening(line for text in texts for line in text.splitlines() if not _BESIDE.search(line))


def _port_values(snapshot: Snapshot, one: Container, probe: Probe, failure: str) -> dict[str, str]:
    """Which port was probably meant: declared by the container, or named in its log."""
    values: dict[str, str] = {}
    numbers = [
        str(port.get("containerPort")) for port in ports_of(one) if port.get("protocol", "TCP") == "TCP"
    ]
    if failure == "port-unknown" and ports_of(one):
        named = [str(port["name"]) for port in ports_of(one) if port.get("name")]
        values["other_port"] = numbers[0] if len(numbers) == 1 else ""
        values["other_port_name"] = named[0] if len(named) == 1 else ""
    if failure == "not-found":
        others = {place.port for place in _spoken(snapshot, one)} - {probe.port}
        values["other_port"] = min(others) if len(others) == 1 else ""
    if host := _elsewhere(snapshot, probe) if failure in _UNANSWERED else "":
        return {"mismatch": "yes", "proven": "yes", "asked_host": host}
    if not failure and probe.handler != "exec" and not probe.host:
        hint = _hint(snapshot, one, probe)
        other = bool(numbers) and not probe.port_name and probe.port not in numbers
        return hint or ({"undeclared": declared(one)} if other else {})
    return _unanswered(snapshot, one, probe, numbers) if failure == "refused" else values


_UNANSWERED = ("refused", "timeout", "unresolved", "unreachable")


def _unanswered(snapshot: Snapshot, one: Container, probe: Probe, numbers: list[str]) -> dict[str, str]:
    """Where the program listens, when nothing answers at the port that is asked."""
    local = [place for place in _spoken(snapshot, one) if place.port == probe.port]
    spoken = local or _of_its_own(snapshot, one)
    places = ", ".join(dict.fromkeys(map(str, spoken)))
    proven = {"mismatch": "yes", "proven": "yes"}
    if local:
        shut = all(place.loopback for place in local)
        return {"listens_on": places, **({**proven, "loopback": "yes"} if shut else {})}
    # What listens on the loopback alone is for the pod itself: asked there, it would refuse, too.
    others = sorted({place.port for place in spoken if not place.loopback}) if spoken else numbers
    if spoken or (numbers and probe.port not in numbers):
        only = others[0] if len(others) == 1 else ""
        return {**proven, "listens_on": places, "other_port": only}
    if told := loopback(one, probe.port):
        return {**told, "loopback": "yes", "mismatch": "yes"}
    return {}
