from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from poddoctor.diagnostics import crash
from poddoctor.diagnostics._memory import usage_read

from poddoctor import engine
from poddoctor.model import Absent, Answer, Found, Read, Snapshot, Target, Unknown
from poddoctor.pod.reads import log_reads, node_events_read, node_read, pod_events_read, pod_read

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=timezone.utc)
BACK_OFF = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container"}}
LIMIT = {"resources": {"limits": {"memory": "64Mi"}, "requests": {"memory": "64Mi"}}}
LIVENESS = {"livenessProbe": {"httpGet": {"port": 8080}}}
Pair = tuple[str, str]


def ago(seconds: float) -> str:
    return (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def ended(
    code: int, reason: str = "Error", *, lasted: float = 20, finished: float = 30, **more: Any
) -> dict[str, Any]:
    end = {
        "exitCode": code,
        "reason": reason,
        "startedAt": ago(finished + lasted),
        "finishedAt": ago(finished),
    }
    return {"terminated": {**end, **more}}


def pod(app: dict[str, Any], status: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "web", "namespace": "shop", "uid": "u1", "creationTimestamp": ago(86400)},
        "spec": {"nodeName": "n1", "containers": [{"name": "app", "image": "app:1", **app}], **spec},
        "status": {
            "phase": "Running",
            "containerStatuses": [{"name": "app", "restartCount": 4, "ready": False, **status}],
        },
    }


def event(
    reason: str, message: str, seconds: float = 32, kind: str = "Pod", name: str = "web"
) -> dict[str, Any]:
    about = {"kind": kind, "name": name, "uid": "u1" if kind == "Pod" else name}
    if kind == "Pod":
        about |= {"namespace": "shop", "fieldPath": "spec.containers{app}"}
    return {
        "metadata": {"name": f"{name}.{reason}"},
        "involvedObject": about,
        "reason": reason,
        "message": message,
        "lastTimestamp": ago(seconds),
        "firstTimestamp": ago(seconds),
    }


def snapshot(body: dict[str, Any], events: list[dict[str, Any]] | None = None, log: str = "") -> Snapshot:
    target = Target("pod", "shop", "web")
    empty = Snapshot(target, {}, NOW)
    items = events or []
    answers: dict[Read, Answer] = {pod_read(empty): Found(body), node_read("n1"): Found({"status": {}})}
    about = [one for one in items if one["involvedObject"]["kind"] == "Pod"]
    answers[pod_events_read(empty)] = Found({"items": about}) if events is not None else Unknown("forbidden")
    answers[node_events_read("n1")] = Found({"items": [one for one in items if one not in about]})
    previous, current = log_reads(empty, "app")
    answers |= {previous: Absent(), current: Found(log) if log else Absent()}
    return Snapshot(target, answers, NOW)


def found(*args: Any) -> list[Pair]:
    report = engine.diagnose(snapshot(*args))
    assert not [one for one in report.not_seen if "bug" in one.answer.message]
    return [(one.standing, one.cause.id) for one in report.findings if one.cause.id.startswith("crash/")]


