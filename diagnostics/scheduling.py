"""Stage scheduling: no node was chosen. Every node is judged again, and compared with what was said.

The judgement itself is pure and in the private siblings: ``_predicates`` per node, ``_choice`` for the
reason that counts, ``_advice`` for the smallest change. The scheduler's message is the fallback when nodes
cannot be listed, and has the last word when both disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from poddoctor.model import POD, Absent, Body, Read, Snapshot, Symptom, SymptomKind
from poddoctor.pod.names import nearest
from poddoctor.pod.reads import (
    condition,
    events_in,
    get,
    list_of,
    node_read,
    pod_events,
    pod_events_read,
    pod_of,
    pod_read,
)
from poddoctor.pod.units import parse_time, show_duration

from . import _advice as advice
from . import _choice as choice
from . import _resourceclaims as claims
from . import _predicates as predicates
from . import _resources as res
from . import _schedmessage as schedmessage
from . import _selectors as sel
from . import _world as world_
from ._predicates import Verdict
from ._schedmessage import Message

_COMMON = ("kind", "basis", "nodes_total", "nodes_hit", "nearest", "patch")
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
    "holders",
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
    "room_for",
    "case",
    "friends",
    "near_words",
)
_TAINT = (
    "taint",
    "taints",
    "taint_key",
    "taint_value",
    "taint_effect",
    "fits_then",
    "pod_patch",
    "near_toleration",
    "state",
)
_LABEL = (
    "key",
    "value",
    "wanted",
    "have",
    "values",
    "selector_all",
    "label",
    "unlabel",
    "near",
    "near_words",
    "drop_patch",
    "expression",
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
            "domains",
            "emptiest",
            "emptiest_why",
            "missing",
            "missing_label",
        ),
    ),
    "scheduling.volume-place": SymptomKind(
        "A volume is tied to nodes that cannot take the pod",
        (*_COMMON, "claim", "volume", "place", "at_home", "home_nodes", "home_node", "home_why", "home_kind"),
    ),
    "scheduling.attach-limit": SymptomKind("Nodes have reached their number of volumes", _COMMON),
    "scheduling.no-nodes": SymptomKind("The cluster has no nodes", _COMMON),
    "scheduling.node-name": SymptomKind(
        "The pod is bound to a node that does not exist", (*_COMMON, "wanted_node", "near_node", "drop_patch")
    ),
    "scheduling.unschedulable": SymptomKind("The scheduler gives another reason", (*_COMMON, "reason")),
    "scheduling.error": SymptomKind("The scheduler failed on this pod", ("reason",)),
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
        ("problem", "claim", "claim_kind", "near_claim", "device_class", "near_class"),
    ),
}

_LEASE = get(
    "coordination.k8s.io/v1",
    "leases",
    "kube-system",
    "kube-scheduler",
    "would show whether the scheduler is alive",
)
_CSI_NODES = list_of("storage.k8s.io/v1", "csinodes", "", "would show how many volumes a node may have")
_ATTACHED = list_of("storage.k8s.io/v1", "volumeattachments", "", "would show how many volumes a node has")
_SOURCE = "pod.status.conditions[PodScheduled].message"
_KNOWN_GATES = {
    "kueue.x-k8s.io/": "Kueue: it is removed when the workload is admitted to a queue",
    "karpenter.sh/": "Karpenter",
    "volcano.sh/": "Volcano",
    "scheduling.coscheduling": "the co-scheduling plugin",
}


def reads(snapshot: Snapshot) -> Iterable[Read]:
    """Nodes and pods only when the scheduler has judged nodes; else what shows why it has not."""
    pod = pod_of(snapshot)
    if pod is None:
        return
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    if name := spec.get("nodeName"):
        yield from _bound_reads(snapshot, pod, str(name))
        return
    if not waits(pod) or condition(pod, "PodScheduled").get("reason") == "SchedulingGated":
        return
    message = message_of(snapshot, pod)
    yield from claims.reads(snapshot, pod)
    if message is None:
        yield _LEASE
        yield from world_.volume_reads(snapshot, pod)
        return
    if message.about_volumes or message.no_nodes:
        return
    yield world_.nodes_read()
    yield from world_.volume_reads(snapshot, pod)
    nodes = snapshot.items(world_.nodes_read())
    if nodes:
        yield from world_.pod_reads(snapshot, pod, nodes, _nearest_nodes(snapshot, pod, nodes))
    nominated = str(status.get("nominatedNodeName") or "")
    asked = world_.nodes_read() in snapshot.answers
    if nominated and asked and (nodes is None or len(nodes) > world_.SMALL):
        yield world_.node_pods_read(nominated)
    yield from _detail_reads(snapshot, pod, message)


def _detail_reads(snapshot: Snapshot, pod: Body, message: Message) -> Iterable[Read]:
    """What only some rules need: labels of namespaces, and the limits of CSI drivers."""
    if any(world_.needs_namespaces(one) for one in [pod, *(snapshot.items(world_.all_pods_read()) or [])]):
        yield world_.namespaces_read()
    if "attach-limit" in message.kinds:
        yield _CSI_NODES
        yield _ATTACHED


def _bound_reads(snapshot: Snapshot, pod: Body, name: str) -> Iterable[Read]:
    """A pod that names its node itself: does the node exist? And who took the place of a preempted one."""
    status = pod.get("status") or {}
    if _preemption(pod):
        yield world_.node_pods_read(name)
    elif status.get("phase") == "Pending" and not status.get("startTime"):
        yield node_read(name)
        if snapshot.absent(node_read(name)):
            yield world_.nodes_read()


def _nearest_nodes(snapshot: Snapshot, pod: Body, nodes: list[Body]) -> list[str]:
    """In a large cluster: the nodes whose pods are worth a look, by what their own fields say."""
    known = world_.World(pod, snapshot.target.namespace, tuple(nodes), (), frozenset(), False, (), None)
    verdicts = (
        [one for one in predicates.judge(known) if not one.failures] if len(nodes) > world_.SMALL else []
    )
    return [one.name for one in verdicts]


def waits(pod: Body) -> bool:
    """Whether the pod has no node yet and still wants one."""
    spec, status, meta = pod.get("spec") or {}, pod.get("status") or {}, pod.get("metadata") or {}
    pending = (status.get("phase") or "Pending") == "Pending"
    return pending and not spec.get("nodeName") and not meta.get("deletionTimestamp")


def message_of(snapshot: Snapshot, pod: Body) -> Message | None:
    """What the scheduler last said of this pod: its condition, which is never cut, else its last event."""
    text, _ = _words(snapshot, pod)
    return schedmessage.parse(text) if text else None


def _words(snapshot: Snapshot, pod: Body) -> tuple[str, str]:
    """The message and where it was read."""
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") != "True" and scheduled.get("message"):
        return str(scheduled["message"]), _SOURCE
    for one in reversed(pod_events(snapshot)):
        if one.reason == "FailedScheduling" and "skip schedule deleting pod" not in one.message:
            return one.message, one.source
    return "", ""


def examine(snapshot: Snapshot) -> Iterable[Symptom]:
    """What keeps the pod from a node, or what took its node away."""
    pod = pod_of(snapshot)
    if pod is None:
        yield from _gone(snapshot)
        return
    if (pod.get("spec") or {}).get("nodeName"):
        yield from _bound(snapshot, pod)
        return
    if not waits(pod):
        return
    if gated := _gated(snapshot, pod):
        yield gated
        return
    found = claims.examine(snapshot, pod)
    yield from found
    message = message_of(snapshot, pod)
    if message is None:
        if not found:
            yield from _unseen(snapshot, pod)
        return
    if preempting := _preempting(snapshot, pod):
        yield preempting
        return
    if condition(pod, "PodScheduled").get("reason") == "SchedulerError" and message.total is None:
        text, source = _words(snapshot, pod)
        yield Symptom("scheduling.error", POD, source, text, {"reason": text})
    elif not message.about_volumes:
        yield from _judged(snapshot, pod, message, claimed=bool(found))


def _judged(snapshot: Snapshot, pod: Body, message: Message, *, claimed: bool) -> Iterable[Symptom]:
    world = world_.world_of(snapshot, pod)
    verdicts = predicates.judge(world) if world else None
    picked = choice.choose(verdicts, message)
    text, source = _words(snapshot, pod)
    if picked is None:
        kind = "claim" if message.about_claims else "other"
        if not (kind == "claim" and claimed):
            yield _general(kind, text, source, message)
        return
    if picked.basis == "judged":
        for kind in sorted(message.kinds | ({"no-nodes"} if message.no_nodes else set())):
            yield Symptom("scheduling.said", POD, source, text, {"kind": kind})
    if picked.kind == "claim" and claimed:
        return
    yield _answer(snapshot, pod, world, verdicts or [], picked, message)


def _general(kind: str, text: str, source: str, message: Message) -> Symptom:
    if kind == "claim":
        return Symptom("scheduling.claim", POD, source, text, {"problem": "said"})
    reason = message.whole or max(message.reasons, key=lambda one: one.count).text
    return Symptom("scheduling.unschedulable", POD, source, text, {"reason": reason, "kind": kind})


_NAMES = {
    "resources": "scheduling.no-room",
    "exceeds": "scheduling.too-large",
    "pods": "scheduling.too-many-pods",
    "taint": "scheduling.taint",
    "cordoned": "scheduling.cordoned",
    "node-state": "scheduling.node-state",
    "selector": "scheduling.selector",
    "affinity": "scheduling.affinity",
    "ports": "scheduling.host-port",
    "pod-affinity": "scheduling.pod-affinity",
    "anti-affinity": "scheduling.anti-affinity",
    "existing-anti-affinity": "scheduling.refused-by-pods",
    "spread": "scheduling.spread",
    "pv": "scheduling.volume-place",
    "attach-limit": "scheduling.attach-limit",
    "no-nodes": "scheduling.no-nodes",
    "node-name": "scheduling.node-name",
}


def _answer(
    snapshot: Snapshot,
    pod: Body,
    world: world_.World | None,
    verdicts: Sequence[Verdict],
    picked: choice.Choice,
    message: Message,
) -> Symptom:
    """The symptom of the chosen kind, with the facts that titles and commands need."""
    text, source = _words(snapshot, pod)
    kind = _split(pod, picked.kind, message) if picked.basis == "message" else picked.kind
    name = _NAMES.get(kind)
    if name is None:
        return _general("claim" if kind == "claim" else kind, text, source, message)
    facts = {"kind": kind, "basis": picked.basis, **_counts(picked, verdicts, message)}
    facts.update(_from_message(pod, kind, message))
    if world is not None and picked.nodes:
        facts.update(_facts(advice.Template(snapshot, pod), world, kind, picked, verdicts))
    resource = facts.get("resource", "")
    if kind in ("resources", "exceeds") and _extended(resource, facts):
        name = "scheduling.extended-resource"
    notes = _notes(picked, verdicts, world)
    if kind == "attach-limit":
        notes = (*_attached(snapshot), *notes)
    if picked.basis == "message":
        return Symptom(name, POD, source, text, facts, notes=notes)
    said, where = notes[0] if notes else (text, source)
    return Symptom(name, POD, where, said, facts, notes=notes[1:])


def _extended(resource: str, facts: Mapping[str, str]) -> bool:
    """Whether it is a device or the like, or huge pages that no node has."""
    return "/" in resource or (resource.startswith("hugepages-") and facts.get("advertised") == "no")


def _split(pod: Body, kind: str, message: Message) -> str:
    """The finer kind behind one wording of the scheduler, from the pod alone."""
    if kind == "affinity" and (pod.get("spec") or {}).get("nodeSelector"):
        return "selector"
    if kind == "resources" and _absurd(pod, message):
        return "exceeds"
    return kind


def _absurd(pod: Body, message: Message) -> bool:
    """Whether no machine has that much, or (from 1.34) the scheduler says that no eviction would help."""
    asked = res.pod_requests(pod)
    huge = asked.get("cpu", 0) >= 1000 or asked.get("memory", 0) >= 32 * 2**40
    hopeless = f"{message.total} Preemption is not helpful" in message.preemption
    return huge or (hopeless and message.kinds == {"resources"})


def _counts(picked: choice.Choice, verdicts: Sequence[Verdict], message: Message) -> dict[str, str]:
    total = len(verdicts) or message.total
    named = predicates.IN_MESSAGE.get(picked.kind, picked.kind)
    said = max((one.count for one in message.reasons if one.kind == named), default=0)
    hit = len(picked.nodes) or said
    facts = {"nodes_total": str(total)} if total else {}
    if hit:
        facts["nodes_hit"] = f"{hit} node{'s' if hit > 1 else ''}"
    if picked.nodes:
        facts["nearest"] = picked.nodes[0].name
    return facts


def _from_message(pod: Body, kind: str, message: Message) -> dict[str, str]:
    """Facts that the pod and the message give without any node."""
    if kind in ("resources", "exceeds"):
        names = [one.resource for one in message.reasons if one.resource]
        asked = res.pod_requests(pod)
        known = [res.show_asked(one, asked[one]) for one in dict.fromkeys(names) if one in asked]
        facts = {"asked_all": " and ".join(known)} if known else {}
        # A device is scarcer than cpu: when several lack, it is the one to name.
        best = sorted(dict.fromkeys(names), key=lambda one: ("/" not in one, names.index(one)))
        return {**facts, "resource": best[0]} if best else facts
    if kind in ("taint", "node-state"):
        taints = [one.taint for one in message.reasons if one.kind == kind and one.taint[0]]
        shown = [f"{key}={value}" if value else key for key, value in taints]
        return {"taint": shown[0], "taints": ", ".join(shown), "taint_key": taints[0][0]} if shown else {}
    if kind == "selector":
        wanted = (pod.get("spec") or {}).get("nodeSelector") or {}
        text = ",".join(f"{key}={value}" for key, value in sorted(wanted.items()))
        return {"selector_all": text, **({"wanted": text} if len(wanted) == 1 else {})}
    if kind == "affinity":
        terms = sel.required_terms(pod) or []
        both = (
            [*(terms[0].get("matchExpressions") or []), *(terms[0].get("matchFields") or [])] if terms else []
        )
        if len(terms) == 1 and len(both) == 1:
            return {"expression": sel.show_requirement(both[0])}
    if kind == "ports" and (ports := predicates.host_ports(pod)) and len(ports) == 1:
        return {"host_port": str(ports[0][0]), "protocol": ports[0][1]}
    return {}


def _facts(
    template: advice.Template,
    world: world_.World,
    kind: str,
    picked: choice.Choice,
    verdicts: Sequence[Verdict],
) -> dict[str, str]:
    nodes = [one for one in picked.nodes if one.of(kind)] or list(picked.nodes)
    if kind in ("resources", "exceeds"):
        return _room_facts(world, kind, picked.nodes)
    if kind in ("taint", "node-state"):
        return advice.for_taint(template, nodes)
    if kind == "cordoned":
        fitting = [one for one in nodes if one.kinds == {"cordoned"}] or nodes
        return {"nearest": fitting[0].name, "cordoned_nodes": ", ".join(one.name for one in nodes[:6])}
    if kind == "pods":
        return dict(nodes[0].of("pods")[0].facts) if nodes[0].of("pods") else {}
    if kind == "selector":
        return advice.for_selector(world, template, nodes)
    if kind == "affinity":
        return advice.for_affinity(world, template, nodes)
    if not nodes[0].of(kind):
        return {}
    if kind == "ports":
        return advice.for_ports(world, template, nodes)
    if kind == "spread":
        return advice.for_spread(template, nodes, verdicts)
    if kind == "pv":
        return advice.for_volume(world, nodes, verdicts)
    return advice.for_neighbours(world, template, kind, nodes)


def _room_facts(world: world_.World, kind: str, nodes: Sequence[Verdict]) -> dict[str, str]:
    short = [one for one in nodes if one.of("resources", "exceeds")]
    if not short:
        return {}
    facts = advice.for_size(world, short) if kind == "exceeds" else advice.for_room(world, short)
    resource = facts["resource"]
    has = [one for one in world.nodes if res.allocatable(one).get(resource)]
    facts["advertised"] = "yes" if has else "no"
    if has and "/" in resource:
        holders = [
            f"{sel.namespace_of(pod)}/{sel.name_of(pod)}"
            for pod in world.pods or ()
            if res.pod_requests(pod).get(resource) and (pod.get("spec") or {}).get("nodeName")
        ]
        if holders:
            more = f" and {len(holders) - 5} more" if len(holders) > 5 else ""
            facts["holders"] = ", ".join(holders[:5]) + more
    return facts


def _notes(
    picked: choice.Choice, verdicts: Sequence[Verdict], world: world_.World | None
) -> tuple[tuple[str, str], ...]:
    """One line for each group of nodes that fail alike, the nearest first."""
    order = {one.name: index for index, one in enumerate(picked.nodes)}
    groups: dict[tuple[str, ...], list[str]] = {}
    for one in sorted(verdicts, key=lambda one: (order.get(one.name, 999), one.name)):
        if one.failures:
            groups.setdefault(tuple(failure.text for failure in one.failures), []).append(one.name)
    lines = [(f"{_names(names)}: {'; also '.join(texts)}", "nodes, pods") for texts, names in groups.items()]
    if picked.kind == "taint":
        lines = [(text.replace(" (by design)", ""), source) for text, source in lines]
    if len(lines) > 8:
        lines = [*lines[:7], (f"and {len(lines) - 7} more groups of nodes that fail", "nodes")]
    if picked.fitting:
        text = f"as the objects show it now, {_names(list(picked.fitting))} would take the pod"
        lines.append((text, "nodes, pods"))
    if world is not None and world.more_nodes:
        lines.append((f"only the first {len(verdicts)} nodes were looked at", "nodes"))
    if world is not None and not world.everywhere and verdicts:
        seen = len(world.covered or ())
        lines.append((f"the pods of {seen} of {len(verdicts)} nodes were looked at", "nodes, pods"))
    return tuple(lines)


def _attached(snapshot: Snapshot) -> Iterable[tuple[str, str]]:
    """Per node and CSI driver: how many volumes are attached, of how many."""
    attached = [one.get("spec") or {} for one in snapshot.items(_ATTACHED) or []]
    for node in snapshot.items(_CSI_NODES) or []:
        for driver in (node.get("spec") or {}).get("drivers") or []:
            limit = (driver.get("allocatable") or {}).get("count")
            have = [
                one
                for one in attached
                if one.get("nodeName") == sel.name_of(node) and one.get("attacher") == driver.get("name")
            ]
            if limit is not None and len(have) >= int(limit):
                text = f"{sel.name_of(node)}: {len(have)} volumes of {driver.get('name')} attached, {limit} allowed"
                yield text, "csinodes, volumeattachments"


def _names(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _gated(snapshot: Snapshot, pod: Body) -> Symptom | None:
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


def _unseen(snapshot: Snapshot, pod: Body) -> Iterable[Symptom]:
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
    text = f"no PodScheduled condition and no scheduler event after {age}"
    yield Symptom("scheduling.unseen", POD, "pod.status.conditions", text, facts)


def _lease(snapshot: Snapshot, facts: dict[str, str]) -> Iterable[Symptom]:
    """Whether the default scheduler still renews its lease."""
    source = "lease kube-system/kube-scheduler"
    lease = snapshot.body(_LEASE)
    if isinstance(snapshot.answers.get(_LEASE), Absent):
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


def _preempting(snapshot: Snapshot, pod: Body) -> Symptom | None:
    """A node is nominated, and pods there are leaving: the scheduler waits for them."""
    node = str((pod.get("status") or {}).get("nominatedNodeName") or "")
    if not node:
        return None
    items = snapshot.items(world_.all_pods_read())
    if items is None:
        items = snapshot.items(world_.node_pods_read(node))
    facts, notes = {"nominated_node": node}, []
    if items is not None:
        leaving = [
            one
            for one in items
            if (one.get("spec") or {}).get("nodeName") == node
            and (one.get("metadata") or {}).get("deletionTimestamp")
        ]
        if not leaving:
            return None
        names = [f"{sel.namespace_of(one)}/{sel.name_of(one)}" for one in leaving]
        facts.update(victims=_names(names), victim_count=str(len(names)))
        for one, name in zip(leaving, names, strict=True):
            meta = one.get("metadata") or {}
            grace = meta.get("deletionGracePeriodSeconds")
            notes.append((f"{name} is terminating (grace period {grace}s)", f"pod {name}"))
    text = f"node {node} is nominated; the pods it displaces are still leaving"
    return Symptom(
        "scheduling.preempting", POD, "pod.status.nominatedNodeName", text, facts, notes=tuple(notes)
    )


def _preemption(pod: Body) -> Body:
    """The condition that says that the pod was preempted by a scheduler."""
    found = condition(pod, "DisruptionTarget")
    return found if found.get("reason") in ("PreemptionByScheduler", "PreemptionByKubeScheduler") else {}


def _bound(snapshot: Snapshot, pod: Body) -> Iterable[Symptom]:
    spec, status, meta = pod.get("spec") or {}, pod.get("status") or {}, pod.get("metadata") or {}
    name = str(spec["nodeName"])
    if found := _preemption(pod):
        if meta.get("deletionTimestamp") or status.get("phase") == "Failed":
            text = str(found.get("message") or "preempted by the scheduler")
            facts = {"on_node": name, **_preemptor(snapshot, pod, name)}
            source = "pod.status.conditions[DisruptionTarget]"
            yield Symptom(
                "scheduling.preempted", POD, source, text, facts, parse_time(found.get("lastTransitionTime"))
            )
    elif status.get("phase") == "Pending" and snapshot.absent(node_read(name)):
        yield _no_such_node(snapshot, pod, name)


def _preemptor(snapshot: Snapshot, pod: Body, node: str) -> dict[str, str]:
    """The pod that takes the place: named in the event by UID, else the one nominated with more priority."""
    mine = int((pod.get("spec") or {}).get("priority") or 0)
    facts = {"priority": str(mine)}
    events = " ".join(one.message for one in pod_events(snapshot) if one.reason == "Preempted")
    items = (snapshot.items(world_.node_pods_read(node)) or []) if events or pod else []
    for one in items:
        meta, spec = one.get("metadata") or {}, one.get("spec") or {}
        if str(meta.get("uid") or "-") in events:
            facts["preemptor"] = (
                f"{sel.namespace_of(one)}/{sel.name_of(one)} (priority {spec.get('priority')})"
            )
    return facts


def _no_such_node(snapshot: Snapshot, pod: Body, name: str) -> Symptom:
    facts = {"wanted_node": name}
    nodes = snapshot.items(world_.nodes_read()) or []
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


def _gone(snapshot: Snapshot) -> Iterable[Symptom]:
    """The pod is no more, but its events say that it was preempted."""
    if snapshot.target.kind != "pod" or not snapshot.absent(pod_read(snapshot)):
        return
    for one in events_in(snapshot, pod_events_read(snapshot))[::-1]:
        if one.reason == "Preempted":
            node = one.message.rpartition(" on node ")[2].partition(" ")[0].strip(".")
            facts = {"on_node": node} if " on node " in one.message else {}
            yield Symptom("scheduling.preempted", POD, one.source, one.message, facts, one.time)
            return
