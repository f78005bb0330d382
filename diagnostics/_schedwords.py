"""What the scheduler last said of a pod, and where."""

from __future__ import annotations

from poddoctor.model import Body, Snapshot
from poddoctor.pod.reads import Event, condition, pod_events

from . import _schedmessage as schedmessage
from ._schedmessage import Message

_AUTOSCALERS = ("TriggeredScaleUp", "NotTriggerScaleUp", "FailedScaleUp", "FailedToScaleUp")
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
    events = [
        one
        for one in reversed(pod_events(snapshot))
        if one.reason == "FailedScheduling" and "skip schedule deleting pod" not in one.message
    ]
    events.sort(key=lambda one: not schedmessage.is_of_scheduler(one.message))
    return (events[0].message, events[0].source) if events else ("", "")


def autoscaler(snapshot: Snapshot) -> tuple[tuple[str, str], ...]:
    """What an autoscaler last said about the pod: whether a node is on its way, or why not."""
    said = [one for one in pod_events(snapshot) if one.reason in _AUTOSCALERS or _by_karpenter(one)]
    return tuple((one.message, one.source) for one in said[-1:])


def _by_karpenter(event: Event) -> bool:
    return "karpenter" in event.component and event.reason in ("Nominated", "FailedScheduling")
