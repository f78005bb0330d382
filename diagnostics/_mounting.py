"""Volumes that cannot be attached to the node or mounted there, read from events and from objects."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import timedelta

from poddoctor.model import POD, Body, Read, Snapshot, Symptom
from poddoctor.pod.pattern import lazy
from poddoctor.pod.reads import node_read, pod_of
from poddoctor.pod.units import parse_time

from . import _claims as cl
from . import _drivers
from ._attached import (
    Notes,
    attachable,
    attachments_read,
    bound,
    case_of,
    csinode_read,
    driver_state,
    drivers_of,
    elsewhere,
    holders,
    untold,
)
from ._binding import pods_read, words
from ._blocked import network_condition, progressed, waits_for_node, waits_for_start
from ._mounttext import Failure, address_of, device_of, failures, server_of, short_of
from ._overdue import changing, overdue

_OBJECT = lazy(
    r"objectName: ?\W?(?P<object>[\w./-]+)|(?i:secret) from all regions: (?P<object2>[\w./-]+)"
    r"|Failed fetching secret (?P<object3>[\w./-]+):|read secret \W{0,2}(?P<object4>[\w./-]+)"
)
_CLASS_ABSENT = lazy(
    r"SecretProviderClass\S* \W{0,2}(?P<name>[\w.-]+)\W{0,2} not found|secretproviderclass \S+ not found"
)
_SOON = timedelta(minutes=1)
# Options of NFS, EFS and CIFS: a file system on a disk refuses them.
_NETWORK_OPTION = lazy(
    r"(?:(?:nfs)?vers|minorversion|proto|rsize|wsize|timeo|retrans|nconnect|actimeo|port|mountport|sec|retry"
    r"|dir_mode|file_mode|username|credentials|domain|cache)=|(?:no)?(?:resvport|lock|intr|sharesock|mfsymlinks"
    r"|serverino|cto|tls|iam)$|hard$|soft$"
)
_NOT_INSTALLED = lazy(
    r"(?P<count>\d+) (?P<driver>[\w-]+(?:\.[\w-]+)+) CSI driver is not installed on the node"
)
_NODES = lazy(r"^\d+/(?P<all>\d+) nodes are available")
_HOLDER = lazy(
    r"(?:already|currently) attached to (?:the |a )?(?:different |other )?node[ (]+(?:\S*/)?"
    r"(?P<node>[\w.-]*\w)",
    re.IGNORECASE,
)


def reads(snapshot: Snapshot) -> Iterator[Read]:
    """For a pod that waits on its node: its volumes, their attachments, the drivers of the node."""
    pod = pod_of(snapshot)
    if pod is not None and waits_for_node(pod) and _NOT_INSTALLED.search(words(snapshot)[0]):
        yield from (cl.volume_read(name) for name in bound(snapshot).values())
    if pod is None or not waits_for_start(pod) or network_condition(pod) == "True":
        return
    node = str((pod.get("spec") or {}).get("nodeName"))
    for name in bound(snapshot).values():
        yield cl.volume_read(name)
    drivers = drivers_of(snapshot, pod)
    if drivers:
        yield csinode_read(node)
    if _lacking(snapshot, node, drivers):
        yield from _drivers.reads(node)
    names = [name for name in bound(snapshot).values() if attachable(snapshot.body(cl.volume_read(name)))]
    if names:
        yield attachments_read()
        if foreign := elsewhere(snapshot, names, node):
            yield pods_read(snapshot)
            yield from (node_read(other) for _, other in foreign)


def examine(snapshot: Snapshot) -> Iterator[Symptom]:
    """What keeps the volumes from the pod."""
    pod = pod_of(snapshot)
    yield from unplaced(snapshot)
    if pod is None or not waits_for_start(pod) or network_condition(pod) == "True":
        return
    node = str((pod.get("spec") or {}).get("nodeName"))
    silent = [] if progressed(snapshot) else list(untold(snapshot, pod, node))
    lacking = any(one.name == "storage.driver-missing" for one in silent)
    told: set[tuple[str, ...]] = set()
    for failure in failures(snapshot):
        if failure.problem == "cache" and _just_begun(snapshot, pod):
            continue  # said of nearly every pod on a busy node, and over the next second
        if _overcome(snapshot, node, failure):
            continue
        symptom = _told(snapshot, pod, node, failure)
        if lacking and symptom.name == "storage.attach-failed" and failure.problem == "not-attached":
            # Nobody attaches where the driver does not run: one cause, not two.
            yield Symptom("storage.driver-named", POD, symptom.source, symptom.text)
            continue
        told.add(_about(symptom))
        yield symptom
        if symptom.name == "storage.driver-missing" and "registered" not in symptom.attributes:
            yield Symptom("storage.driver-named", POD, symptom.source, failure.why or failure.event.message)
    if slow := list(changing(snapshot, pod, node)):
        yield from slow
        if not told:
            return  # it is attached and mounted: the rest follows
    rest = [
        one for one in silent if _about(one) not in told and not (told and one.name == "storage.attaching")
    ]
    yield from rest
    if not (told or rest or lacking or progressed(snapshot)):
        yield from overdue(snapshot, pod, node)


def unplaced(snapshot: Snapshot) -> Iterator[Symptom]:
    """Nodes that the scheduler passes over because they lack the driver of a claim, in its words."""
    pod = pod_of(snapshot)
    text, source = words(snapshot) if pod is not None and waits_for_node(pod) else ("", "")
    found, all_nodes = _NOT_INSTALLED.search(text), _NODES.search(text)
    if not found:
        return
    driver, count = found["driver"], found["count"]
    if all_nodes and 2 * int(count) < int(all_nodes["all"]):
        return  # most nodes turn the pod away for something else
    attributes = {
        "driver": driver,
        "claim": _claim_of(snapshot, driver),
        "lacking": f"{count} of {all_nodes['all']} nodes" if all_nodes else f"{count} nodes",
    }
    known = {key: value for key, value in attributes.items() if value}
    yield Symptom("storage.driver-missing", POD, source, text, known)
    if all_nodes and all_nodes["all"] == count:
        yield Symptom("storage.driver-named", POD, source, text)


def _claim_of(snapshot: Snapshot, driver: str) -> str:
    """The claim that needs the driver: by its volume, by its class, or because there is no other."""
    listed = cl.uses(snapshot)
    for use in listed:
        claim = snapshot.body(use.read) or {}
        volume = snapshot.body(cl.volume_read(str((claim.get("spec") or {}).get("volumeName")))) or {}
        cls = snapshot.body(cl.class_read(cl.class_of(claim) or "")) or {}
        named = ((volume.get("spec") or {}).get("csi") or {}).get("driver")
        if driver in (named, cls.get("provisioner"), cl.provisioner_of(claim)):
            return use.claim
    return listed[0].claim if len(listed) == 1 else ""


def _lacking(snapshot: Snapshot, node: str, drivers: Iterable[str]) -> bool:
    """Whether a driver that the pod needs is not on its node, as the node or the kubelet says."""
    for driver in drivers:
        state, _ = driver_state(snapshot, node, driver)
        if state and "registered" not in state:
            return True
    return any(one.problem == "driver-missing" for one in failures(snapshot))


def _overcome(snapshot: Snapshot, node: str, failure: Failure) -> bool:
    """Whether the driver came to the node since, and the volume now fails for another reason."""
    if failure.problem != "driver-missing" or failure.event.time is None:
        return False
    state, _ = driver_state(snapshot, node, failure.details.get("driver", ""))
    return "registered" in state and any(
        one.volume == failure.volume
        and one is not failure
        and (one.event.time or snapshot.clock) >= failure.event.time
        for one in failures(snapshot)
        if one.problem != "driver-missing"
    )


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
        attributes.update(case_of(snapshot, attributes))
    elif failure.problem == "driver-missing":
        name = "storage.driver-missing"
        more, notes = _driver(snapshot, node, attributes.get("driver", ""))
        attributes.update(more)
    elif failure.problem == "cache":
        name = "storage.mount-late"
    elif failure.problem == "hostpath-type":
        attributes.update(_hostpath(pod, failure.volume))
    elif failure.event.reason == "FailedAttachVolume":
        name = "storage.attach-failed"
    attributes.update(_details(snapshot, pod, failure))
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


def _details(snapshot: Snapshot, pod: Body, failure: Failure) -> dict[str, str]:
    """What belongs to one problem alone."""
    if failure.problem == "filesystem-refused":
        return _options(snapshot, failure.volume)
    if failure.problem == "secret-provider":
        return _provider(pod, failure)
    if failure.problem == "unreachable":
        return {"short": short_of(failure.event.message), **address_of(failure.event.message)}
    return {}


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


def _provider(pod: Body, failure: Failure) -> dict[str, str]:
    """The object that was asked of the secrets' keeper, and the SecretProviderClass that lists it."""
    volumes: list[Body] = (pod.get("spec") or {}).get("volumes") or []
    own = [(one.get("csi") or {}) for one in volumes if one.get("name") == failure.volume]
    named = [str((one.get("volumeAttributes") or {}).get("secretProviderClass") or "") for one in own]
    found = _OBJECT.search(failure.event.message)
    absent = named and _CLASS_ABSENT.search(failure.event.message)
    return {
        "provider_class": "".join(named),
        "absent_class": "".join(named) if absent else "",
        "object": next(filter(None, found.groups()), "") if found else "",
    }


def _options(snapshot: Snapshot, volume: str) -> dict[str, str]:
    """The mount options of a volume, and the first one that only network file systems know."""
    spec = (snapshot.body(cl.volume_read(volume)) or {}).get("spec") or {}
    options = [str(one) for one in spec.get("mountOptions") or []]
    foreign = next((one for one in options if _NETWORK_OPTION.match(one)), "")
    found = {"mount_options": ",".join(options), "foreign_option": foreign}
    return {**found, "problem": "option-refused"} if foreign else found


def _driver(snapshot: Snapshot, node: str, driver: str) -> tuple[dict[str, str], Notes]:
    """Which drivers the node has, and what became of the pod that brings the missing one."""
    found, notes = driver_state(snapshot, node, driver)
    if "registered" in found:
        return found, notes
    more, further = _drivers.absence(snapshot, driver, node)
    return {**found, **more}, notes + further


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
