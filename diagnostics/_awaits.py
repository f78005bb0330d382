"""What a waiting init container waits for: its command and log, joined with the Service of that name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from poddoctor.model import Body, Read, Snapshot
from poddoctor.pod.containers import Container
from poddoctor.pod.names import nearest
from poddoctor.pod.pattern import lazy
from poddoctor.pod.reads import condition, get, list_of

_HOST = r"(?P<host>[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?)"
_CLIENT = r"\b(?:mysqladmin|redis-cli|mysql|psql|mongosh?)"
_WAITS = tuple(
    lazy(pattern)
    for pattern in (
        rf"\bnc\s+(?:-\S+\s+(?:\d+\s+)?)*{_HOST}\s+(?P<port>\d+)",
        rf"/dev/tcp/{_HOST}/(?P<port>\d+)",
        rf"\bpg_isready\b[^\n;]*?(?:-h|--host)[ =]?{_HOST}(?:[^\n;]*?(?:-p|--port)[ =]?(?P<port>\d+))?",
        rf"{_CLIENT}\b[^\n;]*?(?:-h|--host)[ =]?{_HOST}(?:[^\n;]*?(?:-P|-p)\s?(?P<port>\d+))?",
        rf"\b(?:wget|curl)\b[^\n;]*?\bhttps?://{_HOST}(?::(?P<port>\d+))?",
        rf"\b(?:wait-for-it|wait-for|wait4ports|dockerize)\S*\s[^\n;]*?(?:tcp://|https?://)?{_HOST}:(?P<port>\d+)",
        rf"\b(?:nslookup|host|dig|getent\s+\w+|ping)\s+(?:-\S+\s+(?:\d+\s+)?)*{_HOST}",
        rf"\btelnet\s+{_HOST}\s+(?P<port>\d+)",
    )
)
_LOGGED = tuple(
    lazy(pattern)
    for pattern in (
        rf"(?i)waiting (?:for|on|until)\s+(?:the\s+)?(?:service\s+|host\s+)?[\"']?{_HOST}(?::(?P<port>\d+))?",
        rf"(?i)can't (?:find|resolve)\s+[\"']?{_HOST}",
        rf"(?i)bad address [\"']{_HOST}",
        rf"(?i)could not translate host name [\"']{_HOST}",
        rf"(?i)(?:lookup|resolve host:?)\s+[\"']?{_HOST}",
        rf"(?i)^{_HOST}:(?P<port>\d+) - (?:no response|no attempt)",
        rf"(?i)(?:dial tcp|connect to|connecting to)\s+[\"']?{_HOST}:(?P<port>\d+)",
    )
)
_KINDS = r"(?P<kind>jobs?(?:\.batch)?|pods?|deploy(?:ments?)?(?:\.apps)?|statefulsets?(?:\.apps)?|sts)"
_OBJECTS = (
    lazy(
        r"\bkubectl\b[^\n;|&]*?\b(?:wait|rollout\s+status)\b"
        rf"[^\n;|&]*?\s{_KINDS}[/ ](?P<name>[a-z0-9][\w.-]*)"
    ),
    lazy(rf"k8s-wait-for\S* {_KINDS}(?:-wr?e?)? (?P<name>[a-z0-9][\w.-]*)"),
)
_LOOP = lazy(r"\b(?:until|while|for)\b|wait")
_VARIABLE = lazy(r"\$\{?(\w+)\}?|\$\((\w+)\)")
_NO_HOSTS = {"the", "a", "to", "it", "be", "for", "all", "localhost", "127.0.0.1"}


@dataclass(frozen=True, slots=True)
class Awaited:
    """A host (and port) that is waited for; ``service`` and ``namespace`` when it reads as a Service.

    ``db.shop`` may be a Service in another namespace or a domain of the world: then it is not ``certain``.
    """

    host: str
    port: str
    line: str
    service: str
    namespace: str
    certain: bool = True
    job: str = ""

    @property
    def what(self) -> str:
        """For reading: ``db:5432``."""
        return f"{self.host}:{self.port}" if self.port else self.host


def awaited_by(one: Container, log: str, namespace: str) -> Awaited | None:
    """What the container waits for, or None when neither its command nor its log says so."""
    script = _script(one)
    for pattern in _OBJECTS:
        if named := pattern.search(f"{one.spec.get('image') or ''} {script}"):
            return _object(named, script, namespace)
    if _LOOP.search(script):
        for pattern in _WAITS:
            for found in pattern.finditer(script):
                if _is_host(found["host"]):
                    return _awaited(found, found[0], namespace)
    for line in reversed(log.splitlines()[-20:]):
        for pattern in _LOGGED:
            found_line = pattern.search(line)
            if found_line and _is_host(found_line["host"]) and _is_meant(found_line, script, one):
                return _awaited(found_line, script or line, namespace)
    return None


def _object(found: re.Match[str], script: str, namespace: str) -> Awaited:
    kind = found["kind"].partition(".")[0]
    job = (
        found["name"]
        if kind.startswith("job") and " -n" not in script and "--namespace" not in script
        else ""
    )
    line = " ".join(script.split())[:160]
    return Awaited(f"{kind} {found['name']}", "", line, "", namespace, job=job)


def _is_meant(found: re.Match[str], script: str, one: Container) -> bool:
    """A bare word after "waiting for" is a host only when the container's own settings name it."""
    if found.re.pattern != _LOGGED[0].pattern or found["port"]:
        return True
    values = [str(each.get("value") or "") for each in one.spec.get("env") or []]
    return any(
        re.search(rf"(?<![\w-]){re.escape(found['host'])}(?![\w-])", text) for text in (script, *values)
    )


def _is_host(text: str) -> bool:
    return text.lower() not in _NO_HOSTS and not text.isdigit() and not text.startswith("-")


