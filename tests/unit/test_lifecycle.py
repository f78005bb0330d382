from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from poddoctor.diagnostics._world import nodes_read

from poddoctor import engine, session
from poddoctor.model import Absent, Answer, Finding, Found, Read, Snapshot, Target
from poddoctor.pod.reads import get, list_of, log_reads, node_read, pod_events_read, pod_read

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=timezone.utc)


def ago(seconds: float) -> str:
    return (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def pod(
    status: dict[str, Any] | None = None, meta: dict[str, Any] | None = None, **spec: Any
) -> dict[str, Any]:
    return {
        "metadata": {"name": "web", "namespace": "shop", "uid": "u1", "creationTimestamp": ago(600), **(meta or {})},
        "spec": {"nodeName": "worker-1", "containers": [{"name": "app", "image": "app:1"}], **spec},
        "status": {
            "phase": "Running",
            "startTime": ago(600),
            "containerStatuses": [
                {"name": "app", "ready": True, "started": True, "restartCount": 0,
                 "state": {"running": {"startedAt": ago(590)}}}
            ],
            **(status or {}),
        },
    }  # fmt: skip


def findings(
    body: dict[str, Any], more: dict[Read, Answer] | None = None, events: list[dict[str, Any]] | None = None
) -> tuple[Finding, ...]:
    target = Target("pod", "shop", "web")
    empty = Snapshot(target, {}, NOW)
    answers: dict[Read, Answer] = {
        pod_read(empty): Found(body),
        pod_events_read(empty): Found({"items": events or []}),
    }
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
    answers[node_read("worker-1")] = Found({"status": {"conditions": [ready]}})
    return engine.diagnose(Snapshot(target, {**answers, **(more or {})}, NOW)).findings


@pytest.mark.parametrize(
    ("reason", "message", "cause", "title"),
    [
        ("Evicted", 'Usage of EmptyDir volume "scratch" exceeds the limit "20Mi". ', "empty-dir-exceeded", "20Mi"),
        ("Evicted", 'Container app exceeded its local ephemeral storage limit "1Gi". ',
         "ephemeral-storage-exceeded", "container app"),
        ("Evicted", "Pod ephemeral local storage usage exceeds the total limit of containers 2Gi. ",
         "ephemeral-storage-exceeded", "limit of 2Gi"),
        ("DeadlineExceeded", "Pod was active on the node longer than the specified deadline",
         "pod-deadline-exceeded", "30s"),
    ],
)  # fmt: skip
def test_limits_of_the_pod(reason: str, message: str, cause: str, title: str) -> None:
    body = pod({"phase": "Failed", "reason": reason, "message": message}, activeDeadlineSeconds=30)
    found = findings(body)[0]
    assert found.cause.id == f"lifecycle/{cause}"
    assert title in found.title


def deleted(seconds: float, grace: int = 30, **more: Any) -> dict[str, Any]:
    return {"deletionTimestamp": ago(seconds - grace), "deletionGracePeriodSeconds": grace, **more}


def test_deletion_within_its_grace_period_is_waited_for() -> None:
    found = findings(pod(meta=deleted(10)))
    assert [(one.cause.id, one.standing) for one in found] == [("lifecycle/terminating-slowly", "waiting")]
    assert "20s of 30s left" in found[0].title


def test_finalizers_hold_an_ended_pod() -> None:
    end = {"terminated": {"exitCode": 0, "finishedAt": ago(100)}}
    statuses = [{"name": "app", "ready": False, "restartCount": 0, "state": end}]
    body = pod({"containerStatuses": statuses}, deleted(200, finalizers=["batch.kubernetes.io/job-tracking"]))
    found = findings(body)[0]
    assert found.cause.id == "lifecycle/finalizer-blocks-deletion"
    assert "the Job controller" in found.title


def test_finalizers_do_not_hold_a_pod_that_still_runs() -> None:
    found = findings(pod(meta=deleted(10, finalizers=["example.com/x"])))[0]
    assert found.cause.id == "lifecycle/terminating-slowly"


@pytest.mark.parametrize("gone", [True, False])
def test_a_node_that_is_away_holds_the_deletion(gone: bool) -> None:
    lost = {"type": "Ready", "status": "Unknown", "message": "Kubelet stopped posting node status."}
    answer: Answer = Absent() if gone else Found({"status": {"conditions": [lost]}})
    target = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "DeletionByTaintManager",
        "message": "Taint",
    }
    body = pod({"conditions": [target]}, deleted(400))
    others: Answer = Found({"items": [{"metadata": {"name": "worker-2"}}]})
    found = findings(body, {node_read("worker-1"): answer, nodes_read(): others})
    assert [one.cause.id for one in found] == ["lifecycle/unreachable-node-blocks-deletion"]
    assert ("no longer exists" in found[0].title) is gone
    assert "--force" not in found[0].steps[0].run


