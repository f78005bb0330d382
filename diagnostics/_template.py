"""The pod template of a workload that has no pods yet: what it refers to can be looked at all the same."""

from __future__ import annotations

from poddoctor.model import Body, Snapshot
from poddoctor.pod.owner import WORKLOAD_READS
from poddoctor.pod.reads import get


def workload_body(snapshot: Snapshot) -> Body | None:
    """The target when it is a workload, as far as it could be read."""
    target = snapshot.target
    if target.kind not in WORKLOAD_READS:
        return None
    body: Body | None = snapshot.body(get(*WORKLOAD_READS[target.kind], target.namespace, target.name))
    return body


def unborn(snapshot: Snapshot) -> Body | None:
    """The template, in the form of a pod without status, when the target wants pods and has none."""
    target = snapshot.target
    if target.kind in ("pod", "cronjob") or target.kind not in WORKLOAD_READS:
        return None
    workload = workload_body(snapshot) or {}
    spec, status = workload.get("spec") or {}, workload.get("status") or {}
    wanted = spec.get("replicas", spec.get("parallelism", 1))
    counts = ("replicas", "currentNumberScheduled", "active", "succeeded", "failed", "ready")
    if not wanted or any(status.get(key) for key in counts):
        return None
    template: Body | None = spec.get("template")
    return template
