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


def spoken(taken: Snapshot) -> tuple[str, str, str]:
    """The cause, the title and the first command of the first finding."""
    one = engine.diagnose(taken).findings[0]
    runs = [step.run for step in one.steps if step.run and step.risk == "restarts-pods"]
    return one.cause.id.removeprefix("probes/"), one.title, runs[0] if runs else ""


def test_a_probe_that_names_another_host_asks_that_host_and_not_the_pod() -> None:
    probe = {"httpGet": {"path": "/up", "port": 80, "host": "shop.example.org"}}
    text = 'Readiness probe failed: Get "http://shop.example.org:80/up": dial tcp: lookup shop.example.org: no such host'
    taken = snapshot(pod({"readinessProbe": probe}, running(600)), [event("Unhealthy", text)])
    cause, title, _ = spoken(taken)
    assert (cause, "of shop.example.org, not of the pod" in title) == ("probe-port-closed", True)


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        ("grpc server listening on 0.0.0.0:7000", "probe-port-closed"),
        ("grpc server listening on 0.0.0.0:9000", "probe-times-out"),
        ("", "probe-times-out"),
    ],
)
def test_a_grpc_client_calls_a_closed_port_silence(log: str, cause: str) -> None:
    probe = {"grpc": {"port": 9000}}
    text = 'Readiness probe failed: timeout: failed to connect service "10.0.0.9:9000" within 1s: context deadline exceeded'
    taken = snapshot(pod({"readinessProbe": probe}, running(600)), [event("Unhealthy", text)], log)
    assert first(taken) == cause


def test_what_listens_on_the_loopback_is_no_port_to_ask_instead() -> None:
    probe = {"httpGet": {"path": "/startup", "port": 9090}, "failureThreshold": 3}
    status = running(20, restartCount=4, lastState=ended(143, 60, 25), started=False)
    text = 'Startup probe failed: Get "http://10.0.0.9:9090/startup": dial tcp 10.0.0.9:9090: connect: connection refused'
    events = [
        event("Unhealthy", text),
        event("Killing", "Container app failed startup probe, will be restarted", 26),
    ]
    taken = snapshot(pod({"startupProbe": probe}, status), events, "proxy listening on 127.0.0.1:5432")
    cause, title, _ = spoken(taken)
    assert (cause, "127.0.0.1:5432" in title) == ("probe-port-closed", True)
    assert not any("5432" in (step.run or "") for step in engine.diagnose(taken).findings[0].steps)


def killed_by(
    probe: dict[str, Any], lived: float, said: str, log: str = "", code: int = 137
) -> tuple[str, str, list[str]]:
    status = running(30, restartCount=5, lastState=ended(code, lived, 35))
    events = [
        event("Unhealthy", f"Liveness probe failed: {said}", 40),
        event("Killing", "Container app failed liveness probe, will be restarted", 37),
    ]
    taken = snapshot(pod({"livenessProbe": probe}, status), events)
    answers = {**taken.answers, log_reads(taken, "app")[0]: Found(log)}
    found = engine.diagnose(Snapshot(taken.target, answers, NOW)).findings[0]
    return found.cause.id.removeprefix("probes/"), found.title, [step.do for step in found.steps]


def test_a_startup_probe_is_advised_only_where_the_start_was_cut_short() -> None:
    said = 'Get "http://10.0.0.9:8080/healthz": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
    late = killed_by(HTTP, 3000, said)
    assert late[0] == "liveness-kills-container"
    assert not any("time to start" in do for do in late[2])


def test_crio_says_timed_out_in_the_commands_place() -> None:
    probe = {"exec": {"command": ["ask-broker", "ping"]}, "timeoutSeconds": 2}
    assert "no answer within 2s" in killed_by(probe, 900, "command timed out")[1]
    assert '"command timed out after' in killed_by(probe, 900, "command timed out after 3 tries")[1]


def test_a_command_that_fails_while_the_program_still_starts_kills_it_too_soon() -> None:
    probe = {"exec": {"command": ["ping-db"]}, "initialDelaySeconds": 10, "periodSeconds": 5}
    said = "ping-db: cannot connect to the local socket"
    assert killed_by(probe, 40, said, "Initializing database files")[0] == "startup-too-slow"
    for last in ("Starting the agent\nretrying the connection", "Initializing\nready for connections", ""):
        assert killed_by(probe, 40, said, last)[0] == "liveness-kills-container"
    assert killed_by(probe, 40, said, "ready for connections")[0] == "liveness-kills-container"
    assert killed_by(probe, 900, said, "Initializing database files")[0] == "liveness-kills-container"


def test_more_patience_is_more_than_what_a_startup_probe_has_today() -> None:
    probe = {"tcpSocket": {"port": 8080}, "periodSeconds": 10, "failureThreshold": 30}
    status = running(20, restartCount=3, lastState=ended(143, 310, 25), started=False)
    text = "Startup probe failed: dial tcp 10.0.0.9:8080: connect: connection refused"
    events = [
        event("Unhealthy", text),
        event("Killing", "Container app failed startup probe, will be restarted", 26),
    ]
    found = engine.diagnose(snapshot(pod({"startupProbe": probe}, status), events, "Starting up")).findings[0]
    assert found.cause.id == "probes/startup-too-slow"
    assert found.attributes["startup_threshold"] == "60"


