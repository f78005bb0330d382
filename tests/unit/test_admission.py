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
KINDS = {
    "statefulset": "StatefulSet",
    "daemonset": "DaemonSet",
    "cronjob": "CronJob",
    "replicationcontroller": "ReplicationController",
}
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
        ('pods "web-1" is forbidden: status unknown for quota: team, resources: pods,requests.cpu', "quota-not-counted"),
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
        (('pods "web-1" is forbidden: unable to validate against any security context constraint: [provider "anyuid": '
         'Forbidden: not usable by user or serviceaccount, provider restricted-v2: .containers[0].runAsUser: '
         'Invalid value: 0: must be in the ranges: [1000680000, 1000689999]]'), "security-context-constraint"),
        (('admission webhook "validate.kyverno.svc-fail" denied the request: \n\nresource Pod/shop/web-1 was blocked due '
         "to the following policies \n\nrequire-labels:\n  check: 'validation error: no team'"), "webhook-denied"),
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


@pytest.mark.parametrize(
    ("reason", "count", "started", "told"),
    [
        ("MissSchedule", 5, "2026-05-04T03:00:00Z", True),
        ("MissSchedule", 1, "2026-05-04T03:00:00Z", False),
        ("JobAlreadyActive", 9, "2026-05-04T03:00:00Z", True),
        ("JobAlreadyActive", 9, "2026-05-04T11:30:00Z", False),
        ("TooManyMissedTimes", 20, "2026-05-04T09:30:00Z", True),
        # The controller was away: it says so, and starts the newest one that is due.
        ("TooManyMissedTimes", 1, "2026-05-04T11:55:00Z", False),
        ("TooManyMissedTimes", 4, "2026-05-04T11:55:00Z", False),
        ("SawCompletedJob", 9, "2026-05-04T03:00:00Z", False),
    ],
)
def test_starts_that_are_left_out(reason: str, count: int, started: str, told: bool) -> None:
    said = {**event("it was left out", reason=reason), "count": count}
    body = {"spec": {"jobTemplate": {}}, "status": {"lastScheduleTime": started}}
    found = findings("cronjob", body, {("CronJob", "web"): [said]})
    assert first(found) == ("admission/cronjob-not-starting" if told else "")


@pytest.mark.parametrize(
    ("schedule", "told"),
    [("* * * * *", True), ("*/3 * * * *", False), ("0 * * * *", False), ("*/2 * * * *", True)],
)
def test_of_frequent_starts_ten_are_many(schedule: str, told: bool) -> None:
    said = {
        **event("Not starting job because prior execution is running", reason="JobAlreadyActive"),
        "count": 9,
    }
    body = {
        "spec": {"jobTemplate": {}, "schedule": schedule},
        "status": {"lastScheduleTime": "2026-05-04T11:35:00Z"},
    }
    assert bool(findings("cronjob", body, {("CronJob", "web"): [said]})) is told


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
    events = {("ReplicaSet", "web-5d9c"): [event("Error creating: " + text, uid="r1")]}
    accounts.append({"metadata": {"name": "apl"}})
    found = findings("deployment", {"spec": {}}, events, replicasets=[replicaset()], serviceaccounts=accounts)
    assert "did you mean" not in found[0].title  # it was made since


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
    text = 'failed calling webhook "a.example.com": Post "https://guard.ops.svc:443/x": service "guard" not found'
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


