"""A drain that cannot evict the pod: what its disruption budgets say, as the eviction API judges it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from poddoctor.model import POD, Body, Read, Snapshot, Symptom
from poddoctor.pod.owner import owner_of
from poddoctor.pod.reads import condition, list_of, node_of

from ._nodes import node_name
from ._selectors import labels_of, name_of, selects

_MIRROR = "kubernetes.io/config.mirror"
# Those who drain nodes say so by a taint, and need not cordon them.
_DRAINERS = {
    "karpenter.sh/disrupted": "Karpenter",
    "karpenter.sh/disruption": "Karpenter",
    "ToBeDeletedByClusterAutoscaler": "the cluster autoscaler",
}
_MOST_REPLICAS = 1000


def budgets_read(snapshot: Snapshot) -> Read:
    """The disruption budgets of the namespace."""
    purpose = "would show which disruption budget governs the eviction"
    return list_of("policy/v1", "poddisruptionbudgets", snapshot.target.namespace, purpose)


def budgets(snapshot: Snapshot, pod: Body) -> list[Body]:
    """The disruption budgets that select the pod."""
    found = snapshot.items(budgets_read(snapshot)) or []
    labels = labels_of(pod)
    return [one for one in found if selects((one.get("spec") or {}).get("selector"), labels)]


def drained_by(snapshot: Snapshot, pod: Body) -> str:
    """Who empties the node under this pod; empty when nobody does, or when a drain passes such a pod by."""
    spec = (node_of(snapshot) or {}).get("spec") or {}
    meta, phase = pod.get("metadata") or {}, (pod.get("status") or {}).get("phase")
    owners = [str(one.get("kind")) for one in meta.get("ownerReferences") or []]
    # Nothing protects a pod that has not started or has ended; a DaemonSet's pods stay.
    if phase != "Running" or "DaemonSet" in owners or _MIRROR in (meta.get("annotations") or {}):
        return ""
    for taint in spec.get("taints") or []:
        if who := _DRAINERS.get(str(taint.get("key"))):
            return who
    return "a drain" if spec.get("unschedulable") else ""


def blocked(snapshot: Snapshot, pod: Body) -> Iterator[Symptom]:
    """Why the API would refuse to evict this pod from a node that is being emptied."""
    who = drained_by(snapshot, pod)
    mine = budgets(snapshot, pod) if who else []
    if not mine:
        return
    values = {"node": node_name(pod), "who": who}
    if len(mine) > 1:
        names = [name_of(one) for one in mine]
        values |= {"kind": "several", "budgets": ", ".join(names), "count": str(len(names))}
        text = f"more than one PodDisruptionBudget selects the pod, the API supports one: {values['budgets']}"
        yield Symptom("lifecycle.drain-blocked", POD, "poddisruptionbudgets", text, values)
        return
    budget = mine[0]
    why = _why(snapshot, pod, budget)
    if why is None:
        return
    values |= {"budget": name_of(budget), **why}
    kept = {key: value for key, value in values.items() if value}
    source = f"poddisruptionbudget {name_of(budget)} .status"
    notes = tuple(_notes(snapshot))
    yield Symptom("lifecycle.drain-blocked", POD, source, _sentence(budget), kept, notes=notes)


def _why(snapshot: Snapshot, pod: Body, budget: Body) -> dict[str, str] | None:
    """Which kind of refusal it is, or None when the pod may go, or when it is not known."""
    status = budget.get("status") or {}
    if status.get("disruptionsAllowed") != 0 or _stale(budget):
        return None
    synced = condition(budget, "DisruptionAllowed")
    if synced.get("reason") == "SyncFailed":
        return {"kind": "not-counted", "detail": str(synced.get("message") or "its pods cannot be counted")}
    return _counted(snapshot, pod, budget)


def _counted(snapshot: Snapshot, pod: Body, budget: Body) -> dict[str, str] | None:
    """The same, for a budget whose pods were counted."""
    status, spec = budget.get("status") or {}, budget.get("spec") or {}
    healthy, desired, expected = (
        int(status.get(key) or 0) for key in ("currentHealthy", "desiredHealthy", "expectedPods")
    )
    counts = {"healthy": str(healthy), "desired": str(desired), "expected": str(expected)}
    if condition(pod, "Ready").get("status") != "True":
        if spec.get("unhealthyPodEvictionPolicy") == "AlwaysAllow" or healthy >= desired > 0:
            return None
        return {"kind": "unready", "own": "yes", **counts}
    if not expected:
        return None
    if desired < expected:
        return {"kind": "others", "sick": str(expected - healthy), **counts}
    return {"kind": "tight", "rule": _rule(spec), "scale_to": _enough(snapshot, spec, expected), **counts}


def _stale(budget: Body) -> bool:
    observed = (budget.get("status") or {}).get("observedGeneration")
    generation = (budget.get("metadata") or {}).get("generation")
    return bool(observed and generation and observed < generation)


def _rule(spec: Body) -> str:
    for key in ("minAvailable", "maxUnavailable"):
        if spec.get(key) is not None:
            return f"{key} {spec[key]}"
    return ""


def _enough(snapshot: Snapshot, spec: Body, expected: int) -> str:
    """With how many replicas the budget lets one go; empty when no number does."""
    replicas = ((owner_of(snapshot).body or {}).get("spec") or {}).get("replicas")
    least = spec.get("minAvailable")
    if least is None or not isinstance(replicas, int):
        return ""
    if isinstance(least, int):
        wanted = max(least, expected) + 1 if least >= expected else 0
    else:
        share = str(least).rstrip("%")
        percent = int(share) if share.isdigit() else 100
        # The controller rounds up.
        fitting = (one for one in range(expected + 1, _MOST_REPLICAS) if -(-one * percent // 100) < one)
        wanted = next(fitting, 0) if percent < 100 else 0
    return str(replicas + wanted - expected) if wanted else ""


def _sentence(budget: Body) -> str:
    status = budget.get("status") or {}
    counts = {key: status.get(key) for key in ("currentHealthy", "desiredHealthy", "expectedPods")}
    shown = ", ".join(f"{key} {value}" for key, value in counts.items() if value is not None)
    rule = _rule(budget.get("spec") or {})
    return f"disruptionsAllowed 0 ({'; '.join(part for part in (rule, shown) if part)})"


def _notes(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    node = node_of(snapshot) or {}
    spec: Mapping[str, object] = node.get("spec") or {}
    source = f"node {name_of(node)} .spec"
    if spec.get("unschedulable"):
        yield "the node is cordoned", source
    for taint in (node.get("spec") or {}).get("taints") or []:
        if str(taint.get("key")) in _DRAINERS:
            yield f"taint {taint.get('key')}:{taint.get('effect')}", source
