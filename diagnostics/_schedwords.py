"""What the scheduler last said of a pod, and where."""

from __future__ import annotations

import re
from datetime import timedelta

from poddoctor.model import Body, Snapshot
from poddoctor.pod.pattern import lazy
from poddoctor.pod.reads import Event, condition, pod_events

from . import _schedmessage as schedmessage
from ._schedmessage import Message

_AUTOSCALERS = ("TriggeredScaleUp", "NotTriggerScaleUp", "FailedScaleUp", "FailedToScaleUp")
_ON_ITS_WAY = ("TriggeredScaleUp", "Nominated")
# The words of the cluster autoscaler and of Karpenter for a limit that a person has set.
_LIMIT = lazy(
    r"max node group size reached|max cluster [\w, ]+ limit reached|max limit reached"
    r"|in backoff after failed scale-up|all available instance types exceed limits for nodepool(?: \S+)?"
    r"|would exceed (?:nodepool )?limits?|GCE (?:quota exceeded|out of resources)"
    r"|(?<=associated with this pod failed: )[^.]+",
    re.IGNORECASE,
)
_KARPENTER = lazy(r"^(?:Failed to|Could not) schedule pod, (?P<why>.+)", re.DOTALL)
_OVERHEAD = lazy(r" daemonset overhead=\{[^}]*\},?")
_NOMINATED = lazy(r"^Pod should schedule on: ")
_PATIENCE = timedelta(minutes=10)
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
    events = events or _of_its_scheduler(snapshot, pod)
    return (events[0].message, events[0].source) if events else ("", "")


def _of_its_scheduler(snapshot: Snapshot, pod: Body) -> list[Event]:
    """What a scheduler other than the default one says under reasons of its own, the newest first."""
    name = str((pod.get("spec") or {}).get("schedulerName") or "")
    return [one for one in reversed(pod_events(snapshot)) if name and one.component == name and one.message]


def karpenter_says(text: str) -> str:
    """Why Karpenter makes no node, without the sizes of DaemonSets; empty when it is not its word."""
    found = _KARPENTER.match(text)
    return _OVERHEAD.sub("", found["why"]) if found else ""


def autoscaler(snapshot: Snapshot) -> tuple[tuple[str, str], ...]:
    """What an autoscaler last said about the pod: whether a node is on its way, or why not."""
    return tuple((one.message, one.source) for one in _by_autoscaler(snapshot)[-1:])


def scale_up(snapshot: Snapshot) -> Event | None:
    """The autoscaler's last word, when it is that a node is on its way, and not said too long ago."""
    last = next(reversed(_by_autoscaler(snapshot)), None)
    if last is None or last.reason not in _ON_ITS_WAY or last.time is None:
        return None
    return last if snapshot.clock - last.time < _PATIENCE else None


def scale_limit(snapshot: Snapshot) -> str:
    """Why an autoscaler adds no node although one would help: its limit, in its words; else empty."""
    last = next(reversed(_by_autoscaler(snapshot)), None)
    if last is None or last.reason in _ON_ITS_WAY:
        return ""
    limit = _LIMIT.search(last.message)
    return limit[0] if limit else ""


def too_large_for_any(snapshot: Snapshot) -> bool:
    """Whether Karpenter, which picks the machine for the pod, knows none that is large enough."""
    last = next(reversed(_by_autoscaler(snapshot)), None)
    return last is not None and "no instance type has enough resources" in last.message


def _by_autoscaler(snapshot: Snapshot) -> list[Event]:
    return [one for one in pod_events(snapshot) if one.reason in _AUTOSCALERS or _by_karpenter(one)]


def _by_karpenter(event: Event) -> bool:
    if event.reason == "Nominated":
        return "karpenter" in event.component or bool(_NOMINATED.match(event.message))
    return "karpenter" in event.component and event.reason == "FailedScheduling"
