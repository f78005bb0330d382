"""The answer to why no node takes the pod: nodes judged, the reason that counts, its facts and evidence."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from poddoctor.model import POD, Body, Snapshot, Symptom
from poddoctor.pod.pattern import lazy
from poddoctor.pod.reads import Event, found, list_of
from poddoctor.pod.units import show_duration

from . import _advice as advice
from . import _capacity as capacity
from . import _choice as choice
from . import _predicates as predicates
from . import _resources as res
from . import _selectors as sel
from . import _world as world_
from ._nodetable import table
from ._predicates import Verdict
from ._schedmessage import Message
from ._schedwords import autoscaler, karpenter_says, scale_limit, scale_up, too_large_for_any, words
from ._topologies import out_of_reach

CSI_NODES = list_of("storage.k8s.io/v1", "csinodes", "", "would show how many volumes a node may have")
ATTACHED = list_of("storage.k8s.io/v1", "volumeattachments", "", "would show how many volumes a node has")
_OF_STORAGE = ("rwop", "unbindable", "pv-lost")
# Reasons without a cause of their own, in plain words: the scheduler's are hard to read.
_PLAIN = {
    "rwop": "Its claim is ReadWriteOncePod, and another pod uses it",
    "disk": "A disk that it names is attached to another pod's node, or used there",
    "csi-missing": "The CSI driver of its volume does not run on any node that would do",
    "pv-lost": "A claim of it is bound to a volume that no longer exists",
    "unbindable": "No volume that its claims could bind can be used on any node that would do",
    "features": "The kubelets of the nodes lack a feature that it needs",
}
_LIMIT_RANGER = "kubernetes.io/limit-ranger"
_OF_THE_CLUSTER = ("CriticalAddonsOnly",)
_BEFORE_SELECTION = ("taint", "cordoned", "node-state")
_FARGATE = lazy(r"^Pod not supported on Fargate|^Misconfigured Fargate Profile|^fargate\b")
_NO_PROFILE = "No Fargate profile takes it: no selector of one matches its namespace and labels"
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
    "pv-storage": "scheduling.storage-capacity",
}


def judged(snapshot: Snapshot, pod: Body, message: Message, *, claimed: bool) -> Iterable[Symptom]:
    world = world_.world_of(snapshot, pod, refused="existing-anti-affinity" in message.kinds)
    verdicts = predicates.judge(world) if world else None
    picked = choice.choose(verdicts, message)
    text, source = words(snapshot, pod)
    if picked is None:
        kind = "claim" if message.about_claims else "other"
        if not (kind == "claim" and claimed):
            yield _general(pod, kind, text, source, message)
        return
    if picked.basis == "judged":
        for kind in sorted(message.kinds | ({"no-nodes"} if message.no_nodes else set())):
            yield Symptom("scheduling.said", POD, source, text, {"kind": kind})
    if picked.kind == "claim" and claimed:
        return
    if picked.kind in _OF_STORAGE and _claims_read(snapshot, pod):
        if picked.kind == "unbindable":
            yield from _unbindable(snapshot, pod, text, source)
        return
    told = answer(snapshot, pod, world, verdicts or [], picked, message)
    coming = scale_up(snapshot)
    yield told if coming is None else _on_its_way(snapshot, coming, told)


def _unbindable(snapshot: Snapshot, pod: Body, text: str, source: str) -> Iterable[Symptom]:
    """A class that provisions should not need a volume to bind: its places are what keeps the nodes out."""
    for claim, where in list(out_of_reach(snapshot, world_.claim_names(pod)))[:1]:
        facts = {"kind": "unbindable", "reason": "no node is where a volume can be made for claim " + claim}
        if where:
            facts["plain"] = f"No node is where claim {claim} could get a volume: {where}"
        yield Symptom("scheduling.unschedulable", POD, source, text, facts)


def _on_its_way(snapshot: Snapshot, event: Event, told: Symptom) -> Symptom:
    """An autoscaler has found that a new node takes the pod: why none does now is then only evidence."""
    facts = {"autoscaler": event.component or "autoscaler", "said": event.message}
    if event.time:
        facts["age"] = show_duration(snapshot.clock - event.time)
    notes = ((told.text, told.source), *(one for one in told.notes if one[0] != event.message))
    return Symptom(
        "scheduling.scale-up",
        POD,
        event.source,
        event.message,
        facts,
        event.time,
        notes=notes,
        table=told.table,
    )


def _claims_read(snapshot: Snapshot, pod: Body) -> bool:
    """Whether all claims are known: the stage storage then says more of them than the scheduler does."""
    names = world_.claim_names(pod)
    return bool(names) and all(
        found(snapshot, world_.pvc_read(snapshot.target.namespace, one)) for one in names
    )


def _claim_words(entry: Body) -> str:
    """A resource claim of the pod as its spec names it: the claim itself, or the template it is made from."""
    template = entry.get("resourceClaimTemplateName")
    made = f"{entry.get('name')} (template {template})" if template else entry.get("name")
    return str(entry.get("resourceClaimName") or made)


def _general(pod: Body, kind: str, text: str, source: str, message: Message) -> Symptom:
    if kind == "claim":
        facts = {"problem": "said"}
        if entries := (pod.get("spec") or {}).get("resourceClaims"):
            facts["claims"] = ", ".join(_claim_words(one) for one in entries[:3])
        return Symptom("scheduling.claim", POD, source, text, facts)
    reason = message.whole or max(message.reasons, key=lambda one: one.count).text
    facts = {"reason": reason, "kind": kind}
    if kind in _PLAIN:
        facts["plain"] = _PLAIN[kind]
    elif _FARGATE.match(reason):
        facts["kind"] = "stated"
    elif message.whole and (said := karpenter_says(reason)):
        facts.update(kind="stated", plain=f"Karpenter makes no node for it: {said[:160]}")
    elif message.whole and message.total is None:
        # Another scheduler, or a plugin, in its own words: they are not about single nodes.
        name = str((pod.get("spec") or {}).get("schedulerName") or "default-scheduler")
        facts["plain"] = f"Scheduler {name} has not placed it: {reason[:160]}"
        if name != "default-scheduler":
            facts["kind"] = "stated"
    return Symptom("scheduling.unschedulable", POD, source, text, facts)


def answer(
    snapshot: Snapshot,
    pod: Body,
    world: world_.World | None,
    verdicts: Sequence[Verdict],
    picked: choice.Choice,
    message: Message,
) -> Symptom:
    """The symptom of the chosen kind, with the facts that titles and commands need."""
    text, source = words(snapshot, pod)
    kind = _split(pod, picked, message) if picked.basis == "message" else picked.kind
    name = _NAMES.get(kind)
    if name is None:
        return _general(pod, "claim" if kind == "claim" else kind, text, source, message)
    facts = {
        "kind": kind,
        "basis": picked.basis,
        **_counts(replace(picked, kind=kind), verdicts, message, world),
    }
    facts.update(_from_message(pod, kind, message))
    if world is not None and picked.nodes:
        facts.update(_facts(advice.Template(snapshot, pod), world, kind, picked, verdicts))
    elif kind == "taint" and facts.get("taint_key"):
        facts.update(advice.toleration_of(advice.Template(snapshot, pod), facts))
    elif kind in ("selector", "affinity"):
        facts.update(_others(message))
    if facts.get("taint_key") == "eks.amazonaws.com/compute-type":
        facts["fargate"] = _NO_PROFILE
    if picked.fitting and not message.kinds & _NOT_JUDGED:
        facts["fits_now"] = some(list(picked.fitting))
    facts.update(_of_autoscaler(snapshot, kind))
    more, of_storage = _of_storage(snapshot, pod, kind)
    facts.update(more)
    resource = facts.get("resource", "")
    if kind in ("resources", "exceeds") and _extended(resource, facts):
        name = "scheduling.extended-resource"
    notes = (*of_storage, *_notes(picked, verdicts, world, message), *_system(pod, verdicts))
    notes = (*notes, *_perhaps_slip(facts), *_by_default(pod, facts), *autoscaler(snapshot))
    rows = table(verdicts)
    if picked.basis == "message":
        return Symptom(name, POD, source, text, facts, notes=notes, table=rows)
    said, where = notes[0] if notes else (text, source)
    return Symptom(name, POD, where, said, facts, notes=notes[1:], table=rows)


def _of_autoscaler(snapshot: Snapshot, kind: str) -> dict[str, str]:
    """Why no node is added, in the words of who would add one."""
    limit = scale_limit(snapshot)
    facts = {"scale_limit": limit} if limit else {}
    if kind == "exceeds" and too_large_for_any(snapshot):
        facts["no_machine"] = "Karpenter knows no instance type that large"
    return facts


def _perhaps_slip(facts: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """Nothing shows a slip of the unit but the number: a machine of that size could be had."""
    if "slip" in facts:
        yield f"{facts['written']} may be a slip for {facts['slip']}", f"container {facts['written_in']}"


def _by_default(pod: Body, facts: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """That a request is not the template's but the default of a LimitRange, as admission wrote down."""
    said = str(((pod.get("metadata") or {}).get("annotations") or {}).get(_LIMIT_RANGER) or "")
    name = facts.get("written_in") or facts.get("fit_container", "")
    for one in said.partition("set:")[2].split(";"):
        what, _, container = one.strip().partition(" request for container ")
        if container == name and name and facts.get("resource") in re.split(r", ?", what):
            words = f"the {facts['resource']} request of container {name} is the default of a LimitRange"
            yield words, f"pod.metadata.annotations[{_LIMIT_RANGER}]"


