"""Every node with every predicate that it fails, as rows: for ``-v`` and for programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ._predicates import Failure, Verdict, in_question

_PLUGINS = {
    "cordoned": "NodeUnschedulable",
    "control-plane": "TaintToleration",
    "node-state": "TaintToleration",
    "taint": "TaintToleration",
    "selector": "NodeAffinity",
    "affinity": "NodeAffinity",
    "ports": "NodePorts",
    "pods": "NodeResourcesFit",
    "resources": "NodeResourcesFit",
    "exceeds": "NodeResourcesFit",
    "rwop": "VolumeRestrictions",
    "pv": "VolumeBinding",
    "spread": "PodTopologySpread",
    "pod-affinity": "InterPodAffinity",
    "anti-affinity": "InterPodAffinity",
    "existing-anti-affinity": "InterPodAffinity",
}


def table(verdicts: Sequence[Verdict]) -> tuple[Mapping[str, str], ...]:
    """One row for each node and predicate that it fails, in the order of the nodes' names."""
    return tuple(row for one in sorted(verdicts, key=lambda one: _natural(one.name)) for row in _rows(one))


def _natural(name: str) -> tuple[str, int, str]:
    stem = name.rstrip("0123456789")
    number = name[len(stem) :]
    return stem, int(number) if number else -1, name


def _rows(verdict: Verdict) -> Iterable[Mapping[str, str]]:
    for failure in verdict.failures:
        yield _row(verdict.name, _PLUGINS.get(failure.kind, failure.kind), failure.text, failure)
    if not verdict.failures or (not verdict.seen and in_question(verdict)):
        text = "it would take the pod, as the objects show it now" if verdict.complete else ""
        yield _row(verdict.name, "", text or "the pods on it were not looked at")


def _row(node: str, predicate: str, detail: str, failure: Failure | None = None) -> Mapping[str, str]:
    facts = failure.facts if failure and failure.resource else {}
    return {
        "node": node,
        "predicate": predicate,
        "resource": facts.get("resource", ""),
        "requested": facts.get("asked", ""),
        "allocatable": facts.get("allocatable", ""),
        "free": facts.get("free", ""),
        "short_by": facts.get("short", ""),
        "detail": detail,
    }
