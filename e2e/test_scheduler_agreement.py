"""Our judgement of nodes against the real scheduler's, on random nodes and pods.

The nodes are made up: objects without a machine, tainted so that nobody else's pods land there. The pods that
stand on them name their node, so that the scheduler has no part in it. Then one probe after another is given
to the scheduler, and its answer is compared with ours: fit or not, and the count of each reason. Of a pod
that is refused, our judgement rests on what poddoctor itself reads (pods of the nodes in question, pods by
label), not on all that there is.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

import pytest
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from poddoctor.diagnostics import _choice, _predicates, _schedmessage
from poddoctor.diagnostics import _world as worlds

from poddoctor import session
from poddoctor.pod.reads import pod_read

FAKE = "poddoctor.dev/fake"
NAMESPACE = "scheduling-agreement"
TEAM = "scheduling-agreement-team"
HEAVY = "scheduling-agreement-heavy"
BATCHES, PROBES, NODES = 11, 34, 6
STATES = (
    "not-ready",
    "unreachable",
    "memory-pressure",
    "disk-pressure",
    "pid-pressure",
    "network-unavailable",
)
ZONES = ("a", "b", "c")
Json = Any
APPS = ("web", "api", "db")
# Claims by what their volumes are tied to: a zone by affinity or by label, a node, or one pod at a time.
CLAIMS: Mapping[str, Json] = {
    "in-zone-a": {"zone": "a"},
    "in-zone-b": {"zone": "b"},
    "on-one-node": {"node": "fake-1"},
    "labelled-c": {"label": "c"},
    "one-pod": {},
}


def _tolerations(extra: Sequence[Json] = ()) -> list[Json]:
    """What every probe tolerates: the mark of the made-up nodes, and that nobody is at home on them."""
    states = [{"key": f"node.kubernetes.io/{state}", "operator": "Exists"} for state in STATES]
    return [{"key": FAKE, "operator": "Exists"}, *states, *extra]


def _node(dice: random.Random, index: int) -> Json:
    name = f"fake-{index}"
    labels = {FAKE: "yes", "kubernetes.io/hostname": name}
    if dice.random() < 0.85:
        labels["topology.kubernetes.io/zone"] = dice.choice(ZONES)
    if dice.random() < 0.6:
        labels["disk"] = dice.choice(("ssd", "hdd"))
    if dice.random() < 0.5:
        labels["generation"] = str(dice.randint(1, 6))
    taints = [{"key": FAKE, "value": "yes", "effect": "NoSchedule"}]
    if dice.random() < 0.3:
        taints.append(
            {
                "key": "dedicated",
                "value": dice.choice(("a", "b")),
                "effect": dice.choice(("NoSchedule", "NoExecute", "PreferNoSchedule")),
            }
        )
    room = {
        "cpu": dice.choice(("1", "1500m", "2", "4")),
        "memory": dice.choice(("1Gi", "2Gi", "4000000Ki")),
        "pods": dice.choice(("5", "8", "110")),
        "ephemeral-storage": "10Gi",
    }
    if dice.random() < 0.3:
        room["example.com/gpu"] = "2"
    conditions = [{"type": "Ready", "status": "True", "reason": "MadeUp", "lastHeartbeatTime": _now()}]
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {"taints": taints, **({"unschedulable": True} if dice.random() < 0.1 else {})},
        "status": {"allocatable": room, "capacity": room, "conditions": conditions},
    }


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _container(dice: random.Random, name: str, most: int, *, port: bool = False) -> Json:
    asked = {"cpu": f"{dice.randint(0, most) * 50}m", "memory": f"{dice.randint(0, most * 3) * 16}Mi"}
    asked = {key: value for key, value in asked.items() if dice.random() < 0.8}
    resources: Json = {"requests": asked}
    if dice.random() < 0.08:
        resources["limits"] = {"example.com/gpu": str(dice.randint(1, 2))}
    found: Json = {"name": name, "image": "busybox:1.36", "resources": resources}
    if port and dice.random() < 0.3:
        found["ports"] = [
            {
                "containerPort": 80,
                "hostPort": dice.choice((8080, 8081)),
                "protocol": dice.choice(("TCP", "TCP", "UDP")),
                **({"hostIP": dice.choice(("127.0.0.1", "10.0.0.1"))} if dice.random() < 0.3 else {}),
            }
        ]
    return found


def _selector(dice: random.Random) -> Json:
    if dice.random() < 0.5:
        return {"matchLabels": {"app": dice.choice(APPS)}}
    operator = dice.choice(("In", "NotIn", "Exists", "DoesNotExist"))
    values = {"values": dice.sample(APPS, 2)} if operator in ("In", "NotIn") else {}
    return {"matchExpressions": [{"key": "app", "operator": operator, **values}]}


def _pod_term(dice: random.Random) -> Json:
    term: Json = {
        "labelSelector": _selector(dice),
        "topologyKey": dice.choice(("kubernetes.io/hostname", "topology.kubernetes.io/zone")),
    }
    kind = dice.random()
    if kind < 0.2:
        term["namespaceSelector"] = {}
    elif kind < 0.35:
        term["namespaceSelector"] = {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}}
    elif kind < 0.5:
        term["namespaces"] = [dice.choice(("kube-system", TEAM))]
    elif kind < 0.65:
        term["namespaceSelector"] = {"matchExpressions": [{"key": "team", "operator": "In", "values": ["a"]}]}
    if dice.random() < 0.2:
        term[dice.choice(("matchLabelKeys", "mismatchLabelKeys"))] = ["tier"]
    return term


def _required(term: Json) -> Json:
    return {"requiredDuringSchedulingIgnoredDuringExecution": [term]}


def _node_affinity(dice: random.Random) -> Json:
    def expression() -> Json:
        pick = dice.choice(("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"))
        if pick in ("Gt", "Lt"):
            return {"key": "generation", "operator": pick, "values": [str(dice.randint(2, 5))]}
        key = dice.choice(("disk", "topology.kubernetes.io/zone"))
        values = {"values": [dice.choice(("ssd", "hdd") if key == "disk" else ZONES)]}
        return {"key": key, "operator": pick, **(values if pick in ("In", "NotIn") else {})}

    terms: list[Json] = [
        {"matchExpressions": [expression() for _ in range(dice.randint(1, 2))]}
        for _ in range(dice.randint(1, 2))
    ]
    if dice.random() < 0.2:
        name = f"fake-{dice.randrange(NODES)}"
        terms[0]["matchFields"] = [
            {"key": "metadata.name", "operator": dice.choice(("In", "NotIn")), "values": [name]}
        ]
    return {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}


def _spread(dice: random.Random) -> Json:
    return {
        "maxSkew": dice.randint(1, 2),
        "topologyKey": dice.choice(("kubernetes.io/hostname", "topology.kubernetes.io/zone")),
        "whenUnsatisfiable": dice.choice(("DoNotSchedule", "DoNotSchedule", "ScheduleAnyway")),
        "labelSelector": _selector(dice),
    }


def _with_policies(dice: random.Random, constraint: Json) -> Json:
    if constraint["whenUnsatisfiable"] == "DoNotSchedule" and dice.random() < 0.3:
        constraint["minDomains"] = dice.randint(1, 4)
    for policy in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
        if dice.random() < 0.3:
            constraint[policy] = dice.choice(("Honor", "Ignore"))
    if dice.random() < 0.2:
        constraint["matchLabelKeys"] = ["tier"]
    return constraint


def _meta(dice: random.Random, name: str) -> Json:
    labels = {"app": dice.choice(APPS), **({"tier": dice.choice(("x", "y"))} if dice.random() < 0.5 else {})}
    return {"name": name, "namespace": NAMESPACE, "labels": labels}


def _standing(dice: random.Random, index: int) -> Json:
    """A pod that stands on a made-up node, placed by name."""
    spec: Json = {
        "nodeName": f"fake-{dice.randrange(NODES)}",
        "terminationGracePeriodSeconds": 0,
        "tolerations": [{"operator": "Exists"}],
        "containers": [_container(dice, "app", 8, port=True)],
    }
    if dice.random() < 0.15:
        spec["affinity"] = {"podAntiAffinity": _required(_pod_term(dice))}
    if dice.random() < 0.1:
        spec["volumes"] = [_volume("one-pod")]
    _weighed(dice, spec)
    meta = _meta(dice, f"standing-{index}")
    if dice.random() < 0.25 and "volumes" not in spec:
        meta["namespace"] = TEAM
    return {"metadata": meta, "spec": spec}


def _volume(claim: str) -> Json:
    return {"name": claim, "persistentVolumeClaim": {"claimName": claim}}


def _weighed(dice: random.Random, spec: Json) -> None:
    """Requests that no container names: the pod's own, and its runtime's overhead."""
    if dice.random() < 0.2:
        asked = {"cpu": f"{dice.randint(6, 30) * 50}m", "memory": f"{dice.randint(8, 60) * 16}Mi"}
        spec["resources"] = {"requests": asked}
    if dice.random() < 0.2:
        spec["runtimeClassName"] = HEAVY


def _probe(dice: random.Random, index: int) -> Json:
    """A pod with a random choice of everything that the scheduler's filters look at."""
    extra = [{"key": "dedicated", "operator": "Equal", "value": "a"}] if dice.random() < 0.4 else []
    spec: Json = {
        "terminationGracePeriodSeconds": 0,
        "tolerations": _tolerations(extra),
        "nodeSelector": {FAKE: "yes", **({"disk": "ssd"} if dice.random() < 0.15 else {})},
        "containers": [_container(dice, f"app-{n}", 14, port=True) for n in range(dice.randint(1, 2))],
    }
    if dice.random() < 0.4:
        spec["initContainers"] = [
            {
                **_container(dice, f"init-{n}", 20),
                **({"restartPolicy": "Always"} if dice.random() < 0.5 else {}),
            }
            for n in range(dice.randint(1, 3))
        ]
    affinity: Json = {}
    if dice.random() < 0.3:
        affinity["nodeAffinity"] = _node_affinity(dice)
    if dice.random() < 0.25:
        affinity["podAffinity"] = _required(_pod_term(dice))
    if dice.random() < 0.25:
        affinity["podAntiAffinity"] = _required(_pod_term(dice))
    if affinity:
        spec["affinity"] = affinity
    if dice.random() < 0.35:
        spec["topologySpreadConstraints"] = [_with_policies(dice, _spread(dice))]
    if dice.random() < 0.25:
        spec["volumes"] = [_volume(dice.choice(list(CLAIMS)))]
    if dice.random() < 0.1:
        spec["hostNetwork"] = True
    _weighed(dice, spec)
    return {"metadata": _meta(dice, f"probe-{index}"), "spec": spec}