def test_a_node_that_was_not_recorded_holds_nothing() -> None:
    missing: dict[Read, Answer] = {node_read("worker-1"): Absent(), nodes_read(): Found({"items": []})}
    assert findings(pod(meta=deleted(10)), missing)[0].cause.id == "lifecycle/terminating-slowly"
    assert findings(pod(meta=deleted(400)), missing)[0].cause.id == "lifecycle/deletion-overdue"


def test_overdue_without_a_reason_in_the_api() -> None:
    assert findings(pod(meta=deleted(400)))[0].cause.id == "lifecycle/deletion-overdue"


def test_the_runtime_cannot_kill() -> None:
    kill = {
        "reason": "FailedKillPod", "message": 'error killing pod: failed to "KillPodSandbox" for "x"',
        "involvedObject": {"kind": "Pod", "name": "web", "uid": "u1"}, "lastTimestamp": ago(5),
        "metadata": {"name": "web.1"},
    }  # fmt: skip
    assert findings(pod(meta=deleted(400)), events=[kill])[0].cause.id == "lifecycle/runtime-cannot-kill"
    # Until the grace period is over it may still be tried again.
    assert findings(pod(meta=deleted(10)), events=[kill])[0].cause.id == "lifecycle/terminating-slowly"


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("EvictionByEvictionAPI", "evicted-by-api"),
        ("DeletionByTaintManager", "deleted-by-taint"),
        ("DeletionByDeviceTaintManager", "deleted-by-taint"),
    ],
)
def test_who_had_it_deleted(reason: str, cause: str) -> None:
    target = {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": "…"}
    found = findings(pod({"conditions": [target]}, deleted(5)))[0]
    assert found.cause.id == f"lifecycle/{cause}"
    assert "cordoned" not in found.title  # nobody has seen the node


@pytest.mark.parametrize(
    "status",
    [
        {
            "conditions": [
                {"type": "PodResizePending", "status": "True", "reason": "Infeasible", "message": "too big"}
            ]
        },
        {"resize": "Infeasible"},  # up to 1.32
    ],
)
def test_a_resize_that_cannot_be_done(status: dict[str, Any]) -> None:
    assert "Infeasible" in findings(pod(status))[0].title


def waiting(command: list[str], seconds: float = 300, **env: str) -> dict[str, Any]:
    init = {
        "name": "wait", "image": "busybox", "command": command,
        "env": [{"name": key, "value": value} for key, value in env.items()],
    }  # fmt: skip
    running = {"name": "wait", "ready": False, "state": {"running": {"startedAt": ago(seconds)}}}
    held = {
        "name": "app",
        "ready": False,
        "restartCount": 0,
        "state": {"waiting": {"reason": "PodInitializing"}},
    }
    status = {"phase": "Pending", "initContainerStatuses": [running], "containerStatuses": [held]}
    return pod(status, initContainers=[init])


@pytest.mark.parametrize(
    ("command", "what"),
    [
        (["sh", "-c", "until nslookup db; do sleep 2; done"], "db"),
        (["sh", "-c", "until nc -z -w 2 db 5432; do sleep 1; done"], "db:5432"),
        (["sh", "-c", "until nc -z $DB_HOST ${DB_PORT}; do sleep 1; done"], "db:5432"),
        (["bash", "-c", "while ! (echo > /dev/tcp/db/5432); do sleep 1; done"], "db:5432"),
        (["sh", "-c", "until pg_isready -h db -p 5432; do sleep 1; done"], "db:5432"),
        (["sh", "-c", "until wget -qO- http://db:8080/healthz; do sleep 1; done"], "db:8080"),
        (["/wait-for-it.sh", "db:5432", "--timeout=0"], "db:5432"),
        (["sh", "-c", "until nslookup db.other.svc.cluster.local; do sleep 2; done"], "db.other.svc"),
    ],
)
def test_what_an_init_container_waits_for(command: list[str], what: str) -> None:
    found = findings(waiting(command, DB_HOST="db", DB_PORT="5432"))[0]
    assert found.cause.id == "lifecycle/init-container-waiting"
    assert what in found.title


def test_a_word_of_a_log_is_no_service() -> None:
    empty = Snapshot(Target("pod", "shop", "web"), {}, NOW)
    body = waiting(["sh", "-c", "./entrypoint"])
    said: dict[Read, Answer] = {log_reads(empty, "wait")[1]: Found("waiting for migrations to finish")}
    assert findings(body, said)[0].cause.id == "lifecycle/init-container-running"


def test_a_domain_of_the_world_is_no_service() -> None:
    body = waiting(["sh", "-c", "until curl -sf https://example.com/ok; do sleep 1; done"])
    found = findings(body, {get("v1", "services", "com", "example"): Absent()})[0]
    assert found.confidence == "likely"
    assert "example.com" in found.title


def test_the_service_it_waits_for_does_not_exist() -> None:
    more: dict[Read, Answer] = {
        get("v1", "services", "shop", "databse"): Absent(),
        list_of("v1", "services", "shop"): Found({"items": [{"metadata": {"name": "database"}}]}),
    }
    found = findings(waiting(["sh", "-c", "until nc -z databse 5432; do sleep 1; done"]), more)[0]
    assert found.confidence == "certain"
    assert "did it mean database?" in found.title


def test_an_init_container_at_work_is_waited_for() -> None:
    body = waiting(["sh", "-c", "./migrate up"])
    empty = Snapshot(Target("pod", "shop", "web"), {}, NOW)
    found = findings(body, {log_reads(empty, "wait")[1]: Found("applying 0042")})
    assert [(one.cause.id, one.standing) for one in found] == [
        ("lifecycle/init-container-running", "waiting")
    ]


def test_a_sidecar_that_keeps_ending() -> None:
    end = {"terminated": {"exitCode": 2, "reason": "Error", "startedAt": ago(40), "finishedAt": ago(30)}}
    side = {"name": "proxy", "restartCount": 4, "ready": False, "lastState": end}
    side["state"] = {"waiting": {"reason": "CrashLoopBackOff"}}
    body = pod(
        {"initContainerStatuses": [side]},
        initContainers=[{"name": "proxy", "image": "proxy:1", "restartPolicy": "Always"}],
    )
    assert findings(body)[0].cause.id == "lifecycle/restart-loop-of-sidecar"


def test_a_debug_container_that_cannot_start_and_one_that_was_left() -> None:
    spec = {"ephemeralContainers": [{"name": "debugger", "image": "busybox"}]}
    start = {"exitCode": 128, "reason": "StartError", "message": "exec: not found"}
    one = {"name": "debugger", "state": {"terminated": start}}
    assert findings(pod({"ephemeralContainerStatuses": [one]}, **spec))[0].cause.id == (
        "lifecycle/debug-container-failing"
    )
    left = {"name": "debugger", "state": {"terminated": {"exitCode": 1, "reason": "Error"}}}
    assert not findings(pod({"ephemeralContainerStatuses": [left]}, **spec))


@pytest.mark.parametrize(
    ("reason", "message", "causes"),
    [
        ("Failed", 'Failed to pull image "busybox:no": not found', ["lifecycle/debug-container-failing"]),
        ("Pulling", 'Pulling image "busybox:no"', []),
    ],
)
def test_a_failed_pull_that_only_an_event_tells_of(reason: str, message: str, causes: list[str]) -> None:
    spec = {"ephemeralContainers": [{"name": "debugger", "image": "busybox:no"}]}
    one = {"name": "debugger", "state": {"waiting": {"reason": "ContainerCreating"}}}
    about = {"fieldPath": "spec.ephemeralContainers{debugger}", "kind": "Pod", "name": "web", "uid": "u1"}
    event = {"metadata": {"name": "e"}, "involvedObject": about, "reason": reason, "message": message}
    found = findings(pod({"ephemeralContainerStatuses": [one]}, **spec), events=[event])
    assert [one.cause.id for one in found] == causes


def test_a_pod_with_almost_no_status() -> None:
    bare = {"metadata": {"name": "web", "namespace": "shop"}, "spec": {"containers": [{"name": "app"}]}}
    assert not findings({**bare, "status": {"phase": "Pending"}})
    assert not findings({**bare, "status": {}})


@pytest.mark.parametrize(
    ("taint", "by_hand"), [("maintenance", True), ("node.kubernetes.io/out-of-service", False)]
)
def test_a_taint_that_kubernetes_sets_is_not_taken_away_by_hand(taint: str, by_hand: bool) -> None:
    target = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "DeletionByTaintManager",
        "message": "Taint manager: deleting due to NoExecute taint",
    }
    ready = {"type": "Ready", "status": "True"}
    tainted = {
        "spec": {"taints": [{"key": taint, "effect": "NoExecute"}]},
        "status": {"conditions": [ready]},
    }
    found = findings(pod({"conditions": [target]}, deleted(10)), {node_read("worker-1"): Found(tainted)})[0]
    assert found.cause.id == "lifecycle/deleted-by-taint"
    assert any("kubectl taint" in step.run for step in found.steps) is by_hand