def _script(one: Container) -> str:
    words = [*(one.spec.get("command") or ()), *(one.spec.get("args") or ())]
    values = {str(each.get("name")): str(each.get("value") or "") for each in one.spec.get("env") or []}
    text = " ".join(map(str, words))
    return _VARIABLE.sub(lambda hole: values.get(hole[1] or hole[2]) or hole[0], text)


def _awaited(found: re.Match[str], line: str, namespace: str) -> Awaited:
    host = found["host"].rstrip(".")
    parts = host.split(".")
    port = found.groupdict().get("port") or ""
    inside = len(parts) == 1 or len(parts) == 2 or (len(parts) > 2 and parts[2] == "svc")
    numeric = all(part.isdigit() for part in parts)
    service = parts[0] if inside and not numeric else ""
    space = parts[1] if len(parts) > 1 else namespace
    certain = len(parts) != 2 or space == namespace
    return Awaited(host, port, " ".join(line.split())[:160], service, space, certain)


def service_reads(snapshot: Snapshot, awaited: Awaited | None) -> Iterable[Read]:
    """The Service of that name, its endpoints, and its neighbours when it does not exist."""
    if awaited is not None and awaited.job:
        yield _job_read(awaited)
    if awaited is None or not awaited.service:
        return
    yield _service_read(awaited)
    yield slices_read(awaited.namespace, awaited.service)
    if awaited.certain and snapshot.absent(_service_read(awaited)):
        yield services_read(awaited.namespace)


def _service_read(awaited: Awaited) -> Read:
    return get(
        "v1",
        "services",
        awaited.namespace,
        awaited.service,
        "would show whether the Service it waits for exists",
    )


def _job_read(awaited: Awaited) -> Read:
    return get(
        "batch/v1", "jobs", awaited.namespace, awaited.job, "would show whether the Job it waits for exists"
    )


def services_read(namespace: str) -> Read:
    """All Services of a namespace."""
    return list_of("v1", "services", namespace, "would show which Services exist and what they select")


def slices_read(namespace: str, service: str) -> Read:
    """The EndpointSlices of one Service."""
    return list_of(
        "discovery.k8s.io/v1",
        "endpointslices",
        namespace,
        f"would show whether Service {service} has endpoints",
        labelSelector=f"kubernetes.io/service-name={service}",
    )


def ready_endpoints(slices: list[Body]) -> tuple[int, int]:
    """How many addresses are ready, and how many there are."""
    ready = total = 0
    for one in slices:
        for endpoint in one.get("endpoints") or []:
            total += 1
            ready += (endpoint.get("conditions") or {}).get("ready") is not False
    return ready, total


def service_state(snapshot: Snapshot, awaited: Awaited) -> tuple[str, dict[str, str], list[tuple[str, str]]]:
    """Its state (``absent``, ``no-endpoints``, ``no-port``, ``there`` or empty), attributes, evidence."""
    if not awaited.service:
        return _job_state(snapshot, awaited) if awaited.job else ("", {}, [])
    name, space = awaited.service, awaited.namespace
    extra = {"service": name, "service_namespace": space}
    source = f"service {space}/{name}"
    if snapshot.absent(_service_read(awaited)):
        return _absent(snapshot, awaited, extra, source)
    body = snapshot.body(_service_read(awaited))
    if body is None:
        return "", extra, []
    spec = body.get("spec") or {}
    ports = [str(one.get("port")) for one in spec.get("ports") or []]
    if awaited.port and ports and awaited.port not in ports:
        return "no-port", extra, [(f"Service {name} has no port {awaited.port}: {', '.join(ports)}", source)]
    slices = snapshot.items(slices_read(space, name))
    # A Service that selects pods has an EndpointSlice also when it finds none: none at all was not recorded.
    unseen = slices is None or (not slices and spec.get("selector"))
    if slices is None or unseen or spec.get("type") == "ExternalName":
        return "there", extra, []
    ready, total = ready_endpoints(slices)
    text = f"Service {name} has {ready or 'no'} ready endpoints" + (f" ({total} in all)" if total else "")
    return "there" if ready else "no-endpoints", extra, [(text, f"endpointslices of {source}")]


def _job_state(snapshot: Snapshot, awaited: Awaited) -> tuple[str, dict[str, str], list[tuple[str, str]]]:
    """The same for a Job: one that was removed after its time to live never completes."""
    read = _job_read(awaited)
    source = f"job {awaited.namespace}/{awaited.job}"
    if snapshot.absent(read):
        extra = {"job": awaited.job, "job_state": "does not exist"}
        return (
            "absent",
            extra,
            [(f"Job {awaited.job} does not exist in namespace {awaited.namespace}", source)],
        )
    failed = condition(snapshot.body(read), "Failed")
    if failed.get("status") == "True":
        words = f"Job {awaited.job} failed: {failed.get('reason')}: {failed.get('message') or ''}".rstrip(
            ": "
        )
        return "failed", {"job": awaited.job, "job_state": "has failed"}, [(words, source)]
    return ("there" if snapshot.body(read) else ""), {}, []


def _absent(
    snapshot: Snapshot, awaited: Awaited, extra: dict[str, str], source: str
) -> tuple[str, dict[str, str], list[tuple[str, str]]]:
    space = awaited.namespace
    if not awaited.certain:
        return "", {}, []
    others = [
        str((one.get("metadata") or {}).get("name")) for one in snapshot.items(services_read(space)) or []
    ]
    if close := nearest(awaited.service, others):
        extra["nearest"] = close[0]
    known = f"; existing: {', '.join(sorted(others)[:8])}" if others else ""
    text = f"Service {awaited.service} does not exist in namespace {space}{known}"
    return "absent", extra, [(text, source)]
