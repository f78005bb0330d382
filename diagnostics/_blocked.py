"""Whether a pod still waits before its first container: for a node, its volumes or its sandbox."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from poddoctor.model import Body, Snapshot
from poddoctor.pod.containers import containers
from poddoctor.pod.reads import Event, condition, pod_events

_BEFORE = ("", "ContainerCreating", "PodInitializing")
_PROGRESS = ("Pulling", "Pulled", "Created", "Started", "BackOff")


def waits_for_node(pod: Body) -> bool:
    """Whether no node was chosen yet, and the pod may still get one."""
    return not _over(pod) and not (pod.get("spec") or {}).get("nodeName")


def waits_for_start(pod: Body) -> bool:
    """Whether the pod is bound to a node and none of its containers could be created so far.

    A pod whose sandbox is lost (after a reboot) keeps the ends of its earlier containers: there the
    condition tells.
    """
    if _over(pod) or not (pod.get("spec") or {}).get("nodeName"):
        return False
    all_of_them = containers(pod, "init", "sidecar", "app")
    if any(one.is_running for one in all_of_them):
        return False
    if any(one.waiting.get("reason", "") not in _BEFORE for one in all_of_them):
        return False
    ready = network_condition(pod)
    if ready:
        return ready == "False"
    return not any(one.terminated or one.last_terminated for one in all_of_them)


def network_condition(pod: Body) -> str:
    """The status of the condition that says "volumes and sandbox are there"; empty on older clusters."""
    for name in ("PodReadyToStartContainers", "PodHasNetwork"):
        if status := condition(pod, name).get("status"):
            return str(status)
    return ""


def standing_events(snapshot: Snapshot, reasons: Iterable[str]) -> list[Event]:
    """The pod's events of these reasons that nothing has overtaken, newest first.

    Once the kubelet pulls an image or creates a container, volumes and sandbox are there.
    """
    events, wanted = pod_events(snapshot), frozenset(reasons)
    progress = [one.time for one in events if one.reason in _PROGRESS and one.time]
    last: datetime | None = max(progress, default=None)
    found = [one for one in events if one.reason in wanted and not (last and one.time and one.time <= last)]
    return found[::-1]


def progressed(snapshot: Snapshot) -> bool:
    """Whether an event shows that the kubelet came as far as the images: volumes and sandbox were there."""
    return any(one.reason in _PROGRESS for one in pod_events(snapshot))


def _over(pod: Body) -> bool:
    phase = (pod.get("status") or {}).get("phase")
    return phase in ("Succeeded", "Failed") or bool((pod.get("metadata") or {}).get("deletionTimestamp"))
