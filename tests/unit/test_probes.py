from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from poddoctor import engine
from poddoctor.model import Absent, Answer, Found, Read, Snapshot, Target
from poddoctor.pod.reads import log_reads, pod_events_read, pod_read

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=timezone.utc)
HTTP = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 5, "failureThreshold": 3}


def ago(seconds: float) -> str:
    return (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def pod(app: dict[str, Any], status: dict[str, Any], **extra: Any) -> dict[str, Any]:
    ready = "True" if status.get("ready") else "False"
    return {
        "metadata": {"name": "web", "namespace": "shop", "uid": "u1", "creationTimestamp": ago(3600)},
        "spec": {"containers": [{"name": "app", "image": "app:1", **app}], **extra.get("spec", {})},
        "status": {
            "phase": "Running",
            "startTime": ago(3600),
            "conditions": [
                {
                    "type": "Ready",
                    "status": ready,
                    "reason": "" if status.get("ready") else "ContainersNotReady",
                },
                {"type": "ContainersReady", "status": ready},
                *extra.get("conditions", []),
            ],
            "containerStatuses": [{"name": "app", "started": True, **status}],
        },
    }


def event(reason: str, message: str, seconds: float = 5, count: int = 5, uid: str = "u1") -> dict[str, Any]:
    return {
        "metadata": {"name": f"web.{reason}{seconds}"},
        "involvedObject": {
            "kind": "Pod", "name": "web", "namespace": "shop", "uid": uid, "fieldPath": "spec.containers{app}",
        },
        "reason": reason, "message": message, "count": count, "lastTimestamp": ago(seconds),
    }  # fmt: skip


def snapshot(body: dict[str, Any], events: list[dict[str, Any]] | None = None, log: str = "") -> Snapshot:
    empty = Snapshot(Target("pod", "shop", "web"), {}, NOW)
    answers: dict[Read, Answer] = {pod_read(empty): Found(body)}
    answers[pod_events_read(empty)] = Found({"items": events or []})
    previous, current = log_reads(empty, "app")
    answers |= {previous: Absent(), current: Found(log)}
    return Snapshot(Target("pod", "shop", "web"), answers, NOW)


def first(taken: Snapshot) -> str:
    found = [one for one in engine.diagnose(taken).findings if one.standing != "past"]
    return found[0].cause.id.removeprefix("probes/") if found else ""


def running(seconds: float, *, ready: bool = False, **more: Any) -> dict[str, Any]:
    return {"ready": ready, "restartCount": 0, "state": {"running": {"startedAt": ago(seconds)}}, **more}


def ended(code: int, lived: float, seconds: float, reason: str = "Error") -> dict[str, Any]:
    return {
        "terminated": {
            "exitCode": code, "reason": reason, "startedAt": ago(seconds + lived), "finishedAt": ago(seconds),
        }
    }  # fmt: skip


READINESS = [
    ("HTTP probe failed with statuscode: 404", {}, "probe-path-wrong"),
    ("HTTP probe failed with statuscode: 503", {}, "probe-http-error"),
    ("HTTP probe failed with statuscode: 401", {}, "probe-http-error"),
    (
        'Get "https://10.1.1.4:8080/healthz": http: server gave HTTP response to HTTPS client',
        {},
        "probe-scheme-mismatch",
    ),
    (
        (
            'Get "http://10.1.1.4:8080/healthz": net/http: HTTP/1.x transport connection broken: '
            'malformed HTTP response "\\x15\\x03\\x01\\x00\\x02\\x02"'
        ),
        {},
        "probe-scheme-mismatch",
    ),
    (
        (
            'Get "http://10.1.1.4:8080/healthz": context deadline exceeded '
            "(Client.Timeout exceeded while awaiting headers)"
        ),
        {},
        "probe-times-out",
    ),
    ('Get "http://10.1.1.4:8080/healthz": dial tcp 10.1.1.4:8080: i/o timeout', {}, "probe-times-out"),
    (
        'Get "http://10.1.1.4:8080/": dial tcp 10.1.1.4:8080: connect: connection refused',
        {},
        "readiness-failing",
    ),
    (
        'Get "http://10.1.1.4:8080/": dial tcp 10.1.1.4:8080: connect: connection refused',
        {"ports": [{"containerPort": 3000}]},
        "probe-port-closed",
    ),
    (
        "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): unknown service",
        {},
        "grpc-health-unimplemented",
    ),
]


@pytest.mark.parametrize(("text", "spec", "cause"), READINESS)
def test_what_a_readiness_probe_is_told(text: str, spec: dict[str, Any], cause: str) -> None:
    body = pod({"readinessProbe": HTTP, **spec}, running(600))
    taken = snapshot(body, [event("Unhealthy", f"Readiness probe failed: {text}")])
    assert first(taken) == cause
    # A 5xx says that it is unwell and not why; its log may say that, and then comes first.
    assert engine.diagnose(taken).findings[0].confidence == ("likely" if "503" in text else "certain")


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        # containerd up to 1.30, and from 1.31; then 1.33's wording of an errored probe
        ('Readiness probe failed: command "check.sh" timed out', "probe-times-out"),
        ('Readiness probe failed: command timed out: "check.sh" timed out after 1s', "probe-times-out"),
        ("Readiness probe failed: cat: /tmp/ready: No such file or directory", "readiness-failing"),
        ("Readiness probe failed: database timed out", "readiness-failing"),
        ("Readiness probe failed: ", "readiness-failing"),
        ("Readiness probe failed: sh: pg_isready: not found", "probe-command-missing"),
        (
            (
                "Readiness probe errored: rpc error: code = Unknown desc = failed to exec in container: failed to start "
                'exec "ab": OCI runtime exec failed: exec failed: unable to start container process: exec: "check.sh": '
                "executable file not found in $PATH: unknown"
            ),
            "probe-command-missing",
        ),
        (
            (
                "Readiness probe errored and resulted in unknown state: rpc error: code = Unknown desc = command error: "
                'time="2026" level=error msg="exec failed: unable to start container process: exec: \\"check.sh\\": '
                'executable file not found in $PATH", stdout: , stderr: , exit code -1'
            ),
            "probe-command-missing",
        ),
    ],
)
def test_what_an_exec_probe_is_told(text: str, cause: str) -> None:
    probe = {"exec": {"command": ["check.sh"]}, "periodSeconds": 5}
    assert first(snapshot(pod({"readinessProbe": probe}, running(600)), [event("Unhealthy", text)])) == cause


