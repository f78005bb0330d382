"""A large cluster that is made up, behind the fake API server: nodes in pages, and pods by selector.

Objects are as large as real ones: nodes with images and managed fields, pods with environments and mounts.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from .server import FakeServer, Reply, Request

Json = Any
NAMESPACE, NAME = "shop", "web"
PODS_ON_A_NODE = 30
_FIELDS = {
    "manager": "kubelet",
    "operation": "Update",
    "time": "2026-11-24T10:00:00Z",
    "fieldsV1": {
        f"f:{number}": {f"k:{one}": {".": {}, "f:type": {}} for one in range(12)} for number in range(6)
    },
}
_STATES = (
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
)
_TIME = "2026-11-24T10:00:00Z"


def node(index: int) -> Json:
    """A node of one of three sizes in one of three zones; every tenth is dedicated to another team."""
    cores = (4, 8, 16)[index % 3]
    room = {
        "cpu": f"{cores * 1000 - 80}m",
        "memory": f"{cores * 4000000 - 123456}Ki",
        "pods": "110",
        "ephemeral-storage": "94477937300",
        "hugepages-1Gi": "0",
        "hugepages-2Mi": "0",
    }
    labels = {
        "kubernetes.io/hostname": f"node-{index}",
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "topology.kubernetes.io/region": "eu-1",
        "topology.kubernetes.io/zone": f"eu-1{'abc'[index % 3]}",
        "node.kubernetes.io/instance-type": f"m{cores}.large",
        **{f"example.com/label-{number}": f"value-{number}-of-all" for number in range(12)},
    }
    images = [
        {
            "names": [
                f"registry.example.com/team/service-{number}@sha256:{index:032x}{number:032x}",
                f"registry.example.com/team/service-{number}:1.{index}.{number}",
            ],
            "sizeBytes": 123456789 + number,
        }
        for number in range(30)
    ]
    taints = [{"key": "dedicated", "value": "batch", "effect": "NoSchedule"}] if index % 10 == 0 else []
    states = [
        {
            "type": kind,
            "status": status,
            "reason": reason,
            "message": message,
            "lastHeartbeatTime": f"2026-11-24T10:{index % 60:02}:00Z",
            "lastTransitionTime": _TIME,
        }
        for kind, status, reason, message in _STATES
    ]
    return {
        "metadata": {
            "name": f"node-{index}",
            "uid": f"00000000-0000-4000-8000-{index:012}",
            "labels": labels,
            "annotations": {f"example.com/note-{number}": "x" * 60 for number in range(8)},
            "creationTimestamp": _TIME,
            "managedFields": [_FIELDS, {**_FIELDS, "manager": "kube-controller-manager"}],
        },
        "spec": {"podCIDR": f"10.{index >> 8}.{index & 255}.0/24", "taints": taints},
        "status": {
            "allocatable": room,
            "capacity": room,
            "conditions": states,
            "addresses": [{"type": "InternalIP", "address": f"10.{index >> 8}.{index & 255}.1"}],
            "nodeInfo": {"kubeletVersion": "v1.34.1", "osImage": "Linux", "architecture": "amd64"},
            "images": images,
        },
    }


def pod(name: str, on: str, cpu: str = "100m", labels: Json = None) -> Json:
    """A pod that runs on a node."""
    return {
        "metadata": {
            "name": name,
            "namespace": "crowd",
            "uid": f"uid-{name}",
            "labels": labels or {"app": name.rpartition("-")[0]},
            "managedFields": [_FIELDS],
            "ownerReferences": [{"kind": "ReplicaSet", "name": "crowd-1", "uid": "r", "controller": True}],
        },
        "spec": {
            "nodeName": on,
            "containers": [
                {
                    "name": "app",
                    "image": "registry.example.com/team/service:1",
                    "resources": {"requests": {"cpu": cpu, "memory": "128Mi"}},
                    "env": [{"name": f"SETTING_{number}", "value": "y" * 40} for number in range(20)],
                    "volumeMounts": [
                        {"name": f"v{number}", "mountPath": f"/v{number}"} for number in range(5)
                    ],
                }
            ],
            "volumes": [{"name": f"v{number}", "emptyDir": {}} for number in range(5)],
        },
        "status": {
            "phase": "Running",
            "containerStatuses": [{"name": "app", "ready": True, "restartCount": 0}],
        },
    }


def pending(nodes: int, *, ruled: bool = False) -> Json:
    """The pod that no node takes, with rules about other pods or without."""
    closed = (nodes + 9) // 10
    rules = {
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": {"matchLabels": {"app": NAME}},
            }
        ],
        "affinity": {
            "podAntiAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": [
                    {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": NAME}}}
                ]
            }
        },
    }
    said = (
        f"0/{nodes} nodes are available: {nodes - closed} Insufficient cpu, {closed} node(s) had untolerated "
        f"taint(s). preemption: 0/{nodes} nodes are available: {nodes} No preemption victims found for incoming pod."
    )
    return {
        "metadata": {
            "name": NAME,
            "namespace": NAMESPACE,
            "uid": "u",
            "labels": {"app": NAME},
            "creationTimestamp": _TIME,
        },
        "spec": {
            "containers": [{"name": "app", "image": "web:1", "resources": {"requests": {"cpu": "3500m"}}}],
            **(rules if ruled else {}),
        },
        "status": {
            "phase": "Pending",
            "conditions": [
                {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": said}
            ],
        },
    }


@lru_cache(maxsize=64)
def _page(nodes: int, start: int, size: int) -> bytes:
    end = min(nodes, start + size)
    meta = {"resourceVersion": "1", **({"continue": str(end)} if end < nodes else {})}
    items = [node(index) for index in range(start, end)]
    return json.dumps({"kind": "NodeList", "metadata": meta, "items": items}).encode()


@lru_cache(maxsize=64)
def _on(name: str) -> bytes:
    cores = (4, 8, 16)[int(name.rpartition("-")[2]) % 3]
    items = [pod(f"crowd-{name}-{number}", name, cpu=f"{cores * 30}m") for number in range(PODS_ON_A_NODE)]
    return json.dumps({"kind": "PodList", "metadata": {}, "items": items}).encode()


class Crowd(FakeServer):
    """The server of a cluster of so many nodes, each full of pods; ``sent`` counts the bytes of answers."""

    def __init__(self, nodes: int, tls: tuple[Path, Path] | None = None, *, ruled: bool = False) -> None:
        super().__init__({}, tls)
        self._nodes, self._ruled = nodes, ruled
        self.sent = 0
        for start in range(0, nodes, 500):
            _page(nodes, start, 500)

    def find(self, request: Request) -> Reply | None:
        """By path and by selector; a list of all pods is refused, for nobody may ask for it."""
        found = self._find(request)
        if found is not None:
            body = found.body if isinstance(found.body, bytes) else json.dumps(found.body).encode()
            self.sent += len(body)
        return found

    def _find(self, request: Request) -> Reply | None:
        query = {key: values[0] for key, values in parse_qs(request.query).items()}
        fields = query.get("fieldSelector", "")
        if request.path == "/api/v1/nodes":
            return Reply(_page(self._nodes, int(query.get("continue", "0")), int(query["limit"])))
        if fields.startswith("spec.nodeName="):
            return Reply(_on(fields.removeprefix("spec.nodeName=").partition(",")[0]))
        if query.get("labelSelector") == f"app={NAME}":
            return Reply(
                _list([pod(f"{NAME}-{one}", f"node-{one}", labels={"app": NAME}) for one in range(1, 200)])
            )
        if request.path.endswith(("/events", "/namespaces")) or "nominatedNodeName" in fields:
            return Reply(_list([]))
        if is_all_pods(request):
            return Reply({"message": "nobody asks for all pods"}, 500)
        return {
            "/version": Reply({"gitVersion": "v1.34.1"}),
            f"/api/v1/namespaces/{NAMESPACE}/pods/{NAME}": Reply(pending(self._nodes, ruled=self._ruled)),
        }.get(request.path)


def _list(items: list[Json]) -> Json:
    return {"metadata": {"resourceVersion": "1"}, "items": items}


def is_all_pods(request: Request) -> bool:
    """Whether a request wants the pods of the whole cluster, whatever their labels and nodes."""
    query = {key: values[0] for key, values in parse_qs(request.query).items()}
    fields = query.get("fieldSelector", "")
    chosen = "labelSelector" in query or "spec.nodeName=" in fields or "status.nominatedNodeName" in fields
    return request.path == "/api/v1/pods" and not chosen
