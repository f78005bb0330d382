"""What a failing probe is said to be: the program that lacks, the line that tells, the agent between, the gate."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from poddoctor.diagnostics._listening import Place
from poddoctor.diagnostics._probe import missing, said

from poddoctor import engine
from poddoctor.model import Found
from poddoctor.pod.reads import get, log_reads

from .test_probes import HTTP, ago, event, first, pod, running, snapshot

NOT_READY = running(600)


def title(body: dict[str, Any], text: str, log: str = "") -> str:
    return engine.diagnose(snapshot(body, [event("Unhealthy", text)], log)).findings[0].title


@pytest.mark.parametrize(
    ("text", "program"),
    [
        ("sh: 1: wget: not found", "wget"),
        ("/bin/bash: line 1: nc: command not found", "nc"),
        ('exec failed: unable to start container process: exec: "/bin/sh": stat /bin/sh: no such file', "/bin/sh"),
        ('level=error msg="exec failed: exec: \\"jq\\": executable file not found in $PATH", stdout: ', "jq"),
        ("OCI runtime exec failed", ""),
    ],
)  # fmt: skip
def test_the_program_that_is_missing_is_the_one_that_the_text_names(text: str, program: str) -> None:
    assert missing(text) == program


def test_a_shell_that_lacks_a_program_is_not_missing_itself() -> None:
    body = pod({"readinessProbe": {"exec": {"command": ["sh", "-c", "wget -q x"]}}}, NOT_READY)
    assert 'runs "wget", which its image does not have' in title(
        body, "Readiness probe failed: sh: 1: wget: not found"
    )


@pytest.mark.parametrize(
    ("output", "line"),
    [
        (
            "tool: [Warning] A password here can be insecure.\ntool: connect failed\nerror: 'Access denied'\n",
            "error: 'Access denied'",
        ),
        ("\nCould not connect to Cache at localhost:1: Connection refused\n", None),
        ("waiting for the cluster\nCluster is not yet ready (status yellow)", "Cluster is not yet ready (status yellow)"),
        ("lag 400\nlimit 100", "lag 400"),
        ("", ""),
    ],
)  # fmt: skip
def test_the_line_of_an_output_that_tells(output: str, line: str | None) -> None:
    assert said(output) == (output.strip() if line is None else line)


def test_a_try_that_the_runtime_could_not_make_is_not_the_programs_failure() -> None:
    body = pod({"readinessProbe": {"exec": {"command": ["cat", "/tmp/ready"]}}}, NOT_READY)
    text = "rpc error: code = Unknown desc = command error: EOF, stdout: , stderr: , exit code -1"
    assert title(body, f"Readiness probe errored: {text}").endswith(
        "fails: the container runtime cannot run its command: EOF"
    )


def meshed(status: str, said_by_agent: str) -> str:
    """The cause, where Istio's agent asks port 8080 in the kubelet's place, and the program listens on 9090."""
    body = pod({"readinessProbe": {"httpGet": {"path": "/app-health/app/readyz", "port": 15020}}}, NOT_READY)
    written = {"/app-health/app/readyz": {"httpGet": {"path": "/ready", "port": 8080}, "timeoutSeconds": 1}}
    env = [{"name": "ISTIO_KUBE_APP_PROBERS", "value": json.dumps(written)}]
    body["spec"]["containers"].append({"name": "istio-proxy", "image": "proxy:1", "env": env})
    body["status"]["containerStatuses"].append({"name": "istio-proxy", **running(600, ready=True)})
    text = f"Readiness probe failed: HTTP probe failed with statuscode: {status}"
    taken = snapshot(body, [event("Unhealthy", text)], "listening on 0.0.0.0:9090")
    answers = {**taken.answers, log_reads(taken, "istio-proxy")[1]: Found(said_by_agent)}
    return first(replace(taken, answers=answers))


def test_what_the_agent_between_met_is_what_counts() -> None:
    line = (
        'error Request to probe app failed: Get "http://10.0.0.3:8080/ready": dial tcp 10.0.0.3:8080: '
        "connect: connection refused, original URL path = {}\n"
    )
    assert meshed("500", line.format("/app-health/app/readyz")) == "probe-port-closed"
    assert meshed("500", line.format("/app-health/other/readyz")) == "probe-http-error"
    assert meshed("404", line.format("/app-health/app/readyz")) == "probe-path-wrong"
    assert meshed("500", "") == "probe-http-error"


@pytest.mark.parametrize(
    ("log", "wanted"),
    [
        ("Tomcat started on port 8080 (http) with context path '/shop'", "/shop/healthz"),
        ("Tomcat started on port(s): 8080 (http) with context path '/shop'", "/shop/healthz"),
        ("Tomcat started on port 8080 (http) with context path '/'", ""),
        ("Tomcat started on port 8080 (http) with context path ''", ""),
        ("Tomcat started on port 9001 (http) with context path '/shop'", ""),
    ],
)
def test_a_context_path_belongs_before_the_path(log: str, wanted: str) -> None:
    text = "Readiness probe failed: HTTP probe failed with statuscode: 404"
    told = title(pod({"readinessProbe": HTTP}, NOT_READY), text, log)
    assert told.endswith(f"its context path: {wanted}") if wanted else "answers 404" in told


def test_successes_take_time_too() -> None:
    probe = {"httpGet": {"port": 8080}, "periodSeconds": 10, "successThreshold": 3}
    assert first(snapshot(pod({"readinessProbe": probe}, running(45)))) == "still-starting"
    assert first(snapshot(pod({"readinessProbe": probe}, running(60)))) == "readiness-failing"


def test_an_address_of_ipv6_is_written_so_that_it_can_be_read() -> None:
    assert [str(Place(host, "80")) for host in ("::", "0.0.0.0", "")] == ["[::]:80", "0.0.0.0:80", "port 80"]


@pytest.mark.parametrize(
    ("seconds", "cause"), [(20, "readiness-gate-pending"), (600, "readiness-gate-unmet")]
)
def test_a_gate_is_waited_for_before_it_is_a_fault(seconds: float, cause: str) -> None:
    gate = "target-health.elbv2.k8s.aws/k8s-shop"
    said_of_it = {"type": gate, "status": "False", "message": "Health checks failed"}
    body = pod(
        {},
        running(600, ready=True),
        spec={"readinessGates": [{"conditionType": gate}]},
        conditions=[said_of_it],
    )
    body["status"]["conditions"][0].update(status="False", reason="ReadinessGatesNotReady")
    body["status"]["conditions"][1].update(lastTransitionTime=ago(seconds))
    finding = engine.diagnose(snapshot(body)).findings[0]
    assert finding.cause.id == f"probes/{cause}"
    assert "Health checks failed" in finding.title
    assert (finding.standing == "waiting") == (cause == "readiness-gate-pending")


def test_the_message_in_a_line_of_json_is_what_it_says() -> None:
    assert said('{"level":"info","caller":"a.go:1","msg":"timeout: failed to connect \\":1\\""}') == (
        'timeout: failed to connect ":1"'
    )


@pytest.mark.parametrize(("host", "foreign"), [("10.0.0.3", False), ("10.9.9.9", True)])
def test_the_pods_own_address_is_no_other_host(host: str, *, foreign: bool) -> None:
    body = pod({"readinessProbe": {"httpGet": {"port": 8080, "host": host}}}, NOT_READY)
    body["status"]["podIP"] = "10.0.0.3"
    finding = engine.diagnose(
        snapshot(body, [event("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 500")])
    ).findings[0]
    assert ("not of the pod" in finding.symptoms[0].attributes["why"]) is foreign


@pytest.mark.parametrize("injected", [True, False])
def test_a_gate_that_a_webhook_put_in_is_not_taken_out_of_the_template(*, injected: bool) -> None:
    gates = [{"conditionType": "cloud.google.com/load-balancer-neg-ready"}]
    body = pod({}, running(600, ready=True), spec={"readinessGates": gates})
    body["status"]["conditions"][0].update(status="False", reason="ReadinessGatesNotReady")
    body["metadata"]["ownerReferences"] = [
        {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web", "uid": "s1", "controller": True}
    ]
    template = {"spec": {"containers": [], **({} if injected else {"readinessGates": gates})}}
    taken = snapshot(body)
    owner = get("apps/v1", "statefulsets", "shop", "web")
    owned = Found({"metadata": {"name": "web"}, "spec": {"template": template}})
    finding = engine.diagnose(replace(taken, answers={**taken.answers, owner: owned})).findings[0]
    assert any(step.fixes for step in finding.steps) is not injected
    assert any("servicenetworkendpointgroups" in step.run for step in finding.steps) is injected
