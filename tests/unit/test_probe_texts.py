"""What the kubelet says of probes, in all its versions, and whose word comes first."""

from __future__ import annotations

from typing import Any

import pytest
from poddoctor.diagnostics._probe import failure_of, probes_of
from poddoctor.diagnostics._probe_facts import _UNHEALTHY

from poddoctor import engine
from poddoctor.pod.containers import Container

from .test_probes import ago, event, pod, running, snapshot

HANDLERS: dict[str, dict[str, Any]] = {
    "http": {"httpGet": {"port": 8080, "path": "/"}},
    "tcp": {"tcpSocket": {"port": 5432}},
    "exec": {"exec": {"command": ["curl", "x"]}},
    "grpc": {"grpc": {"port": 9090}},
}
TEXTS = [
    ("http","Readiness probe failed: HTTP probe failed with statuscode: 503","http-error"),
    ("http",'Readiness probe failed: Get "http://10.1.2.3:8080/healthz": EOF',"reset"),
    ("http",'Readiness probe failed: Get "https://10.1.2.3:8080/healthz": http: server gave HTTP response to HTTPS client',"scheme"),
    ("http",'Liveness probe failed: Get "http://10.1.2.3:8080/healthz": net/http: HTTP/1.x transport connection broken: malformed HTTP response "\\x15\\x03\\x01"',"scheme"),
    ("http",'Liveness probe failed: Get "http://10.1.2.3:8080/healthz": dial tcp 10.1.2.3:8080: connect: no route to host',"unreachable"),
    ("http",'Liveness probe failed: Get "http://[fd00::3]:8080/healthz": dial tcp [fd00::3]:8080: connect: connection refused',"refused"),
    ("http",'Liveness probe failed: Get "http://10.1.2.3:8080/healthz": stopped after 10 redirects',"redirects"),
    ("http",'Liveness probe failed: Get "http://10.1.2.3:8080/": read tcp 10.1.2.1:4->10.1.2.3:8080: read: connection reset by peer',"reset"),
    ("http",'Liveness probe failed: Get "http://10.1.2.3:8080/": net/http: request canceled (Client.Timeout exceeded while awaiting headers)',"timeout"),
    ("tcp","Readiness probe failed: dial tcp 10.1.2.3:5432: i/o timeout","timeout"),
    ("tcp","Readiness probe failed: dial tcp 10.1.2.3:5432: connect: connection refused","refused"),
    ("exec",'Readiness probe failed: command "sleep 5" timed out',"timeout"),
    ("exec",'Readiness probe failed: command timed out: "sleep 5" timed out after 1s',"timeout"),
    ("exec",'Readiness probe failed: command "/bin/sh -c x" timed out',"timeout"),
    ("exec","Readiness probe errored: rpc error: code = DeadlineExceeded desc = failed to exec in container: timeout 1s exceeded: context deadline exceeded","timeout"),
    ("exec",'Readiness probe errored and resulted in unknown state: rpc error: code = Unknown desc = failed to exec in container: failed to start exec "abc": OCI runtime exec failed: exec failed: unable to start container process: exec: "curl": executable file not found in $PATH: unknown',"command-missing"),
    ("exec",'Readiness probe errored: rpc error: code = Unknown desc = command error: time="x" level=error msg="exec failed: unable to start container process: exec: \\"curl\\": executable file not found in $PATH", stdout: , stderr: , exit code -1',"command-missing"),
    ("exec",'Readiness probe failed: OCI runtime exec failed: exec failed: unable to start container process: exec: "pg_isready": executable file not found in $PATH: unknown',"command-missing"),
    ("exec","Readiness probe errored and resulted in unknown state: rpc error: code = NotFound desc = failed to exec in container: failed to load task: no running task found: task abc not found: not found","exit"),
    ("exec","Readiness probe failed: sh: curl: not found","command-missing"),
    ("exec","Readiness probe failed: /bin/bash: line 1: curl: command not found","command-missing"),
    ("exec","Readiness probe failed: cat: /tmp/ready: No such file or directory","exit"),
    ("exec","Readiness probe failed: ","exit"),
    ("exec","Readiness probe failed: connection to server timed out","exit"),
    ("grpc",'Liveness probe failed: timeout: failed to connect service "10.1.2.3:9090" within 1s: context deadline exceeded',"timeout"),
    ("grpc",'Liveness probe failed: timeout: failed to connect service ":9090" within 1s: context deadline exceeded: connection error: desc = "transport: Error while dialing: dial tcp 10.1.2.3:9090: connect: connection refused"',"refused"),
    ("grpc","Liveness probe failed: error: this server does not implement the grpc health protocol (grpc.health.v1.Health): unknown service grpc.health.v1.Health","grpc-unimplemented"),
    ("grpc","Liveness probe failed: timeout: health rpc did not complete within 1s","timeout"),
    ("grpc",'Liveness probe failed: service unhealthy (responded with "NOT_SERVING")',"not-serving"),
    ("grpc","Liveness probe failed: error: health rpc probe failed: rpc error: code = NotFound desc = unknown service","grpc-unknown-service"),
    ("http",'Readiness probe errored and resulted in unknown state: strconv.Atoi: parsing "web": invalid syntax',"port-unknown"),
    ("http",'Readiness probe errored: couldn\'t find port: "web" in container',"port-unknown"),
    ("http",'Readiness probe failed: Get "https://10.1.2.3:8443/healthz": remote error: tls: bad certificate',"certificate"),
    ("http",'Readiness probe failed: Get "https://10.1.2.3:8443/healthz": tls: first record does not look like a TLS handshake',"scheme"),
]  # fmt: skip


