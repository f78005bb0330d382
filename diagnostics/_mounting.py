"""Volumes that cannot be attached to the node or mounted there, read from events and from objects."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from poddoctor.model import POD, Absent, Body, Read, Snapshot, Symptom
from poddoctor.pod.containers import containers
from poddoctor.pod.pattern import lazy
from poddoctor.pod.reads import Event, condition, get, list_of, node_read, pod_of
from poddoctor.pod.units import parse_time, show_duration

from . import _claims as cl
from ._binding import pods_read
from ._blocked import network_condition, progressed, standing_events, waits_for_start

_REASONS = ("FailedMount", "FailedAttachVolume", "FailedMapVolume")
_VOLUME = lazy(r"(?:for volume|Multi-Attach error for volume) \\*\"(?P<volume>[^\"\\]+)")
_ERROR = lazy(r"^.*?failed for volume \\*\"[^\"]+\"\s*(?:\([^)]*\)\s*)?:\s*", re.DOTALL)
_NOT_OURS = lazy(
    r"configmaps? \\*\"[^\"]*\"|secrets? \\*\"[^\"]*\"|(?:configmap|secret) references non-existent"
    r"|references non-existent"
    r"|object \\*\"[^\"]*\\*\"/\\*\"[^\"]*\\*\" not registered|failed to sync \w+ cache"
    r"|serviceaccounts? \\*\"|failed to fetch token|couldn't propagate object cache|subPath"
    r"|kube-root-ca\.crt|fetching from .*(?:configmap|secret)"
)
_SUMMARY = lazy(r"^Unable to attach or mount volumes: |timed out waiting for the condition$")
_OUTPUT = lazy(r"Output: (?P<output>.*)", re.DOTALL)
_DISK = lazy(r"-t (?:ext[234]|xfs|btrfs)\b|bad superblock on /dev/")
_NFS_SOURCE = lazy(r"-t (?P<fs>nfs4?|cifs|glusterfs|ceph)\b.*?\s(?P<source>[^\s]+:[^\s]*|//\S+)\s")
# In this order; each names what the engineer has to look at.
_PROBLEMS: tuple[tuple[str, str], ...] = (
    ("multi-attach", r"Multi-Attach error|is already (?:exclusively )?(?:attached|used) (?:to|by)"),
    ("multi-attach", r"RESOURCE_IN_USE_BY_ANOTHER|volume is already exclusively attached"),
    ("multi-attach", r"VolumeInUse.{0,80}attached to"),
    (
        "hostpath-type",
        (
            r"hostPath type check failed: (?P<path>.+?) is not (?:an? )?"
            r"(?P<expected>directory|file|socket file|character device|block device|socket)"
        ),
    ),
    ("driver-missing", r"driver name (?P<driver>\S+) not found in the list of registered CSI drivers"),
    ("driver-missing", r"CSINode (?:\S+ )?does not contain driver (?P<driver>\S+)"),
    ("driver-missing", r"no volume plugin matched|unable to get flexvolume plugin|no such CSIDriver"),
    ("secret-provider", r"secrets store objects|secretproviderclass|SecretProviderClass"),
    ("path-missing", r"path \\*\"(?P<path>[^\"\\]+)\\*\" does not exist"),
    ("path-missing", r"special device (?P<path>\S+) does not exist"),
    ("helper-missing", r"need a /sbin/mount\.|unknown filesystem type"),
    ("helper-missing", r"executable file not found in \$PATH"),
    ("access-denied", r"access denied by server|[Pp]ermission denied|mount error\(13\)"),
    ("access-denied", r"Operation not permitted|LOGON_FAILURE"),
    ("export-missing", r"mount\.nfs4?: mounting \S+ failed, reason given by server: No such file"),
    ("export-missing", r"failed, reason given by server|mount error\(2\)"),
    ("export-missing", r"requested NFS version or transport protocol is not supported"),
    ("unreachable", r"No route to host|[Cc]onnection refused|[Cc]onnection timed out"),
    ("unreachable", r"Network is unreachable|Host is down|Failed to resolve server"),
    ("unreachable", r"Name or service not known|could not resolve address"),
    ("unreachable", r"Temporary failure in name resolution|mount system call failed"),
    ("unreachable", r"mount error\((?:110|111|112|113|115)\)|portmap query failed"),
    ("filesystem", r"wrong fs type|bad superblock|Structure needs cleaning|fsck found errors"),
    ("filesystem", r"'fsck' found errors|can't read superblock|mkfs\.|Input/output error"),
    ("filesystem", r"failed to format|has filesystem .* and could not"),
    ("busy", r"already mounted or|device or resource busy|Device or resource busy|target is busy"),
    ("node-affinity", r"NodeAffinity check failed|no matching NodeSelectorTerms"),
    ("not-attached", r"not attached according to node status|is not attached for volume attachment"),
    ("not-attached", r"has not been added to the list of VolumesInUse"),
    ("not-attached", r"timed out waiting for external-attacher|GET error for volume attachment"),
    ("credentials", r"UnauthorizedOperation|AccessDenied|AuthFailure|AuthorizationFailed"),
    ("credentials", r"not authorized to perform|Unauthorized|\b403\b"),
    ("volume-gone", r"InvalidVolume\.NotFound|volume .{0,80}(?:not found|does not exist)"),
    ("volume-gone", r"VolumeNotFound|code = NotFound"),
    ("limit", r"maximum number of (?:data )?disks|attachment limit|AttachmentLimitExceeded"),
    ("limit", r"too many volumes|max(?:imum)? .{0,20}attach"),
)

_UNREACHABLE = lazy(
    r"no route to host|refused|timed out|unreachable|host is down|resol\w+|name or service|portmap"
    r"|call failed|\(11\d\)",
    re.IGNORECASE,
)
_SHORT = (
    ("refused", "connection refused"),
    ("timed out", "no answer"),
    ("resol", "its name does not resolve"),
    ("name or service", "its name does not resolve"),
    ("host is down", "host is down"),
    ("route", "no route to host"),
    ("", "network error"),
)
_REMOTE = ("nfs", "csi", "iscsi", "cephfs", "rbd", "glusterfs", "azureFile", "fc", "cinder", "vsphereVolume")
_OVERDUE = timedelta(minutes=3)
_UNMOUNTED = lazy(r"unmounted volumes=\[(?P<volumes>[^\]]*)\]")
Notes = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """One mount or attach failure as an event tells it."""

    event: Event
    volume: str
    problem: str
    details: Mapping[str, str]
    why: str


def failures(snapshot: Snapshot) -> list[Failure]:
    """The standing failures, newest first, one for each volume and problem; those of config left out."""
    found: dict[tuple[str, str], Failure] = {}
    for one in standing_events(snapshot, _REASONS):
        if _NOT_OURS.search(one.message) or "persistentvolumeclaim" in one.message or "PVC" in one.message:
            continue
        if _SUMMARY.search(one.message) and not _VOLUME.search(one.message):
            continue
        volume = match["volume"] if (match := _VOLUME.search(one.message)) else ""
        problem, details = _problem(one.message)
        found.setdefault((volume, problem), Failure(one, volume, problem, details, _why(one.message)))
    return list(found.values())


def _problem(message: str) -> tuple[str, dict[str, str]]:
    for name, pattern in _PROBLEMS:
        # What was asked for stands before the answer: an option called "nolock" is no error.
        if match := re.search(pattern, message):
            if name == "helper-missing" and _DISK.search(message):
                continue  # mount(8) adds that guess for disks too
            return name, {key: value for key, value in match.groupdict().items() if value}
    return "other", {}


def _why(message: str) -> str:
    """The telling line: what mount(8) or the driver said, without the wrappers."""
    text = _ERROR.sub("", message)
    if match := _OUTPUT.search(text):
        lines = [line.strip() for line in match["output"].splitlines() if line.strip()]
        lines = [line for line in lines if not line.startswith(("Running scope as unit", "Created symlink"))]
        text = lines[0] if lines else text
    text = re.sub(r"^mount(?:\.\w+)?: /var/lib/kubelet/\S+: ", "", text)
    text = re.sub(r" (?:on|at) \"?/var/lib/kubelet/[^\s:\"]+\"?", "", text)
    text = re.sub(r"^.*(?='fsck' found errors)", "", text)
    text = re.sub(
        r"(?:rpc error: code = \w+ desc = |kubernetes\.io/csi: |MountVolume\.\w+ failed: )", "", text
    )
    return (text.strip().splitlines() or [""])[0][:200]


def reads(snapshot: Snapshot) -> Iterator[Read]:
    """For a pod that waits on its node: its volumes, their attachments, the drivers of the node."""
    pod = pod_of(snapshot)
    if pod is None or not waits_for_start(pod) or network_condition(pod) == "True":
        return
    node = str((pod.get("spec") or {}).get("nodeName"))
    for name in _bound(snapshot).values():
        yield cl.volume_read(name)
    drivers = _drivers(snapshot, pod)
    if drivers:
        yield csinode_read(node)
    attachable = [
        name for name in _bound(snapshot).values() if _attachable(snapshot.body(cl.volume_read(name)))
    ]
    if attachable:
        yield attachments_read()
        if foreign := _elsewhere(snapshot, attachable, node):
            yield pods_read(snapshot)
            yield from (node_read(other) for _, other in foreign)


def csinode_read(node: str) -> Read:
    """The CSI drivers that are registered on a node."""
    return get(cl.STORAGE, "csinodes", "", node, "would show which CSI drivers run on the node")


def attachments_read() -> Read:
    """Which volume is attached to which node."""
    return list_of(cl.STORAGE, "volumeattachments", "", "would show to which node the volume is attached")


def _bound(snapshot: Snapshot) -> dict[str, str]:
    """Claims of the pod that are bound, and their volumes."""
    found = {}
    for use in cl.uses(snapshot):
        claim = snapshot.body(use.read) or {}
        volume = (claim.get("spec") or {}).get("volumeName")
        if volume and cl.phase(claim) == "Bound":
            found[use.claim] = str(volume)
    return found


def _attachable(volume: Body | None) -> bool:
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


def _drivers(snapshot: Snapshot, pod: Body) -> dict[str, str]:
    """The CSI drivers that the pod needs on its node, each with the volume that needs it."""
    found = {}
    for volume in (pod.get("spec") or {}).get("volumes") or []:
        if driver := (volume.get("csi") or {}).get("driver"):
            found[str(driver)] = str(volume.get("name"))
    for name in _bound(snapshot).values():
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


def _elsewhere(snapshot: Snapshot, volumes: list[str], node: str) -> list[tuple[str, str]]:
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


def examine(snapshot: Snapshot) -> Iterator[Symptom]:
    """What keeps the volumes from the pod."""
    pod = pod_of(snapshot)
    if pod is None or not waits_for_start(pod) or network_condition(pod) == "True":
        return
    node = str((pod.get("spec") or {}).get("nodeName"))
    silent = [] if progressed(snapshot) else list(_untold(snapshot, pod, node))
    lacking = any(one.name == "storage.driver-missing" for one in silent)
    told: set[tuple[str, ...]] = set()
    for failure in failures(snapshot):
        symptom = _told(snapshot, pod, node, failure)
        if lacking and symptom.name == "storage.attach-failed" and failure.problem == "not-attached":
            # Nobody attaches where the driver does not run: one cause, not two.
            yield Symptom("storage.driver-named", POD, symptom.source, symptom.text)
            continue
        told.add(_about(symptom))
        yield symptom
        if symptom.name == "storage.driver-missing":
            yield Symptom("storage.driver-named", POD, symptom.source, failure.why or failure.event.message)
    rest = [one for one in silent if _about(one) not in told]
    yield from rest
    if not (told or rest or lacking or progressed(snapshot)):
        yield from _overdue(snapshot, pod, node)


def _overdue(snapshot: Snapshot, pod: Body, node: str) -> Iterator[Symptom]:
    """A mount that hangs leaves no words: an address that drops packets, a driver that does not answer."""
    since = parse_time(condition(pod, "PodScheduled").get("lastTransitionTime"))
    if since is None or snapshot.clock - since < _OVERDUE or not _kubelet_knows(pod):
        return
    if standing_events(snapshot, ("FailedCreatePodSandBox", "NetworkNotReady")):
        return
    waiting = _remote_volumes(snapshot, pod)
    summary = next(
        (one for one in standing_events(snapshot, _REASONS) if _UNMOUNTED.search(one.message)), None
    )
    if summary and (match := _UNMOUNTED.search(summary.message)):
        named = re.split(r"[\s,]+", match["volumes"])
        waiting = {name: what for name, what in waiting.items() if name in named}
    elif standing_events(snapshot, _REASONS):
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
            body = snapshot.body(cl.volume_read(_bound(snapshot).get(claim, "")))
            spec = (body or {}).get("spec") or {}
        kind = next((key for key in _REMOTE if spec.get(key)), None)
        if kind is None:
            continue
        where = spec[kind].get("server") or spec[kind].get("driver") or ""
        found[name] = f"volume {name} (" + " ".join(part for part in (kind, str(where)) if part) + ")"
    return found


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
        more, notes = _holders(snapshot, failure.volume, node)
        attributes.update(more)
        if match := re.search(r"already used by pod\(s\) ([^\s,]+)", failure.event.message):
            attributes.setdefault("holder", match[1])
    elif failure.problem == "driver-missing":
        name = "storage.driver-missing"
        more, notes = _driver_state(snapshot, node, attributes.get("driver", ""))
        attributes.update(more)
    elif failure.problem == "hostpath-type":
        attributes.update(_hostpath(pod, failure.volume))
    elif failure.event.reason == "FailedAttachVolume":
        name = "storage.attach-failed"
    if failure.problem == "unreachable" and (match := _UNREACHABLE.search(failure.event.message)):
        attributes["short"] = next(text for key, text in _SHORT if key in match[0].lower())
    if match := _NFS_SOURCE.search(failure.event.message):
        attributes["server"] = match["source"]
        attributes["filesystem"] = match["fs"]
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
    for claim, name in _bound(snapshot).items():
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


def _holders(snapshot: Snapshot, volume: str, node: str) -> tuple[dict[str, str], Notes]:
    """Which node has the volume, whether it lives, and which pod there uses it."""
    more: dict[str, str] = {}
    notes: list[tuple[str, str]] = []
    for _, other in _elsewhere(snapshot, [volume], node):
        more["holder_node"] = other
        notes.append((f"volume {volume} is attached to {other}", "volumeattachments"))
        state = condition(snapshot.body(node_read(other)), "Ready").get("status")
        if isinstance(snapshot.answers.get(node_read(other)), Absent):
            more["node_state"] = "does not exist any more"
        elif state and state != "True":
            more["node_state"] = "is not ready"
        if more.get("node_state"):
            notes.append((f"node {other} {more['node_state']}", f"node {other}"))
    claim = next((name for name, pv in _bound(snapshot).items() if pv == volume), "")
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


def _driver_state(snapshot: Snapshot, node: str, driver: str) -> tuple[dict[str, str], Notes]:
    body = snapshot.body(csinode_read(node))
    if body is None:
        return {}, ()
    there = sorted(str(one.get("name")) for one in (body.get("spec") or {}).get("drivers") or [])
    text = f"CSI drivers on {node}: {', '.join(there) or 'none'}"
    return {"drivers": ", ".join(there) or "none", **({"registered": "true"} if driver in there else {})}, (
        (text, f"csinode {node} spec.drivers"),
    )


def _untold(snapshot: Snapshot, pod: Body, node: str) -> Iterator[Symptom]:
    """What objects show when the events are gone, or never came (from 1.28 a silent wait leaves none)."""
    lacking = False
    for driver, volume in _drivers(snapshot, pod).items():
        state, notes = _driver_state(snapshot, node, driver)
        if state and "registered" not in state:
            lacking = True
            attributes = {
                "driver": driver,
                "node": node,
                "what": f"volume {volume}",
                **state,
                "quiet": "true",
            }
            text = f"volume {volume} needs CSI driver {driver}, which is not registered on {node}"
            yield Symptom(
                "storage.driver-missing", POD, f"csinode {node} spec.drivers", text, attributes, notes=notes
            )
    for claim, volume in _bound(snapshot).items():
        yield from (
            one
            for one in _attachment(snapshot, node, claim, volume)
            if not (lacking and one.attributes.get("problem") == "silent")
        )


def _attachment(snapshot: Snapshot, node: str, claim: str, volume: str) -> Iterator[Symptom]:
    attributes = {"pv": volume, "claim": claim, "node": node, "what": f"volume {volume} (claim {claim})"}
    mine = [one for one in _attachments(snapshot, volume) if (one.get("spec") or {}).get("nodeName") == node]
    attached = any((one.get("status") or {}).get("attached") for one in mine)
    elsewhere = _elsewhere(snapshot, [volume], node)
    if elsewhere and not attached:
        more, notes = _holders(snapshot, volume, node)
        text = f"volume {volume} allows one node only and is attached to {elsewhere[0][1]}, not to {node}"
        yield Symptom(
            "storage.volume-attached-elsewhere",
            POD,
            "volumeattachments",
            text,
            {**attributes, **more},
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
            more = {"problem": _problem(str(error))[0], "why": _why(str(error)), "csi_driver": driver}
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
