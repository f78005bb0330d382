"""How the last run of a container ended, and who ended it: one decision table.

The same exit code has many stories. 137 is a kill by the memory limit, by the node, by a probe whose grace
period ran out, by a deletion, or a record that was lost; so each end is judged once, here, from all that the
pod, its events and its node say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from poddoctor.model import Body, Snapshot
from poddoctor.pod.containers import Container, containers
from poddoctor.pod.pattern import lazy
from poddoctor.pod.reads import Event, condition, events_in, node_events_read, pod_events, pod_of
from poddoctor.pod.units import parse_time

from ._process import ran_for

By = Literal[
    "itself",
    "memory",
    "node-memory",
    "probe",
    "hook",
    "change",
    "deletion",
    "eviction",
    "pod-end",
    "lost",
    "node-restart",
    "start",
    "signal",
    "kill",
    "unrecorded",
]
SIGNALS = {
    2: "SIGINT",
    3: "SIGQUIT",
    4: "SIGILL",
    5: "SIGTRAP",
    6: "SIGABRT",
    7: "SIGBUS",
    8: "SIGFPE",
    9: "SIGKILL",
    10: "SIGUSR1",
    11: "SIGSEGV",
    12: "SIGUSR2",
    13: "SIGPIPE",
    14: "SIGALRM",
    15: "SIGTERM",
    24: "SIGXCPU",
    25: "SIGXFSZ",
    31: "SIGSYS",
}
_FAULTS = frozenset({4, 5, 6, 7, 8, 11, 13, 31})
"""Signals that a process raises by its own fault."""
_SENT = frozenset({2, 9, 10, 12, 15})
"""Signals that somebody sends; an image may name another STOPSIGNAL than SIGTERM."""
# What a Windows process leaves behind; Kubernetes shows these 32 bits as a negative number.
_NTSTATUS = {
    0xC0000005: "an access violation",
    0xC0000017: "no memory left",
    0xC0000094: "a division by zero",
    0xC00000FD: "a stack overflow",
    0xC0000135: "a DLL that is missing",
    0xC0000139: "a DLL of another version",
    0xC0000142: "a DLL that cannot start",
    0xC0000374: "a damaged heap",
    0xC0000409: "a fail-fast check",
    0xE0434352: "an unhandled .NET exception",
}
_CONTROL_C = 0xC000013A
_START = frozenset({"StartError", "ContainerCannotRun"})
_PROBE = lazy(r"failed (?:the )?(?P<probe>liveness|startup) probe")
_CHANGED = lazy(r"definition changed|spec hash changed|spec changed|resize")
_ABORT = lazy(
    r"terminate called|Assertion .*failed|\bAborted\b|SIGABRT|\babort\(\)|double free|corrupted size"
)
_VICTIM = lazy(r"Kill(?:ed)? process \d+ \(([^)]+)\)")
_NEAR = timedelta(seconds=90)


@dataclass(frozen=True, slots=True)
class End:
    """One end of a container: kubelet's record, who ended it, and the sentence that shows it."""

    container: Container
    record: Body
    path: str
    by: By
    proof: str = ""
    proof_source: str = ""

    @property
    def exit_code(self) -> int:
        """The exit code; 128 + N for signal N."""
        return code_of(self.record)

    @property
    def reason(self) -> str:
        """The runtime's word: ``Error``, ``Completed``, ``OOMKilled``, …."""
        return str(self.record.get("reason") or "")

    @property
    def signal(self) -> str:
        """The signal's name, or empty."""
        if self.exit_code & 0xFFFFFFFF == _CONTROL_C:
            return "STATUS_CONTROL_C_EXIT"
        return SIGNALS.get(_number(self.record), "")

    @property
    def meaning(self) -> str:
        """What the exit code of a program says by convention, where that is more than "it failed"."""
        windows = self.exit_code & 0xFFFFFFFF
        if windows in _NTSTATUS:
            return f"{_NTSTATUS[windows]} (0x{windows:08X})"
        return "SIGXFSZ, a file beyond its limit" if self.signal == "SIGXFSZ" else self.signal

    @property
    def source(self) -> str:
        """Where the record stands."""
        return f"{self.container.status_path}.{self.path}.terminated"

    @property
    def finished(self) -> datetime | None:
        """When it ended, UTC."""
        return parse_time(self.record.get("finishedAt"))

    @property
    def lasted(self) -> timedelta:
        """How long the run lasted; zero when it is not known."""
        return ran_for(self.record)


