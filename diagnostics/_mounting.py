"""Volumes that cannot be attached to the node or mounted there, read from events and from objects."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

from poddoctor.model import POD, Body, Read, Snapshot, Symptom
from poddoctor.pod.pattern import lazy
from poddoctor.pod.reads import node_read, pod_of
from poddoctor.pod.units import parse_time

from . import _claims as cl
from ._attached import (
    Notes,
    attachable,
    attachments_read,
    bound,
    csinode_read,
    driver_state,
    drivers_of,
    elsewhere,
    holders,
    untold,
)
from ._binding import pods_read
from ._blocked import network_condition, progressed, waits_for_start
from ._mounttext import Failure, device_of, failures, server_of, short_of
from ._overdue import overdue

_SOON = timedelta(minutes=1)
_HOLDER = lazy(
    r"(?:already|currently) attached to (?:the |a )?(?:different |other )?node[ (]+(?:\S*/)?"
    r"(?P<node>[\w.-]*\w)",
    re.IGNORECASE,
)


def reads(snapshot: Snapshot) -> Iterator[Read]:
    """For a pod that waits on its node: its volumes, their attachments, the drivers of the node."""
    pod = pod_of(snapshot)
    if pod is None or not waits_for_start(pod) or network_condition(pod) == "True":
        return
    node = str((pod.get("spec") or {}).get("nodeName"))
    for name in bound(snapshot).values():
        yield cl.volume_read(name)
    drivers = drivers_of(snapshot, pod)
    if drivers:
        yield csinode_read(node)
    names = [name for name in bound(snapshot).values() if attachable(snapshot.body(cl.volume_read(name)))]
    if names:
        yield attachments_read()
        if foreign := elsewhere(snapshot, names, node):
            yield pods_read(snapshot)
            yield from (node_read(other) for _, other in foreign)


def examine(snapshot: Snapshot) -> Iterator[Symptom]:
    """What keeps the volumes from the pod."""
    pod = pod_of(snapshot)
    if pod is None or not waits_for_start(pod) or network_condition(pod) == "True":
        return
    node = str((pod.get("spec") or {}).get("nodeName"))
    silent = [] if progressed(snapshot) else list(untold(snapshot, pod, node))
    lacking = any(one.name == "storage.driver-missing" for one in silent)
    told: set[tuple[str, ...]] = set()
    for failure in failures(snapshot):
        if failure.problem == "cache" and _just_begun(snapshot, pod):
            continue  # said of nearly every pod on a busy node, and over the next second
        symptom = _told(snapshot, pod, node, failure)
        if lacking and symptom.name == "storage.attach-failed" and failure.problem == "not-attached":
            # Nobody attaches where the driver does not run: one cause, not two.
            yield Symptom("storage.driver-named", POD, symptom.source, symptom.text)
            continue
        told.add(_about(symptom))
        yield symptom
        if symptom.name == "storage.driver-missing":
            yield Symptom("storage.driver-named", POD, symptom.source, failure.why or failure.event.message)
    rest = [
        one for one in silent if _about(one) not in told and not (told and one.name == "storage.attaching")
    ]
    yield from rest
    if not (told or rest or lacking or progressed(snapshot)):
        yield from overdue(snapshot, pod, node)


def _just_begun(snapshot: Snapshot, pod: Body) -> bool:
    since = parse_time((pod.get("status") or {}).get("startTime"))
    return since is not None and snapshot.clock - since < _SOON


def _about(symptom: Symptom) -> tuple[str, ...]:
    """What the symptom is about: told by an event and seen in an object, it is one."""
    return symptom.name, symptom.attributes.get("pv", ""), symptom.attributes.get("driver", "")


def _told(snapshot: Snapshot, pod: Body, node: str, failure: Failure) -> Symptom:
    """The symptom of one event."""
    attributes = {"node": node, "why": failure.why, "problem": failure.problem, **failure.details}
    attributes.update(_place(snapshot, pod, failure.volume))
    notes: Notes = ()
    name = "storage.mount-failed"
    if failure.problem == "multi-attach":
        name = "storage.volume-attached-elsewhere"
        more, notes = holders(snapshot, failure.volume, node)
        attributes.update(more)
        if match := re.search(r"already used by pod\(s\) ([^\s,]+)", failure.event.message):
            attributes.setdefault("holder", match[1])
        if match := _HOLDER.search(failure.event.message):
            attributes.setdefault("holder_node", match["node"])
    elif failure.problem == "driver-missing":
        name = "storage.driver-missing"
        more, notes = driver_state(snapshot, node, attributes.get("driver", ""))
        attributes.update(more)
    elif failure.problem == "cache":
        name = "storage.mount-late"
    elif failure.problem == "hostpath-type":
        attributes.update(_hostpath(pod, failure.volume))
    elif failure.event.reason == "FailedAttachVolume":
        name = "storage.attach-failed"
    if failure.problem == "unreachable":
        attributes["short"] = short_of(failure.event.message)
    attributes.update(server_of(failure.event.message) or device_of(failure.event.message))
    return Symptom(
        name,
        POD,
        failure.event.source,
        failure.event.message,
        {k: v for k, v in attributes.items() if v},
        failure.event.time,
        notes=notes,
    )


def _place(snapshot: Snapshot, pod: Body, volume: str) -> dict[str, str]:
    """What the name in the event is: a volume of the pod, or the volume of one of its claims."""
    for claim, name in bound(snapshot).items():
        if name == volume:
            body = snapshot.body(cl.volume_read(name)) or {}
            driver = ((body.get("spec") or {}).get("csi") or {}).get("driver")
            return {
                "pv": volume,
                "claim": claim,
                "what": f"volume {volume} (claim {claim})",
                **({"csi_driver": str(driver)} if driver else {}),
            }
    volumes: list[Body] = (pod.get("spec") or {}).get("volumes") or []
    inline: Body = next((one for one in volumes if one.get("name") == volume), {})
    kind = next((key for key in inline if key != "name"), "")
    driver = (inline.get("csi") or {}).get("driver")
    found = (
        {"volume": volume, "kind": kind, "what": f"volume {volume}"}
        if inline
        else {"pv": volume, "what": f"volume {volume}"}
    )
    return {**found, **({"csi_driver": str(driver)} if driver else {})} if volume else {}


def _hostpath(pod: Body, volume: str) -> dict[str, str]:
    for one in (pod.get("spec") or {}).get("volumes") or []:
        if one.get("name") == volume and one.get("hostPath"):
            kind = str(one["hostPath"].get("type") or "")
            wanted = {"Directory": "DirectoryOrCreate", "File": "FileOrCreate"}.get(kind, "")
            return {
                "path": str(one["hostPath"].get("path")),
                "type": kind,
                "volume": volume,
                **({"create": wanted} if wanted else {}),
            }
    return {}
