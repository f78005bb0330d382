"""What the objects themselves say of a target that does not work and whose cause was not found.

Verbatim and without judgement: a text that no playbook knows is still better read than not shown.
"""

from __future__ import annotations

from collections.abc import Iterable

from poddoctor.model import Body, Snapshot
from poddoctor.pod.containers import Container, containers
from poddoctor.pod.reads import Event, events_in, pod_events, pod_of, target_body

_MAX_EVENTS = 3
# They only repeat that something else is amiss, or are bad when they are true.
_EMPTY_REASONS = ("ContainersNotReady", "ContainersNotInitialized", "PodFailed", "PodCompleted", "")
_BAD_WHEN_TRUE = ("DisruptionTarget", "ReplicaFailure", "Failed", "FailureTarget", "PodResizePending")


def seen(snapshot: Snapshot) -> tuple[tuple[str, str], ...]:
    """Rows of (text, source): status and conditions, the containers' states, the last warnings."""
    pod = pod_of(snapshot)
    body = pod if pod is not None else target_body(snapshot)
    if body is None:
        return ()
    kind = snapshot.target.kind
    rows = [*_status(body, kind), *_conditions(body, kind)]
    for one in containers(pod or {}):
        rows += _container(one)
    return tuple(dict.fromkeys((*rows, *_warnings(snapshot))))


def _status(body: Body, kind: str) -> Iterable[tuple[str, str]]:
    status = body.get("status") or {}
    said = [str(status[key]) for key in ("reason", "message") if status.get(key)]
    if said:
        yield ": ".join(said), f"{kind}.status"


def _conditions(body: Body, kind: str) -> Iterable[tuple[str, str]]:
    for one in (body.get("status") or {}).get("conditions") or []:
        reason, name = str(one.get("reason") or ""), str(one.get("type"))
        bad = one.get("status") == ("True" if name in _BAD_WHEN_TRUE else "False")
        if bad and (reason not in _EMPTY_REASONS or (not reason and one.get("message"))):
            said = ": ".join(filter(None, (reason, str(one.get("message") or ""))))
            yield said, f"{kind}.status.conditions[{name}]"


def _container(one: Container) -> Iterable[tuple[str, str]]:
    waiting, ended = one.waiting, one.terminated or one.last_terminated
    if waiting.get("reason"):
        said = ": ".join(filter(None, (str(waiting["reason"]), str(waiting.get("message") or ""))))
        yield f"container {one.name} waits: {said}", f"{one.status_path}.state.waiting"
    if ended.get("exitCode"):
        said = ": ".join(filter(None, (str(ended.get("reason") or ""), str(ended.get("message") or ""))))
        state = "state" if one.terminated else "lastState"
        yield (
            f"container {one.name} ended with exit code {ended['exitCode']}" + (f" ({said})" if said else ""),
            f"{one.status_path}.{state}.terminated",
        )


def _warnings(snapshot: Snapshot) -> list[tuple[str, str]]:
    """The last warning of each reason, the newest first."""
    events = pod_events(snapshot) if snapshot.target.kind == "pod" else _workload_events(snapshot)
    last = {one.reason: one for one in events if one.type == "Warning" and one.message}
    newest = sorted(last.values(), key=events.index, reverse=True)[:_MAX_EVENTS]
    return [(f"{one.reason}: {' '.join(one.message.split())}", one.source) for one in newest]


def _workload_events(snapshot: Snapshot) -> list[Event]:
    target = snapshot.target
    for read in snapshot.answers:
        wanted = dict(part.partition("=")[::2] for part in read.parameter("fieldSelector").split(","))
        kind, name = wanted.get("involvedObject.kind", ""), wanted.get("involvedObject.name")
        if read.resource == "events" and name == target.name and kind.lower() == target.kind:
            return events_in(snapshot, read)
    return []