@pytest.mark.parametrize(
    ("text", "title"),
    [
        (('admission webhook "validate.kyverno.svc-fail" denied the request: \n\nresource Pod/shop/web-1 was blocked due '
         "to the following policies \n\nrequire-labels:\n  check: 'validation error: no team'"),
         "Policy require-labels (rule check) denied the pod: no team"),
        (('admission webhook "validation.gatekeeper.sh" denied the request: [must-have-owner] you must provide labels: '
         '{"owner"}'), 'Policy must-have-owner denied the pod: you must provide labels: {"owner"}'),
        ('admission webhook "a.example.com" denied the request without explanation',
         "Admission webhook a.example.com denied the pod, and says no reason"),
        (('failed calling webhook "a.example.com": failed to call webhook: Post "https://a.ops.svc:443/x?timeout=10s": '
         "tls: failed to verify certificate: x509: certificate has expired or is not yet valid"),
         ("Admission webhook a.example.com cannot be asked: tls: failed to verify certificate: x509: certificate has "
         "expired or is not yet valid")),
        (('pods "web-1" is forbidden: unable to validate against any security context constraint: [provider "anyuid": '
         'Forbidden: not usable by user or serviceaccount, provider restricted-v2: .containers[0].runAsUser: '
         'Invalid value: 0: must be in the ranges: [1000680000, 1000689999]]'),
         ("No security context constraint of service account default allows the pod: runAsUser 0: must be in the "
         "ranges: [1000680000, 1000689999]")),
        (
            ('pods "web-1" is forbidden: [minimum cpu usage per Container is 100m, but request is 50m, maximum cpu usage '
            "per Pod is 2, but limit is 3]"),
            ("A LimitRange refuses the pod: minimum cpu usage per Container is 100m, but request is 50m, maximum cpu usage "
            "per Pod is 2, but limit is 3"),
        ),
        (
            ('admission webhook "warden.gke.io" denied the request: GKE Warden rejected the request because it violates one '
            'or more constraints.\nViolations details: {"[denied by autogke-disallow-hostnamespaces]":["enabling '
            'hostNetwork is not allowed in Autopilot."]}'),
            "Policy autogke-disallow-hostnamespaces denied the pod: enabling hostNetwork is not allowed in Autopilot.",
        ),
        (
            'pods "web-0" is forbidden: unable to create new content in namespace shop because it is being terminated',
            "Namespace shop is being deleted: nothing new is made in it",
        ),
    ],
)  # fmt: skip
def test_policies_are_quoted_in_their_own_words(text: str, title: str) -> None:
    events = {("StatefulSet", "web"): [event(text)]}
    body = {"spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": "app"}]}}}}
    assert findings("statefulset", body, events)[0].title == title


@pytest.mark.parametrize("kind", ["job", "cronjob", "daemonset", "replicationcontroller"])
def test_the_patch_fits_the_kind(kind: str) -> None:
    """A CronJob has its template one level deeper; a Job is made anew."""
    template = {"spec": {"containers": [{"name": "app"}]}}
    body: dict[str, Any] = {"spec": {"replicas": 1, "template": template}}
    events = {(KINDS.get(kind, kind.capitalize()), "web"): [event("Error creating: " + STANDARD)]}
    jobs: list[Any] = []
    if kind == "cronjob":
        body = {"spec": {"jobTemplate": {"spec": {"template": template}}}}
        owners = [{"uid": "u1", "controller": True, "kind": "CronJob"}]
        jobs = [
            {
                "metadata": {"name": "web-1", "uid": "u1", "ownerReferences": owners},
                "spec": {"backoffLimit": 6},
            }
        ]
        events = {("Job", "web-1"): [event("Error creating: " + STANDARD)]}
    found = findings(kind, body, events, jobs=jobs)
    fix = next(step.run for step in found[0].steps if step.fixes)
    wrapped = (
        '{"spec":{"jobTemplate":{"spec":{"template":{"spec":'
        if kind == "cronjob"
        else '{"spec":{"template":{"spec":'
    )
    assert wrapped in fix
    assert ("kubectl replace --force" in fix) == (kind == "job")


@pytest.mark.parametrize(
    ("slices", "endpoints", "state"),
    [
        ([{"endpoints": [{"conditions": {"ready": False}}]}], None, "has no ready endpoints"),
        ([], {"subsets": []}, "has no ready endpoints"),
        ([], {"subsets": [{"addresses": [{"ip": "10.0.0.1"}]}]}, ""),
        ([{"endpoints": [{"conditions": {}}]}], None, ""),
        (None, None, ""),
    ],
)
def test_endpoints_of_a_webhook(slices: Any, endpoints: Any, state: str) -> None:
    """EndpointSlices first; the older Endpoints where a cluster answers none."""
    webhooks = import_module("poddoctor.diagnostics._webhooks")
    awaits = import_module("poddoctor.diagnostics._awaits")
    text = 'failed calling webhook "a.example.com": failed to call webhook: Post "https://guard.ops.svc:443/": refused'
    answers: dict[Read, Answer] = {get("v1", "services", "ops", "guard"): Found({"spec": {}})}
    if slices is not None:
        answers[awaits.slices_read("ops", "guard")] = Found({"items": slices})
    if endpoints is not None:
        answers[get("v1", "endpoints", "ops", "guard")] = Found(endpoints)
    snapshot = Snapshot(Target("deployment", "shop", "web"), answers, NOW)
    assert webhooks.facts(snapshot, text).get("service_state", "") == state