CASES = {
    "137 with OOMKilled": (LIMIT, ended(137, "OOMKilled"), [], "crash/oom-killed"),
    "OOMKilled with 143": (LIMIT, ended(143, "OOMKilled"), [], "crash/child-process-oom-killed"),
    "OOMKilled with 1": (LIMIT, ended(1, "OOMKilled"), [], "crash/child-process-oom-killed"),
    "OOMKilled with 0": (LIMIT, ended(0, "OOMKilled"), [], "crash/child-process-oom-killed"),
    "OOMKilled without a limit": ({}, ended(137, "OOMKilled"), [], "crash/node-out-of-memory"),
    "137 as the node ran out": (
        {},
        ended(137),
        [event("SystemOOM", "System OOM encountered, victim process: app, pid: 7", 31, "Node", "n1")],
        "crash/node-out-of-memory",
    ),
    "137 with a cgroup's kill in the node's events": (
        {},
        ended(137),
        [event("OOMKilling", "Memory cgroup out of memory: Killed process 7 (other)", 31, "Node", "n1")],
        "crash/killed-unproven",
    ),
    "137 after a rebooted node": (
        {},
        ended(137),
        [event("Rebooted", "Node n1 has been rebooted, boot id: 1f", 5, "Node", "n1")],
        "crash/node-rebooted",
    ),
    "137 without a word": (LIMIT, ended(137), [], "crash/killed-unproven"),
    "143 without a word": ({}, ended(143), [], "crash/killed-unproven"),
    "255 of a lost runtime": ({}, ended(255, "Unknown"), [], "crash/node-rebooted"),
    "255 of the program": ({}, ended(255), [], "crash/application-error"),
    "139": ({}, ended(139), [], "crash/segmentation-fault"),
    "134": ({}, ended(134), [], "crash/aborted"),
    "132": ({}, ended(132), [], "crash/illegal-instruction"),
    "135": ({}, ended(135), [], "crash/bus-error"),
    "159": ({}, ended(159), [], "crash/forbidden-system-call"),
    "136": ({}, ended(136), [], "crash/fatal-signal"),
    "1": ({}, ended(1), [], "crash/application-error"),
    "0": ({}, ended(0, "Completed"), [], "crash/finishes-immediately"),
}


@pytest.mark.parametrize("name", CASES)
def test_the_end_tells_its_story(name: str) -> None:
    app, end, events, cause = CASES[name]
    assert found(pod(app, {"state": BACK_OFF, "lastState": end}), events) == [("now", cause)]


KILLERS = {
    "liveness": [event("Killing", "Container app failed liveness probe, will be restarted")],
    "startup": [event("Killing", "Container app failed startup probe, will be restarted")],
    "old words": [event("Killing", "Container app failed liveness probe, will be killed and recreated.")],
    "hook": [event("Killing", "FailedPostStartHook")],
    "change": [event("Killing", "Container app definition changed, will be restarted")],
}


@pytest.mark.parametrize("code", [137, 143, 0, 1])
@pytest.mark.parametrize("name", KILLERS)
def test_what_kubelet_ended_is_no_crash(name: str, code: int) -> None:
    assert found(pod(LIVENESS, {"state": BACK_OFF, "lastState": ended(code)}), KILLERS[name]) == []


def test_a_killing_of_an_earlier_run_explains_nothing() -> None:
    events = [event("Killing", "Container app failed liveness probe, will be restarted", 3000)]
    assert found(pod(LIVENESS, {"state": BACK_OFF, "lastState": ended(1)}), events) == [
        ("now", "crash/application-error")
    ]


def test_a_killing_before_this_run_began_explains_nothing() -> None:
    events = [event("Killing", "Container app failed liveness probe, will be restarted", 60)]
    body = pod(LIVENESS, {"state": BACK_OFF, "lastState": ended(1, lasted=20, finished=30)})
    assert found(body, events) == [("now", "crash/application-error")]


def test_what_crashed_before_its_deadline() -> None:
    body = pod({}, {"state": ended(1)}, restartPolicy="Never")
    body["status"] |= {"phase": "Failed", "reason": "DeadlineExceeded"}
    assert found(body) == [("now", "crash/application-error")]
    body["status"]["containerStatuses"][0]["state"] = ended(137)
    assert found(body) == []


def test_an_end_before_the_image_was_lost_is_history() -> None:
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}
    body = pod(LIMIT, {"state": waiting, "lastState": ended(137, "OOMKilled")})
    assert found(body) == [("past", "crash/oom-killed")]


def test_a_lost_record_is_no_kill() -> None:
    words = "The container could not be located when the pod was deleted.  The container used to be Running"
    body = pod({}, {"state": ended(137, "ContainerStatusUnknown", message=words)})
    assert found(body) == [("now", "crash/container-lost")]
    body["status"] |= {
        "phase": "Failed",
        "reason": "Evicted",
        "message": "The node was low on resource: memory.",
    }
    assert found(body) == []


