"""The pod's node: is it there, is it well, since when is it silent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from poddoctor.model import Body, Snapshot
from poddoctor.pod.containers import containers
from poddoctor.pod.reads import condition, node_of, node_read, pod_events, pod_of
from poddoctor.pod.units import parse_time

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
    if snapshot.absent(node_read(name)):
        return Trouble("gone", "NotFound", f'node "{name}" does not exist', None, None, f"node {name}")
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


def _from_pod(snapshot: Snapshot, pod: Body) -> Trouble | None:
    """The node controller marks pods unready and leaves the containers' own readiness alone."""
    if (pod.get("status") or {}).get("reason") == "NodeLost":  # up to 1.26
        return Trouble(
            "unknown", "NodeLost", str(pod["status"].get("message") or ""), None, None, "pod.status"
        )
    ready = condition(pod, "Ready")
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