def _of_storage(
    snapshot: Snapshot, pod: Body, kind: str
) -> tuple[Mapping[str, str], tuple[tuple[str, str], ...]]:
    """What other objects say of volumes: facts and notes."""
    if kind == "pv-storage":
        return capacity.explain(snapshot, pod)
    return {}, tuple(_attached(snapshot)) if kind == "attach-limit" else ()


def _system(pod: Body, verdicts: Sequence[Verdict]) -> Iterable[tuple[str, str]]:
    """The operating system that the pod is for, when no node runs it: the scheduler does not look at it."""
    system = ((pod.get("spec") or {}).get("os") or {}).get("name")
    nodes = [sel.labels_of(one.node).get("kubernetes.io/os") for one in verdicts]
    if system and nodes and all(nodes) and system not in nodes:
        have = ", ".join(sorted({str(one) for one in nodes}))
        yield f"the pod is for {system}, and all {len(nodes)} nodes run {have}", "pod.spec.os.name, nodes"


def _extended(resource: str, facts: Mapping[str, str]) -> bool:
    """Whether it is a device or the like, or huge pages that no node is known to have."""
    return "/" in resource or (resource.startswith("hugepages-") and facts.get("advertised") != "yes")


def _split(pod: Body, picked: choice.Choice, message: Message) -> str:
    """The finer kind behind one wording of the scheduler, from the pod alone."""
    if picked.kind == "affinity":
        bar = "" if picked.nodes else _bar_of_the_chosen(pod, message)
        return bar or ("selector" if (pod.get("spec") or {}).get("nodeSelector") else "affinity")
    if picked.kind == "resources" and _absurd(pod, message):
        return "exceeds"
    return picked.kind


