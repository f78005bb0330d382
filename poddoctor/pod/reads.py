"""The Reads that diagnostics ask, and what was answered: pods, events, logs, nodes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from poddoctor.model import Body, Found, Read, Snapshot, Unknown
from poddoctor.pod.units import parse_time

LOG_LINES = 200
RECENT = 120
_LINE, _LINE_END = 12_000, 2000
_BLOB_LENGTH = 300
_BLOB = re.compile(r"[A-Za-z0-9+/=_-]{300,}|[ \t]{300,}")  # certificates, tokens, images; padding
_FIELD_PATH = re.compile(r"spec\.(?:init|ephemeral)?[cC]ontainers\{(.+)\}")
# Kubelet answers 200 before it opens the log, and then writes its error as if it were the log.
_LOG_ERROR = re.compile(
    r"\A\s*(?:unable to retrieve container logs for [a-z-]+://"
    r"|failed to try resolving symlinks in path "
    r"|failed to open log file "
    r"|failed to get parse function: )[^\n]*\s*\Z"
)


def get(
    api: str, resource: str, namespace: str, name: str, purpose: str = "", *, metadata: bool = False
) -> Read:
    """A Read of one object; ``namespace`` is empty for cluster-scoped resources."""
    return Read("get", api, resource, namespace, name, metadata_only=metadata, purpose=purpose)


def list_of(
    api: str,
    resource: str,
    namespace: str = "",
    purpose: str = "",
    *,
    metadata: bool = False,
    **query: str,
) -> Read:
    """A Read of a collection; ``query`` holds ``fieldSelector``, ``labelSelector`` or ``limit``."""
    return Read("list", api, resource, namespace, "", tuple(sorted(query.items())), metadata, purpose)


def events_read(namespace: str, kind: str, name: str, purpose: str = "") -> Read:
    """The events of one object. A UID is not asked for: mirror pods and nodes carry another one."""
    selector = f"involvedObject.name={name},involvedObject.kind={kind}"
    return list_of("v1", "events", namespace, purpose, fieldSelector=selector)


def node_events_read(node: str) -> Read:
    """The events of a node: they live in namespace ``default``."""
    return events_read("default", "Node", node, "would show what happened to the node")


def log_read(
    namespace: str,
    pod: str,
    container: str,
    *,
    previous: bool = False,
    lines: int = LOG_LINES,
    since: int = 0,
) -> Read:
    """The last lines of a container's log, of ``since`` seconds if given.

    Never with limitBytes, which cuts the wrong end.
    """
    query = [("container", container), ("tailLines", str(lines))]
    if previous:
        query.append(("previous", "true"))
    if since:
        query.append(("sinceSeconds", str(since)))
    purpose = f"would show the last words of container {container}"
    return Read("log", "v1", "pods", namespace, pod, tuple(sorted(query)), purpose=purpose)


def pod_read(snapshot: Snapshot) -> Read:
    """The Read of the target, which must be a pod."""
    return get("v1", "pods", snapshot.target.namespace, snapshot.target.name)


def pod_of(snapshot: Snapshot) -> Body | None:
    """The target pod, or None when the target is a workload or the pod could not be read."""
    if snapshot.target.kind != "pod":
        return None
    body: Body | None = snapshot.body(pod_read(snapshot))
    return body


def target_body(snapshot: Snapshot) -> Body | None:
    """The target itself, pod or workload, or None where it could not be read."""
    target = snapshot.target
    for read in snapshot.answers:
        if read.verb == "get" and read.name == target.name and read.resource == f"{target.kind}s":
            body: Body | None = snapshot.body(read)
            return body
    return None


@dataclass(frozen=True, slots=True)
class Event:
    """One event, with the fields that both event APIs fill, resolved.

    ``container`` is empty for events about the object as a whole. ``time`` is the last occurrence, UTC.
    """

    name: str
    reason: str
    type: str
    message: str
    time: datetime | None
    first: datetime | None
    count: int
    container: str
    component: str
    uid: str
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """How a report names this event."""
        return f"event {self.name} {self.reason}"


def event(body: Body) -> Event:
    """An Event from its JSON; the order of the time fields is the one of signals both APIs share."""
    series = body.get("series") or {}
    about = body.get("involvedObject") or {}
    meta = body.get("metadata") or {}
    times = (series.get("lastObservedTime"), body.get("lastTimestamp"), body.get("eventTime"))
    earliest = (body.get("firstTimestamp"), body.get("eventTime"), meta.get("creationTimestamp"))
    container = _FIELD_PATH.search(about.get("fieldPath") or "")
    message = str(body.get("message") or "")
    return Event(
        name=str(meta.get("name") or ""),
        reason=str(body.get("reason") or ""),
        type=str(body.get("type") or ""),
        message=message.removeprefix("(combined from similar events): "),
        time=next((time for time in map(parse_time, (*times, *earliest)) if time), None),
        first=next((time for time in map(parse_time, earliest) if time), None),
        count=int(series.get("count") or body.get("count") or 1),
        container=container[1] if container else "",
        component=str((body.get("source") or {}).get("component") or body.get("reportingComponent") or ""),
        uid=str(about.get("uid") or ""),
        annotations=meta.get("annotations") or {},
    )


def events_in(snapshot: Snapshot, read: Read) -> list[Event]:
    """The events that one Read found, oldest first. Empty also when they could not be read."""
    namespace_selector = read.parameter("fieldSelector")
    wanted = dict(part.split("=", 1) for part in namespace_selector.split(",") if "=" in part)
    events = []
    for body in snapshot.items(read) or []:
        about = body.get("involvedObject") or {}
        # A server that ignores the selector must not make another object's events ours.
        if all(str(about.get(key.rpartition(".")[2], "")) == value for key, value in wanted.items()):
            events.append(event(body))
    return sorted(events, key=lambda one: (one.time is not None, one.time or 0, one.name))


def pod_events_read(snapshot: Snapshot) -> Read:
    """The events of the target pod."""
    purpose = "would show what the scheduler and the kubelet last did, and why"
    return events_read(snapshot.target.namespace, "Pod", snapshot.target.name, purpose)


def pod_events(snapshot: Snapshot) -> list[Event]:
    """The events of this very pod (by UID, not of an earlier one of the same name), oldest first."""
    pod = pod_of(snapshot) or {}
    meta = pod.get("metadata") or {}
    mirror = (meta.get("annotations") or {}).get("kubernetes.io/config.mirror")
    uids = {meta.get("uid"), mirror, ""}
    return [one for one in events_in(snapshot, pod_events_read(snapshot)) if one.uid in uids]


def log_reads(snapshot: Snapshot, container: str) -> tuple[Read, Read]:
    """The previous and the current log of a container, in this order."""
    place = snapshot.target.namespace, snapshot.target.name, container
    return log_read(*place, previous=True), log_read(*place)


def recent_log_read(snapshot: Snapshot, container: str) -> Read:
    """What a container that works says at present: the last RECENT seconds of its log."""
    return log_read(snapshot.target.namespace, snapshot.target.name, container, since=RECENT)


def log_text(snapshot: Snapshot, read: Read) -> str | None:
    """The text of a log, or None: not read, or kubelet's error stands in the log's place."""
    body = snapshot.body(read)
    return _short_lines(body) if isinstance(body, str) and not is_log_error(body) else None


@lru_cache(maxsize=16)  # many ask for the same log
def _short_lines(text: str) -> str:
    """The text without blobs and the middle of overlong lines: some programs log documents on one line."""
    if len(text) <= _BLOB_LENGTH:
        return text
    text = _BLOB.sub(lambda found: f"{found[0][:_BLOB_LENGTH]}…", text)
    if len(text) <= _LINE:
        return text
    return "\n".join(
        line if len(line) <= _LINE else f"{line[: _LINE - _LINE_END]} … {line[-_LINE_END:]}"
        for line in text.split("\n")
    )


def is_log_error(text: str) -> bool:
    """Whether a 200 answer to a log Read holds kubelet's error in place of the log."""
    return bool(_LOG_ERROR.match(text))


