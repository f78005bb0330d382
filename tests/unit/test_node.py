from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from poddoctor.diagnostics._world import nodes_read

from poddoctor import engine
from poddoctor.model import Absent, Answer, Finding, Found, Read, Snapshot, Target, Unknown
from poddoctor.pod.reads import get, node_events_read, node_read, pod_events_read, pod_read

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=timezone.utc)


def ago(seconds: float) -> str:
    return (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def failed(reason: str, message: str) -> dict[str, Any]:
    return {
        "metadata": {"name": "web", "namespace": "shop", "uid": "u1", "creationTimestamp": ago(600)},
        "spec": {"nodeName": "worker-1", "containers": [{"name": "app", "image": "app:1"}]},
        "status": {"phase": "Failed", "reason": reason, "message": message, "startTime": ago(600)},
    }


def bound(conditions: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "web", "namespace": "shop", "uid": "u1", "creationTimestamp": ago(600)},
        "spec": {"nodeName": "worker-1", "containers": [{"name": "app", "image": "app:1"}], **more.pop("spec", {})},
        "status": {
            "phase": "Running",
            "startTime": ago(600),
            "conditions": conditions,
            "containerStatuses": [
                {"name": "app", "ready": True, "started": True, "restartCount": 0,
                 "state": {"running": {"startedAt": ago(590)}}}
            ],
            **more,
        },
    }  # fmt: skip


def node(ready: str, message: str, reason: str = "NodeStatusUnknown") -> dict[str, Any]:
    one = {
        "type": "Ready",
        "status": ready,
        "reason": reason,
        "message": message,
        "lastTransitionTime": ago(90),
    }
    return {
        "metadata": {"name": "worker-1"},
        "status": {"conditions": [{**one, "lastHeartbeatTime": ago(120)}]},
    }