def _bar_of_the_chosen(pod: Body, message: Message) -> str:
    """What closes the one node that the pod selects by name or role, when nodes fell to an earlier filter.

    Taints are looked at before labels: the node that it means is probably among those.
    """
    keys = set((pod.get("spec") or {}).get("nodeSelector") or {})
    by_role = any(key.startswith("node-role.kubernetes.io/") for key in keys)
    only = bool(_only_node(pod))
    if not (by_role or only or "kubernetes.io/hostname" in keys):
        return ""
    counts = Counter[str]()
    for one in message.reasons:
        counts[one.kind] += one.count
    for kind in ("cordoned", "node-state"):
        if counts[kind]:
            return kind
    # One tainted node is mostly the control plane; a second one is not.
    tainted = counts["taint"] + (counts["control-plane"] if by_role else 0)
    return "taint" if tainted > (0 if by_role or only else 1) else ""


def _absurd(pod: Body, message: Message) -> bool:
    """Whether no machine has that much, or (from 1.34) the scheduler says that no eviction would help."""
    asked = res.pod_requests(pod)
    huge = asked.get("cpu", 0) >= 1000 or asked.get("memory", 0) >= 32 * 2**40
    hopeless = f"{message.total} Preemption is not helpful" in message.preemption
    return huge or hopeless


def _counts(
    picked: choice.Choice, verdicts: Sequence[Verdict], message: Message, world: world_.World | None
) -> dict[str, str]:
    """How many nodes there are, and how many of them the reason keeps from taking the pod."""
    total, hit = len(verdicts) or message.total or 0, len(picked.nodes)
    named = predicates.IN_MESSAGE.get(picked.kind, picked.kind)
    said = max((one.count for one in message.reasons if one.kind == named), default=0)
    if world is not None and not world.everywhere and (unseen(verdicts) or world.more_nodes):
        # Only some nodes were judged in full: the scheduler has judged them all.
        total, hit = max(total, message.total or 0), max(hit, said)
    hit = hit or said
    facts = {"nodes_total": str(total)} if total else {}
    if hit:
        facts["nodes_hit"] = f"{hit} node{'s' if hit > 1 else ''}"
    if picked.nodes:
        facts["nearest"] = picked.nodes[0].name
    return facts