class Cluster:
    """The real API server, in raw JSON."""

    def __init__(self) -> None:
        config.load_kube_config()
        self.api = client.CoreV1Api()

    def raw(self, path: str) -> Json:
        answer = self.api.api_client.param_serialize("GET", path, auth_settings=["BearerToken"])
        return json.loads(self.api.api_client.call_api(*answer).read())

    def clear(self) -> None:
        """Everything that this test made, gone; whatever state it was left in."""
        for node in self.api.list_node(label_selector=f"{FAKE}=yes").items:
            with contextlib.suppress(ApiException):
                self.api.delete_node(node.metadata.name)
        pods = self.raw("/api/v1/pods")["items"]
        for pod in pods:
            if pod["metadata"]["namespace"] == NAMESPACE or str(pod["spec"].get("nodeName")).startswith(
                "fake-"
            ):
                self.drop(pod["metadata"]["name"], pod["metadata"]["namespace"])

    def create(self, body: Json) -> bool:
        """Whether the API server takes the pod: dice also make what it refuses, such as a port twice."""
        try:
            self.api.create_namespaced_pod(body["metadata"]["namespace"], body)
        except ApiException as error:
            if error.status == 422:
                return False
            raise
        return True

    def drop(self, name: str, namespace: str = NAMESPACE) -> None:
        with contextlib.suppress(ApiException):
            self.api.delete_namespaced_pod(name, namespace, grace_period_seconds=0)

    def answer(self, name: str) -> Json:
        """The pod once the scheduler has placed or refused it."""
        for _ in range(200):
            pod = self.raw(f"/api/v1/namespaces/{NAMESPACE}/pods/{name}")
            conditions = {one["type"]: one for one in pod["status"].get("conditions") or []}
            if pod["spec"].get("nodeName") or conditions.get("PodScheduled", {}).get("message"):
                return pod
            time.sleep(0.05)
        raise AssertionError(f"the scheduler has not looked at {name}")

    def furnish(self) -> None:
        """The namespaces, the runtime class and the volumes that pods name."""
        with contextlib.suppress(ApiException):
            self.api.create_namespace({"metadata": {"name": NAMESPACE}})
        with contextlib.suppress(ApiException):
            self.api.create_namespace({"metadata": {"name": TEAM, "labels": {"team": "a"}}})
        overhead = {"podFixed": {"cpu": "120m", "memory": "64Mi"}}
        heavy = {"metadata": {"name": HEAVY}, "handler": "runc", "overhead": overhead}
        with contextlib.suppress(ApiException):
            client.NodeV1Api().create_runtime_class(heavy)
        for claim, tie in CLAIMS.items():
            volume, modes = (
                f"{NAMESPACE}-{claim}",
                ["ReadWriteOncePod" if claim == "one-pod" else "ReadWriteOnce"],
            )
            with contextlib.suppress(ApiException):
                self.api.create_persistent_volume(_persistent(volume, claim, modes, tie))
            wanted = {
                "accessModes": modes,
                "storageClassName": "",
                "volumeName": volume,
                "resources": {"requests": {"storage": "1Mi"}},
            }
            with contextlib.suppress(ApiException):
                self.api.create_namespaced_persistent_volume_claim(
                    NAMESPACE, {"metadata": {"name": claim}, "spec": wanted}
                )
        for claim in CLAIMS:
            self._bound(claim)

    def _bound(self, claim: str) -> None:
        path = f"/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims/{claim}"
        for _ in range(200):
            if self.raw(path)["status"].get("phase") == "Bound":
                return
            time.sleep(0.1)
        raise AssertionError(f"claim {claim} is not bound")

    def remove(self) -> None:
        """Everything that ``furnish`` made."""
        for space in (NAMESPACE, TEAM):
            self.api.delete_namespace(space)
        client.NodeV1Api().delete_runtime_class(HEAVY)
        for claim in CLAIMS:
            with contextlib.suppress(ApiException):
                self.api.delete_persistent_volume(f"{NAMESPACE}-{claim}")


