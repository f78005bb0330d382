from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

import pytest

from poddoctor.model import Absent, Answer, Found, Read, Target
from poddoctor.targets import BadTarget, TargetError, parse, resolve


class Objects:
    """A source that holds objects by resource."""

    clock = datetime(2026, 5, 4, 12, 0, tzinfo=timezone.utc)
    version = "v1.34.4"

    def __init__(self, **objects: list[dict[str, Any]]) -> None:
        self.objects = objects

    def ask(self, reads: Sequence[Read]) -> Mapping[Read, Answer]:
        return {read: self._answer(read) for read in reads}

    def _answer(self, read: Read) -> Answer:
        items = self.objects.get(read.resource, [])
        if read.verb == "list":
            return Found({"items": items})
        one = [item for item in items if item["metadata"]["name"] == read.name]
        return Found(one[0]) if one else Absent()


def thing(name: str, status: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    selector = {"matchLabels": {"app": "web"}}
    return {
        "metadata": {"name": name, "uid": name},
        "spec": {"selector": selector, **spec},
        "status": status or {},
    }


def pod(name: str, ready: bool, owner: str = "web") -> dict[str, Any]:
    state: dict[str, Any] = {"running": {}} if ready else {"waiting": {"reason": "CrashLoopBackOff"}}
    return {
        "metadata": {"name": name, "ownerReferences": [{"uid": owner}]},
        "spec": {"containers": [{"name": "app"}]},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [{"name": "app", "ready": ready, "state": state}],
        },
    }


@pytest.mark.parametrize(
    ("text", "kind"),
    [("web", "pod"), ("po/web", "pod"), ("deploy/web", "deployment"), ("deployment.apps/web", "deployment"),
     ("sts/web", "statefulset"), ("ds/web", "daemonset"), ("cj/web", "cronjob")],
)  # fmt: skip
def test_parse_knows_the_short_names_of_kubectl(text: str, kind: str) -> None:
    assert parse(text, "shop") == Target(kind, "shop", "web")


@pytest.mark.parametrize("text", ["configmap/web", "Web", "web/", "-web", "a b"])
def test_what_is_no_target_is_refused(text: str) -> None:
    with pytest.raises(BadTarget):
        parse(text, "shop")