def test_http2_is_no_tls() -> None:
    said = 'Get "http://10.0.0.9:7000/ok": malformed HTTP response "\\x00\\x00\\x06\\x04\\x00"'
    for frame, speaks, step in (
        (said, "which speaks HTTP/2, as gRPC does", "Ask by gRPC"),
        (said.replace("x00\\x00\\x06\\x04", "x15\\x03\\x01\\x00"), "which does not", "HTTPS"),
    ):
        probe = {"httpGet": {"path": "/ok", "port": 7000}}
        text = f"Readiness probe failed: {frame}"
        found = engine.diagnose(
            snapshot(pod({"readinessProbe": probe}, running(600)), [event("Unhealthy", text)])
        ).findings[0]
        assert (found.cause.id, speaks in found.title) == ("probes/probe-scheme-mismatch", True)
        # A bare pod: its steps are the ones by hand.
        assert any(("grpc" in step.do) == ("gRPC" in speaks) for step in found.steps)


def test_a_name_that_grpc_health_does_not_know_is_told() -> None:
    probe = {"grpc": {"port": 7000, "service": "till.v1"}}
    text = "Readiness probe failed: error: health rpc probe failed: rpc error: code = NotFound desc = unknown service"
    cause, title, _ = spoken(
        snapshot(pod({"readinessProbe": probe}, running(600)), [event("Unhealthy", text)])
    )
    assert (cause, "till.v1" in title) == ("grpc-health-unimplemented", True)


@pytest.mark.parametrize(
    ("words", "title"),
    [
        ("permission denied", "may not execute"),
        ("no such file or directory", "which its image does not have"),
    ],
)
def test_a_script_that_may_not_be_run_is_there(words: str, title: str) -> None:
    probe = {"exec": {"command": ["/opt/ready.sh"]}}
    text = (
        "Readiness probe errored: rpc error: code = Unknown desc = failed to exec in container: exec failed: "
        f'unable to start container process: exec: "/opt/ready.sh": {words}'
    )
    taken = snapshot(pod({"readinessProbe": probe}, running(600)), [event("Unhealthy", text)])
    assert title in spoken(taken)[1]


@pytest.mark.parametrize(
    ("lived", "runs", "standing"),
    [(65, 390, "past"), (65, 200, "now"), (20, 100, "now"), (300, 500, "now")],
)
def test_who_outlives_by_far_what_was_killed_again_and_again_has_got_over_it(
    lived: float, runs: float, standing: str
) -> None:
    status = running(runs, ready=True, restartCount=6, lastState=ended(137, lived, runs + 2))
    events = [event("Killing", "Container app failed liveness probe, will be restarted", runs + 4, 6)]
    found = engine.diagnose(snapshot(pod({"livenessProbe": HTTP}, status), events)).findings
    assert [(one.cause.id, one.standing) for one in found] == [("probes/liveness-kills-container", standing)]


@pytest.mark.parametrize(("started", "standing"), [(True, "past"), (False, "now")])
def test_a_start_that_succeeds_ends_the_story_of_its_startup_probe(*, started: bool, standing: str) -> None:
    status = running(40, ready=started, restartCount=3, lastState=ended(143, 60, 45), started=started)
    events = [event("Killing", "Container app failed startup probe, will be restarted", 47, 3)]
    found = engine.diagnose(snapshot(pod({"startupProbe": HTTP}, status), events)).findings
    assert [(one.cause.id, one.standing) for one in found][:1] == [("probes/startup-too-slow", standing)]


def stopped(probes: dict[str, Any], log: str, lived: float = 40) -> Snapshot:
    """A container that a signal ended again and again, and whose events are gone."""
    status = running(20, restartCount=4, lastState=ended(143, lived, 25), started=False)
    taken = snapshot(pod(probes, status))
    return Snapshot(taken.target, {**taken.answers, log_reads(taken, "app")[0]: Found(log)}, NOW)


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("listening on 0.0.0.0:3000", "asks port 8080, the program listens on 0.0.0.0:3000"),
        ("listening on 127.0.0.1:3000", "listens on 127.0.0.1:3000"),
        ("listening on 0.0.0.0:8080", "may have done it"),
        ("metrics server listening on :9090", "may have done it"),
        ("Starting the shop\nloading the catalogue", "in the middle of starting"),
        ("Starting the shop\ncannot read the catalogue", "may have done it"),
        ("Starting the shop\nthe shop is ready", "may have done it"),
        ("", "may have done it"),
    ],
)
def test_the_log_speaks_for_a_probe_whose_events_are_gone(log: str, words: str) -> None:
    found = engine.diagnose(stopped({"livenessProbe": HTTP}, log)).findings[0]
    assert (found.cause.id, found.confidence) == ("probes/liveness-may-kill", "possible")
    assert words in found.title


