"""The same cause on several containers is one finding, and its title names them all."""

from __future__ import annotations

from datetime import datetime, timezone

from poddoctor import engine
from poddoctor.model import Found, Snapshot, Target
from poddoctor.pod.reads import get, log_read

CLOCK = datetime(2026, 5, 4, 12, 0, tzinfo=timezone.utc)
WORDS = "Traceback (most recent call last):\nModuleNotFoundError: No module named 'flask'\n"


def test_the_other_containers_are_named_at_the_end() -> None:
    ended = {
        "exitCode": 1,
        "reason": "Error",
        "startedAt": "2026-05-04T11:59:00Z",
        "finishedAt": "2026-05-04T11:59:01Z",
    }
    statuses = [
        {
            "name": name,
            "restartCount": 4,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": ended},
        }
        for name in ("web", "worker")
    ]
    pod = {
        "metadata": {"name": "shop", "namespace": "shop", "uid": "u1"},
        "spec": {
            "nodeName": "n1",
            "containers": [{"name": one["name"], "image": "shop/web:1"} for one in statuses],
        },
        "status": {"phase": "Running", "containerStatuses": statuses},
    }
    answers = {get("v1", "pods", "shop", "shop"): Found(pod)} | {
        log_read("shop", "shop", name, previous=previous): Found(WORDS)
        for name in ("web", "worker")
        for previous in (True, False)
    }
    report = engine.diagnose(Snapshot(Target("pod", "shop", "shop"), answers, CLOCK, "v1.33.0"))
    first = report.findings[0]
    assert first.cause.id == "logs/module-missing"
    assert [one.name for one in first.subjects] == ["web", "worker"]
    assert (
        first.title
        == "Image shop/web:1 of container web lacks the Python module flask (also container worker)"
    )