MARKED = [{"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "True"}]
WELL = [{"type": "Ready", "status": "True"}, {"type": "ContainersReady", "status": "True"}]


OTHERS = {nodes_read(): Found({"items": [{"metadata": {"name": "worker-2"}}]})}


def findings(
    body: dict[str, Any],
    its_node: Answer | None = None,
    more: dict[Read, Answer] | None = None,
    events: list[dict[str, Any]] | None = None,
) -> tuple[Finding, ...]:
    empty = Snapshot(Target("pod", "shop", "web"), {}, NOW)
    answers: dict[Read, Answer] = {
        pod_read(empty): Found(body),
        pod_events_read(empty): Found({"items": events or []}),
    }
    answers[node_read("worker-1")] = its_node or Unknown("forbidden")
    answers |= more or {}
    return engine.diagnose(Snapshot(Target("pod", "shop", "web"), answers, NOW)).findings


@pytest.mark.parametrize(
    ("reason", "message", "cause", "title"),
    [
        # 1.25 and from 1.26
        ("OutOfcpu", "Pod Node didn't have enough resource: cpu, requested: 4000, used: 950, capacity: 4000",
         "rejected-by-node", "4 cpu asked, 950m of 4 used, short by 950m"),
        ("OutOfmemory", ("Pod was rejected: Node didn't have enough resource: memory, requested: 2147483648, "
         "used: 1073741824, capacity: 2147483648"), "rejected-by-node", "short by 1Gi"),
        ("OutOfpods", ("Pod was rejected: Node didn't have enough resource: pods, requested: 1, used: 110, "
         "capacity: 110"), "rejected-by-node", "short by 1"),
        ("NodeAffinity", ("Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's node "
         "affinity/selector"), "rejected-by-node", "node(s) didn't match"),
        ("TaintToleration", "Pod Predicate TaintToleration failed", "rejected-by-node", "TaintToleration"),
        ("UnexpectedAdmissionError", ("Pod was rejected: Allocate failed due to requested number of devices "
         "unavailable for nvidia.com/gpu. Requested: 1, Available: 0, which is unexpected"),
         "device-allocation-failed", "1 nvidia.com/gpu: 0 available"),
        ("TopologyAffinityError", "Pod was rejected: Resources cannot be allocated with Topology locality",
         "topology-rejected", "Topology locality"),
        ("Terminated", "Pod was terminated in response to imminent node shutdown.", "node-shutdown", "ended"),
        ("NodeShutdown", "Pod was rejected: Pod was rejected as the node is shutting down.", "node-shutdown",
         "refused"),
        ("Preempting", "Preempted in order to admit critical pod", "preempted-by-kubelet", "worker-1"),
        ("Evicted", "Pod was rejected: The node had condition: [DiskPressure]. ", "node-under-pressure",
         "DiskPressure"),
        ("Evicted", "Pod The node had condition: [MemoryPressure]. ", "node-under-pressure", "MemoryPressure"),
        ("Evicted", ("The node was low on resource: memory. Container app was using 612Mi, which exceeds its "
         "request of 100Mi. "), "evicted-memory", "app used 612Mi over a request of 100Mi"),
        ("Evicted", ("The node was low on resource: memory. Threshold quantity: 100Mi, available: 81856Ki. "
         "Container app was using 1.5Gi, request is 0, has larger consumption of memory. "), "evicted-memory",
         "app used 1.5Gi over a request of 0"),
        # from 1.34, with requests of the pod as a whole
        ("Evicted", ("The node was low on resource: memory. Threshold quantity: 100Mi, available: 80Mi. "
         "Pod web was using 1.5Gi, request is 1Gi, has larger consumption of memory. "), "evicted-memory",
         "short of memory"),
        ("Evicted", "The node was low on resource: ephemeral-storage. Threshold quantity: 4Gi, available: 3Gi. ",
         "evicted-disk", "ephemeral-storage"),
        ("Evicted", "The node was low on resource: inodes. ", "evicted-disk", "inodes"),
        ("Evicted", "The node was low on resource: pids. ", "evicted-pids", "pids"),
    ],
)  # fmt: skip
def test_what_the_kubelet_says_of_a_failed_pod(reason: str, message: str, cause: str, title: str) -> None:
    found = findings(failed(reason, message))[0]
    assert (found.cause.id, found.confidence) == (f"node/{cause}", "certain")
    assert title in found.title


@pytest.mark.parametrize("reason", ["SysctlForbidden", "AppArmor", "DeadlineExceeded", ""])
def test_other_reasons_belong_to_other_stages(reason: str) -> None:
    assert not [one for one in findings(failed(reason, "…")) if one.cause.family == "node"]


def test_a_silent_node_behind_a_pod_that_says_running() -> None:
    found = findings(bound(MARKED), Found(node("Unknown", "Kubelet stopped posting node status.")))[0]
    assert (found.cause.id, found.confidence) == ("node/node-not-ready", "certain")
    assert "2m" in found.title
    assert "Running" in found.title


def test_the_pod_alone_gives_the_node_away() -> None:
    found = findings(bound(MARKED))[0]
    assert (found.cause.id, found.confidence) == ("node/node-not-ready", "likely")


def test_a_node_that_says_itself_what_it_lacks() -> None:
    message = "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady"
    not_ready = Found(node("False", message, "KubeletNotReady"))
    found = findings(bound(MARKED), not_ready)[0]
    assert "NetworkPluginNotReady" in found.title
    assert any("network plugin's own pod" in step.do for step in found.steps)
    assert not any("restart kubelet" in (step.run or "") for step in found.steps)
    other = findings(bound(MARKED), Found(node("False", "PLEG is not healthy", "KubeletNotReady")))[0]
    assert any("restart kubelet" in (step.run or "") for step in other.steps)
    # The pod that is to bring the network runs on the host's.
    assert not findings(bound(WELL, spec={"hostNetwork": True}), not_ready)


def test_a_node_that_is_gone() -> None:
    found = findings(bound(MARKED), Absent(), OTHERS)[0]
    assert (found.cause.id, found.confidence) == ("node/node-gone", "likely")


@pytest.mark.parametrize("nodes", [None, {nodes_read(): Found({"items": []})}])
@pytest.mark.parametrize("conditions", [WELL, MARKED])
def test_a_replayed_cluster_without_nodes_has_lost_none(
    conditions: list[dict[str, Any]], nodes: dict[Read, Answer] | None
) -> None:
    ids = [one.cause.id for one in findings(bound(conditions), Absent(), nodes)]
    assert not {"node/node-gone", "lifecycle/unreachable-node-blocks-deletion"} & set(ids)


def test_a_well_pod_or_one_that_is_heard_of_has_a_node() -> None:
    assert not [one for one in findings(bound(WELL), Absent(), OTHERS) if one.cause.family == "node"]
    about = {"kind": "Pod", "namespace": "shop", "name": "web", "uid": "u1"}
    spoken = {
        "metadata": {"name": "web.1"},
        "involvedObject": about,
        "reason": "BackOff",
        "lastTimestamp": ago(60),
    }
    found = findings(bound(MARKED), Absent(), OTHERS, [spoken])
    assert "node/node-gone" not in [one.cause.id for one in found]


def test_the_garbage_collector_says_that_the_node_is_gone() -> None:
    said = {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC",
            "message": "PodGC: node no longer exists", "lastTransitionTime": ago(20)}  # fmt: skip
    lost = {"terminated": {"exitCode": 137, "reason": "ContainerStatusUnknown"}}
    body = bound([said], phase="Failed", containerStatuses=[{"name": "app", "state": lost}])
    found = findings(body)[0]
    assert (found.cause.id, found.confidence) == ("node/node-gone", "certain")


def test_nothing_to_remove_for_a_critical_pod() -> None:
    message = (
        "Pod was rejected: Unexpected error while attempting to recover from admission failure: preemption: error "
        "finding a set of pods to preempt: no set of running pods found to reclaim resources: [(res: cpu, q: 500), ]"
    )
    found = findings(failed("UnexpectedAdmissionError", message))[0]
    assert found.cause.id == "node/rejected-by-node"
    assert "short by 500m cpu" in found.title


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("ProviderFailed", "Failed to create ACI container group: ServiceUnavailable"),
        ("Suspended", "by the operator"),
    ],
)
def test_a_reason_that_nobody_knows_is_quoted(reason: str, message: str) -> None:
    found = findings(failed(reason, message))[0]
    assert (found.cause.id, found.confidence) == ("node/pod-failed", "likely")
    assert message in found.title


