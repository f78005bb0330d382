from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from poddoctor import engine
from poddoctor.model import Found, Report, Snapshot, Target, Unknown
from poddoctor.pod.reads import get, list_of, pod_read

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=timezone.utc)


def job(reason: str = "", message: str = "", kind: str = "Failed", **spec: Any) -> dict[str, Any]:
    conditions = [{"type": kind, "status": "True", "reason": reason, "message": message}] if reason else []
    return {
        "metadata": {"name": "report", "namespace": "shop", "uid": "j1"},
        "spec": {"backoffLimit": 2, **spec},
        "status": {"failed": 3, "conditions": conditions},
    }


def on_job(body: dict[str, Any]) -> Report:
    target = Target("job", "shop", "report")
    return engine.diagnose(Snapshot(target, {get("batch/v1", "jobs", "shop", "report"): Found(body)}, NOW))


def on_pod(phase: str, states: dict[str, dict[str, Any]], body: dict[str, Any]) -> Report:
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "report", "uid": "j1", "controller": True}
    pod = {
        "metadata": {"name": "report-x", "namespace": "shop", "uid": "p1", "ownerReferences": [owner]},
        "spec": {
            "restartPolicy": "Never",
            "containers": [{"name": name, "image": "app:1"} for name in states],
        },
        "status": {
            "phase": phase,
            "containerStatuses": [
                {"name": name, "ready": False, "restartCount": 0, "state": state}
                for name, state in states.items()
            ],
        },
    }
    target = Target("pod", "shop", "report-x")
    answers = {
        pod_read(Snapshot(target, {}, NOW)): Found(pod),
        get("batch/v1", "jobs", "shop", "report"): Found(body),
    }
    return engine.diagnose(Snapshot(target, answers, NOW))


def ended(code: int, reason: str = "Error") -> dict[str, Any]:
    end = {"exitCode": code, "reason": reason}
    return {"terminated": {**end, "startedAt": "2026-05-04T11:50:00Z", "finishedAt": "2026-05-04T11:55:00Z"}}


RUNNING = {"running": {"startedAt": "2026-05-04T11:50:00Z"}}


@pytest.mark.parametrize("kind", ["Failed", "FailureTarget"])
@pytest.mark.parametrize(
    ("reason", "message", "cause"),
    [
        ("BackoffLimitExceeded", "Job has reached the specified backoff limit", "backoff-limit-exceeded"),
        ("DeadlineExceeded", "Job was active longer than specified deadline", "deadline-exceeded"),
        ("FailedIndexes", "Job has failed indexes", "failed-indexes"),
        ("MaxFailedIndexesExceeded", "Job has exceeded the specified maximal number of failed indexes",
         "failed-indexes"),
        ("PodFailurePolicy", ("Container app for pod shop/report-x failed with exit code 42 matching FailJob rule "
         "at index 1"), "pod-failure-policy"),
    ],
)  # fmt: skip
def test_each_reason_has_its_cause(reason: str, message: str, cause: str, kind: str) -> None:
    report = on_job(job(reason, message, kind, activeDeadlineSeconds=60))
    assert report.findings[0].cause.id == f"job/{cause}"
    assert report.findings[0].confidence != "possible"


@pytest.mark.parametrize(
    "states", [{"app": ended(3)}, {"app": ended(137, "OOMKilled")}, {"app": ended(139)}], ids=str
)
def test_the_cause_of_the_pod_comes_before_the_limit_of_the_job(states: dict[str, dict[str, Any]]) -> None:
    for reason in ("BackoffLimitExceeded", "PodFailurePolicy", "FailedIndexes"):
        found = [one.cause.id for one in on_pod("Failed", states, job(reason, reason)).findings]
        assert found[0].startswith("crash/")
        assert any(one.startswith("job/") for one in found)


def test_a_pod_that_succeeded_has_no_part_in_the_failure_of_its_job() -> None:
    assert not on_pod("Succeeded", {"app": ended(0, "Completed")}, job("FailedIndexes", "x")).findings


@pytest.mark.parametrize("body", [job(), job("Complete", "", "Complete"), job("x", "", "SuccessCriteriaMet")])
def test_a_job_that_runs_or_is_complete_gives_nothing(body: dict[str, Any]) -> None:
    assert not on_job(body).findings


