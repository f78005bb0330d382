"""Pods that wait for their sandbox with no event left: what their surroundings tell, and what they do not."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from poddoctor.diagnostics._silence import sibling_events_read
from poddoctor.diagnostics.sandbox import node_pods_read, runtime_class_read

from poddoctor import engine
from poddoctor.model import Absent, Answer, Finding, Found, Read, Snapshot, Target, Unknown
from poddoctor.pod.reads import node_read, pod_events_read, pod_read

CLOCK = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
NO_ADDRESS = 'failed to setup network for sandbox "0": plugin type="host-local" failed (add): failed to allocate for range 0: no IP addresses available in range set: 10.1.0.1-10.1.0.6'
NODE: dict[str, Any] = {
    "metadata": {"name": "n1"},
    "spec": {"podCIDR": "10.1.0.0/29"},
    "status": {
        "conditions": [{"type": "Ready", "status": "True"}],
        "runtimeHandlers": [{"name": ""}, {"name": "runc"}],
    },
}


def event(pod: str, host: str, message: str, time: str = "2026-01-01T11:59:00Z") -> dict[str, Any]:
    return {
        "metadata": {"name": f"{pod}.1"},
        "reason": "FailedCreatePodSandBox",
        "type": "Warning",
        "message": f"Failed to create pod sandbox: {message}",
        "involvedObject": {"kind": "Pod", "name": pod, "namespace": "shop", "uid": "other"},
        "source": {"component": "kubelet", "host": host},
        "lastTimestamp": time,
    }


def neighbour(name: str, ip: str = "", *, ready: bool = True, agent: bool = False) -> dict[str, Any]:
    owner = {"kind": "DaemonSet" if agent else "ReplicaSet", "name": "x", "controller": True}
    state = {"running": {}} if ready else {"waiting": {"reason": "CrashLoopBackOff"}}
    return {
        "metadata": {"name": name, "namespace": "kube-system", "ownerReferences": [owner]},
        "spec": {"nodeName": "n1", "hostNetwork": agent, "containers": [{"name": "c"}]},
        "status": {
            "phase": "Running",
            "podIP": ip or None,
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "containerStatuses": [{"name": "c", "ready": ready, "state": state}],
        },
    }


def diagnose(
    *,
    siblings: list[dict[str, Any]] | None = None,
    neighbours: list[dict[str, Any]] | None = None,
    runtime_class: str = "",
    host_users: bool | None = None,
    events: Answer | None = None,
    started: str = "2026-01-01T10:00:00Z",
) -> list[Finding]:
    condition = {"type": "PodScheduled", "status": "True", "lastTransitionTime": started}
    waiting = {"name": "app", "state": {"waiting": {"reason": "ContainerCreating"}}}
    pod = {
        "metadata": {"name": "web-a-1", "generateName": "web-a-", "namespace": "shop", "uid": "u"},
        "spec": {"nodeName": "n1", "containers": [{"name": "app", "image": "web:1"}]},
        "status": {"phase": "Pending", "conditions": [condition], "containerStatuses": [waiting]},
    }
    if host_users is not None:
        pod["spec"]["hostUsers"] = host_users
    if runtime_class:
        pod["spec"]["runtimeClassName"] = runtime_class
    empty = Snapshot(Target("pod", "shop", "web-a-1"), {}, CLOCK)
    answers: dict[Read, Answer] = {
        pod_read(empty): Found(pod),
        pod_events_read(empty): events or Found({"items": []}),
        node_read("n1"): Found(NODE),
        node_pods_read("n1"): Found({"items": neighbours or []}),
        sibling_events_read("shop"): Found({"items": siblings or []}),
        runtime_class_read("secure"): Found({"metadata": {"name": "secure"}, "handler": "gvisor"}),
        runtime_class_read("plain"): Found({"metadata": {"name": "plain"}, "handler": "runc"}),
    }
    return list(engine.diagnose(Snapshot(empty.target, answers, CLOCK)).findings)


UNEXPLAINED = "sandbox/start-unexplained"
FULL = [neighbour(f"p{number}", f"10.1.0.{number}") for number in range(2, 7)]
DOWN = [neighbour("calico-node-x", ready=False, agent=True)]


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        ({"siblings": [event("web-a-2", "n1", NO_ADDRESS)]}, "sandbox/pod-ip-exhausted"),
        ({"siblings": [event("other-1", "n1", NO_ADDRESS)]}, "sandbox/pod-ip-exhausted"),
        ({"siblings": [event("other-1", "n2", NO_ADDRESS)]}, UNEXPLAINED),
        ({"siblings": [event("web-a-2", "n2", NO_ADDRESS)]}, UNEXPLAINED),
        ({"siblings": [event("web-a-2", "n1", NO_ADDRESS, "2026-01-01T09:00:00Z")]}, UNEXPLAINED),
        ({"neighbours": FULL}, "sandbox/pod-ip-exhausted"),
        ({"neighbours": FULL[:3]}, UNEXPLAINED),
        ({"neighbours": DOWN}, "sandbox/cni-plugin-failed"),
        ({"neighbours": [neighbour("calico-node-x", agent=True)]}, UNEXPLAINED),
        ({"neighbours": [neighbour("log-network-reader", ready=False)]}, UNEXPLAINED),
        ({"runtime_class": "secure"}, "sandbox/runtime-class-handler-missing"),
        ({"runtime_class": "plain"}, UNEXPLAINED),
        ({"host_users": False}, "sandbox/user-namespaces-unsupported"),
        ({"host_users": True}, UNEXPLAINED),
        ({"neighbours": DOWN, "started": "2026-01-01T11:59:30Z"}, ""),
        ({"neighbours": DOWN, "events": Unknown("forbidden")}, UNEXPLAINED),
        ({"neighbours": DOWN, "events": Absent()}, UNEXPLAINED),
    ],
)
def test_what_the_surroundings_tell(given: dict[str, Any], cause: str) -> None:
    findings = diagnose(**given)
    assert [one.cause.id for one in findings] == ([cause] if cause else [])
    expected = "possible" if cause == UNEXPLAINED else "likely"
    assert all(one.confidence == expected for one in findings)


def test_what_the_pod_may_wait_for() -> None:
    assert "(runtime class plain)" in diagnose(runtime_class="plain")[0].title


def said(reason: str, message: str, count: int, kind: str = "Warning") -> Answer:
    row = event("web-a-1", "n1", "")
    about = {**row["involvedObject"], "uid": "u"}
    return Found(
        {
            "items": [
                {
                    **row,
                    "reason": reason,
                    "message": message,
                    "count": count,
                    "type": kind,
                    "involvedObject": about,
                }
            ]
        }
    )


CHANGED = "Pod sandbox changed, it will be killed and re-created."
STATUS = "error determining status: rpc error: code = DeadlineExceeded desc = context deadline exceeded"


@pytest.mark.parametrize(
    ("events", "causes"),
    [
        (said("SandboxChanged", CHANGED, 80, "Normal"), ["sandbox/sandbox-failed"]),
        (said("SandboxChanged", CHANGED, 1, "Normal"), []),
        (said("FailedSync", STATUS, 30), ["sandbox/sandbox-timeouts"]),
        (said("FailedSync", "error killing pod: x", 30), []),
    ],
)
def test_a_sandbox_that_dies_and_a_runtime_that_does_not_answer(events: Answer, causes: list[str]) -> None:
    found = [one.cause.id for one in diagnose(events=events) if one.cause.family == "sandbox"]
    assert found == causes
