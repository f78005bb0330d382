"""How far kubelet has come with a pod that does not start.

It goes in this order: network of the node, volumes (of ConfigMaps and Secrets too), sandbox, init containers,
then for each container the image, the configuration, the start. The first that fails hides the later ones.
"""

from __future__ import annotations

from poddoctor.model import POD, Body, Snapshot, Subject
from poddoctor.pod.containers import container
from poddoctor.pod.reads import condition

from ._blocked import progressed, standing_events, waits_for_start

REFUSED = "CreateContainerConfigError"
_EARLY = ("FailedMount", "FailedAttachVolume", "FailedMapVolume", "FailedCreatePodSandBox", "NetworkNotReady")


def held_before(snapshot: Snapshot, pod: Body, subject: Subject) -> str:
    """What keeps kubelet from looking at the configuration of the subject so far; empty when it did look.

    Volumes are the pod's (``subject`` is the pod), the environment is a container's.
    """
    if not (pod.get("spec") or {}).get("nodeName"):
        return "the pod has no node yet"
    if subject == POD:
        down = standing_events(snapshot, ("NetworkNotReady",))
        return "the network of the node is not ready" if down else ""
    one = container(pod, subject.name)
    reason = str(one.waiting.get("reason") or "") if one else ""
    if reason == REFUSED:
        return ""
    if reason in ("", "ContainerCreating", "PodInitializing"):
        return "the container's turn has not come yet"
    return f"the container waits in {reason}"


def mounted_before(snapshot: Snapshot, pod: Body, subject: Subject) -> bool:
    """Whether kubelet is past the pod's volumes: no object that they show can be what stops it."""
    if subject != POD or not (pod.get("spec") or {}).get("nodeName"):
        return False
    return not waits_for_start(pod) or progressed(snapshot)


def held_early(snapshot: Snapshot, pod: Body) -> bool:
    """Whether something is known to hold the pod before its first image is looked at."""
    if not (pod.get("spec") or {}).get("nodeName"):
        return condition(pod, "PodScheduled").get("status") == "False"
    return waits_for_start(pod) and bool(standing_events(snapshot, _EARLY))