def _persistent(name: str, claim: str, modes: Sequence[str], tie: Mapping[str, str]) -> Json:
    """A volume of a driver that does not exist: nobody ever mounts it."""
    zone, one = "topology.kubernetes.io/zone", "kubernetes.io/hostname"
    labels = {zone: tie["label"]} if "label" in tie else {}
    spec: Json = {
        "accessModes": list(modes),
        "capacity": {"storage": "1Mi"},
        "persistentVolumeReclaimPolicy": "Retain",
        "csi": {"driver": "agreement.poddoctor.dev", "volumeHandle": name},
        "claimRef": {"namespace": NAMESPACE, "name": claim},
    }
    for field, key in (("zone", zone), ("node", one)):
        if field in tie:
            term = {"matchExpressions": [{"key": key, "operator": "In", "values": [tie[field]]}]}
            spec["nodeAffinity"] = {"required": {"nodeSelectorTerms": [term]}}
    return {"metadata": {"name": name, "labels": labels}, "spec": spec}


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made = Cluster()
    made.clear()
    made.furnish()
    try:
        yield made
    finally:
        made.clear()
        made.remove()


def _read_world(name: str) -> worlds.World:
    """The cluster as poddoctor reads it for a pod that waits."""
    [snapshot] = session.snapshots(f"pod/{name}", session.Request(namespace=NAMESPACE))
    pod = snapshot.body(pod_read(snapshot))
    message = _schedmessage.parse(_message(pod))
    world = worlds.world_of(snapshot, pod, refused="existing-anti-affinity" in message.kinds)
    assert world is not None
    assert world.ruled, "the pods that its rules mean were not read"
    return world


