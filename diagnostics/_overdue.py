"""Volumes from outside the node that are not mounted long after they should be, without an error."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

from poddoctor.model import POD, Body, Snapshot, Symptom, Unknown
from poddoctor.pod.containers import containers
from poddoctor.pod.pattern import lazy
from poddoctor.pod.reads import condition
from poddoctor.pod.units import parse_time, show_duration

from . import _claims as cl
from ._attached import bound
from ._blocked import standing_events
from ._mounttext import REASONS

_REMOTE = ("nfs", "csi", "iscsi", "cephfs", "rbd", "glusterfs", "azureFile", "fc", "cinder", "vsphereVolume")
_OVERDUE = timedelta(minutes=3)
_CHANGING = "VolumePermissionChangeInProgress"
_FILES = lazy(r"processed (?P<files>\d+) files")
_PLACE = lazy(r"/volumes/(?:[\w.-]+~)?[\w-]+/(?P<volume>[^/\s\"\\]+)")
_UNMOUNTED = lazy(r"unmounted volumes=\[(?P<volumes>[^\]]*)\]")


def changing(snapshot: Snapshot, pod: Body, node: str) -> Iterator[Symptom]:
    """A volume of many files whose group the kubelet sets one by one, as it says since 1.33."""
    said = standing_events(snapshot, (_CHANGING,))
    if not said:
        return
    text = " ".join(one.message for one in said)
    place, files = _PLACE.search(text), _FILES.search(text)
    name = place["volume"] if place else ""
    claim = next((claim for claim, volume in bound(snapshot).items() if volume == name), "")
    start = parse_time(condition(pod, "PodScheduled").get("lastTransitionTime"))
    context = (pod.get("spec") or {}).get("securityContext") or {}
    attributes = {
        "node": node,
        "what": f"volume {name} (claim {claim})" if claim else f"volume {name}" if name else "its volume",
        "since": show_duration(snapshot.clock - start) if start else "",
        "files": files["files"] if files else "",
        "fs_group": "" if context.get("fsGroup") is None else str(context["fsGroup"]),
        "policy": "once" if context.get("fsGroupChangePolicy") == "OnRootMismatch" else "",
    }
    known = {key: value for key, value in attributes.items() if value}
    yield Symptom("storage.permission-change", POD, said[0].source, said[0].message, known, said[0].time)


def overdue(snapshot: Snapshot, pod: Body, node: str) -> Iterator[Symptom]:
    """A mount that hangs leaves no words: an address that drops packets, a driver that does not answer."""
    since = parse_time(condition(pod, "PodScheduled").get("lastTransitionTime"))
    if since is None or snapshot.clock - since < _OVERDUE or not _kubelet_knows(pod):
        return
    if standing_events(snapshot, ("FailedCreatePodSandBox", "NetworkNotReady")):
        return
    waiting, unread = _remote_volumes(snapshot, pod), _unread_volumes(snapshot)
    summary = next(
        (one for one in standing_events(snapshot, REASONS) if _UNMOUNTED.search(one.message)), None
    )
    if summary and "error processing PVC" in summary.message:
        return  # no mount hangs: the claim is what the kubelet does not accept
    if summary and (match := _UNMOUNTED.search(summary.message)):
        named = re.split(r"[\s,]+", match["volumes"])
        waiting = {name: what for name, what in {**unread, **waiting}.items() if name in named}
    elif standing_events(snapshot, REASONS):
        return
    if not waiting:
        return
    age = show_duration(snapshot.clock - since)
    attributes = {"node": node, "what": ", ".join(waiting.values()), "since": age}
    context = (pod.get("spec") or {}).get("securityContext") or {}
    if context.get("fsGroup") is not None and context.get("fsGroupChangePolicy") != "OnRootMismatch":
        attributes["fs_group"] = str(context["fsGroup"])
    text = summary.message if summary else f"not mounted on {node} after {age}, and nothing says why"
    source = summary.source if summary else "pod.status.containerStatuses"
    yield Symptom("storage.mount-overdue", POD, source, text, attributes)
    if summary:
        yield Symptom("storage.mount-overdue-said", POD, summary.source, summary.message)


def _kubelet_knows(pod: Body) -> bool:
    return any(one.waiting for one in containers(pod, "init", "sidecar", "app"))


def _unread_volumes(snapshot: Snapshot) -> dict[str, str]:
    """The volumes of claims that may not be read: that they are late is known only from the kubelet."""
    return {
        use.volume: f"volume {use.volume} (claim {use.claim})"
        for use in cl.uses(snapshot)
        if isinstance(snapshot.answers.get(use.read), Unknown)
    }


def _remote_volumes(snapshot: Snapshot, pod: Body) -> dict[str, str]:
    """The pod's volumes that something outside the node must serve, each with what it is."""
    found = {}
    by_claim = {use.volume: use.claim for use in cl.uses(snapshot)}
    for volume in (pod.get("spec") or {}).get("volumes") or []:
        name = str(volume.get("name"))
        claim = by_claim.get(name)
        spec: Body = volume
        if claim:
            body = snapshot.body(cl.volume_read(bound(snapshot).get(claim, "")))
            spec = (body or {}).get("spec") or {}
        kind = next((key for key in _REMOTE if spec.get(key)), None)
        if kind is None:
            continue
        where = spec[kind].get("server") or spec[kind].get("driver") or ""
        found[name] = f"volume {name} (" + " ".join(part for part in (kind, str(where)) if part) + ")"
    return found