@pytest.mark.parametrize(
    "change",
    [
        {
            "status": {
                "reason": "Evicted",
                "phase": "Failed",
                "message": "The node was low on resource: memory.",
            }
        },
        {
            "status": {
                "conditions": [
                    {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}
                ]
            }
        },
        {"metadata": {"deletionTimestamp": ago(20), "deletionGracePeriodSeconds": 30}},
    ],
)
@pytest.mark.parametrize("code", [137, 143, 1])
def test_a_pod_that_is_taken_away_has_not_crashed(change: dict[str, Any], code: int) -> None:
    body = pod({}, {"state": ended(code)})
    for key, value in change.items():
        body[key] |= value
    assert found(body) == []


RUNNING = {
    "a single end, ready": (1, True, 60, 20, "past"),
    "long over": (9, True, 3600, 20, "past"),
    "ready for a moment between two ends": (9, True, 20, 20, "now"),
    "what ended it at once does so no more": (9, True, 70, 2, "past"),
    "no longer than before": (9, True, 70, 20, "now"),
    "each run lasts long": (9, True, 20, 7200, "past"),
    "a single end, not ready yet": (1, False, 20, 20, "now"),
}


@pytest.mark.parametrize("name", RUNNING)
def test_now_or_earlier(name: str) -> None:
    restarts, ready, since, lasted, standing = RUNNING[name]
    status = {
        "state": {"running": {"startedAt": ago(since)}},
        "lastState": ended(137, "OOMKilled", lasted=lasted, finished=since + 5),
        "restartCount": restarts,
        "ready": ready,
    }
    assert found(pod(LIMIT, status)) == [(standing, "crash/oom-killed")]


@pytest.mark.parametrize("policy", ["Never", "OnFailure"])
def test_a_task_that_is_done_is_well(policy: str) -> None:
    assert found(pod({}, {"state": ended(0, "Completed")}, restartPolicy=policy)) == []


def test_a_failed_task_is_failing_now() -> None:
    assert found(pod({}, {"state": ended(3), "restartCount": 0}, restartPolicy="Never")) == [
        ("now", "crash/application-error")
    ]


def test_a_missed_kill_for_memory_between_two_that_were_seen() -> None:
    status = {"state": ended(137), "lastState": ended(137, "OOMKilled", finished=90)}
    assert found(pod(LIMIT, status)) == [("now", "crash/oom-killed")]


def test_a_sidecar_that_is_stopped_with_its_job_is_well() -> None:
    body = pod({}, {"state": ended(0, "Completed")}, restartPolicy="Never")
    body["spec"]["initContainers"] = [{"name": "proxy", "restartPolicy": "Always"}]
    body["status"]["initContainerStatuses"] = [{"name": "proxy", "state": ended(137)}]
    body["status"]["phase"] = "Succeeded"
    assert found(body) == []


def test_an_init_container_crashes_too() -> None:
    body = pod({}, {"state": {"waiting": {"reason": "PodInitializing"}}, "restartCount": 0})
    body["spec"]["initContainers"] = [{"name": "migrate", **LIMIT}]
    body["status"]["initContainerStatuses"] = [
        {"name": "migrate", "restartCount": 3, "state": BACK_OFF, "lastState": ended(137, "OOMKilled")}
    ]
    finding = engine.diagnose(snapshot(body)).findings[0]
    assert (finding.cause.id, str(finding.subjects[0])) == ("crash/oom-killed", "container migrate")


LIMITS = {
    "own": ({"limits": {"memory": "512Mi"}, "requests": {"memory": "100Mi"}}, {}, "512Mi", "1Gi"),
    "of the pod": ({}, {"resources": {"limits": {"memory": "1Gi"}}}, "1Gi", "2Gi"),
    "the tighter one": (
        {"limits": {"memory": "2Gi"}},
        {"resources": {"limits": {"memory": "1Gi"}}},
        "1Gi",
        "2Gi",
    ),
    "decimal": ({"limits": {"memory": "500M"}}, {}, "500M", "960Mi"),
}