def unseen(verdicts: Sequence[Verdict]) -> int:
    """Of how many nodes that are open to the pod the pods are not known."""
    return sum(1 for one in verdicts if not one.seen and predicates.in_question(one))


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
        return _taint_named(kind, message)
    if kind in ("selector", "affinity"):
        return _selection_named(pod, kind)
    return _ports_named(pod) if kind == "ports" else {}


def _others(message: Message) -> dict[str, str]:
    """Nodes that fell to an earlier filter: it is not known whether these would match."""
    early = [one for one in message.reasons if one.kind in _BEFORE_SELECTION]
    if not early:
        return {}
    return {"others": ", ".join(f"{one.count} {one.text.removeprefix('node(s) ')}" for one in early)}


def _selection_named(pod: Body, kind: str) -> dict[str, str]:
    if kind == "selector":
        wanted = (pod.get("spec") or {}).get("nodeSelector") or {}
        text = ",".join(f"{key}={value}" for key, value in sorted(wanted.items()))
        return {"selector_all": text, **({"wanted": text} if len(wanted) == 1 else {})}
    terms = sel.required_terms(pod) or []
    both = [*(terms[0].get("matchExpressions") or []), *(terms[0].get("matchFields") or [])] if terms else []
    return {"expression": sel.show_requirement(both[0])} if len(terms) == 1 and len(both) == 1 else {}


def _ports_named(pod: Body) -> dict[str, str]:
    if (ports := predicates.host_ports(pod)) and len(ports) == 1:
        return {"host_port": str(ports[0][0]), "protocol": ports[0][1]}
    return {}


def _taint_named(kind: str, message: Message) -> dict[str, str]:
    """The taint, where an older scheduler names it."""
    named = [one for one in message.reasons if one.taint[0]]
    # The pods of applications belong least of all on the nodes that are kept for the cluster's own.
    named.sort(key=lambda one: (one.taint[0] in _OF_THE_CLUSTER, -one.count))
    taints = [one.taint for one in named if one.kind == kind] or [
        one.taint for one in named if one.kind == "control-plane" and kind == "taint"
    ]
    if not taints:
        return {}
    shown = [f"{key}={value}" if value else key for key, value in taints]
    value = {"taint_value": taints[0][1]} if taints[0][1] else {}
    facts = {"taint": shown[0], "taints": ", ".join(shown), "taint_key": taints[0][0], **value}
    if kind == "taint" and len(shown) > 1:
        # They may be on different nodes: to tolerate one of them can be enough, and is what the patch does.
        facts.update(taints=shown[0], all_taints=", ".join(shown))
    return facts


def _facts(
    template: advice.Template,
    world: world_.World,
    kind: str,
    picked: choice.Choice,
    verdicts: Sequence[Verdict],
) -> dict[str, str]:
    """What the objects add to titles and commands, by kind."""
    nodes = [one for one in picked.nodes if one.of(kind)] or list(picked.nodes)
    if kind in ("resources", "exceeds"):
        return advice.in_template(template, _room_facts(world, kind, picked.nodes))
    if not nodes[0].of(kind) and kind not in ("taint", "selector", "affinity"):
        return {}
    makers: dict[str, Callable[[], dict[str, str]]] = {
        "taint": lambda: advice.for_taint(template, nodes),
        "node-state": lambda: advice.for_taint(template, nodes),
        "cordoned": lambda: advice.for_cordon(nodes),
        "pods": lambda: dict(nodes[0].of("pods")[0].facts),
        "selector": lambda: advice.for_selector(world, template, nodes),
        "affinity": lambda: advice.for_affinity(world, template, nodes),
        "ports": lambda: advice.for_ports(world, template, nodes),
        "spread": lambda: advice.for_spread(template, nodes, verdicts),
        "pv": lambda: advice.for_volume(world, nodes, verdicts),
    }
    maker = makers.get(kind)
    return maker() if maker else advice.for_neighbours(world, template, kind, nodes)


