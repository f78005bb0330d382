"""What the words about a volume mean: the events of attaching and mounting, and the errors in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from poddoctor.model import Snapshot
from poddoctor.pod.clip import clip
from poddoctor.pod.pattern import lazy
from poddoctor.pod.reads import Event, pod_events

from ._blocked import standing_events
from ._storage_errors import telling

REASONS = ("FailedMount", "FailedAttachVolume", "FailedMapVolume")
_VOLUME = lazy(r"(?:for volume|Multi-Attach error for volume) \\*\"(?P<volume>[^\"\\]+)")
_ERROR = lazy(r"^.*?failed for volume \\*\"[^\"]+\"\s*(?:\([^)]*\)\s*)?:\s*", re.DOTALL)
# What the stage config tells: an object or key that is missing. A driver's secrets are not the pod's.
_NOT_OURS = lazy(
    r"(?:configmap|secret)s? \\*\"[^\"]*\" (?:not found|is forbidden)|references non-existent"
    r"|persistentvolumeclaim|PVC|subPath"
)
# Where nothing is mounted by its name: the address that was tried.
_ADDRESS = lazy(
    r"Failed to resolve \W?(?P<name>[\w-]+(?:\.[\w-]+)+)|portal (?P<portal>[\d.]+(?::\d+)?)"
    r"|cannot make connection to (?P<target>[\d.]+)|dial tcp (?P<dialled>\d[\d.]+:\d+)"
)
_BYTES = lazy(r"^b'(.*)'$")  # as Python prints what a program said
_SUMMARY = lazy(r"^Unable to attach or mount volumes: |timed out waiting for the condition$")
_OUTPUT = lazy(r"Output: (?P<output>.*)", re.DOTALL)
_DISK = lazy(r"-t (?:ext[234]|xfs|btrfs)\b|bad superblock on /dev/")
_NFS_SOURCE = lazy(r"-t (?P<fs>nfs4?|cifs|glusterfs|ceph)\b[^\n]*?[ \t](?P<source>[^\s=]+:[^\s]*|//\S+)[ \t]")
_SHARE = lazy(r"mount (?P<source>//\S+) on \S+ failed with")
_OPTIONS = lazy(r"-o (?P<options>[^\s-]\S*) ")
_DEVICE = lazy(r"-t (?P<fs>ext[234]|xfs|btrfs)\b[^\n]*?\s(?P<device>/\S+) /\S+\s*(?:\n|Output|$)")
_FSCK = lazy(
    r"'fsck' found errors on device (?P<device>\S+) but could not correct them:?(?P<output>.*)", re.DOTALL
)
_FSCK_NOISE = lazy(r"^fsck from|contains a file system with errors|UNEXPECTED INCONSISTENCY|without -a or -p")
_FSTYPE = lazy(r"fstype: (?P<fs>\w+)")
# In this order; each names what the engineer has to look at.
_PROBLEMS: tuple[tuple[str, str], ...] = (
    (
        "account-gone",
        r"failed to fetch token: .*?serviceaccounts? \\*\"(?P<account>[^\"\\]+)\\*\" not found",
    ),
    # Kubelet's own memory of the pod's objects, empty after its restart or behind a slow API server.
    (
        "cache",
        (
            r"object \\*\"[^\"]*\"/\\*\"[^\"]*\" not registered|failed to sync \w+ cache"
            r"|couldn't propagate object cache"
        ),
    ),
    ("multi-attach", r"Multi-Attach error|is already (?:exclusively )?(?:attached|used) (?:to|by)"),
    ("multi-attach", r"RESOURCE_IN_USE_BY_ANOTHER|volume is already exclusively attached"),
    ("multi-attach", r"VolumeInUse.{0,80}attached to|already attached to (?:the )?(?:other )?node\b"),
    ("multi-attach", r"\bis (?:already |still )?attached (?:on|to) (?:an)?other node"),
    ("multi-attach", r"currently attached to (?:a )?different node|image \S+ is still being used"),
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
    ("path-missing", r"special device (?P<path>/\S+) does not exist"),
    ("helper-missing", r"need a /sbin/mount\.|unknown filesystem type|rpc\.statd is not running"),
    (
        "helper-missing",
        r"executable file not found in \$PATH|modprobe: FATAL: Module|failed to load \w+ kernel mod",
    ),
    ("access-denied", r"access denied by server|[Pp]ermission denied|mount error\(13\)|rados: ret=-13"),
    ("access-denied", r"Operation not permitted|LOGON_FAILURE"),
    ("export-missing", r"mount\.nfs4?: mounting \S+ failed, reason given by server: No such file"),
    ("export-missing", r"failed, reason given by server|mount error(?:\(2\)| 2 =)"),
    ("export-missing", r"requested NFS version or transport protocol is not supported"),
    ("export-missing", r"mount\.nfs4?: Protocol not supported"),
    ("unreachable", r"No route to host|[Cc]onnection refused|[Cc]onnection timed out"),
    ("unreachable", r"Network is unreachable|Host is down|Failed to resolve"),
    ("unreachable", r"mount\.\w+: Connection reset by peer"),
    ("unreachable", r"Name or service not known|could not resolve address|no such host"),
    ("unreachable", r"Temporary failure in name resolution|mount system call failed"),
    ("unreachable", r"mount error(?:\((?:110|111|112|113|115)\)| 11\d =)|portmap query failed"),
    ("unreachable", r"no mds server is up|rados: ret=-110"),
    ("filesystem", r"Structure needs cleaning|fsck found errors"),
    ("filesystem", r"'fsck' found errors|can't read superblock|Input/output error"),
    # mount(8) guesses: the disk may be well, and fsType or an option wrong.
    (
        "filesystem-refused",
        r"wrong fs type|bad superblock|[Uu]nknown parameter|already contains (?P<contains>\w+)",
    ),
    ("busy", r"already mounted or|[Dd]evice or resource busy|target is busy|apparently in use by the system"),
    ("filesystem", r"mkfs\.|failed to format|has filesystem .* and could not"),
    ("node-affinity", r"NodeAffinity check failed|no matching NodeSelectorTerms"),
    ("not-attached", r"not attached according to node status|is not attached for volume attachment"),
    ("not-attached", r"has not been added to the list of VolumesInUse|disk: \S+ not attached to node"),
    ("not-attached", r"timed out waiting for external-attacher|GET error for volume attachment"),
    ("not-attached", r"hasn't been attached yet"),
    ("credentials", r"UnauthorizedOperation|AccessDenied|AuthFailure|AuthorizationFailed"),
    ("credentials", r"not authorized to perform|Unauthorized|\b403\b|NoPermission|PERMISSION_DENIED"),
    ("volume-gone", r"InvalidVolume\.NotFound|volume .{0,80}(?:not found|does not exist)"),
    ("volume-gone", r"VolumeNotFound|image not found|is not registered as (?:a )?CNS"),
    ("limit", r"maximum number of (?:data )?disks|attachment limit|AttachmentLimitExceeded"),
    ("limit", r"too many volumes|max(?:imum)?.{0,20}attach|maximum_persistent_disks"),
    # The driver still works on its first call, whose answer was not waited for: no word of what is wrong.
    ("slow", r"(?:operation with the given [Vv]olume ID|operation is pending).{0,160}already exists"),
    ("slow", r"An operation with the given Volume .{0,200}already exists|context deadline exceeded"),
)
_UNREACHABLE = lazy(
    r"no route to host|refused|timed out|reset by peer|unreachable|host is down|resol\w+|name or service"
    r"|portmap|call failed|\(11\d\)",
    re.IGNORECASE,
)
_SHORT = (
    ("refused", "connection refused"),
    ("timed out", "no answer"),
    ("reset", "connection reset"),
    ("resol", "its name does not resolve"),
    ("name or service", "its name does not resolve"),
    ("host is down", "host is down"),
    ("route", "no route to host"),
    ("", "network error"),
)


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
    for one in standing_events(snapshot, REASONS):
        if _overtaken(snapshot, one):
            continue
        if _NOT_OURS.search(one.message) and "rpc error: code" not in one.message:
            continue
        if _SUMMARY.search(one.message) and not _VOLUME.search(one.message):
            continue
        volume = match["volume"] if (match := _VOLUME.search(one.message)) else ""
        problem, details = problem_of(one.message)
        why = why_of(one.message)
        if problem == "slow":
            why = f"its driver has not finished what it was asked before ({why})"
        found.setdefault((volume, problem), Failure(one, volume, problem, details, why))
    # That the driver is slow says nothing beside what it said.
    told = {one.volume for one in found.values() if one.problem != "slow"}
    return [one for one in found.values() if one.problem != "slow" or one.volume not in told]


def _overtaken(snapshot: Snapshot, failure: Event) -> bool:
    """Whether a later event shows that it went well after all.

    The kubelet makes the sandbox when all volumes are mounted, and the controller says when it has
    attached one.
    """
    match = _VOLUME.search(failure.message)
    for one in pod_events(snapshot):
        if not (one.time and failure.time and one.time > failure.time):
            continue
        if one.reason == "FailedCreatePodSandBox":
            return True
        attached = one.reason == "SuccessfulAttachVolume" and failure.reason == "FailedAttachVolume"
        if attached and match and match["volume"] in one.message:
            return True
    return False


def problem_of(message: str) -> tuple[str, dict[str, str]]:
    for name, pattern in _PROBLEMS:
        # What was asked for stands before the answer: an option called "nolock" is no error.
        if match := re.search(pattern, message):
            if name == "helper-missing" and _DISK.search(message):
                continue  # mount(8) adds that guess for disks too
            return name, {key: value for key, value in match.groupdict().items() if value}
    return "other", {}


def why_of(message: str) -> str:
    """The telling line: what mount(8) or the driver said, without the wrappers."""
    text = _ERROR.sub("", message)
    if match := _OUTPUT.search(text):
        lines = [line.strip() for line in match["output"].splitlines() if line.strip()]
        lines = [line for line in lines if not line.startswith(("Running scope as unit", "Created symlink"))]
        text = _telling_line(lines) if lines else text
    text = re.sub(r"^mount(?:\.\w+)?: /(?!dev/)\S+: ", "", text)
    text = re.sub(r" (?:on|at) \"?/var/lib/kubelet/[^\s:\"]+\"?", "", text)
    if match := _FSCK.search(text):
        return _fsck_said(match["output"])
    return telling(re.sub(r"MountVolume\.\w+ failed: ", "", text))


def _telling_line(lines: list[str]) -> str:
    """The line that says what the whole was judged by: helpers of mount(8) grumble first."""
    lines = [_BYTES.sub(r"\1", line) for line in lines]
    name, _ = problem_of("\n".join(lines))
    patterns = [pattern for one, pattern in _PROBLEMS if one == name]
    return next((line for line in lines if any(re.search(one, line) for one in patterns)), lines[0])


def short_of(message: str) -> str:
    """Why a server cannot be reached, in two words; empty when the message does not say it."""
    match = _UNREACHABLE.search(message)
    return next(text for key, text in _SHORT if key in match[0].lower()) if match else ""


def _fsck_said(output: str) -> str:
    """What fsck found, without its banner and without what it always says."""
    lines = [line.strip() for line in output.splitlines()]
    told = [line for line in lines if line and not _FSCK_NOISE.search(line)]
    return (
        clip(f"fsck cannot repair it by itself: {told[0]}", 200)
        if told
        else "fsck cannot repair it by itself"
    )


def address_of(message: str) -> dict[str, str]:
    """The address of a server that could not be reached, where the mount does not name it."""
    found = _ADDRESS.search(message)
    return {"server": next(filter(None, found.groups()))} if found else {}


def device_of(message: str) -> dict[str, str]:
    """Device and file system of a disk that was to be mounted."""
    match = _DEVICE.search(message)
    if match:
        options = _OPTIONS.search(match[0])
        return {
            "device": match["device"],
            "filesystem": match["fs"],
            **({"options": options["options"]} if options else {}),
        }
    if match := _FSCK.search(message):
        kind = _FSTYPE.search(message)
        return {"device": match["device"], "filesystem": kind["fs"] if kind else "ext4"}
    return {}


def server_of(message: str) -> dict[str, str]:
    """Server and file system of a network mount, as mount(8) was asked for them."""
    match = _NFS_SOURCE.search(message)
    if not match:
        share = _SHARE.search(message)
        return {"server": share["source"], "filesystem": "cifs"} if share else {}
    # A helper that is there, and lacks another one, is not what is missing.
    filesystem = {} if "rpc.statd" in message else {"filesystem": match["fs"]}
    return {"server": match["source"], **filesystem}