FAILURE = [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate"}]


@pytest.mark.parametrize(
    ("kind", "resource", "workload", "pods", "targets"),
    [
        ("deployment", "deployments", thing("web", replicas=1), [], ["deployment/web"]),
        ("deployment", "deployments", thing("web", replicas=1), [pod("web-1", False)], ["pod/web-1"]),
        ("deployment", "deployments", thing("web", replicas=2), [pod("web-1", False)],
         ["deployment/web", "pod/web-1"]),
        # The old pod runs on while no new one can be created.
        ("deployment", "deployments", thing("web", {"conditions": FAILURE}, replicas=1), [pod("web-1", True)],
         ["deployment/web", "pod/web-1"]),
        ("deployment", "deployments", thing("web", {"updatedReplicas": 1}, replicas=1), [pod("web-1", True)],
         ["pod/web-1"]),
        # In order: web-1 is not created before web-0 is ready, and that is no refusal.
        ("statefulset", "statefulsets", thing("web", replicas=2), [pod("web-0", False)], ["pod/web-0"]),
        ("statefulset", "statefulsets", thing("web", replicas=2), [pod("web-0", True)],
         ["statefulset/web", "pod/web-0"]),
        ("job", "jobs", thing("web"), [], ["job/web"]),
        ("job", "jobs", thing("web"), [pod("web-1", False)], ["pod/web-1"]),
        ("cronjob", "cronjobs", thing("web"), [], ["cronjob/web"]),
        ("daemonset", "daemonsets", thing("web", {"desiredNumberScheduled": 0}), [], ["daemonset/web"]),
    ],
)  # fmt: skip
def test_the_workload_is_asked_when_pods_are_missing(
    kind: str, resource: str, workload: dict[str, Any], pods: list[dict[str, Any]], targets: list[str]
) -> None:
    source = Objects(**{resource: [workload], "pods": pods})
    found = resolve(Target(kind, "shop", "web"), source)
    assert [f"{one.kind}/{one.name}" for one in found.targets] == targets


@pytest.mark.parametrize(
    ("name", "resource", "owner"),
    [("web-0", "statefulsets", "statefulset"), ("web-5d9c7f-x2x1z", "deployments", "deployment")],
)
def test_a_pod_that_was_never_created_leads_to_its_workload(name: str, resource: str, owner: str) -> None:
    source = Objects(**{resource: [thing("web")]})
    assert resolve(Target("pod", "shop", name), source).targets == (Target(owner, "shop", "web"),)


def test_a_pod_that_is_gone_leads_to_the_failing_one_that_replaced_it() -> None:
    pods = [pod("web-5d9c7f-abcde", True), pod("web-5d9c7f-fghij", False)]
    source = Objects(deployments=[thing("web", replicas=2)], pods=pods)
    found = resolve(Target("pod", "shop", "web-5d9c7f-x2x1z"), source)
    assert found.targets == (Target("pod", "shop", "web-5d9c7f-fghij"),)


@pytest.mark.parametrize(
    ("works", "remark"),
    [
        ([False], ""),
        ([True, True], ""),
        ([False, True, True], "1 of 3 pods is not ready: 1 CrashLoopBackOff"),
        ([False, False], "2 of 2 pods are not ready: 2 CrashLoopBackOff"),
    ],
)
def test_how_many_fail_is_said(works: list[bool], remark: str) -> None:
    pods = [pod(f"web-5d9c7f-abcd{number}", one) for number, one in enumerate(works)]
    source = Objects(deployments=[thing("web", replicas=len(works))], pods=pods)
    found = resolve(Target("deployment", "shop", "web"), source)
    assert (len(found.targets), found.remark) == (1, remark)


@pytest.mark.parametrize(
    ("until", "taken", "others", "target"),
    [
        ("2026-05-04T12:00:20Z", "False", True, "pod/web-1"),  # it is being replaced
        ("2026-05-04T12:00:20Z", "True", True, "pod/web-0"),  # somebody else took it away
        ("2026-05-04T11:50:00Z", "False", True, "pod/web-0"),  # it should be gone
        ("2026-05-04T12:00:20Z", "False", False, "pod/web-0"),  # there is no other
    ],
)
def test_a_pod_that_is_being_replaced_is_not_the_one_that_fails(
    until: str, taken: str, others: bool, target: str
) -> None:
    leaving = pod("web-0", True)
    leaving["metadata"]["deletionTimestamp"] = until
    leaving["status"]["conditions"].append({"type": "DisruptionTarget", "status": taken})
    source = Objects(deployments=[thing("web", replicas=1)], pods=[leaving, *[pod("web-1", True)] * others])
    found = resolve(Target("deployment", "shop", "web"), source)
    assert [f"{one.kind}/{one.name}" for one in found.targets] == [target]


def test_names_that_begin_alike_are_given() -> None:
    pods = [pod("checkout-6d9474d955-9hdzl", True), pod("other", True)]
    source = Objects(namespaces=[{"metadata": {"name": "shop"}}], pods=pods)
    with pytest.raises(TargetError, match="nearest is checkout-6d9474d955-9hdzl"):
        resolve(Target("pod", "shop", "checkout-xyz"), source)


def test_the_nearest_names_are_given() -> None:
    source = Objects(namespaces=[{"metadata": {"name": "shop"}}], pods=[pod("checkout", True)])
    with pytest.raises(TargetError, match="nearest is checkout"):
        resolve(Target("pod", "shop", "chekout"), source)


def aged(one: dict[str, Any], born: str, **status: Any) -> dict[str, Any]:
    one["metadata"]["creationTimestamp"] = born
    one["status"] |= status
    return one


@pytest.mark.parametrize(
    ("replacement", "chosen"),
    [("2026-05-04T02:00:00Z", ["web-new"]), ("2026-05-04T11:50:00Z", ["web-evicted"])],
)
def test_an_evicted_pod_that_others_have_long_outlived_is_over(replacement: str, chosen: list[str]) -> None:
    condition = {"type": "DisruptionTarget", "status": "True", "lastTransitionTime": "2026-05-04T01:59:00Z"}
    evicted = aged(pod("web-evicted", False), "2026-05-04T01:00:00Z", phase="Failed", conditions=[condition])
    source = Objects(
        deployments=[thing("web", replicas=1)], pods=[evicted, aged(pod("web-new", True), replacement)]
    )
    assert [one.name for one in resolve(parse("deploy/web", "shop"), source).targets] == chosen


def test_the_tries_of_a_job_that_failed_before_it_completed_are_over() -> None:
    done = aged(pod("load-b", True, "load"), "2026-05-04T11:00:00Z", phase="Succeeded")
    failed = aged(pod("load-a", False, "load"), "2026-05-04T10:00:00Z", phase="Failed")
    complete = {"conditions": [{"type": "Complete", "status": "True"}]}
    for status, name in ((complete, "load-b"), ({}, "load-a")):
        source = Objects(jobs=[thing("load", status)], pods=[failed, done])
        assert [one.name for one in resolve(parse("job/load", "shop"), source).targets] == [name]


def test_a_cronjob_that_waits_for_a_run_that_goes_on_is_asked_itself() -> None:
    job = {
        **thing("sync-1"),
        "metadata": {"name": "sync-1", "uid": "sync-1", "ownerReferences": [{"uid": "sync"}]},
    }
    for policy, names in (("Forbid", ["sync", "sync-1-x"]), ("Allow", ["sync-1-x"])):
        cron = thing("sync", {"active": [{"name": "sync-1"}]}, concurrencyPolicy=policy)
        source = Objects(cronjobs=[cron], jobs=[job], pods=[pod("sync-1-x", True, "sync-1")])
        assert [one.name for one in resolve(parse("cj/sync", "shop"), source).targets] == names