def _room_facts(world: world_.World, kind: str, nodes: Sequence[Verdict]) -> dict[str, str]:
    short = [one for one in nodes if one.of("resources", "exceeds")]
    if not short:
        return {}
    facts = advice.for_size(world, short) if kind == "exceeds" else advice.for_room(world, short)
    resource = facts["resource"]
    has = [one for one in world.nodes if res.allocatable(one).get(resource)]
    facts["advertised"] = "yes" if has else "no"
    sick = [
        sel.name_of(one)
        for one in world.nodes
        if res.amounts((one.get("status") or {}).get("capacity")).get(resource)
    ]
    if not has:
        facts["absent_resource" if "/" in resource else "absent_pages"] = resource
        if offered := _of_its_maker(world, resource):
            facts["offered"] = offered
    if sick and not has:
        facts["unhealthy_on"] = ", ".join(sick[:3])
    if only := _only_node(world.pod):
        facts["only_node"] = only
    if has and "/" in resource:
        holders = [
            f"{sel.namespace_of(pod)}/{sel.name_of(pod)}"
            for pod in world.pods or ()
            if res.pod_requests(pod).get(resource) and (pod.get("spec") or {}).get("nodeName")
        ]
        if holders:
            facts["holders"] = advice.listed(holders, world.namespace)
    return facts


def _of_its_maker(world: world_.World, resource: str) -> str:
    """What nodes offer in the same domain: then a plugin runs there, and calls its devices by other names."""
    domain, slash, _ = resource.partition("/")
    names = {name for node in world.nodes for name, amount in res.allocatable(node).items() if amount}
    return ", ".join(sorted(name for name in names if slash and name.startswith(domain + slash))[:3])


def _only_node(pod: Body) -> str:
    """The one node that a DaemonSet's pod is made for."""
    terms = sel.required_terms(pod) or []
    fields = [one for term in terms for one in term.get("matchFields") or [] if one.get("operator") == "In"]
    return str((fields[0].get("values") or [""])[0]) if len(terms) == len(fields) == 1 else ""


_NOT_JUDGED = frozenset({"attach-limit", "pv-storage"})


def _notes(
    picked: choice.Choice, verdicts: Sequence[Verdict], world: world_.World | None, message: Message
) -> tuple[tuple[str, str], ...]:
    """One line for each group of nodes that fail alike, the nearest first."""
    order = {one.name: index for index, one in enumerate(picked.nodes)}
    groups: dict[tuple[str, ...], list[str]] = {}
    for one in sorted(verdicts, key=lambda one: (order.get(one.name, 999), one.name)):
        if one.failures:
            groups.setdefault(tuple(failure.text for failure in one.failures), []).append(one.name)
    lines = [(f"{some(names)}: {'; also '.join(texts)}", "nodes, pods") for texts, names in groups.items()]
    if picked.kind == "taint":
        lines = [(text.replace(" (by design)", ""), source) for text, source in lines]
    if len(lines) > 8:
        lines = [*lines[:7], (f"and {len(lines) - 7} more groups of nodes that fail", "nodes")]
    if picked.fitting and not message.kinds & _NOT_JUDGED:
        text = f"as the objects show it now, {some(list(picked.fitting))} would take the pod"
        lines.append((f"{text}; the scheduler tries again within 5 minutes", "nodes, pods"))
    if world is not None and world.more_nodes:
        total = f" of {max(message.total, len(verdicts))}" if message.total else ""
        lines.append((f"only the first {len(verdicts)}{total} nodes were looked at", "nodes"))
    if world is not None and (missed := unseen(verdicts)):
        open_ = sum(1 for one in verdicts if predicates.in_question(one))
        lines.append(
            (f"the pods of {open_ - missed} of the {open_} nodes in question were looked at", "nodes, pods")
        )
    return tuple(lines)


def _attached(snapshot: Snapshot) -> Iterable[tuple[str, str]]:
    """Per node and CSI driver: how many volumes are attached, of how many."""
    attached = [one.get("spec") or {} for one in snapshot.items(ATTACHED) or []]
    for node in snapshot.items(CSI_NODES) or []:
        for driver in (node.get("spec") or {}).get("drivers") or []:
            limit = (driver.get("allocatable") or {}).get("count")
            have = [
                one
                for one in attached
                if one.get("nodeName") == sel.name_of(node) and one.get("attacher") == driver.get("name")
            ]
            if limit is not None and len(have) >= int(limit):
                what = f"{len(have)} volumes of {driver.get('name')} attached"
                yield f"{sel.name_of(node)}: {what}, {limit} allowed", "csinodes, volumeattachments"


def some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
