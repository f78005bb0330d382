"""Stage scheduling: no node was chosen. Every node is judged again, and compared with what was said.

The judgement itself is pure and in the private siblings: ``_predicates`` per node, ``_choice`` for the
reason that counts, ``_advice`` for the smallest change. The scheduler's message is the fallback when nodes
cannot be listed, and has the last word when both disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from poddoctor.model import POD, Body, Read, Snapshot, Symptom, SymptomKind
from poddoctor.pod.reads import condition, node_read, pod_of

from . import _capacity as capacity
from . import _nearest as nearest
from . import _resourceclaims as claims
from . import _schedahead as ahead
from . import _schedanswer as answer
from . import _schedwords as said
from . import _unplaced as unplaced
from . import _world as world_
from ._schedmessage import Message

_MANY = 500
"""From this many nodes on none is asked for while the claims are what the scheduler speaks of."""
_COMMON = ("kind", "basis", "nodes_total", "nodes_hit", "nearest", "patch", "scale_limit", "fits_now")
_ROOM = (
    "resource",
    "asked",
    "allocatable",
    "free",
    "short",
    "asked_all",
    "short_all",
    "fit_container",
    "fit_requests",
    "fit_node",
    "fit_words",
    "fit_field",
    "largest",
    "largest_node",
    "written",
    "written_in",
    "slip",
    "slip_requests",
    "advertised",
    "unhealthy_on",
    "absent_resource",
    "offered",
    "absent_pages",
    "only_node",
    "holders",
    "no_machine",
    "second",
    "injected",
    "mesh",
)
_RULE = (
    "topology_key",
    "selector_wanted",
    "pods",
    "pods_count",
    "one_pod",
    "one_namespace",
    "one_name",
    "pods_are",
    "own_pods",
    "room_for",
    "case",
    "friends",
    "near_words",
)
_TAINT = (
    "taint",
    "taints",
    "all_taints",
    "taint_key",
    "taint_value",
    "taint_effect",
    "fits_then",
    "pod_patch",
    "near_toleration",
    "state",
    "pressure",
    "no_network",
    "leaving",
    "agent",
    "fargate",
)
_LABEL = (
    "key",
    "value",
    "wanted",
    "have",
    "given_by",
    "values",
    "selector_all",
    "label",
    "unlabel",
    "near",
    "near_words",
    "drop_patch",
    "expression",
    "others",
    "fields",
    "wanted_node",
)
SYMPTOMS: Mapping[str, SymptomKind] = {
    "scheduling.said": SymptomKind("The scheduler's own message names this kind of reason", ("kind",)),
    "scheduling.no-room": SymptomKind("Nodes that would do have too little left", (*_COMMON, *_ROOM)),
    "scheduling.too-large": SymptomKind("More is asked than any usable node has", (*_COMMON, *_ROOM)),
    "scheduling.extended-resource": SymptomKind(
        "A device or other extended resource is absent or taken", (*_COMMON, *_ROOM)
    ),
    "scheduling.too-many-pods": SymptomKind(
        "Nodes have reached their number of pods", (*_COMMON, "max_pods", "pods_now")
    ),
    "scheduling.taint": SymptomKind("Nodes have taints that the pod does not tolerate", (*_COMMON, *_TAINT)),
    "scheduling.cordoned": SymptomKind("Nodes are cordoned", (*_COMMON, "cordoned_nodes")),
    "scheduling.node-state": SymptomKind("Nodes are not ready or under pressure", (*_COMMON, *_TAINT)),
    "scheduling.selector": SymptomKind("No node has the labels of the nodeSelector", (*_COMMON, *_LABEL)),
    "scheduling.affinity": SymptomKind("No node meets the required node affinity", (*_COMMON, *_LABEL)),
    "scheduling.host-port": SymptomKind(
        "A host port is taken on every node that would do",
        (
            *_COMMON,
            "host_port",
            "protocol",
            "holder",
            "holders",
            "holder_is",
            "own_holders",
            "free_port",
            "case",
            "room_for",
        ),
    ),
    "scheduling.pod-affinity": SymptomKind("No node has the neighbours the pod requires", (*_COMMON, *_RULE)),
    "scheduling.anti-affinity": SymptomKind("Pods it must keep away from are everywhere", (*_COMMON, *_RULE)),
    "scheduling.refused-by-pods": SymptomKind("Placed pods refuse this one near them", (*_COMMON, *_RULE)),
    "scheduling.spread": SymptomKind(
        "Every node would break a topology spread constraint",
        (
            *_COMMON,
            *_RULE,
            "skew",
            "max_skew",
            "min_domains",
            "min_patch",
            "domains",
            "emptiest",
            "emptiest_why",
            "missing",
            "missing_label",
        ),
    ),
    "scheduling.volume-place": SymptomKind(
        "A volume is tied to nodes that cannot take the pod",
        (
            *_COMMON,
            "claim",
            "volume",
            "place",
            "empty_place",
            "at_home",
            "home_nodes",
            "home_node",
            "home_why",
            "home_kind",
        ),
    ),
    "scheduling.attach-limit": SymptomKind("Nodes have reached their number of volumes", _COMMON),
    "scheduling.no-nodes": SymptomKind("The cluster has no nodes", _COMMON),
    "scheduling.node-name": SymptomKind(
        "The pod is bound to a node that does not exist",
        (*_COMMON, "wanted_node", "near_node", "drop_patch", "others"),
    ),
    "scheduling.unschedulable": SymptomKind(
        "The scheduler gives another reason", (*_COMMON, "reason", "plain")
    ),
    "scheduling.storage-capacity": SymptomKind(
        "No place has as much free storage as a claim asks for",
        (*_COMMON, "claim", "asked", "storage_class", "most", "published"),
    ),
    "scheduling.scale-up": SymptomKind(
        "An autoscaler has said that a node is on its way", ("autoscaler", "said", "age")
    ),
    "scheduling.error": SymptomKind("The scheduler failed on this pod", ("reason", "claims")),
    "scheduling.gated": SymptomKind(
        "Scheduling gates hold the pod back", ("gate", "gates", "gate_owner", "age", "gate_index")
    ),
    "scheduling.unseen": SymptomKind(
        "No scheduler has looked at the pod",
        ("scheduler", "is_default", "lease", "lease_age", "lease_holder", "age", "near_scheduler", "patch"),
    ),
    "scheduling.scheduler": SymptomKind(
        "What is known of the scheduler that should take the pod", ("state",)
    ),
    "scheduling.preempting": SymptomKind(
        "Room is being made by removing pods of lower priority", ("nominated_node", "victims", "victim_count")
    ),
    "scheduling.preempted": SymptomKind(
        "The pod was removed for one of higher priority", ("preemptor", "on_node", "priority")
    ),
    "scheduling.volume-binding": SymptomKind(
        "A node is chosen, its volume is being made", ("claim", "chosen_node", "age")
    ),
    "scheduling.claim": SymptomKind(
        "A resource claim cannot be used",
        ("problem", "claim", "claim_kind", "near_claim", "device_class", "near_class", "claims"),
    ),
}


def reads(snapshot: Snapshot) -> Iterable[Read]:
    """Nodes and pods only when the scheduler has judged nodes; else what shows why it has not."""
    pod = pod_of(snapshot)
    if pod is None:
        return
    if name := (pod.get("spec") or {}).get("nodeName"):
        yield from _bound_reads(snapshot, pod, str(name))
        return
    if not waits(pod) or condition(pod, "PodScheduled").get("reason") == "SchedulingGated":
        return
    message = said.message_of(snapshot, pod)
    yield from claims.reads(snapshot, pod)
    if message is None:
        yield unplaced.LEASE
        yield from world_.volume_reads(snapshot, pod)
        return
    if message.no_nodes:
        yield world_.nodes_read()  # whether it is still so
    else:
        yield from _judging_reads(snapshot, pod, message)


def _judging_reads(snapshot: Snapshot, pod: Body, message: Message) -> Iterable[Read]:
    """What the scheduler looks at: nodes, volumes, the pods that rules mean, and those of a few nodes."""
    if message.about_volumes and (message.total or 0) > _MANY:
        return
    yield world_.nodes_read()
    if message.about_volumes:
        return
    yield from world_.volume_reads(snapshot, pod)
    if nominated := str((pod.get("status") or {}).get("nominatedNodeName") or ""):
        yield world_.node_pods_read(nominated)
    yield from _rule_reads(snapshot, pod)
    if snapshot.items(world_.nodes_read()):
        yield from nearest.reads(snapshot, pod, message)
    if "pv-storage" in message.kinds:
        yield capacity.CAPACITIES
    if "attach-limit" in message.kinds:
        yield answer.CSI_NODES
        yield answer.ATTACHED


def _rule_reads(snapshot: Snapshot, pod: Body) -> Iterable[Read]:
    """The pods that its own rules mean, and the namespaces that these mean."""
    yield from world_.rule_reads(pod, snapshot.target.namespace)
    yield from world_.likeness_reads(snapshot, pod)
    if world_.needs_namespaces(pod):
        yield world_.namespaces_read()


def _bound_reads(snapshot: Snapshot, pod: Body, name: str) -> Iterable[Read]:
    """A pod that names its node itself: does the node exist? And who took the place of a preempted one."""
    if unplaced.preemption(pod):
        yield world_.node_pods_read(name)
        yield world_.nominated_read(name)
    elif not unplaced.was_taken_up(snapshot, pod):
        yield node_read(name)
        if snapshot.absent(node_read(name)):
            yield world_.nodes_read()


def waits(pod: Body) -> bool:
    """Whether the pod has no node yet and still wants one."""
    spec, status, meta = pod.get("spec") or {}, pod.get("status") or {}, pod.get("metadata") or {}
    pending = (status.get("phase") or "Pending") == "Pending"
    return pending and not spec.get("nodeName") and not meta.get("deletionTimestamp")


def examine(snapshot: Snapshot) -> Iterable[Symptom]:
    """What keeps the pod from a node, or what took its node away."""
    pod = pod_of(snapshot)
    if pod is None:
        yield from unplaced.gone(snapshot)
        return
    if (pod.get("spec") or {}).get("nodeName"):
        yield from unplaced.bound(snapshot, pod)
        return
    if not waits(pod):
        return
    if gated := unplaced.gated(snapshot, pod):
        yield gated
        return
    message = said.message_of(snapshot, pod)
    # A scheduler that went from node to node with the claim had one.
    found = claims.examine(snapshot, pod, seen=message is not None and "claim" in message.kinds)
    yield from found
    if message is None:
        if not found:
            yield from unplaced.unseen(snapshot, pod)
        return
    if preempting := unplaced.preempting(snapshot, pod):
        yield preempting
        return
    if condition(pod, "PodScheduled").get("reason") == "SchedulerError" and message.total is None:
        text, source = said.words(snapshot, pod)
        late = 'plugin "VolumeBinding"' in text and world_.claim_names(pod)
        facts = {"claims": ", ".join(late)} if late else {}
        yield Symptom("scheduling.error", POD, source, text, {"reason": text, **facts})
    elif message.about_volumes:
        yield from ahead.behind_claims(snapshot, pod, message)
    else:
        told = list(answer.judged(snapshot, pod, message, claimed=bool(found)))
        yield from told
        yield from ahead.after(snapshot, pod, message, told)