@pytest.mark.parametrize(
    ("amounts", "smaller"),
    [
        ("requested: pods=1, used: pods=3, limited: pods=3", False),
        (
            "requested: requests.storage=10Gi, used: requests.storage=95Gi, limited: requests.storage=100Gi",
            False,
        ),
        ("requested: limits.memory=2Gi, used: limits.memory=7Gi, limited: limits.memory=8Gi", True),
    ],
)
def test_only_what_can_be_smaller_is_to_be_made_smaller(amounts: str, smaller: bool) -> None:
    events = {("StatefulSet", "web"): [event(f"pods is forbidden: exceeded quota: team, {amounts}")]}
    finding = findings("statefulset", {"spec": {"replicas": 1}}, events)[0]
    assert any("set resources" in step.run for step in finding.steps) == smaller


YOUNG = {"name": "web", "namespace": "shop", "uid": "u1", "creationTimestamp": "2026-05-04T11:59:05Z"}


def unexplained(kind: str, body: dict[str, Any], lease: str = "") -> list[tuple[str, str]]:
    """Causes and confidences of a workload without pods, events and conditions."""
    made = {"name": "web", "namespace": "shop", "uid": "u1", "creationTimestamp": "2026-05-04T11:50:00Z"}
    answers: dict[Read, Answer] = {
        get(*WORKLOAD_READS[kind], "shop", "web"): Found({"metadata": made, **body}),
        events_read("shop", KINDS.get(kind, kind.capitalize()), "web"): Found({"items": []}),
        list_of("apps/v1", "replicasets", "shop"): Found({"items": []}),
    }
    if lease:
        read = get("coordination.k8s.io/v1", "leases", "kube-system", "kube-controller-manager")
        answers[read] = Found({"spec": {"renewTime": lease, "leaseDurationSeconds": 15}})
    found = engine.diagnose(Snapshot(Target(kind, "shop", "web"), answers, NOW)).findings
    return [(one.cause.id.partition("/")[2], one.confidence) for one in found]


@pytest.mark.parametrize(
    ("kind", "body", "lease", "wanted"),
    [
        ("deployment", {"spec": {"replicas": 1, "strategy": {}}}, "2026-05-04T11:40:00Z", "controller-not-running certain"),
        ("deployment", {"spec": {"replicas": 1, "strategy": {}}}, "", "controller-not-running likely"),
        ("deployment", {"spec": {"replicas": 1, "strategy": {}}}, "2026-05-04T11:59:58Z", ""),
        ("deployment", {"spec": {"replicas": 1, "strategy": {}}}, "2026-05-04T11:59:15Z", ""),
        ("deployment", {"metadata": YOUNG, "spec": {"replicas": 1, "strategy": {}}}, "2026-05-04T11:59:15Z",
         "controller-not-running likely"),
        ("job", {"spec": {"backoffLimit": 6, "parallelism": 1}}, "2026-05-04T11:40:00Z", "controller-not-running certain"),
        ("job", {"spec": {"backoffLimit": 6, "managedBy": "kueue.x-k8s.io/multikueue"}}, "", "pods-unexplained possible"),
        ("job", {"spec": {"backoffLimit": 6, "suspend": True}}, "", "suspended certain"),
        ("job", {"spec": {"backoffLimit": 6}, "status": {"startTime": "2026-05-04T11:50:00Z"}}, "",
         "pods-unexplained possible"),
        ("statefulset", {"spec": {"replicas": 2}, "status": {"observedGeneration": 1, "replicas": 0}}, "",
         "pods-unexplained possible"),
        ("statefulset", {"spec": {"replicas": 2}, "status": {"observedGeneration": 1, "replicas": 1}}, "", ""),
        ("statefulset", {"spec": {"replicas": 0}, "status": {"observedGeneration": 1}}, "", "replicas-zero certain"),
        ("daemonset", {"spec": {}, "status": {"desiredNumberScheduled": 0, "observedGeneration": 1}}, "", ""),
    ],
)  # fmt: skip
def test_a_workload_about_which_nobody_says_a_word(
    kind: str, body: dict[str, Any], lease: str, wanted: str
) -> None:
    assert [" ".join(one) for one in unexplained(kind, body, lease)] == ([wanted] if wanted else [])


@pytest.mark.parametrize(
    ("have", "updated", "said"), [(3, 0, True), (3, 1, True), (0, 0, False), (1, 1, False)]
)
def test_the_earlier_version_that_goes_on_running_is_told(have: int, updated: int, said: bool) -> None:
    body = {
        "spec": {"replicas": 3, "strategy": {"type": "RollingUpdate"}},
        "status": {"replicas": have, "readyReplicas": have, "updatedReplicas": updated},
    }
    refusal = event(
        'pods "web-5d9c-" is forbidden: exceeded quota: q, requested: pods=1, used: pods=3, limited: pods=3',
        "r1",
    )
    found = findings("deployment", body, {("ReplicaSet", "web-5d9c"): [refusal]}, replicasets=[replicaset()])
    assert first(found) == "admission/quota-exceeded"
    assert any("of the earlier version" in text for text, _ in found[0].symptoms[0].notes) == said