def test_a_suspended_job_is_said_to_be_suspended() -> None:
    finding = on_job(job(suspend=True)).findings[0]
    assert finding.cause.id == "job/suspended"


@pytest.mark.parametrize(
    ("states", "cause"),
    [
        ({"app": ended(0, "Completed"), "istio-proxy": RUNNING}, True),
        ({"app": ended(0, "Completed"), "second-half": RUNNING}, False),
        ({"app": RUNNING, "istio-proxy": RUNNING}, False),
    ],
)
def test_only_a_container_known_to_run_for_ever_keeps_a_job_running(
    states: dict[str, dict[str, Any]], cause: bool
) -> None:
    found = [one.cause.id for one in on_pod("Running", states, job()).findings]
    assert ("job/sidecar-keeps-job-running" in found) == cause


def test_the_pod_alone_shows_what_keeps_its_job_running() -> None:
    found = on_pod("Running", {"app": ended(0, "Completed"), "istio-proxy": RUNNING}, job())
    target = Target("pod", "shop", "report-x")
    assert found.findings[0].cause.id == "job/sidecar-keeps-job-running"
    read = pod_read(Snapshot(target, {}, NOW))
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "report", "uid": "j1", "controller": True}
    statuses = [
        {"name": "app", "state": ended(0, "Completed")},
        {"name": "istio-proxy", "ready": True, "state": RUNNING},
    ]
    pod = {
        "metadata": {"name": "report-x", "namespace": "shop", "ownerReferences": [owner]},
        "spec": {"containers": [{"name": "app", "image": "a:1"}, {"name": "istio-proxy", "image": "b:1"}]},
        "status": {"phase": "Running", "containerStatuses": statuses},
    }
    lost: dict[Any, Any] = {read: Found(pod), get("batch/v1", "jobs", "shop", "report"): Unknown("forbidden")}
    ids = [one.cause.id for one in engine.diagnose(Snapshot(target, lost, NOW)).findings]
    assert "job/sidecar-keeps-job-running" in ids


@pytest.mark.parametrize(("finished", "told"), [("11:59:55", False), ("11:59:30", True)])
def test_a_helper_has_a_moment_to_end_with_the_work(finished: str, *, told: bool) -> None:
    end = ended(0, "Completed")
    end["terminated"]["finishedAt"] = f"2026-05-04T{finished}Z"
    found = on_pod("Running", {"app": end, "istio-proxy": RUNNING}, job())
    assert ("job/sidecar-keeps-job-running" in [one.cause.id for one in found.findings]) is told


def test_a_queue_of_kueue_is_named() -> None:
    body = job(suspend=True)
    body["metadata"]["labels"] = {"kueue.x-k8s.io/queue-name": "batch"}
    finding = on_job(body).findings[0]
    assert (finding.standing, finding.title) == (
        "waiting",
        "Job report waits for queue batch of Kueue to admit it",
    )
    assert not any(step.fixes for step in finding.steps)


def test_a_cronjob_tells_how_its_newest_job_ended() -> None:
    newest = job("BackoffLimitExceeded", "Job has reached the specified backoff limit")
    newest["metadata"].update(ownerReferences=[{"uid": "c1", "kind": "CronJob", "name": "report"}])
    older = {**job(), "metadata": {**newest["metadata"], "creationTimestamp": "2026-05-03T00:00:00Z"}}
    newest["metadata"]["creationTimestamp"] = "2026-05-04T00:00:00Z"
    target = Target("cronjob", "shop", "report")
    cronjob = {"metadata": {"name": "report", "uid": "c1"}, "spec": {"jobTemplate": {}}}
    for jobs, wanted in (([older, newest], ["job/backoff-limit-exceeded"]), ([older], [])):
        answers: dict[Any, Any] = {
            get("batch/v1", "cronjobs", "shop", "report"): Found(cronjob),
            list_of("batch/v1", "jobs", "shop"): Found({"items": jobs}),
        }
        report = engine.diagnose(Snapshot(target, answers, NOW))
        assert [one.cause.id for one in report.findings] == wanted


def test_a_job_that_asks_for_no_pods_is_told() -> None:
    finding = on_job(job(parallelism=0)).findings[0]
    assert (finding.cause.id, "parallelism 0" in finding.title) == ("job/suspended", True)
    assert not on_job(job("Done", "", "Complete", parallelism=0)).findings
