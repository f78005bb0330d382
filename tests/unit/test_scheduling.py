"""The stage scheduling: nodes judged, the reason chosen, every wording of the message, and what is not known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pytest
from poddoctor.diagnostics import _capacity as capacities
from poddoctor.diagnostics import _resources as res
from poddoctor.diagnostics import _schedmessage as schedmessage
from poddoctor.diagnostics import _selectors as sel
from poddoctor.diagnostics import _world as worlds
from poddoctor.diagnostics import scheduling

from poddoctor import engine
from poddoctor.model import Absent, Answer, Finding, Found, Read, Snapshot, Target, Unknown
from poddoctor.pod.reads import get, node_read, pod_events_read, pod_read

CLOCK = datetime(2026, 8, 1, 12, 0, tzinfo=timezone.utc)
TARGET = Target("pod", "shop", "web")
FORBIDDEN = Unknown("forbidden", "nodes is forbidden")
TAIL = " preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod."
Json = Any


def node(name: str, *taints: str, labels: Mapping[str, str] | None = None, **more: Json) -> Json:
    """A node of 2 cores and 4Gi; a taint is ``key=value:Effect``."""
    parsed = []
    for taint in taints:
        pair, effect = taint.rsplit(":", 1)
        key, _, value = pair.partition("=")
        parsed.append({"key": key, "effect": effect, **({"value": value} if value else {})})
    room = {"cpu": "2", "memory": "4Gi", "pods": "110", **more.pop("room", {})}
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}},
        "spec": {"taints": parsed, **more},
        "status": {"allocatable": room},
    }


CONTROL = node("control", "node-role.kubernetes.io/control-plane:NoSchedule")


def placed(name: str, on: str, namespace: str = "shop", labels: Json = None, **spec: Json) -> Json:
    """A pod that stands on a node."""
    spec = {"containers": [{"name": "app"}], **spec, "nodeName": on}
    meta = {"name": name, "namespace": namespace, "uid": f"uid-{name}", "labels": labels or {}}
    return {"metadata": meta, "spec": spec, "status": {"phase": "Running"}}


def asks(**requests: str) -> Json:
    """Containers with one that asks for this."""
    return [{"name": "app", "image": "busybox:1.36", "resources": {"requests": requests}}]


def waiting(message: str = "", reason: str = "Unschedulable", **spec: Json) -> Json:
    """The target, which no node takes."""
    conditions = [{"type": "PodScheduled", "status": "False", "reason": reason, "message": message}]
    return {
        "metadata": {
            "name": "web",
            "namespace": "shop",
            "uid": "u",
            "labels": {"app": "web"},
            "creationTimestamp": "2026-08-01T11:50:00Z",
        },
        "spec": {"containers": [{"name": "app", "image": "busybox:1.36"}], **spec},
        "status": {"phase": "Pending", **({"conditions": conditions} if message else {})},
    }


def snapshot(
    pod: Json,
    nodes: Sequence[Json] | None = None,
    pods: Sequence[Json] = (),
    more: Mapping[Read, Answer] | None = None,
) -> Snapshot:
    """What was read; without nodes they are forbidden."""
    empty = Snapshot(TARGET, {}, CLOCK)
    answers: dict[Read, Answer] = {
        pod_read(empty): Found(pod),
        pod_events_read(empty): Found({"items": []}),
        worlds.nodes_read(): FORBIDDEN if nodes is None else Found({"items": list(nodes)}),
        **{
            worlds.node_pods_read(one["metadata"]["name"]): Found(
                {"items": [pod for pod in pods if pod["spec"]["nodeName"] == one["metadata"]["name"]]}
            )
            for one in nodes or ()
        },
        **{
            read: FORBIDDEN if nodes is None else Found({"items": [*pods, pod]})
            for read in worlds.rule_reads(pod, "shop")
        },
        **(more or {}),
    }
    return Snapshot(TARGET, answers, CLOCK, "v1.34.4")


def first(shot: Snapshot) -> Finding | None:
    """The first finding of this family, with all examiners let to raise."""
    list(scheduling.examine(shot))
    found = [one for one in engine.diagnose(shot).findings if one.cause.family == "scheduling"]
    return found[0] if found else None


def cause(shot: Snapshot) -> str:
    found = first(shot)
    return found.cause.id.partition("/")[2] if found else ""


SAID = [
    ("1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, 2 Insufficient cpu", "insufficient-resources"),
    ("1 node(s) had untolerated taint(s), 2 Insufficient cpu, 2 Insufficient memory", "insufficient-resources"),
    ("3 Insufficient nvidia.com/gpu", "extended-resource-unavailable"),
    ("1 node(s) had untolerated taint(s), 2 Too many pods", "too-many-pods"),
    ("3 node(s) had untolerated taint {dedicated: gpu}", "untolerated-taint"),
    ("3 node(s) had untolerated taint(s)", "untolerated-taint"),
    ("3 node(s) had taint {dedicated: gpu}, that the pod didn't tolerate", "untolerated-taint"),
    ("1 node(s) had untolerated taint {node-role.kubernetes.io/master: }, 2 node(s) had untolerated taint {node.kubernetes.io/not-ready: }", "nodes-not-ready"),
    ("3 node(s) had untolerated taint {node.cloudprovider.kubernetes.io/uninitialized: true}", "nodes-not-ready"),
    ("1 node(s) had untolerated taint(s), 2 node(s) were unschedulable", "nodes-cordoned"),
    ("1 node(s) were unschedulable, 2 Insufficient memory", "insufficient-resources"),
    ("1 node(s) had untolerated taint(s), 2 node(s) didn't match Pod's node affinity/selector", "node-affinity-mismatch"),
    ("2 node(s) didn't match Pod's node affinity/selector, 1 Insufficient cpu", "insufficient-resources"),
    ("1 Insufficient memory, 8 node(s) didn't satisfy plugin(s) [NodeAffinity]", "insufficient-resources"),
    ("3 node(s) didn't have free ports for the requested pod ports", "host-port-in-use"),
    ("1 node(s) had volume node affinity conflict, 2 Insufficient cpu", "volume-node-affinity-conflict"),
    ("3 node(s) didn't match PersistentVolume's node affinity", "volume-node-affinity-conflict"),
    ("3 node(s) had no available volume zone", "volume-node-affinity-conflict"),
    ("3 node(s) exceed max volume count", "volume-attach-limit"),
    ("3 node(s) didn't match pod topology spread constraints", "topology-spread-unsatisfied"),
    ("3 node(s) didn't match pod topology spread constraints (missing required label)", "topology-spread-unsatisfied"),
    ("3 node(s) didn't match pod affinity rules", "pod-affinity-unsatisfied"),
    ("1 node(s) had untolerated taint(s), 2 node(s) didn't match pod anti-affinity rules", "pod-anti-affinity-conflict"),
    ("3 node(s) didn't satisfy existing pods anti-affinity rules", "refused-by-other-pods"),
    ("3 cannot allocate all claims", "resource-claim-unavailable"),
    ("request gpu: device class gpu.example.com does not exist", "resource-claim-unavailable"),
    ("3 node(s) had an opinion of their own", "unschedulable"),
]  # fmt: skip


@pytest.mark.parametrize(("reasons", "expected"), SAID)
@pytest.mark.parametrize("tail", ["", TAIL, TAIL + ".", " no new claims to deallocate," + TAIL])
def test_the_message_alone_tells_the_cause(reasons: str, expected: str, tail: str) -> None:
    shot = snapshot(waiting(f"0/3 nodes are available: {reasons}.{tail}"))
    assert cause(shot) == expected
    found = first(shot)
    assert found
    if expected not in ("volume-attach-limit", "resource-claim-unavailable"):
        assert found.confidence in ("likely", "possible"), (
            "nodes were not seen: nothing agrees with the message"
        )


@pytest.mark.parametrize(
    "text",
    [
        "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found",
        '0/3 nodes are available: persistentvolumeclaim "data" not found. preemption: 0/3 nodes are available: 3 No.',
        '0/3 nodes are available: persistentvolumeclaim "data" is being deleted.',
        'persistentvolumeclaim "data" not found',
    ],
)
def test_claims_are_left_to_storage(text: str) -> None:
    assert not list(scheduling.examine(snapshot(waiting(text), [node("a")])))


def test_no_eviction_helps_where_the_request_is_too_large() -> None:
    tail = "preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
    said = f"0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu. {tail}"
    assert cause(snapshot(waiting(said, containers=asks(cpu="90")))) == "request-exceeds-every-node"


@pytest.mark.parametrize(("asked", "meant"), [({"cpu": "64"}, "64m"), ({"memory": "900Gi"}, "900Mi")])
def test_a_slip_of_the_unit_is_a_guess(asked: dict[str, str], meant: str) -> None:
    what = next(iter(asked))
    said = waiting(f"0/1 nodes are available: 1 Insufficient {what}.{TAIL}", containers=asks(**asked))
    found = first(snapshot(said, [node("one")]))
    assert found
    assert (found.cause.id, found.confidence) == ("scheduling/request-exceeds-every-node", "certain")
    assert meant not in found.title
    assert (f"{asked[what]} may be a slip for {meant}", "container app") in found.symptoms[0].notes
    assert any(step.fixes and f"--requests={what}={meant}" in step.run for step in found.steps)


def test_no_nodes_at_all() -> None:
    assert cause(snapshot(waiting("no nodes available to schedule pods"))) == "no-nodes"


def test_the_nearest_node_and_the_request_that_fits() -> None:
    pod = waiting(
        "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu." + TAIL,
        containers=asks(cpu="2"),
    )
    pods = [placed("x", "one", containers=asks(cpu="800m")), placed("y", "two", containers=asks(cpu="500m"))]
    found = first(snapshot(pod, [CONTROL, node("one"), node("two")], pods))
    assert found
    assert found.cause.id == "scheduling/insufficient-resources"
    assert found.confidence == "certain"
    assert found.title == "No node has 2 CPU free: two is nearest, 1500m CPU would fit"
    assert found.symptoms[0].text == "two: cpu: 2 asked, 1500m of 2 free (short by 500m)"
    assert "one: cpu: 2 asked, 1200m of 2 free (short by 800m)" in [
        text for text, _ in found.symptoms[0].notes
    ]


def test_the_message_has_the_last_word() -> None:
    pod = waiting("0/1 nodes are available: 1 Insufficient cpu.", containers=asks(cpu="1"))
    found = first(snapshot(pod, [node("one")]))
    assert found
    assert (found.cause.id, found.confidence) == ("scheduling/insufficient-resources", "likely")
    assert any("one would take the pod" in text for text, _ in found.symptoms[0].notes)


SIDECAR = {"restartPolicy": "Always"}


@pytest.mark.parametrize(
    ("spec", "cpu"),
    [
        ({"containers": [*asks(cpu="500m"), *asks(cpu="1")]}, "1.5"),
        ({"containers": asks(cpu="500m"), "initContainers": asks(cpu="2")}, "2"),
        ({"containers": asks(cpu="500m"), "initContainers": [{**asks(cpu="1")[0], **SIDECAR}]}, "1.5"),
        (
            {
                "containers": asks(cpu="500m"),
                "initContainers": [{**asks(cpu="1")[0], **SIDECAR}, asks(cpu="800m")[0]],
            },
            "1.8",
        ),
        (
            {
                "containers": asks(cpu="500m"),
                "initContainers": [asks(cpu="800m")[0], {**asks(cpu="1")[0], **SIDECAR}],
            },
            "1.5",
        ),
        ({"containers": asks(cpu="500m"), "overhead": {"cpu": "250m"}}, "0.75"),
        ({"containers": asks(cpu="500m"), "resources": {"requests": {"cpu": "2"}}}, "2"),
        ({"containers": [{"name": "a", "resources": {"limits": {"cpu": "300m"}}}]}, "0.3"),
        ({"containers": asks(cpu="0.0001")}, "0.001"),
        ({"containers": None}, None),
    ],
)
def test_what_the_scheduler_sets_aside(spec: Json, cpu: str | None) -> None:
    assert res.pod_requests({"spec": spec}).get("cpu") == (Decimal(cpu) if cpu else None)


@pytest.mark.parametrize(
    ("toleration", "taint", "expected"),
    [
        ({"operator": "Exists"}, "a=b:NoExecute", True),
        ({"key": "a", "operator": "Exists"}, "a=b:NoSchedule", True),
        ({"key": "a", "value": "b"}, "a=b:NoSchedule", True),
        ({"key": "a", "operator": "Equal", "value": "c"}, "a=b:NoSchedule", False),
        ({"key": "a", "value": "b", "effect": "NoExecute"}, "a=b:NoSchedule", False),
        ({"key": "a"}, "a:NoSchedule", True),
        ({"key": "a", "operator": "Gt", "value": "3"}, "a=5:NoSchedule", True),
    ],
)
def test_tolerations(toleration: Json, taint: str, *, expected: bool) -> None:
    assert (not sel.untolerated([toleration], node("n", taint))) is expected


def test_a_taint_that_only_prefers_keeps_nobody_off() -> None:
    assert not sel.untolerated([], node("n", "a=b:PreferNoSchedule"))


@pytest.mark.parametrize(
    ("requirement", "expected"),
    [
        ({"key": "n", "operator": "Gt", "values": ["4"]}, True),
        ({"key": "n", "operator": "Lt", "values": ["5"]}, False),
        ({"key": "x", "operator": "Gt", "values": ["4"]}, False),
        ({"key": "x", "operator": "NotIn", "values": ["4"]}, True),
        ({"key": "x", "operator": "DoesNotExist"}, True),
        ({"key": "n", "operator": "Exists"}, True),
    ],
)
def test_operators(requirement: Json, *, expected: bool) -> None:
    assert sel.requirement_holds(requirement, {"n": "5"}) is expected


ANTI = {
    "podAntiAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": [
            {"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "kubernetes.io/hostname"}
        ]
    }
}
SPREAD = {
    "maxSkew": 1,
    "topologyKey": "kubernetes.io/hostname",
    "whenUnsatisfiable": "DoNotSchedule",
    "labelSelector": {"matchLabels": {"app": "web"}},
}
PORT = [{"name": "app", "ports": [{"containerPort": 80, "hostPort": 8080}]}]
SSD = {"labels": {"disktype": "ssd"}}
JUDGED = [
    ("a deliberate taint is not the answer when another node fails otherwise",
     {"containers": asks(cpu="3")}, [CONTROL, node("a")], [], "1 node(s) had untolerated taint(s), 1 Insufficient cpu",
     "request-exceeds-every-node"),
    ("the node that the selector means is full: not a selector problem",
     {"nodeSelector": {"disktype": "ssd"}, "containers": asks(cpu="2")}, [node("a", **SSD), node("b"), node("c")],
     [placed("x", "a", containers=asks(cpu="1"))],
     "1 Insufficient cpu, 2 node(s) didn't match Pod's node affinity/selector", "insufficient-resources"),
    ("the nodes that the selector means are tainted",
     {"nodeSelector": {"disktype": "ssd"}}, [node("a", "gpu=true:NoSchedule", **SSD), node("b")], [],
     "1 node(s) didn't match Pod's node affinity/selector, 1 node(s) had untolerated taint(s)", "untolerated-taint"),
    ("a typing error in the selector", {"nodeSelector": {"disktype": "sdd"}}, [CONTROL, node("a", **SSD)], [],
     "1 node(s) didn't match Pod's node affinity/selector, 1 node(s) had untolerated taint(s)",
     "node-selector-mismatch"),
    ("newer schedulers call a lost node a taint", {},
     [CONTROL, node("a", "node.kubernetes.io/unreachable:NoSchedule"), node("b", "node.kubernetes.io/unreachable:NoSchedule")],
     [], "3 node(s) had untolerated taint(s)", "nodes-not-ready"),
    ("most nodes are down, the last is full", {"containers": asks(cpu="1")},
     [node("a", "node.kubernetes.io/not-ready:NoSchedule"), node("b", "node.kubernetes.io/not-ready:NoSchedule"), node("c")],
     [placed("x", "c", containers=asks(cpu="2"))], "1 Insufficient cpu, 2 node(s) had untolerated taint(s)",
     "nodes-not-ready"),
    ("cordoned", {}, [CONTROL, node("a", "node.kubernetes.io/unschedulable:NoSchedule", unschedulable=True)], [],
     "1 node(s) had untolerated taint(s), 1 node(s) were unschedulable", "nodes-cordoned"),
    ("a port that another pod holds", {"containers": PORT}, [node("a")], [placed("x", "a", containers=PORT)],
     "1 node(s) didn't have free ports for the requested pod ports", "host-port-in-use"),
    ("own anti-affinity", {"affinity": ANTI}, [node("a")], [placed("x", "a", labels={"app": "web"})],
     "1 node(s) didn't match pod anti-affinity rules", "pod-anti-affinity-conflict"),
    ("another pod's anti-affinity", {}, [node("a")], [placed("x", "a", affinity=ANTI)],
     "1 node(s) didn't satisfy existing pods anti-affinity rules", "refused-by-other-pods"),
    ("spread over a node that is tainted", {"topologySpreadConstraints": [SPREAD]}, [CONTROL, node("a")],
     [placed("x", "a", labels={"app": "web"})],
     "1 node(s) didn't match pod topology spread constraints, 1 node(s) had untolerated taint(s)",
     "topology-spread-unsatisfied"),
    ("the number of pods", {}, [node("a", room={"pods": "1"})], [placed("x", "a")], "1 Too many pods", "too-many-pods"),
    ("a device that is nowhere", {"containers": asks(**{"nvidia.com/gpu": "1"})}, [CONTROL, node("a")], [],
     "1 Insufficient nvidia.com/gpu, 1 node(s) had untolerated taint(s)", "extended-resource-unavailable"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "spec", "nodes", "pods", "reasons", "expected"), JUDGED, ids=lambda _: "")
def test_nodes_judged(what: str, spec: Json, nodes: Json, pods: Json, reasons: str, expected: str) -> None:
    shot = snapshot(waiting(f"0/{len(nodes)} nodes are available: {reasons}.", **spec), nodes, pods)
    found = first(shot)
    assert found, what
    assert found.cause.id == f"scheduling/{expected}", what
    assert found.confidence == "certain", what


def test_pods_that_cannot_be_listed_leave_room_to_the_message() -> None:
    said = "0/2 nodes are available: 1 Insufficient memory, 1 node(s) had untolerated taint(s)."
    pod = waiting(said, containers=asks(memory="1Gi"))
    found = first(
        snapshot(
            pod,
            [CONTROL, node("a")],
            more={worlds.node_pods_read(name): FORBIDDEN for name in ("control", "a")},
        )
    )
    assert found
    assert (found.cause.id, found.confidence) == ("scheduling/insufficient-resources", "likely")
    assert found.title == "No node has 1Gi memory free"


def test_of_many_nodes_those_with_most_room_are_looked_at() -> None:
    nodes = [node(f"n{index}", room={"cpu": "4" if index > 50 else "2"}) for index in range(60)]
    closed = [node(f"c{index}", "dedicated=x:NoSchedule", room={"cpu": "8"}) for index in range(9)]
    said = "0/69 nodes are available: 60 Insufficient cpu, 9 node(s) had untolerated taint(s)."
    pod = waiting(said, containers=asks(cpu="2"))
    empty = Snapshot(TARGET, {}, CLOCK)
    answers: dict[Read, Answer] = {
        pod_read(empty): Found(pod),
        pod_events_read(empty): Found({"items": []}),
        worlds.nodes_read(): Found({"items": [*closed, *nodes]}),
    }
    shot = Snapshot(TARGET, answers, CLOCK)
    asked = {read for read in scheduling.reads(shot) if read.resource == "pods"}
    names = {read.parameter("fieldSelector").split(",")[0].partition("=")[2] for read in asked}
    assert len(names) == worlds.CANDIDATES
    assert {f"n{index}" for index in range(51, 60)} < names
    assert all(name.startswith("n") for name in names)
    full = {worlds.node_pods_read(name): Found({"items": [placed(f"p-{name}", name, containers=asks(cpu="3500m"))]})
            for name in names}  # fmt: skip
    shot = Snapshot(TARGET, {**answers, **full}, CLOCK)
    assert not [read for read in scheduling.reads(shot) if read not in shot.answers]
    found = first(shot)
    assert found
    assert (found.cause.id, found.confidence) == ("scheduling/insufficient-resources", "certain")
    assert found.attributes["nodes_hit"] == "60 nodes"
    assert any("the pods of 20 of the 60 nodes in question" in text for text, _ in found.symptoms[0].notes)


def test_a_cut_list_of_nodes_is_said_to_be_one() -> None:
    said = "0/5000 nodes are available: 5000 Insufficient cpu."
    shot = snapshot(waiting(said, containers=asks(cpu="2")), [node("a")], [placed("p", "a", containers=asks(cpu="1"))],
                    {worlds.nodes_read(): Found({"metadata": {"continue": "x"}, "items": [node("a")]})})  # fmt: skip
    found = first(shot)
    assert found
    assert found.attributes["nodes_total"] == "5000"
    assert any("only the first 1 of 5000 nodes" in text for text, _ in found.symptoms[0].notes)


def test_an_empty_list_of_nodes_does_not_outweigh_the_scheduler() -> None:
    assert (
        cause(snapshot(waiting("0/5 nodes are available: 5 Insufficient cpu."), []))
        == "insufficient-resources"
    )
    assert cause(snapshot(waiting("no nodes available to schedule pods"), [])) == "no-nodes"


def test_rules_ask_for_pods_by_label_and_never_for_all() -> None:
    term = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "db"}, "matchExpressions": [
        {"key": "tier", "operator": "NotIn", "values": ["x", "y"]}, {"key": "old", "operator": "DoesNotExist"}]}}  # fmt: skip
    far = {**term, "namespaceSelector": {"matchLabels": {"team": "a"}}}
    affinity = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term, far]}}
    pod = waiting("0/1 nodes are available: 1 node(s) didn't match pod affinity rules.", affinity=affinity,
                  topologySpreadConstraints=[{**SPREAD, "matchLabelKeys": ["app"]}])  # fmt: skip
    asked = [
        one for one in scheduling.reads(snapshot(pod, [node("a")])) if one.resource in ("pods", "namespaces")
    ]
    by_label = {
        (one.namespace, one.parameter("labelSelector")) for one in asked if one.parameter("labelSelector")
    }
    assert {("shop", "!old,app=db,tier notin (x,y)"), ("", "!old,app=db,tier notin (x,y)")} <= by_label
    assert any(selector.count("app") == 2 for _, selector in by_label)
    assert worlds.namespaces_read() in asked
    assert all(
        one.parameter("labelSelector") or "Name" in one.parameter("fieldSelector")
        for one in asked
        if one.resource == "pods"
    )


def test_what_an_autoscaler_says_is_evidence_and_no_judgement() -> None:
    def event(reason: str, message: str, by: str) -> Json:
        return {
            "metadata": {"name": f"web.{reason}.{by}"},
            "involvedObject": {"kind": "Pod", "name": "web", "uid": "u"},
            "reason": reason,
            "message": message,
            "source": {"component": by},
            "lastTimestamp": "2026-08-01T11:59:00Z",
        }

    events = [
        event("FailedScheduling", "0/1 nodes are available: 1 Insufficient cpu.", "default-scheduler"),
        event("FailedScheduling", 'incompatible with nodepool "default"', "karpenter"),
    ]
    pod = waiting(containers=asks(cpu="3"))
    empty = Snapshot(TARGET, {}, CLOCK)
    found = first(snapshot(pod, [node("a")], more={pod_events_read(empty): Found({"items": events})}))
    assert found
    assert (found.cause.id, found.confidence) == ("scheduling/request-exceeds-every-node", "certain")
    assert any("nodepool" in text for text, _ in found.symptoms[0].notes)


def test_spread_with_taints_honoured_counts_no_tainted_node() -> None:
    honoured = {**SPREAD, "nodeTaintsPolicy": "Honor"}
    pod = waiting("0/1 nodes are available: 1 Insufficient cpu.", topologySpreadConstraints=[honoured])
    shot = snapshot(pod, [CONTROL, node("a")], [placed("x", "a", labels={"app": "web"})])
    found = first(shot)
    assert found
    assert any("a would take the pod" in text for text, _ in found.symptoms[0].notes)


def test_the_volume_is_named_with_why_its_node_cannot_take_the_pod() -> None:
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    message = "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) didn't match PersistentVolume's node affinity."
    affinity = {"required": {"nodeSelectorTerms": [{"matchExpressions": [
        {"key": "kubernetes.io/hostname", "operator": "In", "values": ["a"]}]}]}}  # fmt: skip
    more = {
        worlds.pvc_read("shop", "data"): Found({"spec": {"volumeName": "pv-1"}}),
        worlds.pv_read("pv-1"): Found({"metadata": {"name": "pv-1"}, "spec": {"nodeAffinity": affinity}}),
    }
    pod = waiting(message, volumes=volumes, containers=asks(cpu="1500m"))
    shot = snapshot(pod, [node("a"), node("b")], [placed("x", "a", containers=asks(cpu="1"))], more)
    found = first(shot)
    assert found
    assert found.cause.id == "scheduling/volume-node-affinity-conflict"
    assert "a there cannot take it: cpu: 1500m asked, 1 of 2 free (short by 500m)" in found.title


def test_gates_wait_and_are_no_fault() -> None:
    pod = waiting("Scheduling is blocked due to non-empty scheduling gates", "SchedulingGated",
                  schedulingGates=[{"name": "kueue.x-k8s.io/admission"}])  # fmt: skip
    found = first(snapshot(pod))
    assert found
    assert (found.cause.id, found.standing) == ("scheduling/scheduling-gated", "waiting")


@pytest.mark.parametrize(
    ("scheduler", "lease", "expected"),
    [
        ("default-scheduler", Found({"spec": {"renewTime": "2026-08-01T11:59:58.000000Z"}}), "possible"),
        ("default-scheduler", Found({"spec": {"renewTime": "2026-08-01T11:40:00.000000Z"}}), "likely"),
        ("default-scheduler", FORBIDDEN, "possible"),
        ("volcano", FORBIDDEN, "likely"),
    ],
)
def test_nobody_has_looked_at_it(scheduler: str, lease: Answer, expected: str) -> None:
    read = get("coordination.k8s.io/v1", "leases", "kube-system", "kube-scheduler")
    found = first(snapshot(waiting(schedulerName=scheduler), more={read: lease}))
    assert found
    assert (found.cause.id, found.confidence) == ("scheduling/scheduler-not-running", expected)


def test_a_pod_made_just_now_is_left_alone() -> None:
    pod = waiting()
    pod["metadata"]["creationTimestamp"] = "2026-08-01T11:59:55Z"
    assert not list(scheduling.examine(snapshot(pod)))


def test_a_chosen_node_and_a_volume_in_the_making() -> None:
    claim = {
        "metadata": {"annotations": {"volume.kubernetes.io/selected-node": "a"}},
        "status": {"phase": "Pending"},
    }
    pod = waiting(volumes=[{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}])
    found = first(snapshot(pod, more={worlds.pvc_read("shop", "data"): Found(claim)}))
    assert found
    assert (found.cause.id, found.standing) == ("scheduling/volume-binding-in-progress", "waiting")


@pytest.mark.parametrize(("answer", "expected"), [(Absent(), "node-name-not-found"), (FORBIDDEN, "")])
def test_a_node_that_does_not_exist(answer: Answer, expected: str) -> None:
    shot = snapshot(waiting(nodeName="wroker"), [node("worker")], more={node_read("wroker"): answer})
    assert cause(shot) == expected


def test_victims_that_are_leaving() -> None:
    pod = waiting("0/1 nodes are available: 1 Insufficient cpu.", containers=asks(cpu="2"))
    pod["status"]["nominatedNodeName"] = "a"
    victim = placed("low", "a", containers=asks(cpu="1"))
    assert cause(snapshot(pod, [node("a")], [victim])) == "insufficient-resources"
    victim["metadata"]["deletionTimestamp"] = "2026-08-01T11:59:59Z"
    found = first(snapshot(pod, [node("a")], [victim]))
    assert found
    assert (found.cause.id, found.standing) == ("scheduling/preemption-pending", "waiting")


def test_a_placed_pod_costs_nothing() -> None:
    pod = placed("web", "a")
    assert not list(scheduling.reads(snapshot(pod)))
    assert not list(scheduling.examine(snapshot(pod)))


def test_a_cut_message_is_read_as_far_as_it_goes() -> None:
    parsed = schedmessage.parse("0/40 nodes are available: 10 Insufficient cpu, 2 node(s) were unsched ...")
    assert [(one.count, one.kind) for one in parsed.reasons] == [(10, "resources"), (2, "other")]


def test_taint_values_may_hold_dots_and_colons() -> None:
    text = "0/2 nodes are available: 1 node(s) had untolerated taint {a.b/c: d.e:f}, 1 Too many pods. preemption: x"
    assert schedmessage.parse(text).reasons[0].taint == ("a.b/c", "d.e:f")


def event(
    reason: str, message: str, by: str = "cluster-autoscaler", at: str = "2026-08-01T11:59:00Z"
) -> Json:
    """An event of the target."""
    return {
        "metadata": {"name": f"web.{reason}"},
        "involvedObject": {"kind": "Pod", "name": "web", "uid": "u"},
        "reason": reason,
        "message": message,
        "source": {"component": by},
        "lastTimestamp": at,
    }


def with_events(*events: Json) -> Mapping[Read, Answer]:
    return {pod_events_read(Snapshot(TARGET, {}, CLOCK)): Found({"items": list(events)})}


SCALED = "pod triggered scale-up: [{pool-a 3->4 (max: 10)}]"
LATE = "2026-08-01T11:40:00Z"
SCALING: list[tuple[Sequence[Json], str, str]] = [
    ([event("TriggeredScaleUp", SCALED)], "scale-up-in-progress", "waiting"),
    ([event("Nominated", "Pod should schedule on: nodeclaim/default-x9k2p", "karpenter")], "scale-up-in-progress", "waiting"),
    ([event("TriggeredScaleUp", SCALED, at=LATE)], "insufficient-resources", "now"),
    ([event("TriggeredScaleUp", SCALED, at="2026-08-01T11:58:00Z"),
      event("NotTriggerScaleUp", "pod didn't trigger scale-up: 1 max node group size reached")], "insufficient-resources", "now"),
    ([event("Nominated", "Elected by the cats", "mayor")], "insufficient-resources", "now"),
    ([], "insufficient-resources", "now"),
]  # fmt: skip


@pytest.mark.parametrize("nodes", [None, [node("a")]])
@pytest.mark.parametrize(("events", "expected", "standing"), SCALING, ids=lambda _: "")
def test_a_node_on_its_way_is_waited_for(
    events: Sequence[Json], expected: str, standing: str, nodes: Json
) -> None:
    pod = waiting("0/1 nodes are available: 1 Insufficient cpu.", containers=asks(cpu="2"))
    shot = snapshot(
        pod, nodes, [placed("p", "a", containers=asks(cpu="1"))] if nodes else [], with_events(*events)
    )
    found = [one for one in engine.diagnose(shot).findings if one.cause.family == "scheduling"]
    assert [(one.cause.id.partition("/")[2], one.standing) for one in found] == [(expected, standing)]
    told = [text for one in found[0].symptoms for text in (one.text, *(note for note, _ in one.notes))]
    if events and events[0]["source"]["component"] != "mayor":
        assert events[-1]["message"] in told


def test_the_limit_that_an_autoscaler_names_becomes_a_step() -> None:
    said = event(
        "NotTriggerScaleUp", "pod didn't trigger scale-up: 2 Insufficient cpu, 1 max node group size reached"
    )
    pod = waiting("0/1 nodes are available: 1 Insufficient cpu.", containers=asks(cpu="2"))
    shot = snapshot(pod, [node("a")], [placed("p", "a", containers=asks(cpu="1"))], with_events(said))
    found = first(shot)
    assert found
    assert any("max node group size reached" in step.do for step in found.steps)
    other = first(snapshot(pod, [node("a")], [placed("p", "a", containers=asks(cpu="1"))]))
    assert other
    assert not any("autoscaler" in step.do for step in other.steps)


def capacity(size: str, zone: str, storage: str = "fast") -> Json:
    return {"storageClassName": storage, "capacity": size, "nodeTopology": {"matchLabels": {"zone": zone}}}


@pytest.mark.parametrize(
    ("answer", "title", "confidence"),
    [
        (Found({"items": [capacity("5Gi", "a"), capacity("8Gi", "b"), capacity("99Gi", "b", "slow")]}),
         "Claim data asks for 10Gi of class fast, and the most that any place has left is 8Gi", "certain"),
        (Found({"items": []}), "No node that would do has 10Gi of storage left for claim data (class fast)", "likely"),
        (FORBIDDEN, "No node that would do has 10Gi of storage left for claim data (class fast)", "likely"),
    ],
)  # fmt: skip
def test_storage_that_no_place_has_left(answer: Answer, title: str, confidence: str) -> None:
    pod = waiting("0/2 nodes are available: 2 node(s) did not have enough free storage.",
                  volumes=[{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}])  # fmt: skip
    claim = {
        "spec": {"storageClassName": "fast", "resources": {"requests": {"storage": "10Gi"}}},
        "status": {"phase": "Pending"},
    }
    shot = snapshot(pod, [node("a"), node("b")],
                    more={worlds.pvc_read("shop", "data"): Found(claim), capacities.CAPACITIES: answer})  # fmt: skip
    assert capacities.CAPACITIES in scheduling.reads(shot)
    found = first(shot)
    assert found
    assert (found.cause.id, found.confidence) == ("scheduling/storage-capacity-exhausted", confidence)
    assert found.title == title


PLAIN = [
    ("3 node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod",
     "Its claim is ReadWriteOncePod, and another pod uses it"),
    ("3 node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)", "a volume that no longer exists"),
    ("3 node(s) didn't match Pod's required features", "The kubelets of the nodes lack a feature"),
    ("3 node(s) had no available disk", "A disk that it names"),
]  # fmt: skip


@pytest.mark.parametrize(("reasons", "title"), PLAIN, ids=lambda _: "")
def test_reasons_without_a_cause_are_told_in_plain_words(reasons: str, title: str) -> None:
    found = first(snapshot(waiting(f"0/3 nodes are available: {reasons}.")))
    assert found
    assert (found.cause.id, found.confidence) == ("scheduling/unschedulable", "likely")
    assert title in found.title


def test_fargate_says_it_in_words_of_its_own() -> None:
    stated = event(
        "FailedScheduling",
        "Pod not supported on Fargate: fields not supported: HostNetwork",
        "fargate-scheduler",
    )
    found = first(snapshot(waiting(), more=with_events(stated)))
    assert found
    assert (found.cause.id, found.confidence) == ("scheduling/unschedulable", "likely")
    assert "HostNetwork" in found.title
    said = (
        "0/2 nodes are available: 2 node(s) had untolerated taint {eks.amazonaws.com/compute-type: fargate}."
    )
    found = first(snapshot(waiting(said)))
    assert found
    assert found.title.startswith("No Fargate profile takes it")


def test_nodes_that_fell_to_a_taint_are_not_said_to_lack_a_label() -> None:
    said = "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 node(s) didn't match Pod's node affinity/selector."
    found = first(snapshot(waiting(said, nodeSelector={"disk": "ssd"})))
    assert found
    assert (
        found.title
        == "2 nodes did not match its nodeSelector disk=ssd; of the others: 1 had untolerated taint(s)"
    )
    known = first(snapshot(waiting(said, nodeSelector={"disk": "ssd"}), [CONTROL, node("a"), node("b")]))
    assert known
    assert known.title == "No node has the label disk=ssd"


def test_most_of_the_cluster_is_full_and_one_node_has_the_wrong_volume() -> None:
    said = "0/19 nodes are available: 1 node(s) had volume node affinity conflict, 14 Insufficient memory, 17 Insufficient cpu."
    assert cause(snapshot(waiting(said))) == "insufficient-resources"


def test_huge_pages_have_no_device_plugin() -> None:
    pod = waiting(
        "0/1 nodes are available: 1 Insufficient hugepages-2Mi.", containers=asks(**{"hugepages-2Mi": "64Mi"})
    )
    found = first(snapshot(pod, [node("a", room={"hugepages-2Mi": "0"})]))
    assert found
    assert found.title == "No node has pages reserved for hugepages-2Mi"


@pytest.mark.parametrize(("system", "told"), [("windows", True), ("linux", False), (None, False)])
def test_the_system_that_a_pod_is_for(system: str | None, told: bool) -> None:
    spec = {"os": {"name": system}} if system else {}
    pod = waiting("0/1 nodes are available: 1 Insufficient cpu.", containers=asks(cpu="3"), **spec)
    found = first(snapshot(pod, [node("a", labels={"kubernetes.io/os": "linux"})]))
    assert found
    notes = [text for text, _ in found.symptoms[0].notes]
    assert ("the pod is for windows, and all 1 nodes run linux" in notes) is told


TAKEN: list[tuple[Mapping[str, Json], Sequence[Json], str]] = [
    ({}, [], "node-name-not-found"),
    ({"startTime": "2026-08-01T11:55:00Z"}, [], ""),
    ({"hostIP": "192.0.2.1"}, [], ""),
    ({"conditions": [{"type": "PodScheduled", "status": "True"}]}, [], ""),
    ({}, [event("Scheduled", "Successfully assigned shop/web to worker", "default-scheduler")], ""),
    ({}, [event("Pulling", "Pulling image x", "kubelet")], ""),
]


@pytest.mark.parametrize(("status", "events", "expected"), TAKEN, ids=lambda _: "")
def test_a_node_that_has_the_pod_exists(
    status: Mapping[str, Json], events: Sequence[Json], expected: str
) -> None:
    pod = waiting(nodeName="worker-1")
    pod["status"].update(status)
    more = {**with_events(*events), node_read("worker-1"): Absent()}
    found = first(snapshot(pod, [node("a")], more=more))
    assert (found.cause.id.partition("/")[2] if found else "") == expected
    nowhere = first(snapshot(pod, [], more=more))
    assert nowhere is None or nowhere.confidence == "likely"


def test_the_chosen_node_vetoes_a_stopped_scheduler() -> None:
    claim = {
        "metadata": {"annotations": {"volume.kubernetes.io/selected-node": "a"}},
        "status": {"phase": "Pending"},
    }
    pod = waiting(volumes=[{"name": "d", "ephemeral": {}}])
    stale = Found({"spec": {"renewTime": "2026-08-01T11:40:00.000000Z"}})
    lease = get("coordination.k8s.io/v1", "leases", "kube-system", "kube-scheduler")
    assert cause(snapshot(pod, more={lease: stale})) == "scheduler-not-running"
    more = {lease: stale, worlds.pvc_read("shop", "web-d"): Found(claim)}
    found = [one.cause.id for one in engine.diagnose(snapshot(pod, more=more)).findings]
    assert "scheduling/scheduler-not-running" not in found
    assert "scheduling/volume-binding-in-progress" in found


def test_events_that_nobody_read_are_not_told() -> None:
    events = pod_events_read(Snapshot(TARGET, {}, CLOCK))
    found = first(snapshot(waiting(), more={events: FORBIDDEN}))
    assert found
    assert not any("event" in one.text for one in found.symptoms)


def test_the_table_has_every_node_and_every_predicate() -> None:
    nodes = [node("n10", "dedicated=x:NoSchedule"), node("n9"), node("n2", room={"cpu": "1"})]
    pod = waiting("0/3 nodes are available: 2 Insufficient cpu, 1 node(s) had untolerated taint(s).",
                  containers=asks(cpu="1500m", memory="8Gi"))  # fmt: skip
    found = first(snapshot(pod, nodes, [placed("p", "n9", containers=asks(cpu="1"))]))
    assert found
    rows = [row for one in found.symptoms for row in one.table]
    assert [(row["node"], row["predicate"], row["resource"]) for row in rows] == [
        ("n2", "NodeResourcesFit", "cpu"),
        ("n2", "NodeResourcesFit", "memory"),
        ("n9", "NodeResourcesFit", "cpu"),
        ("n9", "NodeResourcesFit", "memory"),
        ("n10", "TaintToleration", ""),
        ("n10", "NodeResourcesFit", "memory"),
    ]
    assert [rows[2][key] for key in ("requested", "allocatable", "free", "short_by")] == [
        "1500m",
        "2",
        "1",
        "500m",
    ]


BARS: list[tuple[str, Mapping[str, Json], str]] = [
    ("1 {a}, 1 node(s) had untolerated taint(s), 1 node(s) were unschedulable", {"kubernetes.io/hostname": "w2"}, "nodes-cordoned"),
    ("1 {a}, 2 node(s) had untolerated taint(s)", {"kubernetes.io/hostname": "w2"}, "untolerated-taint"),
    ("2 {a}, 1 node(s) had untolerated taint(s)", {"kubernetes.io/hostname": "w2"}, "node-selector-mismatch"),
    ("2 {a}, 1 node(s) had untolerated taint(s)", {"node-role.kubernetes.io/control-plane": ""}, "untolerated-taint"),
    ("2 {a}, 1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }", {"kubernetes.io/hostname": "w"}, "nodes-not-ready"),
    ("2 {a}, 1 node(s) were unschedulable", {"disk": "ssd"}, "node-selector-mismatch"),
    ("3 {a}", {"kubernetes.io/hostname": "w2"}, "node-selector-mismatch"),
]  # fmt: skip


@pytest.mark.parametrize(("reasons", "selector", "expected"), BARS, ids=lambda _: "")
def test_the_one_node_that_it_selects_fell_to_an_earlier_filter(
    reasons: str, selector: Mapping[str, Json], expected: str
) -> None:
    reasons = reasons.replace("{a}", "node(s) didn't match Pod's node affinity/selector")
    found = first(snapshot(waiting(f"0/3 nodes are available: {reasons}.", nodeSelector=selector)))
    assert found
    assert (found.cause.id, found.confidence) == (f"scheduling/{expected}", "likely")


def test_a_node_that_matches_is_not_among_those_that_are_known() -> None:
    fields = [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n3"]}]}]
    affinity = {
        "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": fields}}
    }
    tied = {"affinity": affinity, "containers": asks(memory="8Gi")}
    said = (
        "0/3 nodes are available: 1 Insufficient memory, 2 node(s) didn't match Pod's node affinity/selector."
    )
    assert cause(snapshot(waiting(said, **tied), [node("n1"), node("n2")])) == "insufficient-resources"
    lost = "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector."
    assert cause(snapshot(waiting(lost, **tied), [node("n1"), node("n2")])) == "node-affinity-mismatch"


@pytest.mark.parametrize(("name", "confidence"), [("volcano", "likely"), ("default-scheduler", "possible")])
def test_another_scheduler_is_quoted_by_its_name(name: str, confidence: str) -> None:
    found = first(snapshot(waiting("pod group is not ready, 3 Pending, 3 minAvailable", schedulerName=name)))
    assert found
    assert (found.cause.id, found.confidence) == ("scheduling/unschedulable", confidence)
    assert f"Scheduler {name} has not placed it: pod group is not ready" in found.title


GPU = "nvidia.com/gpu"


def told(reason: str, message: str, by: str, at: str = "2026-08-01T11:59:00Z") -> Json:
    """An event about the target."""
    about = {"kind": "Pod", "name": "web", "uid": "u"}
    meta, source = {"name": f"web.{reason}.{by}"}, {"component": by}
    return {
        "metadata": meta,
        "involvedObject": about,
        "reason": reason,
        "message": message,
        "source": source,
        "lastTimestamp": at,
    }


def hearing(pod: Json, *events: Json, nodes: Sequence[Json] | None = None) -> Snapshot:
    return snapshot(
        pod, nodes, more={pod_events_read(Snapshot(TARGET, {}, CLOCK)): Found({"items": list(events)})}
    )


@pytest.mark.parametrize(
    ("fenced", "open_", "wanted"),
    [
        ({GPU: "8"}, {}, "untolerated-taint"),
        ({}, {}, "extended-resource-unavailable"),
        ({GPU: "8"}, {GPU: "1"}, "untolerated-taint"),
        ({GPU: "1"}, {}, "extended-resource-unavailable"),
    ],
)
def test_nodes_without_the_device_never_mattered(
    fenced: Mapping[str, str], open_: Mapping[str, str], wanted: str
) -> None:
    message = f"0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient {GPU}."
    nodes = [node("big", "team=ml:NoSchedule", room=dict(fenced)), node("a", room=dict(open_)), node("b")]
    assert cause(snapshot(waiting(message, containers=asks(**{GPU: "2"})), nodes)) == wanted


@pytest.mark.parametrize(
    ("taint", "wanted"), [(GPU, "untolerated-taint"), ("team", "extended-resource-unavailable")]
)
def test_a_taint_with_the_name_of_the_device(taint: str, wanted: str) -> None:
    message = (
        f"0/5 nodes are available: 1 node(s) had untolerated taint {{{taint}: yes}}, 4 Insufficient {GPU}."
    )
    assert cause(snapshot(waiting(message, containers=asks(**{GPU: "1"})))) == wanted


def test_devices_of_the_same_maker_are_named() -> None:
    mig = "nvidia.com/mig-1g.5gb"
    pod = waiting(f"0/1 nodes are available: 1 Insufficient {mig}.", containers=asks(**{mig: "1"}))
    offering = first(snapshot(pod, [node("a", room={GPU: "8"})]))
    assert offering
    assert offering.title.endswith("nodes offer nvidia.com/gpu")
    without = first(snapshot(pod, [node("a", room={"amd.com/gpu": "8"})]))
    assert without
    assert "device plugin does not run" in without.title


def test_huge_pages_are_none_of_the_usual_resources() -> None:
    pod = waiting(
        "0/3 nodes are available: 3 Insufficient hugepages-2Mi.", containers=asks(**{"hugepages-2Mi": "1Gi"})
    )
    assert cause(snapshot(pod)) == "extended-resource-unavailable"


@pytest.mark.parametrize(
    ("by", "wanted"), [("yunikorn", "unschedulable"), ("mayor", "scheduler-not-running")]
)
def test_a_scheduler_that_speaks_under_reasons_of_its_own_runs(by: str, wanted: str) -> None:
    shot = hearing(waiting(schedulerName="yunikorn"), told("Scheduling", "shop/web is queued", by))
    assert cause(shot) == wanted


def test_karpenter_alone_is_quoted_as_karpenter() -> None:
    text = 'Failed to schedule pod, incompatible with nodepool "a", daemonset overhead={"cpu":"1"}, did not tolerate x=y:NoSchedule'
    found = first(hearing(waiting(), told("FailedScheduling", text, "karpenter")))
    assert found
    assert (
        found.title
        == 'Karpenter makes no node for it: incompatible with nodepool "a", did not tolerate x=y:NoSchedule'
    )


@pytest.mark.parametrize(
    ("events", "title"),
    [
        (
            [("FailedScaleUp", "Node scale up in zones a associated with this pod failed: GCE out of resources. Pod")],
            "No node has 1 CPU free, and no node is added: GCE out of resources",
        ),
        (
            [("NotTriggerScaleUp", "pod didn't trigger scale-up: 1 max node group size reached")],
            "No node has 1 CPU free, and no node is added: max node group size reached",
        ),
        ([("NotTriggerScaleUp", "pod didn't trigger scale-up: 2 Insufficient cpu")], "No node has 1 CPU free"),
    ],
)  # fmt: skip
def test_why_no_node_is_added_is_in_the_answer(events: list[tuple[str, str]], title: str) -> None:
    pod = waiting("0/3 nodes are available: 3 Insufficient cpu.", containers=asks(cpu="1"))
    found = first(hearing(pod, *(told(reason, text, "cluster-autoscaler") for reason, text in events)))
    assert found
    assert found.title == title


@pytest.mark.parametrize(
    ("there", "wanted"), [([], "preemption-pending"), ([placed("x", "a")], "insufficient-resources")]
)
def test_a_nominated_node_of_which_no_pod_is_known(there: list[Json], wanted: str) -> None:
    pod = waiting("0/1 nodes are available: 1 Insufficient cpu.", containers=asks(cpu="1"))
    pod["status"]["nominatedNodeName"] = "a"
    more = {worlds.node_pods_read("a"): Found({"items": there})}
    assert cause(snapshot(pod, more=more)) == wanted


@pytest.mark.parametrize(
    ("reason", "said"),
    [("2 cannot allocate all claims", False), ('resourceclaimtemplate "one-gpu" not found', True)],
)
def test_a_claim_that_the_scheduler_took_from_node_to_node_exists(reason: str, said: bool) -> None:
    pod = waiting(f"0/2 nodes are available: {reason}.")
    pod["spec"]["resourceClaims"] = [{"name": "gpu", "resourceClaimTemplateName": "one-gpu"}]
    empty = {
        read: Found({"items": []})
        for read in scheduling.reads(snapshot(pod))
        if read.api.startswith("resource.k8s.io")
    }
    found = first(snapshot(pod, more=empty))
    assert found
    assert found.cause.id == "scheduling/resource-claim-unavailable"
    assert ("does not exist" in found.title) == said


def test_several_taints_in_the_words_of_the_scheduler() -> None:
    message = (
        "0/6 nodes are available: 4 node(s) had untolerated taint {CriticalAddonsOnly: true}, "
        "2 node(s) had untolerated taint {dedicated: db}."
    )
    found = first(snapshot(waiting(message)))
    assert found
    assert (
        found.title == "It tolerates none of the taints of the nodes: dedicated=db, CriticalAddonsOnly=true"
    )
    assert "CriticalAddonsOnly" not in "".join(step.run + step.do for step in found.steps)


def test_what_an_extender_lacks_is_no_resource_of_the_pod() -> None:
    said = (
        "0/3 nodes are available: 3 Insufficient GPU Memory in one device: gpu-mem. preemption: not helpful."
    )
    found = first(snapshot(waiting(said), [node("one")]))
    assert found
    assert found.cause.id == "scheduling/unschedulable"
    assert "Insufficient GPU Memory in one device" in found.title


def test_a_node_that_has_room_by_now_is_told_in_the_title() -> None:
    pod = waiting("0/1 nodes are available: 1 Insufficient memory.", containers=asks(memory="1Gi"))
    found = first(snapshot(pod, [node("one")]))
    assert found
    assert found.title == (
        "No node had 1Gi memory free when the scheduler last looked; as listed now, one would take it"
    )


def test_of_zones_that_are_equally_near_none_was_meant() -> None:
    term = {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["west-1d"]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    said = "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector."
    pod = waiting(said, affinity={"nodeAffinity": required})
    zones = [node(name, labels={"zone": f"west-1{name}"}) for name in ("a", "b")]
    both, one = first(snapshot(pod, zones)), first(snapshot(pod, zones[:1]))
    assert both
    assert one
    assert "may be meant" not in both.title
    assert "west-1a" in one.title


@pytest.mark.parametrize("told", [True, False])
def test_a_class_that_makes_volumes_where_there_is_no_node(told: bool) -> None:
    claim = {
        "metadata": {"name": "data"},
        "spec": {"storageClassName": "zonal"},
        "status": {"phase": "Pending"},
    }
    topology = {"matchLabelExpressions": [{"key": "zone", "values": ["west-1d"]}]}
    made_by = {
        "metadata": {"name": "zonal"},
        "provisioner": "ebs.csi.aws.com",
        "allowedTopologies": [topology],
    }
    said = "0/1 nodes are available: 1 node(s) didn't find available persistent volumes to bind."
    pod = waiting(said, volumes=[{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}])
    more: dict[Read, Answer] = {
        worlds.pvc_read("shop", "data"): Found(claim),
        get("storage.k8s.io/v1", "storageclasses", "", "zonal"): Found(made_by),
    }
    there = "west-1a" if told else "west-1d"
    found = first(snapshot(pod, [node("one", labels={"zone": there})], more=more))
    assert found
    assert ("makes volumes only in zone west-1d" in found.title) is told


ALONE = "0/1 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }."


@pytest.mark.parametrize(
    ("said", "nodes", "confidence"),
    [
        (ALONE, [CONTROL], "certain"),
        # The workers are tainted only now: the scheduler spoke of their cpu.
        (
            ALONE.replace("0/1", "0/2") + ", 1 Insufficient cpu",
            [CONTROL, node("w", "a=b:NoSchedule")],
            "likely",
        ),
    ],
)
def test_a_cluster_that_is_its_control_plane(said: str, nodes: list[Json], confidence: str) -> None:
    found = first(snapshot(waiting(said), nodes))
    assert found
    assert found.confidence == confidence
    assert ("on control" in found.title) is (confidence == "certain")


@pytest.mark.parametrize(
    ("least", "words"), [(3, "3 of zone at least (minDomains)"), (2, "skew 2, allowed 1")]
)
def test_fewer_domains_than_the_constraint_asks_for(least: int, words: str) -> None:
    rule = {
        "maxSkew": 1,
        "minDomains": least,
        "topologyKey": "zone",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "web"}},
    }
    said = "0/2 nodes are available: 2 node(s) didn't match pod topology spread constraints."
    nodes = [node("a", labels={"zone": "a"}), node("b", "full=yes:NoSchedule", labels={"zone": "b"})]
    pods = [placed("one", "a", labels={"app": "web"}), placed("two", "b", labels={"app": "web"})][: least - 1]
    found = first(snapshot(waiting(said, topologySpreadConstraints=[rule]), nodes, pods))
    assert found
    assert words in found.title
    # The API takes minDomains only together with DoNotSchedule.
    assert "/0/minDomains" in found.attributes["patch"]
    assert ("min_patch" in found.attributes) is (least == 3)


@pytest.mark.parametrize(
    ("taint", "ready", "words"),
    [
        ("node.kubernetes.io/disk-pressure", None, "w is under disk pressure"),
        ("node.kubernetes.io/not-ready", "NetworkReady=false message:Network plugin returns error: no config", "w is not ready: no config"),
        ("node.kubernetes.io/unreachable", "Kubelet stopped posting node status.", "w is unreachable"),
        ("node.cilium.io/agent-not-ready", None, "Cilium's agent is not up there"),
        ("ebs.csi.aws.com/agent-not-ready", None, "an agent that has to run there first is not up"),
        ("cloud.google.com/impending-node-termination", None, "w is being removed by its cloud"),
        ("ToBeDeletedByClusterAutoscaler", None, "w is being removed by the cluster autoscaler"),
    ],
)  # fmt: skip
def test_what_the_taint_of_a_node_means(taint: str, ready: str | None, words: str) -> None:
    one = node("w", f"{taint}:NoSchedule")
    if ready:
        one["status"]["conditions"] = [{"type": "Ready", "status": "False", "message": ready}]
    said = f"0/1 nodes are available: 1 node(s) had untolerated taint {{{taint}: }}."
    found = first(snapshot(waiting(said), [one]))
    assert found
    assert words in found.title
    assert any("df -h" in step.run for step in found.steps) is ("disk" in taint)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "no instance type satisfied resources {} and requirements x (no instance type has enough resources)",
            True,
        ),
        ("did not tolerate taint a=b:NoSchedule", False),
    ],
)
def test_karpenter_knows_no_machine_of_that_size(said: str, told: bool) -> None:
    event = {
        "metadata": {"name": "e"},
        "reason": "FailedScheduling",
        "message": f'Failed to schedule pod, incompatible with nodepool "default", {said}',
        "lastTimestamp": "2026-08-01T11:59:00Z",
        "source": {"component": "karpenter"},
        "involvedObject": {"kind": "Pod", "name": "web", "uid": "u"},
    }
    pod = waiting("0/1 nodes are available: 1 Insufficient cpu.", containers=asks(cpu="300", memory="900Gi"))
    more: dict[Read, Answer] = {pod_events_read(Snapshot(TARGET, {}, CLOCK)): Found({"items": [event]})}
    found = first(snapshot(pod, [node("w")], more=more))
    assert found
    assert ("Karpenter knows no instance type" in found.title) is told
    assert found.attributes["second"] in ("cpu", "memory")


@pytest.mark.parametrize(
    ("labels", "key", "label"),
    [
        ([{}, {"pool": "fast"}], "pool", "one"),
        ([{"pool": "fast"}, {}], "pool", "two"),
        ([{"pool": "fast"}, {"pool": "slow"}], "pool", ""),
        # A label that says what a machine is.
        ([{}, {}], "sandbox.gke.io/runtime", ""),
        ([{}, {}], "nvidia.com/gpu.product", ""),
    ],
)
def test_a_label_is_not_put_where_another_means_something(labels: list[Json], key: str, label: str) -> None:
    said = "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector."
    nodes = [node(name, labels=one) for name, one in zip(("one", "two"), labels, strict=True)]
    found = first(snapshot(waiting(said, nodeSelector={key: "wanted"}), nodes))
    assert found
    fixes = [step.run for step in found.steps if step.fixes and "label node" in step.run]
    assert bool(fixes) is bool(label)
    assert not fixes or f"label node {label} " in fixes[0]


@pytest.mark.parametrize(
    ("injected", "template", "fix"),
    [
        ("side", ["app"], ""),  # an injector's: the template has nothing to change
        ("side", ["app", "side"], "-c side --requests=cpu=1"),
        ("istio-proxy", ["app"], "sidecar.istio.io/proxyCPU"),
    ],
)
def test_a_request_that_an_injector_adds_is_not_in_the_template(
    injected: str, template: list[str], fix: str
) -> None:
    containers = [*asks(cpu="100m"), {**asks(cpu="2")[0], "name": injected}]
    pod = waiting("0/1 nodes are available: 1 Insufficient cpu.", containers=containers)
    pod["metadata"]["ownerReferences"] = [
        {"kind": "ReplicaSet", "name": "web-1", "controller": True, "apiVersion": "apps/v1"}
    ]
    above = {"kind": "Deployment", "name": "web", "controller": True, "apiVersion": "apps/v1"}
    deployment = {"spec": {"template": {"spec": {"containers": [{"name": one} for one in template]}}}}
    more: dict[Read, Answer] = {
        get("apps/v1", "replicasets", "shop", "web-1"): Found({"metadata": {"ownerReferences": [above]}}),
        get("apps/v1", "deployments", "shop", "web"): Found(deployment),
    }
    found = first(snapshot(pod, [node("w")], [placed("other", "w", containers=asks(cpu="800m"))], more=more))
    assert found
    runs = " ".join(step.run for step in found.steps)
    assert fix in runs
    assert ("set resources" in runs) is (injected in template)
    assert any("injector" in step.do for step in found.steps) is (not fix)


@pytest.mark.parametrize(
    ("set_by_admission", "told"),
    [("cpu, memory request for container app; cpu limit for container app", True), ("memory request for container app", False), ("", False)],
)  # fmt: skip
def test_a_request_that_is_a_default_of_the_namespace(set_by_admission: str, told: bool) -> None:
    pod = waiting("0/1 nodes are available: 1 Insufficient cpu.", containers=asks(cpu="8"))
    pod["metadata"]["annotations"] = {
        "kubernetes.io/limit-ranger": f"LimitRanger plugin set: {set_by_admission}"
    }
    found = first(snapshot(pod, [node("w")]))
    assert found
    notes = [text for one in found.symptoms for text, _ in one.notes]
    assert any("default of a LimitRange" in text for text in notes) is told


@pytest.mark.parametrize(("selected", "told"), [({}, True), ({"tier": "gold"}, False)])
def test_a_selector_that_admission_adds_cannot_be_dropped_from_the_template(
    selected: dict[str, str], told: bool
) -> None:
    said = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."
    pod = waiting(said, nodeSelector={"tier": "gold"}, runtimeClassName="boxed")
    pod["metadata"]["ownerReferences"] = [
        {"kind": "StatefulSet", "name": "web", "controller": True, "apiVersion": "apps/v1"}
    ]
    owner = {"spec": {"template": {"spec": {"nodeSelector": selected, "containers": []}}}}
    more: dict[Read, Answer] = {get("apps/v1", "statefulsets", "shop", "web"): Found(owner)}
    found = first(snapshot(pod, [node("w")], more=more))
    assert found
    assert ("runtime class boxed adds it" in found.title) is told
    assert ("drop_patch" in found.attributes) is not told


def test_volumes_that_were_not_bound_in_time_are_named() -> None:
    said = 'running PreBind plugin "VolumeBinding": binding volumes: context deadline exceeded'
    volumes = [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]
    late = first(snapshot(waiting(said, "SchedulerError", volumes=volumes)))
    other = first(
        snapshot(waiting("binding rejected: connection refused", "SchedulerError", volumes=volumes))
    )
    assert late
    assert other
    assert "(claims: data)" in late.title
    assert "connection refused" in other.title
