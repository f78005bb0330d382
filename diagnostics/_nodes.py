"""The pod's node: is it there, is it well, since when is it silent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from poddoctor.model import Body, Snapshot
from poddoctor.pod.containers import containers
from poddoctor.pod.reads import Event, condition, node_of, node_read, pod_events, pod_of
from poddoctor.pod.units import parse_time

from ._world import nodes_read

_LATELY = timedelta(minutes=5)
_KUBELETS = frozenset(
    {
        *(
            "Pulling",
            "Pulled",
            "Created",
            "Started",
            "Failed",
            "BackOff",
            "Killing",
            "Unhealthy",
            "ProbeWarning",
        ),
        *("FailedMount", "FailedMapVolume", "FailedCreatePodSandBox", "SandboxChanged", "NetworkNotReady"),
        *("FailedKillPod", "FailedSync", "FailedPostStartHook", "FailedPreStopHook", "InspectFailed"),
        *("ErrImageNeverPull", "FailedPrepareDynamicResources", "DNSConfigForming", "FailedPodSandBoxStatus"),
        *("SuccessfulMountVolume", "AlreadyMountedVolume", "VolumeResizeFailed", "ExceededGracePeriod"),
        *(
            "FailedCreatePodContainer",
            "ResizeDeferred",
            "ResizeInfeasible",
            "FailedToRetrieveImagePullSecret",
        ),
    }
)
PRESSURES = ("MemoryPressure", "DiskPressure", "PIDPressure")


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why the node cannot be relied on.

    ``ready`` is the Ready condition's status (``Unknown``: nothing is heard; ``False``: it says so itself),
    ``gone`` when the Node object does not exist; ``source`` says whether the node or only the pod tells.
    """

    ready: str
    reason: str
    message: str
    since: datetime | None
    heartbeat: datetime | None
    source: str


def trouble_of(snapshot: Snapshot) -> Trouble | None:
    """What is wrong with the pod's node: from the node object, else from what the pod gives away."""
    pod = pod_of(snapshot) or {}
    name = node_name(pod)
    if not name:
        return None
    if gone := _gone(snapshot, pod, name):
        return gone
    node = node_of(snapshot)
    if node is not None:
        ready = condition(node, "Ready")
        if not ready or ready.get("status") == "True":
            return None
        return Trouble(
            str(ready.get("status") or "Unknown"),
            str(ready.get("reason") or ""),
            str(ready.get("message") or ""),
            parse_time(ready.get("lastTransitionTime")),
            parse_time(ready.get("lastHeartbeatTime")),
            f"node {name} .status.conditions[Ready]",
        )
    return _from_pod(snapshot, pod)


def _gone(snapshot: Snapshot, pod: Body, name: str) -> Trouble | None:
    """Whether the Node object was removed.

    That it cannot be found is not enough: a cluster that is replayed from what was saved may lack its nodes.
    The control plane must say so, or a list with other nodes in it, while nothing is heard of the kubelet.
    """
    target = condition(pod, "DisruptionTarget")
    since = parse_time(target.get("lastTransitionTime"))
    said = str(target.get("message") or "")
    if target.get("reason") == "DeletionByPodGC" and "no longer exists" in said:
        return Trouble(
            "gone", "DeletionByPodGC", said, since, None, "pod.status.conditions[DisruptionTarget]"
        )
    nodes = snapshot.items(nodes_read())
    if not snapshot.absent(node_read(name)) or not nodes or heard_lately(snapshot, pod):
        return None
    if any((one.get("metadata") or {}).get("name") == name for one in nodes):
        return None
    message = f'node "{name}" does not exist, {len(nodes)} others do'
    return Trouble("gone", "NotFound", message, None, None, f"node {name}")


def heard_lately(snapshot: Snapshot, pod: Body) -> bool:
    """Whether the kubelet wrote something about the pod in the last minutes: then its node is there."""
    times = [each.time for each in pod_events(snapshot) if from_kubelet(each)]
    for one in containers(pod):
        ends = (one.terminated.get("finishedAt"), one.last_terminated.get("finishedAt"))
        times += [one.started_at, *map(parse_time, ends)]
    return any(time is not None and snapshot.clock - time < _LATELY for time in times)


def from_kubelet(event: Event) -> bool:
    """Whether a kubelet wrote this event; newer event APIs may leave the component empty."""
    return event.component == "kubelet" or (not event.component and event.reason in _KUBELETS)


def _from_pod(snapshot: Snapshot, pod: Body) -> Trouble | None:
    """The node controller marks pods unready and leaves the containers' own readiness alone."""
    if (pod.get("status") or {}).get("reason") == "NodeLost":  # up to 1.26
        return Trouble(
            "unknown", "NodeLost", str(pod["status"].get("message") or ""), None, None, "pod.status"
        )
    ready = condition(pod, "Ready")
    if (pod.get("status") or {}).get("phase") == "Unknown" or ready.get("status") == "Unknown":
        since = parse_time(ready.get("lastTransitionTime"))
        return Trouble("unknown", "Unknown", "the pod's state is Unknown", since, None, "pod.status")
    if ready.get("status") != "False" or condition(pod, "ContainersReady").get("status") != "True":
        return None
    if ready.get("reason") or (pod.get("spec") or {}).get("readinessGates"):
        return None
    since = parse_time(ready.get("lastTransitionTime"))
    event = next((one for one in reversed(pod_events(snapshot)) if one.reason == "NodeNotReady"), None)
    message = event.message if event else "Ready is False while ContainersReady is True"
    source = event.source if event else "pod.status.conditions[Ready]"
    return Trouble("unknown", "NodeNotReady", message, since, None, source)


def node_name(pod: Body) -> str:
    """The node that the pod is bound to, or an empty string."""
    return str((pod.get("spec") or {}).get("nodeName") or "")


def says_running(pod: Body) -> bool:
    """Whether the pod's status still claims that a container runs."""
    return any(one.is_running for one in containers(pod))
