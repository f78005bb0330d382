"""Several reasons at once: what will stop the pod next is told with what stops it now."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest
from poddoctor.diagnostics import _claims, _template, _world

from poddoctor.engine import diagnose
from poddoctor.model import Absent, Answer, Found, Read, Snapshot, Target, Unknown
from poddoctor.pod.owner import WORKLOAD_READS
from poddoctor.pod.reads import get, list_of, pod_events_read, pod_read

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)
EMPTY = Snapshot(Target("pod", "shop", "web"), {}, NOW)
SETTINGS = get("v1", "configmaps", "shop", "settings")
TAINT = "node-role.kubernetes.io/control-plane"


def node(name: str, cpu: str = "4", labels: dict[str, str] | None = None, taint: str = "") -> dict[str, Any]:
    size = {"cpu": cpu, "memory": "8Gi", "pods": "110"}
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}},
        "spec": {"taints": [{"key": taint, "effect": "NoSchedule"}]} if taint else {},
        "status": {
            "allocatable": size,
            "capacity": size,
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def pending(
    said: str, nodes: list[dict[str, Any]] | None, spec: dict[str, Any], **answers: Answer
) -> Snapshot:
    """A pod without a node, with the scheduler's words; ``answers`` by ``settings`` or ``data``."""
    container = {"name": "app", "image": "nginx", **spec.pop("container", {})}
    body = {
        "metadata": {"name": "web", "namespace": "shop", "uid": "u1", "creationTimestamp": "2026-03-01T11:50:00Z"},
        "spec": {"containers": [container], **spec},
        "status": {
            "phase": "Pending",
            "conditions": [
                {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": said,
                 "lastTransitionTime": "2026-03-01T11:50:00Z"}
            ],
        },
    }  # fmt: skip
    known: dict[Read, Answer] = {
        pod_read(EMPTY): Found(body),
        pod_events_read(EMPTY): Found({"items": []}),
        _world.nodes_read(): Found({"items": nodes}) if nodes is not None else Unknown("forbidden"),
    }
    for one in nodes or []:
        known[_world.node_pods_read(one["metadata"]["name"])] = Found({"items": []})
    if "settings" in answers:
        known[SETTINGS] = answers["settings"]
    if "data" in answers:
        known[_claims.claim_read(EMPTY, "data")] = answers["data"]
    return Snapshot(EMPTY.target, known, NOW)


def told(of: Snapshot) -> list[tuple[str, str]]:
    return [(one.standing, one.cause.id) for one in diagnose(of).findings]


NODES = [node("cp", taint=TAINT), node("w1"), node("w2")]
SELECTED = "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 node(s) didn't match Pod's node affinity/selector."
ENV = {"container": {"envFrom": [{"configMapRef": {"name": "settings"}}]}}
VOLUME = {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]}
NO_CLAIM = '0/3 nodes are available: persistentvolumeclaim "data" not found.'


def test_three_reasons_in_their_order() -> None:
    container = {**ENV["container"], "resources": {"requests": {"cpu": "64"}}}
    of = pending(
        SELECTED, NODES, {"container": container, "nodeSelector": {"disk": "nvme"}}, settings=Absent()
    )
    assert told(of) == [
        ("now", "scheduling/node-selector-mismatch"),
        ("next", "scheduling/request-exceeds-every-node"),
        ("next", "config/configmap-not-found"),
    ]


def test_a_node_that_would_take_the_pod_then_ends_the_list() -> None:
    of = pending(SELECTED, NODES, {"nodeSelector": {"disk": "nvme"}})
    assert told(of) == [("now", "scheduling/node-selector-mismatch")]


@pytest.mark.parametrize(
    ("nodes", "ahead"),
    [
        (NODES, [("next", "scheduling/node-selector-mismatch")]),
        ([*NODES, node("w3", labels={"disk": "nvme"})], []),
        (None, []),
        ([], []),
    ],
)
def test_nodes_are_judged_behind_a_claim_that_is_missing(nodes: Any, ahead: list[tuple[str, str]]) -> None:
    """Only what the nodes themselves show: nodes that nobody could list say nothing."""
    of = pending(NO_CLAIM, nodes, {**VOLUME, "nodeSelector": {"disk": "nvme"}}, data=Absent())
    assert told(of) == [("now", "storage/pvc-not-found"), *ahead]


def test_what_lies_ahead_alone_is_what_is_wrong() -> None:
    """A pod of which nothing else is known: the missing settings are the finding, not a postscript."""
    of = pending("", None, dict(ENV), settings=Absent())
    found = [one for one in told(of) if one[1].startswith("config/")]
    assert found == [("now", "config/configmap-not-found")] or (
        "now",
        "scheduling/scheduler-not-running",
    ) in told(of)


def test_settings_that_exist_are_no_reason() -> None:
    of = pending(
        SELECTED, NODES, {**ENV, "nodeSelector": {"disk": "nvme"}}, settings=Found({"data": {"A": ""}})
    )
    assert told(of) == [("now", "scheduling/node-selector-mismatch")]


def workload(status: dict[str, Any], replicas: int = 1) -> Snapshot:
    template = {"spec": {"containers": [{"name": "app", "image": "nginx", **ENV["container"]}], **VOLUME}}
    body = {
        "metadata": {"name": "web", "namespace": "shop", "uid": "u1"},
        "spec": {"replicas": replicas, "template": template},
        "status": status,
    }
    target = Target("statefulset", "shop", "web")
    empty = Snapshot(target, {}, NOW)
    answers: dict[Read, Answer] = {
        get(*WORKLOAD_READS["statefulset"], "shop", "web"): Found(body),
        SETTINGS: Absent(),
        list_of("v1", "configmaps", "shop", metadata=True): Found({"items": []}),
        _claims.claim_read(empty, "data"): Absent(),
        _claims.claims_read(empty): Found({"items": []}),
    }
    event = {
        "metadata": {"name": "web.1"}, "reason": "FailedCreate", "type": "Warning",
        "message": "create Pod web-0 in StatefulSet web failed error: pods is forbidden: exceeded quota: team, "
        "requested: cpu=2, used: cpu=3, limited: cpu=4",
        "lastTimestamp": "2026-03-01T11:59:00Z",
        "involvedObject": {"kind": "StatefulSet", "name": "web", "uid": "u1"},
    }  # fmt: skip
    selector = "involvedObject.name=web,involvedObject.kind=StatefulSet"
    answers[list_of("v1", "events", "shop", fieldSelector=selector)] = Found({"items": [event]})
    return Snapshot(target, answers, NOW)


def test_the_template_of_pods_that_were_refused() -> None:
    assert told(workload({})) == [
        ("now", "admission/quota-exceeded"),
        ("next", "storage/pvc-not-found"),
        ("next", "config/configmap-not-found"),
    ]


@pytest.mark.parametrize(("status", "replicas"), [({"replicas": 1}, 1), ({}, 0)])
def test_a_template_whose_pods_exist_or_are_not_wanted_is_left_alone(
    status: dict[str, Any], replicas: int
) -> None:
    of = workload(status, replicas)
    assert _template.unborn(of) is None
    assert not [one for one in told(of) if one[0] == "next"]


def test_the_report_says_then_also() -> None:
    from poddoctor.render.json import document

    container = {**ENV["container"], "resources": {"requests": {"cpu": "64"}}}
    of = pending(
        SELECTED, NODES, {"container": container, "nodeSelector": {"disk": "nvme"}}, settings=Absent()
    )
    assert [one["standing"] for one in json.loads(json.dumps(document(diagnose(of))))["findings"]] == [
        "now",
        "next",
        "next",
    ]
