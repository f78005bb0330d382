"""Going back to the revision before is offered only where there may be one."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from poddoctor import engine
from poddoctor.model import Found, Snapshot, Target
from poddoctor.pod.reads import get

CLOCK = datetime(2026, 5, 4, 12, 0, tzinfo=timezone.utc)


def owned(kind: str, name: str) -> list[dict[str, object]]:
    return [{"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": "u0", "controller": True}]


def runs(revision: str) -> list[str]:
    message = "failed to create containerd container: mount /var/lib/containerd/tmp: input/output error"
    waiting = {"reason": "CreateContainerError", "message": message}
    state = {"name": "app", "restartCount": 0, "state": {"waiting": waiting}}
    labels = {"pod-template-hash": "5d4f"}
    pod = {
        "metadata": {"name": "web-5d4f-x", "namespace": "shop", "uid": "u1", "labels": labels,
                     "ownerReferences": owned("ReplicaSet", "web-5d4f")},
        "spec": {"nodeName": "n1", "containers": [{"name": "app", "image": "web:9"}]},
        "status": {"phase": "Pending", "containerStatuses": [state]},
    }  # fmt: skip
    answers = {
        get("v1", "pods", "shop", "web-5d4f-x"): Found(pod),
        get("apps/v1", "replicasets", "shop", "web-5d4f"): Found(
            {"metadata": {"name": "web-5d4f", "ownerReferences": owned("Deployment", "web")}}
        ),
        get("apps/v1", "deployments", "shop", "web"): Found(
            {"metadata": {"name": "web", "annotations": {"deployment.kubernetes.io/revision": revision}}}
        ),
    }
    report = engine.diagnose(Snapshot(Target("pod", "shop", "web-5d4f-x"), answers, CLOCK, "v1.33.0"))
    assert report.findings[0].cause.id == "startup/runtime-error"
    return [step.run for step in report.findings[0].steps]


@pytest.mark.parametrize(("revision", "offered"), [("1", False), ("2", True)])
def test_the_first_rollout_has_none_before(revision: str, offered: bool) -> None:
    steps = runs(revision)
    assert steps
    assert any("rollout undo" in run for run in steps) is offered