def node_read(name: str) -> Read:
    """One node."""
    return get("v1", "nodes", "", name, "would show whether the node is well")


def node_of(snapshot: Snapshot) -> Body | None:
    """The node that the target pod is bound to, or None when unbound or unreadable."""
    name = ((pod_of(snapshot) or {}).get("spec") or {}).get("nodeName")
    body: Body | None = snapshot.body(node_read(name)) if name else None
    return body


def condition(body: Body | None, kind: str) -> Body:
    """The condition of this type of a pod, node or workload; an empty mapping when there is none."""
    for one in ((body or {}).get("status") or {}).get("conditions") or []:
        if one.get("type") == kind:
            found: Body = one
            return found
    return {}


def cut_short(pod: Body) -> bool:
    """Whether a pod that was to run for ever was ended from outside, though its containers ended well.

    A container that answers SIGTERM with exit 0 makes the pod Succeeded when the kubelet ends it (1.34).
    """
    forever = (pod.get("spec") or {}).get("restartPolicy", "Always") == "Always"
    return forever and condition(pod, "DisruptionTarget").get("status") == "True"


def readable(snapshot: Snapshot, read: Read) -> bool:
    """Whether this Read was asked and answered, with a body or with "does not exist"."""
    return read in snapshot.answers and not isinstance(snapshot.answers[read], Unknown)


def found(snapshot: Snapshot, read: Read) -> bool:
    """Whether this Read found its object."""
    return isinstance(snapshot.answers.get(read), Found)