def test_the_pod_alone_tells_that_readiness_fails() -> None:
    report = engine.diagnose(snapshot(pod({"readinessProbe": HTTP}, running(600))))
    assert [one.cause.id for one in report.findings] == ["probes/readiness-failing"]
    assert report.findings[0].confidence == "likely"


def test_a_container_that_just_started_is_waited_for() -> None:
    taken = snapshot(
        pod({"readinessProbe": HTTP}, running(8)),
        [event("Unhealthy", "Readiness probe failed: dial tcp 10.1.1.1:8080: connect: connection refused")],
    )
    assert [one.standing for one in engine.diagnose(taken).findings] == ["waiting"]


@pytest.mark.parametrize("port", ["http", "8080"])
def test_a_named_port_that_is_not_declared(port: str) -> None:
    probe = {"httpGet": {"port": "http" if port == "http" else 8080}}
    body = pod({"readinessProbe": probe, "ports": [{"name": "web", "containerPort": 80}]}, running(600))
    assert first(snapshot(body)) == ("probe-port-unknown" if port == "http" else "readiness-failing")


def test_where_the_log_says_the_program_listens() -> None:
    refused = 'Readiness probe failed: Get "http://10.1.1.1:8080/": dial tcp: connect: connection refused'
    taken = snapshot(
        pod({"readinessProbe": HTTP}, running(600)),
        [event("Unhealthy", refused)],
        "INFO:     Uvicorn running on http://127.0.0.1:8080 (Press CTRL+C to quit)",
    )
    found = engine.diagnose(taken).findings[0]
    assert found.cause.id == "probes/probe-port-closed"
    assert "127.0.0.1:8080" in found.title


KILLED = "Container app failed liveness probe, will be restarted"