def test_a_drained_pod_whose_record_is_left() -> None:
    target = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI",
              "message": "Eviction API: evicting", "lastTransitionTime": ago(60)}  # fmt: skip
    end = {"exitCode": 143, "reason": "Error", "startedAt": ago(500), "finishedAt": ago(40)}
    status = {"phase": "Failed", "conditions": [target],
              "containerStatuses": [{"name": "app", "state": {"terminated": end}}]}  # fmt: skip
    found = findings(pod(status, restartPolicy="Never"))
    assert [one.cause.id for one in found] == ["lifecycle/evicted-by-api"]
    assert "left until" not in found[0].title


def test_force_is_the_last_resort_and_names_its_danger() -> None:
    forcing = 0
    for cause in session.causes([]):
        for index, step in enumerate(cause.steps):
            if not re.search(r"delete pod\b[^\n]*--force", step.run):
                continue
            forcing += 1
            assert index == len(cause.steps) - 1 > 0, cause.id
            assert step.risk == "deletes-data", cause.id
            assert "last resort" in step.do, cause.id
            assert "second copy" in step.do, cause.id
            assert not step.fixes, cause.id
    assert forcing == 3


CORDONED = {"metadata": {"name": "worker-1"}, "spec": {"unschedulable": True},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]}}  # fmt: skip