@pytest.mark.parametrize(("lived", "kind"), [(55, "startup"), (500, "liveness")])
def test_the_liveness_probe_is_asked_once_the_start_is_over(lived: float, kind: str) -> None:
    probes = {"startupProbe": HTTP | {"failureThreshold": 10}, "livenessProbe": HTTP}
    found = engine.diagnose(stopped(probes, "", lived)).findings[0]
    assert (found.cause.id, f"its {kind} probe" in found.title) == ("probes/liveness-may-kill", True)


@pytest.mark.parametrize(("log", "told"), [("listening on :3000", True), ("listening on :8080", False)])
def test_an_unready_container_whose_events_are_gone_listens_elsewhere(log: str, *, told: bool) -> None:
    found = engine.diagnose(snapshot(pod({"readinessProbe": HTTP}, running(600)), [], log)).findings[0]
    assert found.cause.id == "probes/readiness-failing"
    assert ("it asks port 8080" in found.title) is told


def test_a_declared_port_alone_makes_a_closed_grpc_port_likely() -> None:
    probe = {"grpc": {"port": 9000}}
    text = 'Readiness probe failed: timeout: failed to connect service "10.0.0.9:9000" within 1s: context deadline exceeded'
    app = {"readinessProbe": probe, "ports": [{"containerPort": 7000}]}
    found = engine.diagnose(snapshot(pod(app, running(600)), [event("Unhealthy", text)])).findings[0]
    assert (found.cause.id, found.confidence) == ("probes/probe-port-closed", "likely")


@pytest.mark.parametrize(
    ("line", "told"),
    [('msg="server started" addr=:9000', True), ("connected to the server addr=10.0.0.7:9000", False)],
)
def test_a_server_that_started_says_where(line: str, *, told: bool) -> None:
    found = engine.diagnose(snapshot(pod({"readinessProbe": HTTP}, running(600)), [], line)).findings[0]
    assert ("port 9000" in found.title) is told


def test_who_answers_that_it_is_not_well_is_heard() -> None:
    status = running(30, restartCount=5, lastState=ended(137, 100, 35))
    events = [
        event("Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 500", 40),
        event("Killing", "Container app failed liveness probe, will be restarted", 37),
    ]
    taken = snapshot(pod({"livenessProbe": HTTP}, status), events)
    log = Found("ERROR the ledger cannot be opened\n")
    answers = {**taken.answers, log_reads(taken, "app")[0]: log}
    found = engine.diagnose(Snapshot(taken.target, answers, NOW)).findings
    kills = next(one for one in found if one.cause.id == "probes/liveness-kills-container")
    assert any("the ledger cannot be opened" in text for one in kills.symptoms for text, _ in one.notes)


@pytest.mark.parametrize(
    ("message", "asked"),
    [("Health checks failed with these codes: [404]", True), ("Target registration is in progress", False)],
)
def test_a_load_balancer_that_is_refused_asks_a_path_of_its_own(message: str, *, asked: bool) -> None:
    gate = "target-health.elbv2.k8s.aws/tg-1"
    conditions = [{"type": gate, "status": "False", "reason": "x", "message": message}]
    body = pod({}, running(900, ready=True), spec={"readinessGates": [{"conditionType": gate}]})
    body["status"]["conditions"] = [
        {"type": "Ready", "status": "False"},
        {"type": "ContainersReady", "status": "True", "lastTransitionTime": ago(880)},
        *conditions,
    ]
    found = engine.diagnose(snapshot(body)).findings[0]
    assert found.cause.id == "probes/readiness-gate-unmet"
    assert any("healthcheck-path" in (step.run or "") for step in found.steps) is asked


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        ("metrics server listening on :9090\nwaiting for the ledger", "readiness-failing"),
        ("metrics server listening on :9090\nlistening on :3000", "probe-port-closed"),
    ],
)
def test_a_port_for_metrics_is_not_the_one_to_ask(log: str, cause: str) -> None:
    app = {"readinessProbe": HTTP, "ports": [{"containerPort": 8080}]}
    text = 'Readiness probe failed: Get "http://10.0.0.9:8080/healthz": dial tcp 10.0.0.9:8080: connect: connection refused'
    taken = snapshot(pod(app, running(600)), [event("Unhealthy", text)], log)
    assert first(taken) == cause
    steps = engine.diagnose(taken).findings[0].steps
    assert not any("9090" in (step.run or "") for step in steps)


@pytest.mark.parametrize(("port", "told"), [(3000, True), (8080, False)])
def test_the_pod_alone_shows_that_a_probe_asks_a_port_beside_the_declared_one(
    port: int, *, told: bool
) -> None:
    ports = {"ports": [{"containerPort": port}]}
    unready = snapshot(pod({"readinessProbe": HTTP, **ports}, running(600)))
    for taken in (unready, stopped({"livenessProbe": HTTP, **ports}, "")):
        assert ("asks port 8080" in engine.diagnose(taken).findings[0].title) is told
