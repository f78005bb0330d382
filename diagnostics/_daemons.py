"""A DaemonSet that asks for no pods, because no node is one that it may use."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from poddoctor.model import Body, Read, Snapshot, Subject, Symptom
from poddoctor.pod.names import nearest

from . import _selectors as sel
from ._world import nodes_read

_BY_CONTROLLER = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)
_ON_HOST = ("node.kubernetes.io/network-unavailable", "NoSchedule")
_MOST = 4


def reads(snapshot: Snapshot, body: Body) -> Iterable[Read]:
    """The nodes, when the DaemonSet's controller found none to run on."""
    if _asks_for_none(snapshot, body):
        yield nodes_read()


def examine(snapshot: Snapshot, body: Body) -> Iterable[Symptom]:
    """What keeps every node out; nothing when a node would do by now."""
    nodes = snapshot.items(nodes_read())
    if not _asks_for_none(snapshot, body) or nodes == []:
        return
    pod = (body.get("spec") or {}).get("template") or {}
    facts = _facts(pod, nodes) if nodes else {"kind": "unseen"}
    wanted = _wanted(pod)
    if facts is None or not (nodes or wanted):
        return
    notes = [(words, "nodes") for words in _refusals(pod, nodes or [])]
    if wanted:
        notes.insert(0, (f"its pods want nodes with {wanted}", "daemonset.spec.template.spec"))
    known = {
        key: value for key, value in {**facts, "wanted": wanted, "patch": _patch(facts)}.items() if value
    }
    yield Symptom(
        "admission.no-node-wanted",
        Subject("workload"),
        "daemonset.status.desiredNumberScheduled",
        "desiredNumberScheduled: 0",
        known,
        notes=tuple(notes),
    )


def _asks_for_none(snapshot: Snapshot, body: Body) -> bool:
    status = body.get("status") or {}
    seen = status.get("observedGeneration")
    generation = (body.get("metadata") or {}).get("generation")
    return (
        snapshot.target.kind == "daemonset"
        and bool(seen)
        and seen == (generation or seen)
        and not status.get("desiredNumberScheduled")
        and not status.get("currentNumberScheduled")
    )


def _facts(pod: Body, nodes: Sequence[Body]) -> Mapping[str, str] | None:
    """The one thing that is wrong with the nodes that come nearest; None when one of them would do."""
    chosen = [node for node in nodes if sel.chosen(pod, node)]
    if chosen:
        taints = [_untolerated(pod, node) for node in chosen]
        if not all(taints):
            return None
        facts = {"kind": "taint", "taint": sel.show_taint(taints[0][0]), "node": sel.name_of(chosen[0])}
        return {**facts, "several": str(len(chosen))} if len(chosen) > 1 else facts
    missing = next((found for key in _selector(pod) if (found := _label(pod, nodes, key))), None)
    return missing or {"kind": "affinity"}


def _selector(pod: Body) -> Mapping[str, str]:
    found: Mapping[str, str] = (pod.get("spec") or {}).get("nodeSelector") or {}
    return found


def _label(pod: Body, nodes: Sequence[Body], key: str) -> Mapping[str, str] | None:
    """A label of the nodeSelector that no node has, and the label that was probably meant."""
    value = str(_selector(pod)[key])
    labels = [sel.labels_of(node) for node in nodes]
    if any(one.get(key) == value for one in labels):
        return None
    found = {"kind": "label", "label": f"{key}={value}", "key": key, "value": value}
    values = sorted({one[key] for one in labels if key in one})
    if values:
        meant = nearest(value, values, 1)
        found["existing"] = ", ".join(f"{key}={one}" for one in values[:_MOST])
        return {**found, "near_key": key, "near_value": meant[0]} if meant else found
    same = {other for one in labels for other, have in one.items() if have == value}
    if meant := nearest(key, same, 1):
        found |= {"near_key": meant[0], "near_value": value}
    return found


def _patch(facts: Mapping[str, str]) -> str:
    """The change of the template that asks for the label that was probably meant."""
    if "near_key" not in facts:
        return ""
    selector = {facts["key"]: None, facts["near_key"]: facts["near_value"]}
    return json.dumps({"spec": {"template": {"spec": {"nodeSelector": selector}}}}, separators=(",", ":"))


def _untolerated(pod: Body, node: Body) -> list[Body]:
    spec = pod.get("spec") or {}
    by_itself = [*_BY_CONTROLLER, *([_ON_HOST] if spec.get("hostNetwork") else [])]
    given = [{"key": key, "operator": "Exists", "effect": effect} for key, effect in by_itself]
    return sel.untolerated([*(spec.get("tolerations") or []), *given], node)


def _wanted(pod: Body) -> str:
    wanted = [f"{key}={value}" for key, value in _selector(pod).items()]
    for term in sel.required_terms(pod) or []:
        each = [*(term.get("matchExpressions") or []), *(term.get("matchFields") or [])]
        wanted.append(" and ".join(map(sel.show_requirement, each)))
    return "; ".join(wanted)


def _refusals(pod: Body, nodes: Sequence[Body]) -> Iterable[str]:
    for node in nodes[:_MOST]:
        name, misses = sel.name_of(node), sel.selector_misses(pod, node)
        labels = sel.labels_of(node)
        if misses:
            have = ", ".join(
                f"{key}={labels[key]}" if key in labels else f"no label {key}" for key in sorted(misses)
            )
            yield f"{name} has {have}"
        elif not sel.chosen(pod, node):
            yield f"{name} does not match its node affinity"
        else:
            taints = ", ".join(map(sel.show_taint, _untolerated(pod, node)))
            yield f"{name} has taint {taints}, which is not tolerated"
    if len(nodes) > _MOST:
        yield f"and {len(nodes) - _MOST} nodes more"