def _message(pod: Mapping[str, Json]) -> str:
    return str(next(one["message"] for one in pod["status"]["conditions"] if one["type"] == "PodScheduled"))


def _world(cluster: Cluster, pod: Json) -> worlds.World:
    """The cluster as it is, without the probe itself."""
    me = pod["metadata"]["uid"]
    bare = {**pod, "spec": {key: value for key, value in pod["spec"].items() if key != "nodeName"}}
    pods = [one for one in cluster.raw("/api/v1/pods")["items"] if one["metadata"]["uid"] != me]
    active = [one for one in pods if one["status"].get("phase") not in ("Succeeded", "Failed")]
    spaces = cluster.raw("/api/v1/namespaces")["items"]
    labels = {one["metadata"]["name"]: one["metadata"].get("labels") or {} for one in spaces}
    nodes = tuple(cluster.raw("/api/v1/nodes")["items"])
    volumes = []
    for claim in worlds.claim_names(pod):
        spec = cluster.raw(f"/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims/{claim}")["spec"]
        volumes.append((claim, cluster.raw(f"/api/v1/persistentvolumes/{spec['volumeName']}")))
    return worlds.World(bare, NAMESPACE, nodes, tuple(active), None, True, tuple(volumes), labels)


def _only_nodes(pod: Mapping[str, Json]) -> set[str] | None:
    """The nodes that matchFields leave: the scheduler sorts out all others before it runs any filter."""
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    names: set[str] = set()
    for term in affinity.get("requiredDuringSchedulingIgnoredDuringExecution", {}).get(
        "nodeSelectorTerms", []
    ):
        fields = [one for one in term.get("matchFields") or [] if one["operator"] == "In"]
        if not fields:
            return None
        names.update(fields[0]["values"])
    return names or None


