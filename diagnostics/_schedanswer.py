"""The answer to why no node takes the pod: nodes judged, the reason that counts, its facts and evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from poddoctor.model import POD, Body, Snapshot, Symptom
from poddoctor.pod.reads import found, list_of

from . import _advice as advice
from . import _choice as choice
from . import _predicates as predicates
from . import _resources as res
from . import _selectors as sel
from . import _world as world_
from ._predicates import Verdict
from ._schedmessage import Message
from ._schedwords import autoscaler, words

CSI_NODES = list_of("storage.k8s.io/v1", "csinodes", "", "would show how many volumes a node may have")
ATTACHED = list_of("storage.k8s.io/v1", "volumeattachments", "", "would show how many volumes a node has")
_OF_STORAGE = ("rwop", "unbindable", "pv-lost")
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


def judged(snapshot: Snapshot, pod: Body, message: Message, *, claimed: bool) -> Iterable[Symptom]:
    world = world_.world_of(snapshot, pod)
    verdicts = predicates.judge(world) if world else None
    picked = choice.choose(verdicts, message)
    text, source = words(snapshot, pod)
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
    if picked.kind in _OF_STORAGE and _claims_read(snapshot, pod):
        return
    yield _answer(snapshot, pod, world, verdicts or [], picked, message)


def _claims_read(snapshot: Snapshot, pod: Body) -> bool:
    """Whether all claims are known: the stage storage then says more of them than the scheduler does."""
    names = world_.claim_names(pod)
    return bool(names) and all(
        found(snapshot, world_.pvc_read(snapshot.target.namespace, one)) for one in names
    )


def _general(kind: str, text: str, source: str, message: Message) -> Symptom:
    if kind == "claim":
        return Symptom("scheduling.claim", POD, source, text, {"problem": "said"})
    reason = message.whole or max(message.reasons, key=lambda one: one.count).text
    return Symptom("scheduling.unschedulable", POD, source, text, {"reason": reason, "kind": kind})


def _answer(
    snapshot: Snapshot,
    pod: Body,
    world: world_.World | None,
    verdicts: Sequence[Verdict],
    picked: choice.Choice,
    message: Message,
) -> Symptom:
    """The symptom of the chosen kind, with the facts that titles and commands need."""
    text, source = words(snapshot, pod)
    kind = _split(pod, picked.kind, message) if picked.basis == "message" else picked.kind
    name = _NAMES.get(kind)
    if name is None:
        return _general("claim" if kind == "claim" else kind, text, source, message)
    facts = {"kind": kind, "basis": picked.basis, **_counts(picked, verdicts, message)}
    facts.update(_from_message(pod, kind, message))
    if world is not None and picked.nodes:
        facts.update(_facts(advice.Template(snapshot, pod), world, kind, picked, verdicts))
    elif kind == "taint" and facts.get("taint_key"):
        facts.update(advice.toleration_of(advice.Template(snapshot, pod), facts))
    resource = facts.get("resource", "")
    if kind in ("resources", "exceeds") and _extended(resource, facts):
        name = "scheduling.extended-resource"
    notes = _notes(picked, verdicts, world)
    if kind == "attach-limit":
        notes = (*_attached(snapshot), *notes)
    notes = (*notes, *autoscaler(snapshot))
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
    return huge or hopeless


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
        return _taint_named(kind, message)
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


def _taint_named(kind: str, message: Message) -> dict[str, str]:
    """The taint, where an older scheduler names it."""
    taints = [one.taint for one in message.reasons if one.kind == kind and one.taint[0]]
    if not taints:
        return {}
    shown = [f"{key}={value}" if value else key for key, value in taints]
    value = {"taint_value": taints[0][1]} if taints[0][1] else {}
    return {"taint": shown[0], "taints": ", ".join(shown), "taint_key": taints[0][0], **value}


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
        return _room_facts(world, kind, picked.nodes)
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
        facts["absent_resource"] = resource
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


def _only_node(pod: Body) -> str:
    """The one node that a DaemonSet's pod is made for."""
    terms = sel.required_terms(pod) or []
    fields = [one for term in terms for one in term.get("matchFields") or [] if one.get("operator") == "In"]
    return str((fields[0].get("values") or [""])[0]) if len(terms) == len(fields) == 1 else ""


def _notes(
    picked: choice.Choice, verdicts: Sequence[Verdict], world: world_.World | None
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
    if picked.fitting:
        text = f"as the objects show it now, {some(list(picked.fitting))} would take the pod"
        lines.append((text, "nodes, pods"))
    if world is not None and world.more_nodes:
        lines.append((f"only the first {len(verdicts)} nodes were looked at", "nodes"))
    if world is not None and not world.everywhere and verdicts:
        seen = len(world.covered or ())
        lines.append((f"the pods of {seen} of {len(verdicts)} nodes were looked at", "nodes, pods"))
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