@pytest.mark.parametrize(
    ("scopes", "cause"),
    [
        ("[{PriorityClass In [system-node-critical system-cluster-critical]}]", "priority-class-restricted"),
        ("[{NotBestEffort  []}]", "create-refused"),
    ],
)
def test_a_priority_class_for_which_a_quota_is_lacking(scopes: str, cause: str) -> None:
    text = f'pods "web-1" is forbidden: insufficient quota to match these scopes: {scopes}'
    body = {"spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": "app"}]}}}}
    assert (
        first(findings("statefulset", body, {("StatefulSet", "web"): [event(text)]})) == f"admission/{cause}"
    )


def test_what_old_clusters_object_to_is_taken_apart() -> None:
    text = (
        'pods "web-0" is forbidden: unable to validate against any security context constraint: [provider restricted: '
        ".spec.securityContext.fsGroup: Invalid value: []int64{70}: 70 is not an allowed group "
        "spec.containers[0].securityContext.runAsUser: Invalid value: 70: must be in the ranges: [1000, 1999]]"
    )
    body = {"spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": "app"}]}}}}
    title = findings("statefulset", body, {("StatefulSet", "web"): [event(text)]})[0].title
    assert title.endswith(
        "fsGroup: 70 is not an allowed group; runAsUser 70: must be in the ranges: [1000, 1999]"
    )


SYSTEM = [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}]


def machine(name: str, labels: dict[str, str], taints: list[Any] | None = None) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": labels}, "spec": {"taints": taints or []}}


@pytest.mark.parametrize(
    ("spec", "nodes", "title"),
    [
        ({"nodeSelector": {"disk": "sdd"}}, [machine("a", {"disk": "ssd"})], "no node has the label disk=sdd; did you mean disk=ssd?"),
        ({"nodeSelector": {"disks": "ssd"}}, [machine("a", {"disk": "ssd"})], "no node has the label disks=ssd; did you mean disk=ssd?"),
        ({"nodeSelector": {"disk": "nvme"}}, [machine("a", {"disk": "ssd"})], "no node has the label disk=nvme; there are disk=ssd"),
        ({"nodeSelector": {"gpu": "yes"}}, [machine("a", {})], "no node has the label gpu=yes"),
        ({"nodeSelector": {"gpu": "yes"}}, None, "no node is one that it wants (gpu=yes)"),
        ({}, [machine("a", {}, SYSTEM)], "taint node-role.kubernetes.io/control-plane:NoSchedule of a is not tolerated"),
        ({}, [machine("a", {}, SYSTEM), machine("b", {}, SYSTEM)], "the 2 nodes that it wants have taints that it does not tolerate, such as node-role"),
        # a node that would do is only being looked at; a cordon and the node's troubles are always tolerated
        ({"nodeSelector": {"disk": "ssd"}}, [machine("a", {"disk": "ssd"})], ""),
        ({}, [machine("a", {}, [{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}])], ""),
        ({"nodeSelector": {"gpu": "yes"}}, [], ""),
        ({}, None, ""),
    ],
)  # fmt: skip
def test_a_daemonset_for_which_there_is_no_node(
    spec: dict[str, Any], nodes: list[Any] | None, title: str
) -> None:
    body = {
        "metadata": {"name": "web", "namespace": "shop", "uid": "u1", "generation": 1},
        "spec": {"template": {"spec": spec}},
        "status": {"desiredNumberScheduled": 0, "currentNumberScheduled": 0, "observedGeneration": 1},
    }
    target = Target("daemonset", "shop", "web")
    answers: dict[Read, Answer] = {get(*WORKLOAD_READS["daemonset"], "shop", "web"): Found(body)}
    if nodes is not None:
        answers[list_of("v1", "nodes", "", limit="500")] = Found({"items": nodes})
    found = engine.diagnose(Snapshot(target, answers, NOW)).findings
    assert [one.cause.id for one in found] == (["admission/no-node-for-daemonset"] if title else [])
    assert all(title in one.title and one.confidence == "likely" for one in found)
    if "did you mean" in title:
        assert found[0].steps[0].run.endswith('"disk":"ssd"}}}}}\'')
    not_observed = {**body, "status": {"desiredNumberScheduled": 0}}
    answers[get(*WORKLOAD_READS["daemonset"], "shop", "web")] = Found(not_observed)
    ids = {one.cause.id for one in engine.diagnose(Snapshot(target, answers, NOW)).findings}
    assert "admission/no-node-for-daemonset" not in ids


