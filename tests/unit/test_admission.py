from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from importlib import import_module
from typing import Any

import pytest

from poddoctor import engine
from poddoctor.model import Absent, Answer, Finding, Found, Read, Snapshot, Target
from poddoctor.pod.owner import WORKLOAD_READS
from poddoctor.pod.reads import events_read, get, list_of

admission = import_module("poddoctor.diagnostics.admission")
_violations = import_module("poddoctor.diagnostics._violations")
patch, violations = _violations.patch, _violations.violations
NOW = datetime(2026, 5, 4, 12, 0, tzinfo=timezone.utc)
KINDS = {"statefulset": "StatefulSet", "daemonset": "DaemonSet", "cronjob": "CronJob"}
STANDARD = (
    'pods "web-1" is forbidden: violates PodSecurity "restricted:v1.29": '
    'allowPrivilegeEscalation != false (container "app" must set securityContext.allowPrivilegeEscalation=false), '
    'unrestricted capabilities (container "app" must set securityContext.capabilities.drop=["ALL"]), '
    'runAsNonRoot != true (pod or container "app" must set securityContext.runAsNonRoot=true), '
    'seccompProfile (pod or container "app" must set securityContext.seccompProfile.type to '
    '"RuntimeDefault" or "Localhost")'
)


def event(message: str, uid: str = "u1", reason: str = "FailedCreate", ago: int = 30) -> dict[str, Any]:
    return {
        "metadata": {"name": "web.1"},
        "reason": reason,
        "message": message,
        "type": "Warning",
        "lastTimestamp": (NOW - timedelta(seconds=ago)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "involvedObject": {"uid": uid},
    }


def findings(
    kind: str, body: dict[str, Any], events: dict[tuple[str, str], list[Any]], **lists: list[Any]
) -> tuple[Finding, ...]:
    """The findings on a workload `web`; `events` by kind and name of the object that they are about."""
    target = Target(kind, "shop", "web")
    body = {"metadata": {"name": "web", "namespace": "shop", "uid": "u1"}, **body}
    answers: dict[Read, Answer] = {get(*WORKLOAD_READS[kind], "shop", "web"): Found(body)}
    for (about, name), items in events.items():
        for one in items:
            one["involvedObject"].update(kind=about, name=name)
        answers[events_read("shop", about, name)] = Found({"items": items})
    for resource, items in lists.items():
        api = "batch/v1" if resource == "jobs" else "v1" if resource == "serviceaccounts" else "apps/v1"
        for metadata in (True, False):
            answers[list_of(api, resource, "shop", metadata=metadata)] = Found({"items": items})
    return engine.diagnose(Snapshot(target, answers, NOW)).findings


def first(found: tuple[Finding, ...]) -> str:
    return found[0].cause.id if found else ""


def replicaset(status: dict[str, Any] | None = None) -> dict[str, Any]:
    owner = {"kind": "ReplicaSet", "uid": "u1"}
    meta = {"name": "web-5d9c", "uid": "r1", "ownerReferences": [owner]}
    return {"metadata": meta, "spec": {"replicas": 1}, "status": status or {"replicas": 0}}


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ('pods "web-1" is forbidden: exceeded quota: team, requested: cpu=2, used: cpu=3, limited: cpu=4',
         "quota-exceeded"),
        ('pods "web-1" is forbidden: failed quota: team: must specify limits.cpu for: app; limits.memory for: app',
         "quota-requires-resources"),
        ('pods "web-1" is forbidden: failed quota: team: must specify limits.cpu', "quota-requires-resources"),
        ('pods "web-1" is forbidden: maximum memory usage per Container is 1Gi, but limit is 2Gi',
         "limit-range-violated"),
        ('pods "web-1" is forbidden: minimum cpu usage per Pod is 1.  No request is specified',
         "limit-range-violated"),
        (STANDARD, "pod-security-violated"),
        ('admission webhook "validate.kyverno.svc-fail" denied the request: policy Deployment/x', "webhook-denied"),
        ('admission webhook "a.example.com" denied the request without explanation', "webhook-denied"),
        (('Internal error occurred: failed calling webhook "a.example.com": failed to call webhook: '
         'Post "https://a.ops.svc:443/x?timeout=10s": no endpoints available for service "a"'),
         "webhook-unreachable"),
        ("pods \"web-1\" is forbidden: ValidatingAdmissionPolicy 'team' with binding 'team' denied request: no label",
         "policy-denied"),
        ('pods "web-" is forbidden: error looking up service account shop/api: serviceaccount "api" not found',
         "service-account-not-found"),
        ('pods "web-" is forbidden: no PriorityClass with name urgent was found', "priority-class-not-found"),
        ('pods "web-" is forbidden: pod rejected: RuntimeClass "gvisor" not found', "runtime-class-not-found"),
        ('Pod "web-1" is invalid: spec.containers[0].name: Required value', "invalid-pod-template"),
        ("etcdserver: request timed out", "create-refused"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("prefix", ["Error creating: ", "(combined from similar events): Error creating: "])
def test_every_refusal_has_its_cause(message: str, cause: str, prefix: str) -> None:
    events = {("ReplicaSet", "web-5d9c"): [event(prefix + message, uid="r1")]}
    found = findings("deployment", {"spec": {"replicas": 1}}, events, replicasets=[replicaset()])
    assert first(found) == f"admission/{cause}"


@pytest.mark.parametrize(
    ("kind", "prefix", "body"),
    [
        ("statefulset", "create Pod web-0 in StatefulSet web failed error: ", {"spec": {"replicas": 1}}),
        ("statefulset", "create Claim data-web-0 for Pod web-0 in StatefulSet web failed error: ",
         {"spec": {"replicas": 1}, "status": {"replicas": 0}}),
        ("daemonset", "Error creating: ", {"spec": {}, "status": {"desiredNumberScheduled": 2, "observedGeneration": 1}}),
        ("daemonset", "Error creating: ", {"spec": {}, "status": {"desiredNumberScheduled": 0}}),
        ("job", "Error creating: ", {"spec": {"backoffLimit": 6, "completions": 1, "parallelism": 1}}),
        ("cronjob", "Error creating job: ", {"spec": {"jobTemplate": {}}}),
    ],
)  # fmt: skip
def test_each_kind_of_creator(kind: str, prefix: str, body: dict[str, Any]) -> None:
    events = {(KINDS.get(kind, "Job"), "web"): [event(prefix + STANDARD)]}
    found = findings(kind, body, events)
    assert first(found) == "admission/pod-security-violated"
    assert found[0].symptoms[0].text == STANDARD


def test_a_cronjob_leads_to_its_newest_job() -> None:
    job = {
        "metadata": {"name": "web-291", "uid": "j1", "ownerReferences": [{"uid": "u1"}]},
        "spec": {"backoffLimit": 6, "completions": 1},
        "status": {},
    }
    events = {("Job", "web-291"): [event("Error creating: " + STANDARD, uid="j1")]}
    assert first(findings("cronjob", {"spec": {"jobTemplate": {}}}, events, jobs=[job])) == (
        "admission/pod-security-violated"
    )


@pytest.mark.parametrize(
    "status", [{"replicas": 1}, {"replicas": 1, "readyReplicas": 0}], ids=["ready", "not-ready"]
)
def test_a_refusal_that_was_got_over_counts_no_more(status: dict[str, Any]) -> None:
    events = {("ReplicaSet", "web-5d9c"): [event("Error creating: " + STANDARD, uid="r1")]}
    body = {"spec": {"replicas": 1, "strategy": {}}, "status": {"updatedReplicas": 1}}
    assert not findings("deployment", body, events, replicasets=[replicaset(status)])


def test_events_of_an_earlier_object_of_the_same_name_are_not_its_own() -> None:
    events = {("StatefulSet", "web"): [event("create Pod web-0 failed error: " + STANDARD, uid="earlier")]}
    assert not findings("statefulset", {"spec": {"replicas": 1}}, events)


def test_a_cronjob_that_created_a_job_since_is_well() -> None:
    events = {("CronJob", "web"): [event("Error creating job: " + STANDARD, ago=600)]}
    body = {"spec": {"jobTemplate": {}}, "status": {"lastScheduleTime": "2026-05-04T11:59:00Z"}}
    assert not findings("cronjob", body, events)


def test_the_condition_speaks_when_the_events_are_gone() -> None:
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": STANDARD}
    body = {"spec": {"replicas": 1, "strategy": {}}, "status": {"conditions": [failure]}}
    assert first(findings("deployment", body, {})) == "admission/pod-security-violated"


def test_a_quota_is_told_in_numbers() -> None:
    text = "exceeded quota: team, requested: memory=1Gi,pods=1, used: memory=3584Mi,pods=2, limited: memory=4Gi,pods=9"
    events = {("ReplicaSet", "web-5d9c"): [event("Error creating: " + text, uid="r1")]}
    found = findings("deployment", {"spec": {"replicas": 1}}, events, replicasets=[replicaset()])
    assert "memory by 512Mi" in found[0].title


def test_the_nearest_service_account_is_named() -> None:
    text = (
        'pods "web-" is forbidden: error looking up service account shop/apl: serviceaccount "apl" not found'
    )
    events = {("ReplicaSet", "web-5d9c"): [event("Error creating: " + text, uid="r1")]}
    accounts = [{"metadata": {"name": "api"}}, {"metadata": {"name": "default"}}]
    found = findings("deployment", {"spec": {}}, events, replicasets=[replicaset()], serviceaccounts=accounts)
    assert "did you mean api?" in found[0].title


def test_a_pod_asks_for_nothing_here() -> None:
    assert not list(admission.reads(Snapshot(Target("pod", "shop", "web"), {}, NOW)))


def test_the_patch_sets_what_the_standard_asks_for() -> None:
    container = {"name": "app", "securityContext": {"runAsUser": 0, "seccompProfile": {"type": "Unconfined"}}}
    spec = json.loads(patch(STANDARD, {"spec": {"containers": [container]}}))["spec"]["template"]["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    own = spec["containers"][0]["securityContext"]
    assert own["allowPrivilegeEscalation"] is False
    assert own["capabilities"]["drop"] == ["ALL"]
    assert own["runAsUser"] > 0
    assert own["seccompProfile"] == {"type": "RuntimeDefault"}


def test_no_patch_for_what_only_a_human_can_do_without() -> None:
    text = 'violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true), hostPath volumes (volume "d")'
    assert violations(text) == ["host namespaces", "hostPath volumes"]
    assert patch(text, {"spec": {"containers": [{"name": "app"}]}}) == ""


def test_an_absent_webhook_service_is_said() -> None:
    text = 'failed calling webhook "a.example.com": Post "https://guard.ops.svc:443/x": dial tcp: refused'
    snapshot = Snapshot(
        Target("statefulset", "shop", "web"),
        {
            get("apps/v1", "statefulsets", "shop", "web"): Found(
                {"metadata": {"name": "web", "uid": "u1"}, "spec": {"replicas": 1}}
            ),
            events_read("shop", "StatefulSet", "web"): Found(
                {"items": [{**event(text), "involvedObject": {"kind": "StatefulSet", "name": "web"}}]}
            ),
            get("v1", "services", "ops", "guard"): Absent(),
        },
        NOW,
    )
    assert "ops/guard does not exist" in engine.diagnose(snapshot).findings[0].title
