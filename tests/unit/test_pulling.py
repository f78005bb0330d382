"""Pulls that are under way: told as waiting, with how long, and how long another pod needed."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from poddoctor.diagnostics._pulling import pulls_read

from poddoctor import engine
from poddoctor.model import Answer, Finding, Found, Read, Snapshot, Target
from poddoctor.pod.reads import node_read, pod_events_read, pod_read

CLOCK = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
IMAGE = "ghcr.io/shop/web:2"


def event(reason: str, message: str, time: str, pod: str = "web", uid: str = "u") -> dict[str, Any]:
    about = {"kind": "Pod", "name": pod, "uid": uid, "fieldPath": "spec.containers{app}"}
    return {
        "metadata": {"name": f"{pod}.{reason}"},
        "reason": reason,
        "type": "Normal",
        "message": message,
        "involvedObject": about,
        "lastTimestamp": time,
    }


def diagnose(
    events: list[dict[str, Any]], *, ready: str = "", on_node: bool = False, others: Answer | None = None
) -> list[Finding]:
    conditions = [{"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-01-01T11:50:00Z"}]
    if ready:
        start = {
            "type": "PodReadyToStartContainers",
            "status": ready,
            "lastTransitionTime": "2026-01-01T11:51:00Z",
        }
        conditions.append(start)
    state = {"name": "app", "state": {"waiting": {"reason": "ContainerCreating"}}}
    pod = {
        "metadata": {"name": "web", "namespace": "shop", "uid": "u"},
        "spec": {"nodeName": "n1", "containers": [{"name": "app", "image": IMAGE}]},
        "status": {"phase": "Pending", "conditions": conditions, "containerStatuses": [state]},
    }
    node = {
        "metadata": {"name": "n1"},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "images": [{"names": [IMAGE]}] if on_node else [],
        },
    }
    empty = Snapshot(Target("pod", "shop", "web"), {}, CLOCK)
    answers: dict[Read, Answer] = {
        pod_read(empty): Found(pod),
        pod_events_read(empty): Found({"items": events}),
        node_read("n1"): Found(node),
    }
    if others:
        answers[pulls_read(empty)] = others
    return list(engine.diagnose(Snapshot(empty.target, answers, CLOCK)).findings)


PULLING = event("Pulling", f'Pulling image "{IMAGE}"', "2026-01-01T11:55:00Z")
FRESH = event("Pulling", f'Pulling image "{IMAGE}"', "2026-01-01T11:59:30Z")
PULLED = event("Pulled", f'Successfully pulled image "{IMAGE}" in 3s', "2026-01-01T11:59:00Z")
ELSEWHERE = event(
    "Pulled",
    f'Successfully pulled image "{IMAGE}" in 12.3s (12.3s including waiting)',
    "2026-01-01T11:00:00Z",
    "web-2",
    "v",
)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"events": [PULLING]}, ("image/pull-in-progress", "likely")),
        ({"events": [FRESH]}, None),
        ({"events": [PULLING, PULLED]}, None),
        ({"events": [], "ready": "True"}, ("image/pull-in-progress", "possible")),
        ({"events": [], "ready": "True", "on_node": True}, None),
    ],
)
def test_a_pull_under_way(given: dict[str, Any], expected: tuple[str, str] | None) -> None:
    found = [(one.cause.id, one.confidence) for one in diagnose(**given) if one.cause.family == "image"]
    assert found == ([expected] if expected else [])


def test_how_long_it_took_for_another_pod() -> None:
    finding = diagnose([PULLING], others=Found({"items": [ELSEWHERE]}))[0]
    assert finding.standing == "waiting"
    assert finding.title == f"Image {IMAGE} is being pulled, for 5m now; pod web-2 had it after 12.3s"
