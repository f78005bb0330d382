"""A ReplicaSet of its own has no rollout: its pods are deleted so that new ones take the change."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from poddoctor import engine
from poddoctor.model import Found, Snapshot, Step, Target
from poddoctor.pod.reads import get

CLOCK = datetime(2026, 5, 4, 12, 0, tzinfo=timezone.utc)
KINDS = [
    ("ReplicaSet", "apps/v1", {"selector": {"matchLabels": {"app": "cart"}}}),
    ("ReplicationController", "v1", {"selector": {"app": "cart"}}),
    ("Deployment", "apps/v1", {"selector": {"matchLabels": {"app": "cart"}}}),
]


def steps(kind: str, api: str, spec: dict[str, Any]) -> tuple[Step, ...]:
    owner = {"apiVersion": api, "kind": kind, "name": "cart", "uid": "u0", "controller": True}
    waiting = {"reason": "ErrImagePull", "message": "docker.io/shop/cart:9: manifest unknown"}
    pod = {
        "metadata": {"name": "cart-x7k", "namespace": "shop", "uid": "u1", "ownerReferences": [owner]},
        "spec": {"nodeName": "n1", "containers": [{"name": "cart", "image": "shop/cart:9"}]},
        "status": {
            "phase": "Pending",
            "containerStatuses": [{"name": "cart", "state": {"waiting": waiting}}],
        },
    }
    answers = {
        get("v1", "pods", "shop", "cart-x7k"): Found(pod),
        get(api, f"{kind.lower()}s", "shop", "cart"): Found({"metadata": {"name": "cart"}, "spec": spec}),
    }
    report = engine.diagnose(Snapshot(Target("pod", "shop", "cart-x7k"), answers, CLOCK, "v1.33.0"))
    assert report.findings[0].cause.id == "image/tag-not-found"
    return report.findings[0].steps


@pytest.mark.parametrize(("kind", "api", "spec"), KINDS)
def test_steps_fit_their_owner(kind: str, api: str, spec: dict[str, Any]) -> None:
    made = steps(kind, api, spec)
    change = next(step for step in made if "set image" in step.run)
    rolls = any("rollout" in f"{step.run}{step.check}{step.undo}" for step in made)
    which = {"ReplicaSet": "-l app=cart", "ReplicationController": "cart-x7k"}.get(kind, "")
    assert rolls is (kind == "Deployment")
    assert change.run.endswith(f"\nkubectl -n shop delete pod {which}") is bool(which)
    if kind == "ReplicaSet":
        assert change.check == "kubectl -n shop wait --for=condition=Ready pod -l app=cart --timeout=120s"