def _expected(pod: Mapping[str, Json], verdicts: Sequence[_predicates.Verdict]) -> Counter[str]:
    """The reasons that the scheduler should count: those of the first filter that each node fails."""
    found: Counter[str] = Counter()
    only = _only_nodes(pod)
    for one in verdicts:
        kind = "affinity" if only and one.name not in only else _choice.first(one)
        kind = "taint" if kind in ("control-plane", "node-state") else _predicates.IN_MESSAGE.get(kind, kind)
        if kind in ("resources", "pods"):
            found.update(failure.resource for failure in one.of("resources", "exceeds"))
            found.update("pods" for _ in one.of("pods"))
        else:
            found[kind] += 1
    return found


def _said(message: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for one in _schedmessage.parse(message).reasons:
        kind = "taint" if one.kind in ("control-plane", "node-state") else one.kind
        found[one.resource or kind] += one.count
    return found


def _difference(pod: Mapping[str, Json], verdicts: Sequence[_predicates.Verdict]) -> str:
    """What differs between the scheduler's answer and ours; empty when nothing does."""
    fitting = [one.name for one in verdicts if not one.failures]
    placed = pod["spec"].get("nodeName")
    ours = {one.name: [failure.text for failure in one.failures] for one in verdicts if one.failures}
    if placed:
        return "" if placed in fitting else f"placed on {placed}, we say {ours.get(placed)}"
    message = _message(pod)
    if fitting:
        return f"we say {fitting} fit, the scheduler: {message}"
    if _said(message) != _expected(pod, verdicts):
        return f"the scheduler: {message}; we: {_expected(pod, verdicts)} {ours}"
    return ""


@pytest.mark.exclusive
@pytest.mark.timeout(1500)
def test_we_judge_as_the_scheduler_does(cluster: Cluster) -> None:
    dice = random.Random(int(os.environ.get("AGREEMENT_SEED", "20260801")))
    placed = refused = 0
    differences = []
    seen: Counter[str] = Counter()
    for _ in range(BATCHES):
        for index in range(NODES):
            cluster.api.create_node(_node(dice, index))
        for index in range(12):
            cluster.create(_standing(dice, index))
        time.sleep(2)  # DaemonSets put their pods on the new nodes
        for index in range(PROBES):
            body = _probe(dice, index)
            if not cluster.create(body):
                continue
            pod = cluster.answer(body["metadata"]["name"])
            here = bool(pod["spec"].get("nodeName"))
            world = _world(cluster, pod) if here else _read_world(pod["metadata"]["name"])
            verdicts = _predicates.judge(world)
            seen.update(kind for one in verdicts for kind in one.kinds)
            placed, refused = placed + here, refused + (not here)
            if difference := _difference(pod, verdicts):
                differences.append(f"{body}\n  {difference}")
            cluster.drop(body["metadata"]["name"])
        cluster.clear()
    total = placed + refused
    rate = 1 - len(differences) / total
    print(f"{total} pods: {placed} placed, {refused} refused; agreement {rate:.1%}; {dict(seen)}")
    assert placed > 50
    assert refused > 50
    assert not differences, f"{len(differences)} of {total}:\n" + "\n".join(differences[:12])
