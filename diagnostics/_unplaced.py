"""Pods without a judgement of nodes: gated, unseen, waiting for victims, preempted, bound to nowhere."""

from __future__ import annotations

from collections.abc import Iterable

from poddoctor.model import POD, Absent, Body, Snapshot, Symptom
from poddoctor.pod.names import nearest
from poddoctor.pod.reads import (
    condition,
    events_in,
    get,
    node_read,
    pod_events,
    pod_events_read,
    pod_read,
    readable,
)
from poddoctor.pod.units import parse_time, show_duration

from . import _advice as advice
from . import _selectors as sel
from . import _world as world_
from ._schedanswer import some

LEASE = get(
    "coordination.k8s.io/v1",
    "leases",
    "kube-system",
    "kube-scheduler",
    "would show whether the scheduler is alive",
)
_KNOWN_GATES = {
    "kueue.x-k8s.io/": "Kueue: it is removed when the workload is admitted to a queue",
    "karpenter.sh/": "Karpenter",
    "volcano.sh/": "Volcano",
    "scheduling.coscheduling": "the co-scheduling plugin",
}


def gated(snapshot: Snapshot, pod: Body) -> Symptom | None:
    gates = [str(one.get("name")) for one in (pod.get("spec") or {}).get("schedulingGates") or []]
    if not gates:
        return None
    facts = {"gate": gates[0], "gates": ", ".join(gates), "age": _age(snapshot, pod)}
    for prefix, owner in _KNOWN_GATES.items():
        if gates[0].startswith(prefix):
            facts["gate_owner"] = owner
    text = f"scheduling gates: {', '.join(gates)}"
    return Symptom("scheduling.gated", POD, "pod.spec.schedulingGates", text, facts)


def _age(snapshot: Snapshot, pod: Body) -> str:
    created = parse_time((pod.get("metadata") or {}).get("creationTimestamp"))
    return show_duration(snapshot.clock - created) if created else ""


def unseen(snapshot: Snapshot, pod: Body) -> Iterable[Symptom]:
    """Nobody has said a word about the pod: is it being bound right now, or is there no scheduler?"""
    created = parse_time((pod.get("metadata") or {}).get("creationTimestamp"))
    if not created or (snapshot.clock - created).total_seconds() < 10:
        return
    if condition(pod, "PodScheduled").get("status") == "True":
        return
    for name in world_.claim_names(pod):
        claim = snapshot.body(world_.pvc_read(snapshot.target.namespace, name)) or {}
        notes = (claim.get("metadata") or {}).get("annotations") or {}
        node = notes.get("volume.kubernetes.io/selected-node")
        if node and (claim.get("status") or {}).get("phase") == "Pending":
            text = f"the scheduler chose {node} and waits for the volume of claim {name}"
            source = f"persistentvolumeclaim {name} metadata.annotations[volume.kubernetes.io/selected-node]"
            facts = {"claim": name, "chosen_node": str(node), "age": _age(snapshot, pod)}
            yield Symptom("scheduling.volume-binding", POD, source, text, facts)
            return
    yield from _no_scheduler(snapshot, pod)


def _no_scheduler(snapshot: Snapshot, pod: Body) -> Iterable[Symptom]:
    scheduler = str((pod.get("spec") or {}).get("schedulerName") or "default-scheduler")
    default = scheduler == "default-scheduler"
    age = _age(snapshot, pod)
    facts = {"scheduler": scheduler, "is_default": "yes" if default else "no", "age": age, "lease": "unknown"}
    if not default:
        near = nearest(scheduler, ["default-scheduler"])
        if near:
            facts["near_scheduler"] = near[0]
        template = advice.Template(snapshot, pod)
        if template.kind != "pod":
            facts["patch"] = template.patch(
                {"op": "replace", "path": "/schedulerName", "value": "default-scheduler"}
            )
        text = f"spec.schedulerName is {scheduler}, not the default scheduler of Kubernetes"
        yield Symptom("scheduling.scheduler", POD, "pod.spec.schedulerName", text, {"state": "other"})
    else:
        yield from _lease(snapshot, facts)
    known = readable(snapshot, pod_events_read(snapshot))
    text = f"no PodScheduled condition{' and no scheduler event' if known else ''} after {age}"
    yield Symptom("scheduling.unseen", POD, "pod.status.conditions", text, facts)


def _lease(snapshot: Snapshot, facts: dict[str, str]) -> Iterable[Symptom]:
    """Whether the default scheduler still renews its lease."""
    source = "lease kube-system/kube-scheduler"
    lease = snapshot.body(LEASE)
    if isinstance(snapshot.answers.get(LEASE), Absent):
        facts["lease"] = "absent"
        text = "the default scheduler has no lease: it does not run, or runs without election"
        yield Symptom("scheduling.scheduler", POD, source, text, {"state": "absent"})
        return
    spec = (lease or {}).get("spec") or {}
    renewed = parse_time(spec.get("renewTime"))
    if renewed is None:
        return
    age = snapshot.clock - renewed
    allowed = max(60, 3 * int(spec.get("leaseDurationSeconds") or 15))
    facts["lease"] = "stale" if age.total_seconds() > allowed else "fresh"
    facts.update(lease_age=show_duration(age), lease_holder=str(spec.get("holderIdentity") or ""))
    text = f"the default scheduler last renewed its lease {show_duration(age)} ago"
    yield Symptom("scheduling.scheduler", POD, source, text, {"state": facts["lease"]})


