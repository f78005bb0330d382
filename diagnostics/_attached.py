"""The objects behind a pod's volumes: drivers of the node, attachments, and who else holds a volume."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

from poddoctor.model import POD, Absent, Body, Read, Snapshot, Symptom
from poddoctor.pod.owner import owner_of
from poddoctor.pod.reads import condition, get, list_of, node_read
from poddoctor.pod.units import parse_time, show_duration

from . import _claims as cl
from . import _drivers
from ._binding import pods_read
from ._mounttext import problem_of, why_of

Notes = tuple[tuple[str, str], ...]


def csinode_read(node: str) -> Read:
    """The CSI drivers that are registered on a node."""
    return get(cl.STORAGE, "csinodes", "", node, "would show which CSI drivers run on the node")


def attachments_read() -> Read:
    """Which volume is attached to which node."""
    return list_of(cl.STORAGE, "volumeattachments", "", "would show to which node the volume is attached")


def bound(snapshot: Snapshot) -> dict[str, str]:
    """Claims of the pod that are bound, and their volumes."""
    found = {}
    for use in cl.uses(snapshot):
        claim = snapshot.body(use.read) or {}
        volume = (claim.get("spec") or {}).get("volumeName")
        if volume and cl.phase(claim) == "Bound":
            found[use.claim] = str(volume)
    return found


def attachable(volume: Body | None) -> bool:
    spec = (volume or {}).get("spec") or {}
    return any(
        spec.get(key)
        for key in (
            "csi",
            "gcePersistentDisk",
            "awsElasticBlockStore",
            "azureDisk",
            "vsphereVolume",
            "cinder",
            "rbd",
            "iscsi",
            "fc",
        )
    )


def drivers_of(snapshot: Snapshot, pod: Body) -> dict[str, str]:
    """The CSI drivers that the pod needs on its node, each with the volume that needs it."""
    found = {}
    for volume in (pod.get("spec") or {}).get("volumes") or []:
        if driver := (volume.get("csi") or {}).get("driver"):
            found[str(driver)] = str(volume.get("name"))
    for name in bound(snapshot).values():
        spec = (snapshot.body(cl.volume_read(name)) or {}).get("spec") or {}
        if driver := (spec.get("csi") or {}).get("driver"):
            found[str(driver)] = name
    return found


def _attachments(snapshot: Snapshot, volume: str) -> list[Body]:
    return [
        one
        for one in snapshot.items(attachments_read()) or []
        if ((one.get("spec") or {}).get("source") or {}).get("persistentVolumeName") == volume
    ]


def elsewhere(snapshot: Snapshot, volumes: list[str], node: str) -> list[tuple[str, str]]:
    """Volumes for one node only that are attached to another one."""
    found = []
    for volume in volumes:
        body = snapshot.body(cl.volume_read(volume)) or {}
        if not set(cl.modes(body)) <= {"ReadWriteOnce", "ReadWriteOncePod"}:
            continue
        for one in _attachments(snapshot, volume):
            other = str((one.get("spec") or {}).get("nodeName") or "")
            if other and other != node and (one.get("status") or {}).get("attached"):
                found.append((volume, other))
    return found


def holders(snapshot: Snapshot, volume: str, node: str) -> tuple[dict[str, str], Notes]:
    """Which node has the volume, whether it lives, and which pod there uses it."""
    more: dict[str, str] = {}
    notes: list[tuple[str, str]] = []
    for _, other in elsewhere(snapshot, [volume], node):
        more["holder_node"] = other
        notes.append((f"volume {volume} is attached to {other}", "volumeattachments"))
        state = condition(snapshot.body(node_read(other)), "Ready").get("status")
        if isinstance(snapshot.answers.get(node_read(other)), Absent):
            more["node_state"] = "does not exist any more"
        elif state and state != "True":
            more["node_state"] = "is not ready"
        if more.get("node_state"):
            notes.append((f"node {other} {more['node_state']}", f"node {other}"))
    claim = next((name for name, pv in bound(snapshot).items() if pv == volume), "")
    for pod in snapshot.items(pods_read(snapshot)) or []:
        spec, meta = pod.get("spec") or {}, pod.get("metadata") or {}
        used = {
            (one.get("persistentVolumeClaim") or {}).get("claimName") for one in spec.get("volumes") or []
        }
        if (
            claim in used
            and meta.get("name") != snapshot.target.name
            and spec.get("nodeName") not in (None, node)
        ):
            if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
                continue
            more["holder"] = str(meta.get("name"))
            more.setdefault("holder_node", str(spec["nodeName"]))
            word = "is terminating" if meta.get("deletionTimestamp") else "runs"
            notes.append((f"pod {meta.get('name')} {word} on {spec['nodeName']} with claim {claim}", "pods"))
            break
    return more, tuple(notes)


def case_of(snapshot: Snapshot, facts: dict[str, str]) -> dict[str, str]:
    """Why two nodes need the volume: a rollout, several replicas, another workload, or a dead node."""
    if facts.get("node_state"):
        return {"case": "dead"}
    owner, holder = owner_of(snapshot), facts.get("holder", "")
    if not holder or owner.kind != "deployment":
        return {"case": "other"} if holder else {}
    if not re.fullmatch(rf"{re.escape(owner.name)}-[a-z0-9]{{6,10}}-[a-z0-9]{{5}}", holder):
        return {"case": "other"}
    replicas = ((owner.body or {}).get("spec") or {}).get("replicas")
    return {"case": "replicas" if int(replicas or 1) > 1 else "rollout"}


def driver_state(snapshot: Snapshot, node: str, driver: str) -> tuple[dict[str, str], Notes]:
    body = snapshot.body(csinode_read(node))
    if body is None:
        return {}, ()
    there = sorted(str(one.get("name")) for one in (body.get("spec") or {}).get("drivers") or [])
    text = f"CSI drivers on {node}: {', '.join(there) or 'none'}"
    return {
        "drivers": ", ".join(there) or "none",
        **({"registered": "it is registered now"} if driver in there else {}),
    }, ((text, f"csinode {node} spec.drivers"),)


def untold(snapshot: Snapshot, pod: Body, node: str) -> Iterator[Symptom]:
    """What objects show when the events are gone, or never came (from 1.28 a silent wait leaves none)."""
    lacking = False
    for driver, volume in drivers_of(snapshot, pod).items():
        state, notes = driver_state(snapshot, node, driver)
        if state and "registered" not in state:
            lacking = True
            attributes = {
                "driver": driver,
                "node": node,
                "what": f"volume {volume}",
                **state,
                "quiet": "true",
            }
            more, further = _drivers.absence(snapshot, driver, node)
            attributes |= more
            notes += further
            text = f"volume {volume} needs CSI driver {driver}, which is not registered on {node}"
            yield Symptom(
                "storage.driver-missing", POD, f"csinode {node} spec.drivers", text, attributes, notes=notes
            )
    for claim, volume in bound(snapshot).items():
        yield from (
            one
            for one in _attachment(snapshot, node, claim, volume)
            if not (
                lacking and (one.attributes.get("problem") == "silent" or one.name == "storage.attaching")
            )
        )


def _attachment(snapshot: Snapshot, node: str, claim: str, volume: str) -> Iterator[Symptom]:
    attributes = {"pv": volume, "claim": claim, "node": node, "what": f"volume {volume} (claim {claim})"}
    mine = [one for one in _attachments(snapshot, volume) if (one.get("spec") or {}).get("nodeName") == node]
    attached = any((one.get("status") or {}).get("attached") for one in mine)
    others = elsewhere(snapshot, [volume], node)
    if others and not attached:
        more, notes = holders(snapshot, volume, node)
        text = f"volume {volume} allows one node only and is attached to {others[0][1]}, not to {node}"
        yield Symptom(
            "storage.volume-attached-elsewhere",
            POD,
            "volumeattachments",
            text,
            {**attributes, **more, **case_of(snapshot, more)},
            notes=notes,
        )
        return
    for one in mine:
        status, name = one.get("status") or {}, str((one.get("metadata") or {}).get("name"))
        driver = str((one.get("spec") or {}).get("attacher") or "")
        error = (status.get("attachError") or {}).get("message")
        age = snapshot.clock - (
            parse_time((one.get("metadata") or {}).get("creationTimestamp")) or snapshot.clock
        )
        if attached:
            continue
        if error:
            more = {"problem": problem_of(str(error))[0], "why": why_of(str(error)), "csi_driver": driver}
            yield Symptom(
                "storage.attach-failed",
                POD,
                f"volumeattachment {name} status.attachError",
                str(error),
                {**attributes, **more},
            )
        elif age > timedelta(minutes=2):
            why = f"{driver} has not answered for {show_duration(age)}"
            more = {"problem": "silent", "why": why, "csi_driver": driver}
            text = f"volumeattachment {name} is not attached and has no error after {show_duration(age)}"
            yield Symptom(
                "storage.attach-failed", POD, f"volumeattachment {name} status", text, {**attributes, **more}
            )
        else:
            more = {"csi_driver": driver, "since": show_duration(age)}
            text = f"volumeattachment {name} was made {show_duration(age)} ago and is not attached yet"
            yield Symptom(
                "storage.attaching", POD, f"volumeattachment {name} status", text, {**attributes, **more}
            )
