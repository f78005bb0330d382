"""Volumes from outside the node that are not mounted long after they should be, without an error."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

from poddoctor.model import POD, Body, Snapshot, Symptom
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
_UNMOUNTED = lazy(r"unmounted volumes=\[(?P<volumes>[^\]]*)\]")


def overdue(snapshot: Snapshot, pod: Body, node: str) -> Iterator[Symptom]:
    """A mount that hangs leaves no words: an address that drops packets, a driver that does not answer."""
    since = parse_time(condition(pod, "PodScheduled").get("lastTransitionTime"))
    if since is None or snapshot.clock - since < _OVERDUE or not _kubelet_knows(pod):
        return
    if standing_events(snapshot, ("FailedCreatePodSandBox", "NetworkNotReady")):
        return
    waiting = _remote_volumes(snapshot, pod)
    summary = next(
        (one for one in standing_events(snapshot, REASONS) if _UNMOUNTED.search(one.message)), None
    )
    if summary and "error processing PVC" in summary.message:
        return  # no mount hangs: the claim is what the kubelet does not accept
    if summary and (match := _UNMOUNTED.search(summary.message)):
        named = re.split(r"[\s,]+", match["volumes"])
        waiting = {name: what for name, what in waiting.items() if name in named}
    elif standing_events(snapshot, REASONS):
        return
    if not waiting:
        return
    age = show_duration(snapshot.clock - since)
    attributes = {"node": node, "what": ", ".join(waiting.values()), "since": age}
    text = summary.message if summary else f"not mounted on {node} after {age}, and nothing says why"
    source = summary.source if summary else "pod.status.containerStatuses"
    yield Symptom("storage.mount-overdue", POD, source, text, attributes)
    if summary:
        yield Symptom("storage.mount-overdue-said", POD, summary.source, summary.message)


def _kubelet_knows(pod: Body) -> bool:
    return any(one.waiting for one in containers(pod, "init", "sidecar", "app"))


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
