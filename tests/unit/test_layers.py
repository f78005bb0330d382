"""Pods with two and three faults at once: what stops the pod now, and what will stop it next."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from poddoctor import engine
from poddoctor.model import Absent, Answer, Found, Read, Snapshot, Target
from poddoctor.pod.reads import get, pod_events_read, pod_read

CLOCK = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
LEVEL = {"name": "LEVEL", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "level"}}}
KEYS = {"secretRef": {"name": "keys"}}
VOLUME = {"name": "tls", "secret": {"secretName": "web-tls"}}
GONE: Answer = Absent()
WITHOUT_KEY: Answer = Found({"metadata": {"name": "settings"}, "data": {"color": ""}})
NO_ROUTE = 'plugin type="calico" failed (add): error getting ClusterInformation: connection is unauthorized'
SANDBOX = f'Failed to create pod sandbox: failed to setup network for sandbox "0": {NO_ROUTE}'
NOT_READY = (
    "network is not ready: container runtime network not ready: NetworkReady=false "
    "reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized"
)
NO_TAG = 'failed to pull and unpack image "docker.io/shop/web:2": docker.io/shop/web:2: not found'


def pod(containers: list[dict[str, Any]], states: dict[str, Any], **spec: Any) -> dict[str, Any]:
    status = {
        "phase": "Pending",
        "conditions": [
            {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-01-01T11:50:00Z"}
        ],
        "containerStatuses": [
            {"name": name, "state": {"waiting": state}} for name, state in states.items() if name != "init"
        ],
        "initContainerStatuses": [
            {"name": name, "state": {"waiting": state}} for name, state in states.items() if name == "init"
        ],
    }
    spec = {"nodeName": "n1", "containers": containers, **spec}
    return {"metadata": {"name": "web", "namespace": "shop", "uid": "u"}, "spec": spec, "status": status}


def app(name: str = "app", **fields: Any) -> dict[str, Any]:
    return {"name": name, "image": "shop/web:2", **fields}


def unscheduled() -> dict[str, Any]:
    body = pod([app(env=[LEVEL])], {}, nodeName=None, imagePullSecrets=[{"name": "regcred"}])
    body["status"]["conditions"][0].update(
        status="False",
        reason="Unschedulable",
        message="0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available.",
    )
    return body


CREATING = {"reason": "ContainerCreating"}
PULL = {"reason": "ErrImagePull", "message": NO_TAG}
REFUSED = {"reason": "CreateContainerConfigError", "message": 'secret "keys" not found'}
CASES = [
    (unscheduled(), ("", ""), {("configmaps", "settings"): GONE, ("secrets", "regcred"): GONE}, [("scheduling/", "now"), ("config/configmap-not-found", "next"), ("image/pull-secret-absent", "next")]),
    (pod([app(env=[LEVEL])], {"app": CREATING}, volumes=[VOLUME], imagePullSecrets=[{"name": "regcred"}]), ("FailedMount", 'MountVolume.SetUp failed for volume "tls" : secret "web-tls" not found'), {("configmaps", "settings"): WITHOUT_KEY, ("secrets", "web-tls"): GONE, ("secrets", "regcred"): GONE}, [("config/secret-not-found", "now"), ("config/configmap-key-not-found", "next"), ("image/pull-secret-absent", "next")]),
    (pod([app(env=[LEVEL])], {"app": CREATING}), ("FailedCreatePodSandBox", SANDBOX), {("configmaps", "settings"): GONE}, [("sandbox/cni-plugin-failed", "now"), ("config/configmap-not-found", "next")]),
    (pod([app()], {"app": CREATING}, volumes=[VOLUME]), ("NetworkNotReady", NOT_READY), {("secrets", "web-tls"): GONE}, [("sandbox/cni-not-ready", "now"), ("config/secret-not-found", "next")]),
    (pod([app(env=[LEVEL])], {"app": PULL}), ("", ""), {("configmaps", "settings"): WITHOUT_KEY}, [("image/tag-not-found", "now"), ("config/configmap-key-not-found", "next")]),
    (pod([app(env=[LEVEL], envFrom=[KEYS])], {"app": REFUSED}), ("", ""), {("configmaps", "settings"): GONE, ("secrets", "keys"): GONE}, [("config/secret-not-found", "now"), ("config/configmap-not-found", "next")]),
    (pod([app(), app("proxy", envFrom=[KEYS])], {"app": PULL, "proxy": REFUSED}), ("", ""), {("secrets", "keys"): GONE}, [("image/tag-not-found", "now"), ("config/secret-not-found", "now")]),
    (pod([app(env=[LEVEL])], {"init": PULL, "app": {"reason": "PodInitializing"}}, initContainers=[app("init")]), ("", ""), {("configmaps", "settings"): GONE}, [("image/tag-not-found", "now"), ("config/configmap-not-found", "next")]),
    (pod([app()], {"app": CREATING}, imagePullSecrets=[{"name": "regcred"}]), ("", ""), {("secrets", "regcred"): GONE}, [("sandbox/start-unexplained", "now")]),
]  # fmt: skip


@pytest.mark.parametrize(("body", "event", "objects", "expected"), CASES)
def test_the_first_layer_is_told_first(
    body: dict[str, Any],
    event: tuple[str, str],
    objects: dict[tuple[str, str], Answer],
    expected: list[tuple[str, str]],
) -> None:
    empty = Snapshot(Target("pod", "shop", "web"), {}, CLOCK)
    about = {"kind": "Pod", "name": "web", "uid": "u"}
    reason, message = event
    row = {
        "metadata": {"name": "e"},
        "reason": reason,
        "type": "Warning",
        "involvedObject": about,
        "message": message,
        "lastTimestamp": "2026-01-01T11:59:00Z",
    }
    answers: dict[Read, Answer] = {
        pod_read(empty): Found(body),
        pod_events_read(empty): Found({"items": [row] if reason else []}),
    }
    for (resource, name), answer in objects.items():
        answers[get("v1", resource, "shop", name)] = answer
    findings = engine.diagnose(Snapshot(empty.target, answers, CLOCK)).findings
    found = [(one.cause.id, one.standing) for one in findings]
    assert len(found) == len(expected), found
    for (cause, standing), (wanted, stands) in zip(found, expected, strict=True):
        assert (cause.startswith(wanted), standing) == (True, stands), found