def test_a_node_of_old_that_was_lost() -> None:
    message = "Node worker-1 which was running pod web is unresponsive"
    body = bound([{"type": "Ready", "status": "False"}], reason="NodeLost", message=message)
    assert findings(body)[0].cause.id == "node/node-not-ready"


def test_a_well_pod_on_a_well_or_unreadable_node() -> None:
    assert not findings(bound(WELL), Found(node("True", "kubelet is posting ready status", "KubeletReady")))
    assert not findings(bound(WELL))


def test_bound_and_never_picked_up() -> None:
    body = bound([{"type": "PodScheduled", "status": "True", "lastTransitionTime": ago(200)}])
    body["status"] = {"phase": "Pending", "conditions": body["status"]["conditions"]}
    well = Found(node("True", "", "KubeletReady"))
    assert findings(body, well)[0].cause.id == "node/kubelet-silent"
    about = {"kind": "Pod", "namespace": "shop", "name": "web", "uid": "u1"}
    mount = {"metadata": {"name": "web.1"}, "involvedObject": about, "reason": "FailedMount", "message": "x"}
    assert "node/kubelet-silent" not in [one.cause.id for one in findings(body, well, {}, [mount])]
    body["status"]["conditions"][0]["lastTransitionTime"] = ago(20)
    assert not findings(body, well)


def test_a_pod_whose_state_is_unknown() -> None:
    body = bound([{"type": "Ready", "status": "Unknown", "lastTransitionTime": ago(300)}], phase="Unknown")
    assert findings(body)[0].cause.id == "node/node-not-ready"


@pytest.mark.parametrize(
    ("reason", "message", "cause"),
    [
        ("UnexpectedAdmissionError", "Allocate failed due to not enough cpus available to satisfy request",
         "topology-rejected"),
        ("UnexpectedAdmissionError", "Allocate failed due to [memorymanager] failed to find NUMA nodes",
         "topology-rejected"),
        ("UnexpectedAdmissionError", "Allocate failed due to no healthy devices present, which is unexpected",
         "device-allocation-failed"),
        ("NodeLost", "Node worker-1 which was running pod web is unresponsive", "node-not-ready"),
        ("Evicted", "", "pod-failed"),
        ("Evicted", "someone else evicted it", "pod-failed"),
        ("Evicted", "The node was low on resource: [MemoryPressure]. ", "evicted-memory"),
    ],
)  # fmt: skip
def test_who_refused_or_evicted(reason: str, message: str, cause: str) -> None:
    assert [one.cause.id for one in findings(failed(reason, message))] == [f"node/{cause}"]


def test_an_eviction_over_its_own_limit_is_not_the_node_s() -> None:
    text = 'Usage of EmptyDir volume "cache" exceeds the limit "1Gi". '
    assert [one.cause.family for one in findings(failed("Evicted", text))] == ["lifecycle"]


