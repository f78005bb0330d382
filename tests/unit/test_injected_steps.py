"""A container that an injector added is not in the template: no command that changes it there can work."""

from __future__ import annotations

from typing import Any

import pytest

from poddoctor import engine
from poddoctor.model import Found, Snapshot
from poddoctor.pod.reads import get

from .test_probes import event, pod, running, snapshot

PROBE = {"readinessProbe": {"httpGet": {"port": 8080}, "timeoutSeconds": 1}}


def steps(owner: dict[str, Any] | None) -> list[tuple[str, str]]:
    body = pod(PROBE, running(600))
    body["metadata"]["ownerReferences"] = [
        {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "web", "uid": "d1", "controller": True}
    ]
    taken = snapshot(
        body, [event("Unhealthy", "Readiness probe failed: dial tcp 10.0.0.3:8080: i/o timeout")]
    )
    answers = {**taken.answers}
    if owner is not None:
        answers[get("apps/v1", "daemonsets", "shop", "web")] = Found(owner)
    finding = engine.diagnose(Snapshot(taken.target, answers, taken.clock)).findings[0]
    assert finding.cause.id == "probes/probe-times-out"
    return [(step.do, step.run) for step in finding.steps]


def template(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "web"}, "spec": {"template": {"spec": spec}}}


@pytest.mark.parametrize(
    ("owner", "patched"),
    [
        (template(containers=[{"name": "app"}]), True),
        (template(containers=[{"name": "other"}], initContainers=[{"name": "app"}]), True),
        (template(containers=[{"name": "other"}]), False),
        (template(), True),
        (None, True),
    ],
)
def test_only_what_the_template_has_is_changed_there(owner: dict[str, Any] | None, *, patched: bool) -> None:
    told = steps(owner)
    assert any(" patch " in run or " set " in run for _, run in told) is patched
    assert any("an injector added it" in do for do, _ in told) is not patched