def last_end(snapshot: Snapshot, one: Container) -> End | None:
    """The newest end of a container, or None when it never ended.

    A runtime may miss that the kernel killed for memory; when it saw it the time before, and both ends are
    kills, they are the same story.
    """
    pairs = [("state", one.terminated), ("lastState", one.last_terminated)]
    present = [(path, record) for path, record in pairs if record]
    if not present:
        return None
    path, record = present[0]
    if len(present) > 1 and record.get("exitCode") == 137 and record.get("reason") == "Error":
        older = present[1][1]
        if older.get("reason") == "OOMKilled":
            path, record = present[1]
    by, proof, source = _judge(snapshot, one, record)
    return End(one, record, path, by, proof, source)


def _judge(snapshot: Snapshot, one: Container, record: Body) -> tuple[By, str, str]:
    """Who ended this run, by the first row that holds, with the sentence that shows it and its source."""
    reason = str(record.get("reason") or "")
    if reason in _START:
        return "start", str(record.get("message") or ""), ""
    if reason == "RestartingAllContainers":
        return "change", str(record.get("message") or reason), f"{one.status_path}"
    if reason == "ContainerStatusUnknown":
        # Kubelet's stand-in for a record that it could not find: its 137 is no kill.
        lost: tuple[By, str, str] = ("lost", str(record.get("message") or reason), one.status_path)
        return _by_pod(snapshot, one, record) or _rebooted(snapshot, record) or lost
    if reason == "OOMKilled":
        near = None if memory_limits(snapshot, one) else _system_oom(snapshot, record)
        return ("node-memory", near.message, near.source) if near else ("memory", "", "")
    for row in (_by_kubelet, _by_pod, _by_node):
        if found := row(snapshot, one, record):
            return found
    return _by_code(record), "", ""


def code_of(record: Body) -> int:
    """The exit code of a record; one that names only a signal counts as 128 + N, as a shell counts."""
    code, signal = int(record.get("exitCode") or 0), int(record.get("signal") or 0)
    return code or (128 + signal if signal else 0)


def _number(record: Body) -> int:
    return int(record.get("signal") or 0) or code_of(record) - 128


def _by_code(record: Body) -> By:
    if _number(record) in _SENT or code_of(record) & 0xFFFFFFFF == _CONTROL_C:
        return "kill"
    return "signal" if _number(record) in _FAULTS else "itself"


def _by_kubelet(snapshot: Snapshot, one: Container, record: Body) -> tuple[By, str, str] | None:
    """A Killing event of this container, of the time of this end."""
    grace = (pod_of(snapshot) or {}).get("spec", {}).get("terminationGracePeriodSeconds")
    slack = timedelta(seconds=int(grace if isinstance(grace, int) else 30)) + _NEAR
    for event in reversed(pod_events(snapshot)):
        if event.reason != "Killing" or event.container != one.name or not _about(event, record, slack):
            continue
        if _PROBE.search(event.message):
            return "probe", event.message, event.source
        if "PostStartHook" in event.message or "post start hook" in event.message.lower():
            return "hook", event.message, event.source
        if _CHANGED.search(event.message):
            return "change", event.message, event.source
        if event.message.startswith("Stopping container"):
            return "deletion", event.message, event.source
    handler = (one.spec.get("lifecycle") or {}).get("postStart")
    if handler and one.waiting.get("reason") == "PostStartHookError":
        return "hook", str(one.waiting.get("message") or "PostStartHookError"), one.status_path
    return None


def killed_by_kubelet(snapshot: Snapshot, end: End) -> tuple[str, str] | None:
    """The event in which kubelet says that a probe had this run ended, and its source."""
    found = _by_kubelet(snapshot, end.container, end.record)
    return found[1:] if found and found[0] == "probe" else None


def _about(event: Event, record: Body, slack: timedelta) -> bool:
    finished = parse_time(record.get("finishedAt"))
    if finished is None or event.time is None:
        return True
    started, first = parse_time(record.get("startedAt")), event.first or event.time
    if started is not None and started > event.time + timedelta(seconds=1):
        return False
    return first - timedelta(seconds=5) <= finished <= event.time + slack