def budget(name: str = "web", counts: tuple[int, int, int] = (1, 1, 1), **spec: Any) -> dict[str, Any]:
    healthy, desired, expected = counts
    selector = {"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "api"]}]}
    return {
        "metadata": {"name": name},
        "spec": {"selector": selector, **(spec or {"minAvailable": 1})},
        "status": {"disruptionsAllowed": max(healthy - desired, 0), "currentHealthy": healthy,
                   "desiredHealthy": desired, "expectedPods": expected},
    }  # fmt: skip


def drained(
    *budgets: dict[str, Any],
    node: dict[str, Any] | None = None,
    ready: str = "True",
    owner: str = "Deployment",
    phase: str = "Running",
) -> tuple[Finding, ...]:
    status = {"phase": phase, "conditions": [{"type": "Ready", "status": ready}]}
    reference = [{"kind": owner, "name": "web", "apiVersion": "apps/v1", "controller": True}]
    body = pod(status, {"labels": {"app": "web"}, "ownerReferences": reference})
    more: dict[Read, Answer] = {
        node_read("worker-1"): Found(node or CORDONED),
        list_of("policy/v1", "poddisruptionbudgets", "shop"): Found({"items": list(budgets)}),
        get("apps/v1", "deployments", "shop", "web"): Found({"spec": {"replicas": 1}}),
    }
    found = findings(body, more)
    return tuple(one for one in found if one.cause.id == "lifecycle/drain-blocked")


def other(**selector: Any) -> dict[str, Any]:
    one = budget("other")
    return {**one, "spec": {"selector": selector, "minAvailable": 1}}


@pytest.mark.parametrize(
    ("budgets", "ready", "title", "command"),
    [
        ([budget()], "True", "minAvailable 1 of 1 pods", "--replicas=2"),
        ([budget(minAvailable="100%")], "True", "minAvailable 100% of 1", "rollout restart"),
        ([budget(maxUnavailable=0)], "True", "maxUnavailable 0 of 1", "rollout restart"),
        ([budget(counts=(2, 2, 3))], "True", "2 of 3 pods healthy, 2 must stay", "get pods"),
        ([budget(counts=(1, 2, 3))], "False", "1 of 3 pods healthy, 2 must stay", "AlwaysAllow"),
        ([budget(), budget("web-too", (2, 1, 2))], "True", "web, web-too", "delete pdb"),
    ],
)
def test_a_drain_that_a_budget_holds_up(
    budgets: list[dict[str, Any]], ready: str, title: str, command: str
) -> None:
    found = drained(*budgets, ready=ready)[0]
    assert found.standing == "waiting"
    assert title in found.title
    assert any(command in step.run for step in found.steps)
    assert all("disable-eviction" not in step.run for step in found.steps)


def test_a_drain_by_taint_is_one() -> None:
    taint = {"key": "karpenter.sh/disrupted", "effect": "NoSchedule"}
    node = {**CORDONED, "spec": {"taints": [taint]}}
    assert not any("uncordon" in step.run for step in drained(budget(), node=node)[0].steps)


@pytest.mark.parametrize(
    ("budgets", "more"),
    [
        ([budget(counts=(2, 1, 2))], {}),  # it may go
        ([other(matchLabels={"app": "other"})], {}),
        ([{**other(), "spec": {"minAvailable": 1}}], {}),  # without a selector it selects nothing
        ([budget(counts=(1, 1, 2))], {"ready": "False"}),  # the others suffice without it
        ([budget(counts=(0, 1, 1), unhealthyPodEvictionPolicy="AlwaysAllow")], {"ready": "False"}),
        ([budget()], {"owner": "DaemonSet"}),
        ([budget()], {"phase": "Pending"}),
        ([budget()], {"node": {**CORDONED, "spec": {}}}),
        ([], {}),
    ],
)
def test_nothing_holds_up_this_drain(budgets: list[dict[str, Any]], more: dict[str, Any]) -> None:
    assert not drained(*budgets, **more)


@pytest.mark.parametrize(
    ("image", "command", "what"),
    [
        (
            "bitnami/kubectl:1.31",
            ["kubectl", "wait", "--for=condition=complete", "job/seed-7", "--timeout=-1s"],
            "job seed-7",
        ),
        ("acme/k8s-wait-for:v2", ["job", "seed-7"], "job seed-7"),
        (
            "acme/kubectl",
            ["sh", "-c", "kubectl rollout status deployment/ledger && echo ok"],
            "deployment ledger",
        ),
    ],
)
@pytest.mark.parametrize("gone", [True, False])
def test_an_init_container_that_waits_for_an_object(
    image: str, command: list[str], what: str, gone: bool
) -> None:
    body = waiting(command)
    body["spec"]["initContainers"][0]["image"] = image
    read = get("batch/v1", "jobs", "shop", "seed-7")
    found = findings(body, {read: Absent() if gone else Found({"status": {"active": 1}})})[0]
    assert found.cause.id == "lifecycle/init-container-waiting"
    dead = gone and what.startswith("job")
    assert ("Job seed-7, which does not exist" if dead else f"for {what}") in found.title
    assert (found.confidence == "certain") is (gone and what.startswith("job"))


@pytest.mark.parametrize("seconds", [8, 300])
def test_a_service_that_does_not_exist_is_told_at_once(seconds: float) -> None:
    body = waiting(["sh", "-c", "until nslookup ledger; do sleep 2; done"], seconds)
    found = findings(body, {get("v1", "services", "shop", "ledger"): Absent()})[0]
    assert (found.cause.id, found.standing) == ("lifecycle/init-container-waiting", "now")
    assert "Service ledger, which does not exist" in found.title
    unread = findings(body)[0]
    assert (unread.standing == "waiting") is (seconds < 30)


def test_a_budget_whose_pods_cannot_be_counted() -> None:
    said = {
        "type": "DisruptionAllowed",
        "status": "False",
        "reason": "SyncFailed",
        "message": "no controller",
    }
    one = budget(counts=(0, 0, 0), maxUnavailable=1)
    one["status"]["conditions"] = [said]
    assert "cannot be counted" in drained(one)[0].title
    del one["status"]
    assert not drained(one)


def test_a_service_of_another_namespace_is_told_with_it() -> None:
    body = waiting(["sh", "-c", "until nslookup ledger.books.svc; do sleep 2; done"], 300)
    found = findings(body, {get("v1", "services", "books", "ledger"): Absent()})[0]
    assert "Service ledger of namespace books, which does not exist" in found.title