@pytest.mark.parametrize(("handler", "text", "failure"), TEXTS)
def test_each_text_of_kubelet_is_understood(handler: str, text: str, failure: str) -> None:
    one = Container("app", "app", {"readinessProbe": HANDLERS[handler]}, {}, 0)
    found = _UNHEALTHY.match(text)
    assert found
    assert failure_of(found[3].strip(), next(probes_of(one))) == failure


def test_what_the_program_says_is_shown_with_its_failing_probe() -> None:
    events = [event("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503")]
    log = "info starting\n" + "warn Envoy proxy is NOT ready: config not received from XDS server\n" * 3
    found = engine.diagnose(snapshot(pod(READY, running(300)), events, log)).findings
    assert found[0].cause.id == "probes/probe-http-error"
    rows = [note[0] for one in found for symptom in one.symptoms for note in symptom.notes]
    assert any("config not received from XDS server" in row for row in rows)


ACCESS = '10.2.0.1 - - [04/May/2026:11:59:58 +0000] "GET /ready HTTP/1.1" {} 153 "-" "kube-probe/1.34"\n'
ANSWERED = {
    "a path that is not there": (ACCESS.format(404) * 5, "probes/probe-path-wrong"),
    "an error": (ACCESS.format(500) * 5, "probes/probe-http-error"),
    "well again": (ACCESS.format(404) + ACCESS.format(200), "probes/readiness-failing"),
    "another path": (ACCESS.replace("/ready", "/readyz").format(404), "probes/readiness-failing"),
    "nothing": ("", "probes/readiness-failing"),
}


@pytest.mark.parametrize("name", ANSWERED)
def test_the_access_log_speaks_when_the_events_are_gone(name: str) -> None:
    log, cause = ANSWERED[name]
    found = engine.diagnose(snapshot(pod(READY, running(7200)), [], log)).findings
    assert found[0].cause.id == cause
    assert all("event" not in one.source for one in found[0].symptoms)


FLAPS = {
    "again and again until now": (20, 5, 900, 3600, True),
    "long ago": (20, 500, 900, 3600, False),
    "a few times": (3, 5, 900, 3600, False),
    "one spell": (20, 5, 40, 3600, False),
    "as it started": (20, 5, 60, 65, False),
}


@pytest.mark.parametrize("name", FLAPS)
def test_a_probe_that_comes_and_goes_is_told_when_it_is_well(name: str) -> None:
    count, last, first, age, told = FLAPS[name]
    failed = event("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503", last, count)
    failed["firstTimestamp"] = ago(first)
    found = engine.diagnose(snapshot(pod(READY, running(age, ready=True)), [failed])).findings
    assert [one.standing for one in found] == (["past"] if told else [])


READY = {"readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 5}}
DATABASE = "ERROR dial tcp 10.96.4.7:5432: connect: connection refused\n" * 3
LOOPBACK = "Serving on http://127.0.0.1:8080\n"
REFUSED = 'Get "http://10.1.2.3:8080/ready": dial tcp 10.1.2.3:8080: connect: connection refused'
FIRST = {
    "it says that its database is away, and is unwell": ("statuscode: 503", DATABASE, "logs/dependency-refused"),
    "it is unwell and does not say why": ("statuscode: 503", "INFO started\n", "probes/probe-http-error"),
    "a wrong path is wrong whatever the log says": ("statuscode: 404", DATABASE, "probes/probe-path-wrong"),
    "a login is asked for whatever the log says": ("statuscode: 401", DATABASE, "probes/probe-http-error"),
    "it listens inside the pod only": (REFUSED, LOOPBACK, "probes/probe-port-closed"),
    "it listens inside the pod only, and its database is away": (REFUSED, LOOPBACK + DATABASE, "probes/probe-port-closed"),
    "it cannot start to listen without its database": (REFUSED, DATABASE, "logs/dependency-refused"),
    "nothing listens, nothing is said": (REFUSED, "", "probes/readiness-failing"),
}  # fmt: skip


@pytest.mark.parametrize("name", FIRST)
def test_the_probe_or_the_reason_behind_it(name: str) -> None:
    text, log, cause = FIRST[name]
    if text.startswith("statuscode"):
        text = f"HTTP probe failed with {text}"
    events = [event("Unhealthy", f"Readiness probe failed: {text}")]
    body = pod({**READY, "ports": [{"containerPort": 8080}]}, running(300))
    assert engine.diagnose(snapshot(body, events, log)).findings[0].cause.id == cause