@pytest.mark.parametrize("name", LIMITS)
def test_which_limit_and_what_instead(name: str) -> None:
    resources, spec, limit, suggested = LIMITS[name]
    body = pod({"resources": resources}, {"state": BACK_OFF, "lastState": ended(137, "OOMKilled")}, **spec)
    finding = engine.diagnose(snapshot(body)).findings[0]
    assert (finding.attributes["limit"], finding.attributes["suggested_limit"]) == (limit, suggested)
    assert limit in finding.title


@pytest.mark.parametrize(
    ("node", "suggested"), [("70Mi", None), ("60Mi", None), ("120Mi", "96Mi"), ("8Gi", "128Mi")]
)
def test_the_suggestion_is_bounded_by_the_node(node: str, suggested: str | None) -> None:
    body = pod(LIMIT, {"state": BACK_OFF, "lastState": ended(137, "OOMKilled")})
    whole = snapshot(body)
    small = {"metadata": {"name": "n1"}, "status": {"allocatable": {"memory": node}}}
    answers = {**whole.answers, node_read("n1"): Found(small)}
    finding = engine.diagnose(Snapshot(whole.target, answers, NOW)).findings[0]
    assert finding.cause.id == "crash/oom-killed"
    assert finding.attributes.get("suggested_limit") == suggested
    assert any("No higher limit is of use" in step.do for step in finding.steps) == (suggested is None)


RUNTIMES = {
    "a heap above the limit": ({"args": ["java", "-Xmx2g", "-jar", "a.jar"]}, "2Gi", "3Gi"),
    "in the environment": ({"env": [{"name": "JAVA_TOOL_OPTIONS", "value": "-XX:MaxHeapSize=512m"}]}, "512Mi", "768Mi"),
    "a heap that is nearly all": ({"env": [{"name": "JDK_JAVA_OPTIONS", "value": "-XX:MaxRAMPercentage=90.0"}]}, "90% of it", "1Gi"),
    "a heap with room": ({"args": ["-XX:MaxRAMPercentage=75"]}, None, "1Gi"),
    "a small heap": ({"args": ["java", "-Xmx128m"]}, None, "1Gi"),
    "node": ({"env": [{"name": "NODE_OPTIONS", "value": "--max-old-space-size=4096"}]}, "4Gi", "6Gi"),
    "node, two words": ({"command": ["node", "--max-old-space-size", "4096", "a.js"]}, "4Gi", "6Gi"),
    "go": ({"env": [{"name": "GOMEMLIMIT", "value": "1GiB"}]}, "1Gi", "1.5Gi"),
    "redis": ({"args": ["--maxmemory", "1gb"]}, "1Gi", "1.5Gi"),
    ".net": ({"env": [{"name": "DOTNET_GCHeapHardLimit", "value": "0x40000000"}]}, "1Gi", "1.5Gi"),
    "nothing": ({"env": [{"name": "MODE", "valueFrom": {}}]}, None, "1Gi"),
}  # fmt: skip


@pytest.mark.parametrize("name", RUNTIMES)
def test_what_a_runtime_is_told_to_use(name: str) -> None:
    app, heap, suggested = RUNTIMES[name]
    app = {"resources": {"limits": {"memory": "512Mi"}}, **app}
    body = pod(app, {"state": BACK_OFF, "lastState": ended(137, "OOMKilled")})
    finding = engine.diagnose(snapshot(body)).findings[0]
    told = finding.attributes.get("heap")
    assert (told or "").startswith(heap or "")
    assert bool(told) == bool(heap)
    assert finding.attributes["suggested_limit"] == suggested.replace("1.5Gi", "1536Mi")


PACES = {
    "about as long each time": (7200, 4, 30000, "about every"),
    "the last run was much shorter": (1200, 4, 30000, None),
    "too few to tell": (7200, 1, 14500, None),
    "short runs": (60, 4, 300, None),
}


