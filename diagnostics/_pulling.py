"""Pulls that are under way: for how long, and how long they took elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from poddoctor.model import Body, Found, Read, Snapshot
from poddoctor.pod.containers import Container, containers
from poddoctor.pod.pattern import lazy
from poddoctor.pod.reads import (
    Event,
    condition,
    event,
    list_of,
    node_of,
    node_read,
    pod_events,
    pod_events_read,
)
from poddoctor.pod.units import parse_time, show_duration

from ._reference import parse

_SLOW = timedelta(seconds=60)
_BEFORE = ("ContainerCreating", "PodInitializing")
_TOOK = lazy(r'Successfully pulled image "(?P<image>[^"]+)" in (?P<time>[\d.hms]+(?:µs)?)')


def reads(snapshot: Snapshot, pod: Body) -> Iterator[Read]:
    """The node's images when no event is left, and the pulls of other pods."""
    if any(since(snapshot, pod, one) for one in containers(pod)):
        yield pulls_read(snapshot)
        if not pod_events(snapshot):
            yield node_read(str((pod.get("spec") or {}).get("nodeName") or ""))


def pulls_read(snapshot: Snapshot) -> Read:
    """The finished pulls of the namespace."""
    purpose = "would show how long the image took on other nodes"
    selector = "involvedObject.kind=Pod,reason=Pulled"
    return list_of("v1", "events", snapshot.target.namespace, purpose, fieldSelector=selector, limit="100")


def since(snapshot: Snapshot, pod: Body, one: Container) -> tuple[datetime, str, str, str] | None:
    """When a pull began that is under way and slow: the time, the words, their source, and who told it."""
    if one.waiting.get("reason") not in _BEFORE:
        return None
    found = _told(pod_events(snapshot), one) or _unspoken(snapshot, pod, one)
    return found if found and snapshot.clock - found[0] > _SLOW else None


def _told(events: Iterable[Event], one: Container) -> tuple[datetime, str, str, str] | None:
    about = ("Pulling", "Pulled", "Failed", "Created", "Started")
    mine = [each for each in events if each.container == one.name and each.reason in about]
    if not mine or mine[-1].reason != "Pulling" or mine[-1].time is None:
        return None
    return mine[-1].time, mine[-1].message, mine[-1].source, "event"


def _unspoken(snapshot: Snapshot, pod: Body, one: Container) -> tuple[datetime, str, str, str] | None:
    """No event is left, but the sandbox is there, it is this container's turn, the node lacks the image."""
    ready = condition(pod, "PodReadyToStartContainers")
    start = parse_time(ready.get("lastTransitionTime"))
    gone = isinstance(snapshot.answers.get(pod_events_read(snapshot)), Found) and not pod_events(snapshot)
    if not gone or ready.get("status") != "True" or start is None or not _its_turn(pod, one):
        return None
    if _on_node(snapshot, one):
        return None
    text = "volumes and network are there and nothing was said since: the image is next"
    return start, text, "pod.status.conditions[PodReadyToStartContainers]", "condition"


def _its_turn(pod: Body, one: Container) -> bool:
    """Whether every container before this one has ended well (init) or started (sidecar)."""
    for each in containers(pod, "init", "sidecar", "app"):
        if each.name == one.name:
            return True
        done = each.terminated.get("exitCode") == 0 if each.kind == "init" else each.is_running
        if not done:
            return False
    return False


def _on_node(snapshot: Snapshot, one: Container) -> bool:
    wanted = parse(str(one.spec.get("image") or ""))
    status = (node_of(snapshot) or {}).get("status") or {}
    names = (parse(str(name)) for image in status.get("images") or [] for name in image.get("names") or [])
    return any((each.key, each.tag) == (wanted.key, wanted.tag) for each in names)


def usual(snapshot: Snapshot, one: Container) -> tuple[str, str, str]:
    """How long the same image took for another pod, the pod and the event; empty when unknown."""
    wanted = parse(str(one.spec.get("image") or ""))
    for body in snapshot.items(pulls_read(snapshot)) or []:
        told = event(body)
        took = _TOOK.search(told.message)
        if took and (named := parse(took["image"])).key == wanted.key and named.tag == wanted.tag:
            pod = str((body.get("involvedObject") or {}).get("name") or "")
            return took["time"], pod, told.source
    return "", "", ""


def lasted(snapshot: Snapshot, start: datetime) -> str:
    """How long it has lasted, in words."""
    return show_duration(snapshot.clock - start)