def preempting(snapshot: Snapshot, pod: Body) -> Symptom | None:
    """A node is nominated, and pods there are leaving: the scheduler waits for them."""
    node = str((pod.get("status") or {}).get("nominatedNodeName") or "")
    if not node:
        return None
    items = snapshot.items(world_.node_pods_read(node))
    facts, notes = {"nominated_node": node}, []
    if items:  # a node without any pod was not recorded whole: nothing can be said of it
        leaving = [
            one
            for one in items
            if (one.get("spec") or {}).get("nodeName") == node
            and (one.get("metadata") or {}).get("deletionTimestamp")
        ]
        if not leaving:
            return None
        names = [f"{sel.namespace_of(one)}/{sel.name_of(one)}" for one in leaving]
        facts.update(victims=some(names), victim_count=str(len(names)))
        for one, name in zip(leaving, names, strict=True):
            meta = one.get("metadata") or {}
            grace = meta.get("deletionGracePeriodSeconds")
            notes.append((f"{name} is terminating (grace period {grace}s)", f"pod {name}"))
    text = f"node {node} is nominated; the pods it displaces are still leaving"
    return Symptom(
        "scheduling.preempting", POD, "pod.status.nominatedNodeName", text, facts, notes=tuple(notes)
    )


def preemption(pod: Body) -> Body:
    """The condition that says that the pod was preempted by a scheduler."""
    found = condition(pod, "DisruptionTarget")
    return found if found.get("reason") in ("PreemptionByScheduler", "PreemptionByKubeScheduler") else {}


def bound(snapshot: Snapshot, pod: Body) -> Iterable[Symptom]:
    spec, status, meta = pod.get("spec") or {}, pod.get("status") or {}, pod.get("metadata") or {}
    name = str(spec["nodeName"])
    if found := preemption(pod):
        if meta.get("deletionTimestamp") or status.get("phase") == "Failed":
            text = str(found.get("message") or "preempted by the scheduler")
            facts = {"on_node": name, **_preemptor(snapshot, pod, name)}
            source = "pod.status.conditions[DisruptionTarget]"
            yield Symptom(
                "scheduling.preempted", POD, source, text, facts, parse_time(found.get("lastTransitionTime"))
            )
    elif snapshot.absent(node_read(name)) and not was_taken_up(snapshot, pod):
        yield _no_such_node(snapshot, pod, name)


def was_taken_up(snapshot: Snapshot, pod: Body) -> bool:
    """Whether a scheduler chose its node or a kubelet has seen the pod: then there is, or was, a node."""
    status = pod.get("status") or {}
    marks = ("startTime", "hostIP", "hostIPs", "podIP", "containerStatuses", "initContainerStatuses")
    if status.get("phase") not in (None, "", "Pending") or any(status.get(one) for one in marks):
        return True
    if status.get("conditions"):
        return True
    return any(one.reason == "Scheduled" or one.component == "kubelet" for one in pod_events(snapshot))


def _preemptor(snapshot: Snapshot, pod: Body, node: str) -> dict[str, str]:
    """The pod that takes the place: named in the event by UID, else the one nominated with more priority."""
    mine = int((pod.get("spec") or {}).get("priority") or 0)
    facts = {"priority": str(mine)}
    events = " ".join(one.message for one in pod_events(snapshot) if one.reason == "Preempted")
    items = [
        *(snapshot.items(world_.node_pods_read(node)) or []),
        *(snapshot.items(world_.nominated_read(node)) or []),
    ]
    for one in items:
        meta, spec = one.get("metadata") or {}, one.get("spec") or {}
        nominated = (one.get("status") or {}).get("nominatedNodeName") == node
        named = str(meta.get("uid") or "-") in events
        if named or (nominated and int(spec.get("priority") or 0) > mine and "preemptor" not in facts):
            facts["preemptor"] = (
                f"{sel.namespace_of(one)}/{sel.name_of(one)} (priority {spec.get('priority')})"
            )
    return facts


def _no_such_node(snapshot: Snapshot, pod: Body, name: str) -> Symptom:
    nodes = snapshot.items(world_.nodes_read()) or []
    facts = {"wanted_node": name, "others": "listed" if nodes else "unknown"}
    names = sorted(sel.name_of(one) for one in nodes)
    near = nearest(name, names)
    if near:
        facts["near_node"] = near[0]
    template = advice.Template(snapshot, pod)
    if template.kind != "pod" and template.spec.get("nodeName"):
        facts["drop_patch"] = template.patch({"op": "remove", "path": "/nodeName"})
        if near:
            facts["patch"] = template.patch({"op": "replace", "path": "/nodeName", "value": near[0]})
    text = f"spec.nodeName is {name}, and no such node exists"
    notes = ((f"nodes: {', '.join(names[:8])}", "nodes"),) if names else ()
    return Symptom("scheduling.node-name", POD, "pod.spec.nodeName", text, facts, notes=notes)


def gone(snapshot: Snapshot) -> Iterable[Symptom]:
    """The pod is no more, but its events say that it was preempted."""
    if snapshot.target.kind != "pod" or not snapshot.absent(pod_read(snapshot)):
        return
    for one in events_in(snapshot, pod_events_read(snapshot))[::-1]:
        if one.reason == "Preempted":
            node = one.message.rpartition(" on node ")[2].partition(" ")[0].strip(".")
            facts = {"on_node": node} if " on node " in one.message else {}
            yield Symptom("scheduling.preempted", POD, one.source, one.message, facts, one.time)
            return
