"""A StatefulSet does not replace a pod that never became ready: the steps that change its template delete it."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from poddoctor import engine, playbook
from poddoctor.model import Found, Snapshot, Step, Target
from poddoctor.pod.reads import get
from poddoctor.stages import symptom_kinds

CLOCK = datetime(2026, 5, 4, 12, 0, tzinfo=timezone.utc)


def commands(kind: str, api: str, resource: str, spec: dict[str, Any]) -> list[str]:
    owner = {"apiVersion": api, "kind": kind, "name": "db", "uid": "u0", "controller": True}
    waiting = {
        "reason": "ErrImagePull",
        "message": "rpc error: code = NotFound desc = failed to pull and unpack image "
        '"docker.io/library/db:9": docker.io/library/db:9: not found',
    }
    pod = {
        "metadata": {"name": "db-0", "namespace": "shop", "uid": "u1", "ownerReferences": [owner]},
        "spec": {"nodeName": "n1", "containers": [{"name": "db", "image": "db:9"}]},
        "status": {"phase": "Pending", "containerStatuses": [{"name": "db", "state": {"waiting": waiting}}]},
    }
    answers = {
        get("v1", "pods", "shop", "db-0"): Found(pod),
        get(api, resource, "shop", "db"): Found({"metadata": {"name": "db"}, "spec": spec}),
    }
    report = engine.diagnose(Snapshot(Target("pod", "shop", "db-0"), answers, CLOCK, "v1.33.0"))
    assert report.findings[0].cause.id == "image/tag-not-found"
    return [step.run for step in report.findings[0].steps if "set image" in step.run]


DELETE = "kubectl -n shop delete pod db-0"


@pytest.mark.parametrize("spec", [{}, {"podManagementPolicy": "OrderedReady"}])
def test_the_broken_pod_is_deleted(spec: dict[str, Any]) -> None:
    runs = commands("StatefulSet", "apps/v1", "statefulsets", spec)
    assert runs
    assert all(run.endswith(f"\n{DELETE}") for run in runs)


@pytest.mark.parametrize(
    ("kind", "resource", "spec"),
    [("StatefulSet", "statefulsets", {"podManagementPolicy": "Parallel"}), ("DaemonSet", "daemonsets", {})],
)
def test_others_replace_it_themselves(kind: str, resource: str, spec: dict[str, Any]) -> None:
    runs = commands(kind, "apps/v1", resource, spec)
    assert runs
    assert not any(DELETE in run for run in runs)


def test_who_only_looks_deletes_nothing() -> None:
    values = {"namespace": "shop", "pod": "db-0", "workload": "statefulset/db", "waits_for_pod": "yes"}
    causes = playbook.load_all([playbook.BUNDLED], symptom_kinds())
    runs = {step.run for cause in causes for step in cause.steps if "set env {workload}" in step.run}
    deletes = {run: "delete pod" in engine._unblocked(Step("", filled(run)), values).run for run in runs}
    assert {run for run, does in deletes.items() if does} == {run for run in runs if "--list" not in run}
    assert not all(deletes.values())


def filled(run: str) -> str:
    return run.replace("{workload}", "statefulset/db")