@pytest.mark.parametrize("name", PACES)
def test_a_leak_shows_in_equal_intervals(name: str) -> None:
    lasted, restarts, age, growth = PACES[name]
    end = ended(137, "OOMKilled", lasted=lasted, finished=60)
    body = pod(LIMIT, {"state": BACK_OFF, "lastState": end, "restartCount": restarts})
    body["status"]["startTime"] = ago(age)
    finding = engine.diagnose(snapshot(body)).findings[0]
    assert ("keeps growing" in finding.title) == bool(growth)
    assert any("only delays" in step.do for step in finding.steps) == bool(growth)


def metrics(app: dict[str, Any], answer: Answer) -> engine.Report:
    status = {
        "state": {"running": {"startedAt": ago(100)}},
        "lastState": ended(137, "OOMKilled", finished=105),
    }
    whole = snapshot(pod(app, status))
    assert usage_read(whole) in list(crash.reads(whole))
    return engine.diagnose(Snapshot(whole.target, {**whole.answers, usage_read(whole): answer}, NOW))


def test_usage_is_evidence_when_it_was_measured_in_this_run() -> None:
    used = {"timestamp": ago(20), "containers": [{"name": "app", "usage": {"memory": "61440Ki"}}]}
    rows = [note for one in metrics(LIMIT, Found(used)).findings[0].symptoms for note in one.notes]
    assert ("this run uses 60Mi of memory, 80s after its start", "metrics.k8s.io pod web") in rows
    old = metrics(LIMIT, Found({**used, "timestamp": ago(120)}))
    assert not [note for one in old.findings[0].symptoms for note in one.notes if "this run" in note[0]]


@pytest.mark.parametrize("answer", [Absent(), Unknown("error", "503"), Unknown("forbidden"), Found({})])
def test_a_cluster_without_metrics_is_no_matter(answer: Answer) -> None:
    report = metrics(LIMIT, answer)
    assert report.findings[0].cause.id == "crash/oom-killed"
    assert not [one for one in report.not_seen if one.read.optional]


def test_files_in_memory_fill_the_limit() -> None:
    app = {**LIMIT, "volumeMounts": [{"name": "cache", "mountPath": "/cache"}]}
    volumes = [{"name": "cache", "emptyDir": {"medium": "Memory"}}]
    full = "OCI runtime create failed: container init was OOM-killed (memory limit too low?): unknown"
    for end in (ended(137, "OOMKilled"), ended(128, "StartError", message=full)):
        body = pod(app, {"state": BACK_OFF, "lastState": end}, volumes=volumes)
        assert found(body) == [("now", "crash/tmpfs-counts-as-memory")]
    volumes[0]["emptyDir"]["sizeLimit"] = "8Mi"  # type: ignore[index]
    body = pod(app, {"state": BACK_OFF, "lastState": ended(137, "OOMKilled")}, volumes=volumes)
    assert found(body) == [("now", "crash/oom-killed")]


SILENT = {
    "it wrote nothing": (Found(""), "writes nothing to its log"),
    "its log could not be read": (Unknown("timed-out"), "its log cannot be read"),
    "its log is gone": (Absent(), "and its log is gone"),
}


@pytest.mark.parametrize("name", SILENT)
def test_a_log_without_a_word_does_not_say_why(name: str) -> None:
    answer, words = SILENT[name]
    whole = snapshot(pod({}, {"state": BACK_OFF, "lastState": ended(1)}), [])
    answers = {**whole.answers, log_reads(whole, "app")[0]: answer}
    assert words in engine.diagnose(Snapshot(whole.target, answers, NOW)).findings[0].title


def test_an_abort_is_how_a_runtime_dies_and_not_why() -> None:
    body = pod({}, {"state": BACK_OFF, "lastState": ended(134)})
    log = "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n"
    ids = [one.cause.id for one in engine.diagnose(snapshot(body, [], log)).findings]
    assert ids[0] == "logs/heap-exhausted"
    assert "crash/aborted" not in ids


SHELLS = {
    "an image that is only a base": ({"image": "docker.io/library/ubuntu:24.04"}, True),
    "a shell": ({"command": ["/bin/bash"]}, True),
    "a login shell": ({"command": ["bash", "-l"]}, True),
    "a shell that waits for input": ({"command": ["sh"], "stdin": True}, False),
    "a script": ({"command": ["sh", "-c", "run-once"]}, False),
    "an application": ({}, False),
}


