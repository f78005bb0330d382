"""A target that does not work and whose cause was not found is at least quoted."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from poddoctor import engine
from poddoctor.model import Found, Snapshot, Target
from poddoctor.pod.reads import events_read, get
from poddoctor.seen import seen

CLOCK = datetime(2026, 5, 4, 12, 0, tzinfo=timezone.utc)


def snapshot(status: dict[str, Any], events: list[dict[str, Any]], kind: str = "pod") -> Snapshot:
    api, resource, proper = {"pod": ("v1", "pods", "Pod"), "job": ("batch/v1", "jobs", "Job")}[kind]
    body = {
        "metadata": {"name": "web", "namespace": "shop", "uid": "u1"},
        "spec": {"containers": [{"name": "app", "image": "web:1"}], "nodeName": "n1"},
        "status": status,
    }
    about = {"kind": proper, "name": "web", "namespace": "shop", "uid": "u1"}
    items = [
        {"type": "Warning", "metadata": {"name": f"e{n}"}, "involvedObject": about, **one}
        for n, one in enumerate(events)
    ]
    answers = {
        get(api, resource, "shop", "web"): Found(body),
        events_read("shop", proper, "web"): Found({"items": items}),
    }
    return Snapshot(Target(kind, "shop", "web"), answers, CLOCK, "v1.33.0")


def test_pod_says_what_it_waits_for_and_the_last_warning_of_each_reason() -> None:
    conditions = [
        {"type": "Ready", "status": "False", "reason": "ContainersNotReady", "message": "containers with …"},
        {"type": "ExampleGate", "status": "False", "reason": "Locked", "message": "by hand"},
    ]
    waiting = {"name": "app", "state": {"waiting": {"reason": "Strange", "message": "never heard of"}}}
    events = [
        {"reason": "Odd", "message": "first", "lastTimestamp": "2026-05-04T11:50:00Z"},
        {"reason": "Odd", "message": "second\nline", "lastTimestamp": "2026-05-04T11:55:00Z"},
    ]
    rows = seen(
        snapshot({"phase": "Pending", "conditions": conditions, "containerStatuses": [waiting]}, events)
    )
    assert [text for text, _ in rows] == [
        "Locked: by hand",
        "container app waits: Strange: never heard of",
        "Odd: second line",
    ]


def test_workload_quotes_its_conditions_and_events() -> None:
    status = {"conditions": [{"type": "Failed", "status": "True", "reason": "Odd", "message": "no idea"}]}
    rows = seen(snapshot(status, [{"reason": "Refused", "message": "why not"}], "job"))
    assert [text for text, _ in rows] == ["Odd: no idea", "Refused: why not"]


def test_healthy_and_explained_pods_are_not_quoted() -> None:
    ready = {"type": "Ready", "status": "True"}
    running = {
        "name": "app",
        "ready": True,
        "started": True,
        "state": {"running": {"startedAt": "2026-05-04T10:00:00Z"}},
    }
    healthy = snapshot(
        {"phase": "Running", "conditions": [ready], "containerStatuses": [running]},
        [{"reason": "Odd", "message": "x"}],
    )
    assert engine.diagnose(healthy).seen == ()
    pull = {
        "name": "app",
        "state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}},
    }
    report = engine.diagnose(snapshot({"phase": "Pending", "containerStatuses": [pull]}, []))
    assert report.findings
    assert report.seen == ()


def test_title_is_one_short_line() -> None:
    assert engine._headline("a \n\n b\tc") == "a b c"
    assert len(engine._headline("x" * 900)) == 240
