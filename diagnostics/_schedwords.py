"""What the scheduler last said of a pod, and where."""

from __future__ import annotations

from poddoctor.model import Body, Snapshot
from poddoctor.pod.reads import condition, pod_events

from . import _schedmessage as schedmessage
from ._schedmessage import Message

CONDITION = "pod.status.conditions[PodScheduled].message"


def message_of(snapshot: Snapshot, pod: Body) -> Message | None:
    """What the scheduler last said of this pod: its condition, which is never cut, else its last event."""
    text, _ = words(snapshot, pod)
    return schedmessage.parse(text) if text else None


def words(snapshot: Snapshot, pod: Body) -> tuple[str, str]:
    """The message and where it was read."""
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") != "True" and scheduled.get("message"):
        return str(scheduled["message"]), CONDITION
    for one in reversed(pod_events(snapshot)):
        if one.reason == "FailedScheduling" and "skip schedule deleting pod" not in one.message:
            return one.message, one.source
    return "", ""