@pytest.mark.parametrize("name", SHELLS)
def test_only_a_shell(name: str) -> None:
    app, shell = SHELLS[name]
    body = pod(app, {"state": BACK_OFF, "lastState": ended(0, "Completed", lasted=0)})
    assert ("only starts a shell" in engine.diagnose(snapshot(body)).findings[0].title) == shell


def test_abort_of_process_one_may_look_like_a_segmentation_fault() -> None:
    body = pod({}, {"state": BACK_OFF, "lastState": ended(139)})
    log = "terminate called after throwing an instance of 'std::runtime_error'\n"
    assert found(body, [], log) == [("now", "crash/aborted")]


@pytest.mark.parametrize("missing", ["containerStatuses", "phase"])
def test_a_meagre_status_breaks_nothing(missing: str) -> None:
    body = pod({}, {"state": None, "lastState": None})
    del body["status"][missing]
    assert found(body) == []


@pytest.mark.parametrize("code", [134, 139])
@pytest.mark.parametrize(
    ("log", "cause"),
    [
        (
            "Unhandled exception. System.ArgumentNullException: Value cannot be null.",
            {"crash/application-error"},
        ),
        ("terminate called after throwing an instance of 'std::bad_alloc'", {"crash/aborted"}),
        ("Segmentation fault (core dumped)", {"crash/aborted", "crash/segmentation-fault"}),
    ],
)
def test_unhandled_exception_of_dotnet_is_no_native_fault(code: int, log: str, cause: set[str]) -> None:
    body = pod({}, {"state": BACK_OFF, "lastState": ended(code)})
    found = engine.diagnose(snapshot(body, [], log)).findings
    assert found[0].cause.id in cause


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        ("INFO done\n", "crash/finishes-immediately"),
        ("FATAL no shard is left\nINFO stopped\n", "crash/application-error"),
        ("FATAL shard 3 is bad\n" + "INFO row\n" * 30 + "INFO done\n", "crash/finishes-immediately"),
    ],
)
def test_exit_code_0_after_a_fatal_error(log: str, cause: str) -> None:
    body = pod({}, {"state": BACK_OFF, "lastState": ended(0, "Completed")})
    assert found(body, [], log) == [("now", cause)]


def test_an_abort_is_told_with_its_reason() -> None:
    log = "terminate called after throwing an instance of 'a::B'\n  what():  shard 3 differs\n"
    body = pod({}, {"state": BACK_OFF, "lastState": ended(134)})
    assert "shard 3 differs" in engine.diagnose(snapshot(body, [], log)).findings[0].title


@pytest.mark.parametrize(
    ("log", "limit", "said"),
    [
        ("cart: line 3: 18 Killed   dump > a\ndump failed\n", LIMIT, True),
        ("Worker (pid:7) was sent SIGKILL! Perhaps out of memory?\n", LIMIT, True),
        ("Worker (pid:7) was sent SIGKILL! Perhaps out of memory?\n", {}, False),
        ("the killed bird flew\n", LIMIT, False),
    ],
)
def test_a_child_that_was_killed_under_a_limit(log: str, limit: dict[str, Any], *, said: bool) -> None:
    body = pod(limit, {"state": BACK_OFF, "lastState": ended(1)})
    (first, *_) = engine.diagnose(snapshot(body, [], log)).findings
    assert first.cause.id == "crash/application-error"
    assert ("memory limit of 64Mi" in first.title) is said


@pytest.mark.parametrize(
    ("log", "words"),
    [("httpd (pid 1) already running\n", "already running"), ("all 7 rows copied\n", "ends well")],
)
def test_last_words_of_an_end_without_an_error(log: str, words: str) -> None:
    body = pod({"command": ["/app"]}, {"state": BACK_OFF, "lastState": ended(0, "Completed", lasted=1)})
    (first, *_) = engine.diagnose(snapshot(body, [], log)).findings
    assert first.cause.id == "crash/finishes-immediately"
    assert words in first.title