@pytest.mark.parametrize(
    ("schedule", "day"),
    [
        ("0 0 31 2 *", "31 February"),
        ("TZ=Europe/Rome 0 0 30,31 feb ?", "30 February"),
        ("0 3 31 4,6 *", "31 April or June"),
        ("0 0 29 2 *", ""),
        ("0 0 31 */2 *", ""),
        ("0 0 31 2 MON", ""),  # either of the two days counts
        ("0 0 28-31 2 *", ""),
        ("0 0 L 2 *", ""),
        ("@monthly", ""),
    ],
)
def test_a_day_that_never_comes(schedule: str, day: str) -> None:
    found = findings("cronjob", {"spec": {"jobTemplate": {}, "schedule": schedule}}, {})
    assert first(found) == ("admission/cronjob-not-starting" if day else "")
    assert all(f"({day})" in one.title for one in found)


def test_the_controllers_words_do_not_hide_that_the_day_never_comes() -> None:
    text = "invalid schedule: 0 0 31 2 * : time difference between two schedules is less than 1 second"
    events = {("CronJob", "web"): [event(text, reason="InvalidSchedule")]}
    found = findings("cronjob", {"spec": {"jobTemplate": {}, "schedule": "0 0 31 2 *"}}, events)
    assert "31 February" in found[0].title
    assert (text, found[0].symptoms[0].notes[0][1]) == found[0].symptoms[0].notes[0]


@pytest.mark.parametrize(
    ("said", "cause", "words"),
    [
        ('pods "web-1" is forbidden: Post "https://bouncer:1323/policy?timeout=30s": dial tcp: lookup bouncer: no such host',
         "webhook-unreachable", "The backend of the image policy, https://bouncer:1323/policy"),
        ('pods "web-1" is forbidden: image policy webhook backend denied one or more images: no latest',
         "create-refused", "statefulset/web: image policy webhook backend denied"),
    ],
)  # fmt: skip
def test_the_image_policy_of_the_api_server(said: str, cause: str, words: str) -> None:
    events = {("StatefulSet", "web"): [event(f"create Pod web-0 in StatefulSet web failed error: {said}")]}
    found = findings("statefulset", {"spec": {"replicas": 1}, "status": {"replicas": 0}}, events)
    assert first(found) == f"admission/{cause}"
    assert words in found[0].title


@pytest.mark.parametrize(("owned", "cause"), [(True, ""), (False, "admission/replicas-zero")])
def test_an_old_revision_has_no_pods_on_purpose(owned: bool, cause: str) -> None:
    owner = [{"kind": "Deployment", "name": "web", "controller": True}] if owned else []
    meta = {"name": "web", "namespace": "shop", "uid": "u1", "ownerReferences": owner}
    body = {"metadata": meta, "spec": {"replicas": 0}, "status": {"replicas": 0}}
    assert first(findings("replicaset", body, {})) == cause


@pytest.mark.parametrize(
    ("said", "names", "fix"),
    [
        ("failed quota: team: must specify limits.cpu for: app; limits.memory for: app", ["app", "side"], "-c app "),
        ("failed quota: team: must specify limits.cpu for: app,side", ["app", "side"], "set resources statefulset/web --requests"),
        ("failed quota: team: must specify limits.cpu for: app", ["app"], "set resources statefulset/web --requests"),
        ("maximum cpu usage per Container is 1, but limit is 2", ["app", "side"], "-c ${CONTAINER:?"),
        ("maximum cpu usage per Container is 1, but limit is 2", ["app"], "set resources statefulset/web --requests"),
        ("exceeded quota: team, requested: limits.cpu=2, used: limits.cpu=3, limited: limits.cpu=4", ["app", "side"], "-c ${CONTAINER:?"),
    ],
)  # fmt: skip
def test_what_one_container_asks_for_is_not_set_on_all(said: str, names: list[str], fix: str) -> None:
    words = f'create Pod web-0 in StatefulSet web failed error: pods "web-0" is forbidden: {said}'
    template = {"spec": {"containers": [{"name": name} for name in names]}}
    body = {"spec": {"replicas": 1, "template": template}, "status": {"replicas": 0}}
    found = findings("statefulset", body, {("StatefulSet", "web"): [event(words)]})
    assert found
    assert [fix in step.run for step in found[0].steps if step.fixes] == [True]