@pytest.mark.parametrize(
    ("status", "events", "cause"),
    [
        # waiting for the next start, killed by the grace period
        (
            {"ready": False, "restartCount": 4, "lastState": ended(137, 20, 30),
             "state": {"waiting": {"reason": "CrashLoopBackOff"}}},
            [event("Killing", KILLED, 31)],
            "liveness-kills-container",
        ),
        # running in this instant, ready because it has no readiness probe
        (running(5, ready=True, restartCount=3, lastState=ended(143, 20, 5)), [event("Killing", KILLED, 6)],
         "liveness-kills-container"),
        # one kill long ago, serves since
        (running(3000, ready=True, restartCount=1, lastState=ended(137, 20, 3000)),
         [event("Killing", KILLED, 3001)], ""),
        # an event of an earlier pod of this name
        (running(3000, ready=True), [event("Killing", KILLED, 20, uid="u0")], ""),
        # out of memory after a kill by the probe: the memory is the later matter
        ({"ready": False, "restartCount": 3, "lastState": ended(137, 20, 30, "OOMKilled"),
          "state": {"waiting": {"reason": "CrashLoopBackOff"}}},
         [event("Killing", KILLED, 300)], None),
    ],
)  # fmt: skip
def test_killed_by_liveness(status: dict[str, Any], events: list[dict[str, Any]], cause: str | None) -> None:
    found = first(snapshot(pod({"livenessProbe": HTTP}, status), events))
    assert found != "liveness-kills-container" if cause is None else found == cause


def test_without_events_a_liveness_kill_is_only_possible() -> None:
    status = {
        "ready": False, "restartCount": 4, "lastState": ended(143, 20, 30),
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
    }  # fmt: skip
    found = engine.diagnose(snapshot(pod({"livenessProbe": HTTP}, status))).findings
    assert ("probes/liveness-may-kill", "possible") in [(one.cause.id, one.confidence) for one in found]


def test_a_crash_is_not_blamed_on_readiness() -> None:
    status = running(5, restartCount=5, lastState=ended(1, 20, 5))
    refused = "Readiness probe failed: dial tcp 10.1.1.1:8080: connect: connection refused"
    taken = snapshot(
        pod({"readinessProbe": {**HTTP, "periodSeconds": 1}}, status), [event("Unhealthy", refused)]
    )
    assert not first(taken).startswith(("readiness", "probe-"))


def test_startup_probe_kills() -> None:
    status = running(3, restartCount=2, started=False, lastState=ended(143, 16, 4))
    events = [
        event("Unhealthy", "Startup probe failed: dial tcp 10.1.1.1:8080: connect: connection refused", 6),
        event("Killing", "Container app failed startup probe, will be restarted", 5),
    ]
    assert first(snapshot(pod({"startupProbe": HTTP}, status), events)) == "startup-too-slow"


def test_an_errored_startup_probe_waits_for_ever() -> None:
    status = running(400, started=False)
    text = (
        'Startup probe errored: rpc error: code = Unknown desc = failed to exec: exec: "x": '
        "executable file not found in $PATH"
    )
    probe = {"exec": {"command": ["x"]}}
    assert first(snapshot(pod({"startupProbe": probe}, status), [event("Unhealthy", text)])) == (
        "probe-command-missing"
    )


def test_readiness_gate() -> None:
    body = pod({}, running(600, ready=True), spec={"readinessGates": [{"conditionType": "example.com/lb"}]})
    body["status"]["conditions"][0].update(status="False", reason="ReadinessGatesNotReady")
    found = engine.diagnose(snapshot(body)).findings[0]
    assert found.cause.id == "probes/readiness-gate-unmet"
    assert "example.com/lb is missing" in found.title


@pytest.mark.parametrize("change", ["deleted", "succeeded", "ready"])
def test_nothing_is_said_of_a_pod_that_ends_or_serves(change: str) -> None:
    body = pod({"readinessProbe": HTTP, "livenessProbe": HTTP}, running(600, ready=change == "ready"))
    if change == "deleted":
        body["metadata"]["deletionTimestamp"] = ago(5)
    if change == "succeeded":
        body["status"]["phase"] = "Succeeded"
    events = [event("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503")]
    found = [one for one in engine.diagnose(snapshot(body, events)).findings if one.cause.family == "probes"]
    assert not found


@pytest.mark.parametrize(
    ("host", "network", "said"),
    [
        ("10.255.255.1", False, True),
        ("localhost", False, True),
        ("localhost", True, False),
        ("", False, False),
    ],
)
def test_probe_of_another_host(host: str, network: bool, said: bool) -> None:
    probe = {"httpGet": {"path": "/", "port": 8080, "host": host}, "periodSeconds": 5, "failureThreshold": 3}
    body = pod({"readinessProbe": probe}, running(300), spec={"hostNetwork": network})
    text = f'Readiness probe failed: Get "http://{host}:8080/": dial tcp {host}:8080: connect: connection refused'
    found = engine.diagnose(snapshot(body, [event("Unhealthy", text)])).findings[0]
    assert (f"of {host or 'x'}, not of the pod" in found.title) == said