@pytest.mark.parametrize(
    ("policy", "why", "causes"),
    [
        ("Always", "Pod was terminated in response to imminent node shutdown.", ["node/node-shutdown"]),
        ("Always", "The node was low on resource: memory.", ["node/evicted-memory"]),
        ("Always", "Some other words.", []),
        ("OnFailure", "Pod was terminated in response to imminent node shutdown.", []),
    ],
)
def test_a_pod_that_ended_well_when_its_node_was_shut_down(policy: str, why: str, causes: list[str]) -> None:
    pod = failed("", "")
    pod["spec"]["restartPolicy"] = policy
    cut = {"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet", "message": why}
    pod["status"] = {"phase": "Succeeded", "conditions": [cut]}
    assert [one.cause.id for one in findings(pod)] == causes


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ("Pod was preempted by Kubelet to accommodate a critical pod.", "node/preempted-by-kubelet"),
        ("Pod was terminated in response to imminent node shutdown.", "node/node-shutdown"),
        (
            "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. ",
            "node/evicted-memory",
        ),
    ],
)
@pytest.mark.parametrize(("phase", "code"), [("Succeeded", 0), ("Failed", 143)])
def test_a_pod_whose_condition_alone_tells_that_the_kubelet_ended_it(
    message: str, cause: str, phase: str, code: int
) -> None:
    said = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "TerminationByKubelet",
        "message": message,
    }
    ended = {"name": "app", "state": {"terminated": {"exitCode": code, "finishedAt": ago(30)}}}
    body = failed("", "")
    body["status"] = {"phase": phase, "conditions": [said], "containerStatuses": [ended]}
    assert findings(body)[0].cause.id == cause


def test_only_what_the_node_said_of_this_resource_about_then_is_evidence() -> None:
    def said(reason: str, message: str, seconds: float) -> dict[str, Any]:
        about = {"kind": "Node", "name": "worker-1"}
        meta = {"name": f"worker-1.{seconds}"}
        return {"metadata": meta, "involvedObject": about, "reason": reason, "message": message,
                "lastTimestamp": ago(seconds)}  # fmt: skip

    events = [
        said("EvictionThresholdMet", "Attempting to reclaim memory", 100),
        said("EvictionThresholdMet", "Attempting to reclaim pids", 90),
        said("FreeDiskSpaceFailed", "Failed to garbage collect required amount of images.", 80),
        said("SystemOOM", "System OOM encountered, victim process: java, pid: 1", 9000),
    ]
    body = failed("Evicted", "The node was low on resource: memory. ")
    notes = findings(body, more={node_events_read("worker-1"): Found({"items": events})})[0].symptoms[0].notes
    assert [text for text, _ in notes] == ["Attempting to reclaim memory"]


def test_the_label_that_the_node_does_not_have_is_told_and_no_name_is_taken_away() -> None:
    body = failed("NodeAffinity", "Pod was rejected: Predicate NodeAffinity failed")
    body["metadata"]["ownerReferences"] = [
        {"kind": "DaemonSet", "apiVersion": "apps/v1", "name": "web", "controller": True}
    ]
    body["spec"]["nodeSelector"] = {"disk": "ssd"}
    there = Found({"metadata": {"name": "worker-1", "labels": {"disk": "hdd"}}, "status": {}})
    read = get("apps/v1", "daemonsets", "shop", "web")
    for pinned in (False, True):
        spec = {"template": {"spec": {"nodeName": "worker-1"} if pinned else {}}}
        found = findings(body, there, {read: Found({"metadata": {"name": "web"}, "spec": spec})})[0]
        assert "it asks for disk=ssd, the node has disk=hdd" in found.title
        assert any('"nodeName":null' in step.run for step in found.steps) is pinned


@pytest.mark.parametrize(("why", "disk"), [("no space left on device", True), ("no healthy devices", False)])
def test_a_full_disk_is_no_matter_of_the_device_plugin(why: str, *, disk: bool) -> None:
    message = (
        f"Pod was rejected: Allocate failed due to cannot write the checkpoint: {why}, which is unexpected"
    )
    finding = findings(failed("UnexpectedAdmissionError", message))[0]
    assert finding.cause.id == "node/device-allocation-failed"
    assert any("disk" in step.do for step in finding.steps) is disk
    assert any("device plugin anew" in step.do for step in finding.steps) is not disk
