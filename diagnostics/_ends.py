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
]
SIGNALS = {
    3: "SIGQUIT",
    4: "SIGILL",
    5: "SIGTRAP",
    6: "SIGABRT",
    7: "SIGBUS",
    8: "SIGFPE",
    9: "SIGKILL",
    11: "SIGSEGV",
    15: "SIGTERM",
    31: "SIGSYS",
}
_START = frozenset({"StartError", "ContainerCannotRun"})
_PROBE = lazy(r"failed (?:the )?(?P<probe>liveness|startup) probe")
_CHANGED = lazy(r"definition changed|spec hash changed|spec changed|resize")
_ABORT = lazy(
    r"terminate called|Assertion .*failed|\bAborted\b|SIGABRT|\babort\(\)|double free|corrupted size"
)
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
        return int(self.record.get("exitCode") or 0)

    @property
    def reason(self) -> str:
        """The runtime's word: ``Error``, ``Completed``, ``OOMKilled``, …."""
        return str(self.record.get("reason") or "")

    @property
    def signal(self) -> str:
        """The signal's name, or empty."""
        number = int(self.record.get("signal") or 0) or self.exit_code - 128
        return SIGNALS.get(number, "")

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
    return _by_code(int(record.get("exitCode") or 0)), "", ""


def _by_code(code: int) -> By:
    if code in (137, 143):
        return "kill"
    return "signal" if code - 128 in SIGNALS and code != 131 else "itself"


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
    target = condition(pod, "DisruptionTarget")
    if target.get("status") == "True":
        return (
            "eviction",
            f"DisruptionTarget {target.get('reason')}: {target.get('message')}",
            "pod.status.conditions",
        )
    # A deadline only stops what was still running: what crashed before it did so by itself.
    if status.get("reason") and (
        status["reason"] != "DeadlineExceeded" or record.get("exitCode") in (137, 143)
    ):
        return "eviction", f"{status['reason']}: {status.get('message') or ''}".strip(), "pod.status"
    deleted, finished = parse_time(meta.get("deletionTimestamp")), parse_time(record.get("finishedAt"))
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
    code, reason = int(record.get("exitCode") or 0), str(record.get("reason") or "")
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


def _node_event(snapshot: Snapshot, record: Body, reasons: Sequence[str], slack: timedelta) -> Event | None:
    node = ((pod_of(snapshot) or {}).get("spec") or {}).get("nodeName")
    finished = parse_time(record.get("finishedAt"))
    if not node or finished is None:
        return None
    for event in reversed(events_in(snapshot, node_events_read(str(node)))):
        first, last = event.first or event.time, event.time or event.first
        near = first and last and first - slack <= finished <= last + slack
        # A cgroup's own limit is no shortage of the node.
        if event.reason in reasons and near and "cgroup out of memory" not in event.message:
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


def looks_aborted(lines: Sequence[str]) -> bool:
    """Whether the last words are those of abort(): as process 1 it may end with SIGSEGV instead."""
    return any(_ABORT.search(line) for line in lines[-20:])