def test_output_of_a_command_is_not_the_kubelets_word() -> None:
    probe = {"exec": {"command": ["/bin/calico-node", "-bird-ready"]}, "periodSeconds": 5}
    body = pod({"readinessProbe": probe, "ports": [{"containerPort": 8080}]}, running(300))
    text = "Readiness probe failed: dial unix /var/run/calico/bird.ctl: connect: connection refused"
    assert first(snapshot(body, [event("Unhealthy", text)])) == "readiness-failing"


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        ("http: client sent an HTTP request to an HTTPS server", "probe-scheme-mismatch"),
        ("400 Bad Request: Host header", "probe-http-error"),
    ],
)
def test_log_that_wants_tls(log: str, cause: str) -> None:
    body = pod({"readinessProbe": HTTP}, running(300))
    text = "Readiness probe failed: HTTP probe failed with statuscode: 400"
    assert first(snapshot(body, [event("Unhealthy", text)], log)) == cause


REFUSED = event("Unhealthy", "Readiness probe failed: dial tcp 10.0.0.9:8080: connect: connection refused")
BOUND = [
    ({"command": ["uvicorn", "app:app", "--host", "127.0.0.1", "--port", "8080"]}, "--host 127.0.0.1"),
    ({"command": ["sh", "-c", "exec gunicorn -b localhost:8080 app"]}, "-b localhost:8080"),
    ({"args": ["--web.listen-address=127.0.0.1:8080"]}, "--web.listen-address=127.0.0.1:8080"),
    ({"env": [{"name": "HOST", "value": "localhost"}]}, "HOST=localhost"),
    # another port's, a client's, and one that is open to all
    ({"args": ["--metrics-addr=127.0.0.1:9090"]}, ""),
    ({"args": ["--listen-address=127.0.0.1:9090"]}, ""),
    ({"args": ["--db-host=localhost"], "env": [{"name": "DB_HOST", "value": "localhost"}]}, ""),
    ({"command": ["psql", "-h", "localhost"]}, ""),
    ({"args": ["--bind", "0.0.0.0"]}, ""),
    ({"command": ["redis-server", "--bind", "127.0.0.1", "10.0.0.9"]}, ""),
    ({"command": ["gunicorn", "-b", "127.0.0.1:8080", "-b", "0.0.0.0:8080"]}, ""),
]


@pytest.mark.parametrize(("settings", "told"), BOUND)
def test_a_program_that_is_told_to_listen_on_the_loopback(settings: dict[str, Any], told: str) -> None:
    body = pod({"readinessProbe": HTTP, **settings}, running(300))
    report = engine.diagnose(snapshot(body, [REFUSED]))
    assert (report.findings[0].cause.id == "probes/probe-port-closed") is bool(told)
    if told:
        assert told in report.findings[0].title
        assert report.findings[0].confidence == "likely"


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        (
            "app.jar started by app in /app\nfound 14 repositories\nprocessing persistence unit\n",
            "startup-too-slow",
        ),
        ("banner\nfound 14 repositories\nserver started in 3 s\n", "liveness-kills-container"),
        ("banner\nasking db:5432\ncannot reach db:5432\n", "liveness-kills-container"),
        ("", "liveness-kills-container"),
    ],
)
def test_a_log_that_never_comes_to_being_up(log: str, cause: str) -> None:
    status = running(3, ready=True, restartCount=4, lastState=ended(143, 18, 4))
    said = [
        event("Unhealthy", "Liveness probe failed: dial tcp 10.0.0.9:8080: connect: connection refused", 6),
        event("Killing", "Container app failed liveness probe, will be restarted", 5),
    ]
    taken = snapshot(pod({"livenessProbe": HTTP}, status), said)
    taken.answers[log_reads(taken, "app")[0]] = Found(log)  # type: ignore[index]
    assert first(taken) == cause


@pytest.mark.parametrize(("limit", "cause"), [("20m", "startup-too-slow"), ("2", "liveness-kills-container")])
def test_a_sliver_of_cpu_makes_a_slow_start(limit: str, cause: str) -> None:
    status = running(3, ready=True, restartCount=3, lastState=ended(137, 16, 4))
    app = {"livenessProbe": HTTP, "resources": {"limits": {"cpu": limit}}}
    said = [
        event("Unhealthy", "Liveness probe failed: dial tcp 10.0.0.9:8080: connect: connection refused", 6),
        event("Killing", "Container app failed liveness probe, will be restarted", 5),
    ]
    assert first(snapshot(pod(app, status), said)) == cause