def _by_pod(snapshot: Snapshot, one: Container, record: Body) -> tuple[By, str, str] | None:
    """The end of the whole pod: deleted, evicted, past its deadline, or done."""
    pod = pod_of(snapshot) or {}
    meta, status = pod.get("metadata") or {}, pod.get("status") or {}
    target, finished = condition(pod, "DisruptionTarget"), parse_time(record.get("finishedAt"))
    since = parse_time(target.get("lastTransitionTime"))
    # What ended before anybody meant to take the pod away ended for another reason.
    if target.get("status") == "True" and not (
        since and finished and finished < since - timedelta(seconds=5)
    ):
        return (
            "eviction",
            f"DisruptionTarget {target.get('reason')}: {target.get('message')}",
            "pod.status.conditions",
        )
    # A deadline only stops what was still running: what crashed before it did so by itself.
    if status.get("reason") and (
        status["reason"] != "DeadlineExceeded" or _by_code(record) == "kill" or not code_of(record)
    ):
        return "eviction", f"{status['reason']}: {status.get('message') or ''}".strip(), "pod.status"
    deleted = parse_time(meta.get("deletionTimestamp"))
    if deleted:
        asked = deleted - timedelta(seconds=int(meta.get("deletionGracePeriodSeconds") or 30) + 5)
        if finished is None or finished >= asked:
            return (
                "deletion",
                f"the pod is being deleted since {asked:%H:%M:%S}",
                "pod.metadata.deletionTimestamp",
            )
    ended = all(each.terminated for each in containers(pod, "app"))
    if one.kind == "sidecar" and ended and (pod.get("spec") or {}).get("restartPolicy") != "Always":
        return "pod-end", "the containers that this sidecar serves have ended", "pod.status.containerStatuses"
    return None


def _by_node(snapshot: Snapshot, one: Container, record: Body) -> tuple[By, str, str] | None:
    """A node or runtime that went down under the container, or ran out of memory as a whole."""
    code, reason = code_of(record), str(record.get("reason") or "")
    if code not in (137, 143, 255):
        return None
    if found := _rebooted(snapshot, record):
        return found
    if code == 255 and reason == "Unknown":
        return "node-restart", "the runtime lost the container: exit 255, reason Unknown", one.status_path
    oom = _system_oom(snapshot, record) if code == 137 else None
    return ("node-memory", oom.message, oom.source) if oom else None


def _rebooted(snapshot: Snapshot, record: Body) -> tuple[By, str, str] | None:
    event = _node_event(snapshot, record, ("Rebooted",), timedelta(minutes=10))
    return ("node-restart", event.message, event.source) if event else None


def _system_oom(snapshot: Snapshot, record: Body) -> Event | None:
    return _node_event(snapshot, record, ("SystemOOM", "OOMKilling"), _NEAR)


def cgroup_kill(snapshot: Snapshot, record: Body) -> tuple[str, str, str] | None:
    """A kill for memory in some cgroup of the node at that time: who, the words and their source.

    It need not be this container's: the node problem detector, which writes it, names only the process.
    """
    event = _node_event(snapshot, record, ("OOMKilling",), timedelta(seconds=15), own=True)
    found = _VICTIM.search(event.message) if event else None
    return (found[1], event.message, event.source) if event and found else None


def _node_event(
    snapshot: Snapshot, record: Body, reasons: Sequence[str], slack: timedelta, *, own: bool = False
) -> Event | None:
    node = ((pod_of(snapshot) or {}).get("spec") or {}).get("nodeName")
    finished = parse_time(record.get("finishedAt"))
    if not node or finished is None:
        return None
    for event in reversed(events_in(snapshot, node_events_read(str(node)))):
        first, last = event.first or event.time, event.time or event.first
        near = first and last and first - slack <= finished <= last + slack
        # A cgroup's own limit is no shortage of the node.
        if event.reason in reasons and near and ("cgroup out of memory" in event.message) is own:
            return event
    return None


def memory_limits(snapshot: Snapshot, one: Container) -> list[tuple[str, str, str]]:
    """The memory limits that hold for a container: scope, limit and where it stands, the tightest first."""
    spec = (pod_of(snapshot) or {}).get("spec") or {}
    found = []
    live = ((one.status.get("resources") or {}).get("limits") or {}).get("memory")
    own = ((one.spec.get("resources") or {}).get("limits") or {}).get("memory")
    if live or own:
        path = f"{one.spec_path}.resources" if own else f"{one.status_path}.resources"
        found.append(("container", str(live or own), path))
    whole = ((spec.get("resources") or {}).get("limits") or {}).get("memory")
    if whole:
        found.append(("pod", str(whole), "pod.spec.resources"))
    return found


def unhandled(lines: Sequence[str]) -> bool:
    """Whether the last words are those of a .NET program that threw: it ends by abort(), or with SIGSEGV."""
    return any(line.startswith(("Unhandled exception. ", "Unhandled Exception: ")) for line in lines)


def looks_aborted(lines: Sequence[str]) -> bool:
    """Whether the last words are those of abort(): as process 1 it may end with SIGSEGV instead."""
    return any(_ABORT.search(line) for line in lines[-20:])
