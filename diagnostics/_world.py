"""The cluster as far as it was read, for judging nodes: nodes, pods, volumes, namespaces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from poddoctor.model import Body, Read, Snapshot
from poddoctor.pod.reads import get, list_of

from . import _selectors as sel

SMALL = 50
"""Up to this many nodes all pods are listed at once; beyond, node by node for the nearest."""
CANDIDATES = 20
_ACTIVE = "status.phase!=Succeeded,status.phase!=Failed"
_PODS = "would show what the pods on the nodes already take"


def nodes_read() -> Read:
    """All nodes."""
    return list_of("v1", "nodes", "", "would show why each node refuses the pod", limit="500")


def all_pods_read() -> Read:
    """All pods that have not ended."""
    return list_of("v1", "pods", "", _PODS, fieldSelector=_ACTIVE)


def node_pods_read(node: str) -> Read:
    """The pods of one node that have not ended."""
    return list_of("v1", "pods", "", _PODS, fieldSelector=f"spec.nodeName={node},{_ACTIVE}")


def nominated_read(node: str) -> Read:
    """The pods for which room was made on this node."""
    purpose = "would show for which pod this one was removed"
    return list_of("v1", "pods", "", purpose, fieldSelector=f"status.nominatedNodeName={node}")


def own_pods_read(namespace: str) -> Read:
    """The pods of the pod's own namespace: for spread and affinity rules in a large cluster."""
    return list_of("v1", "pods", namespace, _PODS, fieldSelector=_ACTIVE)


def namespaces_read() -> Read:
    """All namespaces, for their labels."""
    purpose = "would show which namespaces an affinity rule means"
    return list_of("v1", "namespaces", "", purpose)


def pvc_read(namespace: str, name: str) -> Read:
    """One claim."""
    return get("v1", "persistentvolumeclaims", namespace, name, "would show which volume the claim has")


def pv_read(name: str) -> Read:
    """One volume."""
    return get("v1", "persistentvolumes", "", name, "would show to which nodes the volume is tied")


def claim_names(pod: Body) -> list[str]:
    """The claims of the pod, those of its generic ephemeral volumes included."""
    found = []
    for volume in (pod.get("spec") or {}).get("volumes") or []:
        if name := (volume.get("persistentVolumeClaim") or {}).get("claimName"):
            found.append(str(name))
        elif volume.get("ephemeral"):
            found.append(f"{sel.name_of(pod)}-{volume.get('name')}")
    return list(dict.fromkeys(found))


def volume_reads(snapshot: Snapshot, pod: Body) -> Iterable[Read]:
    """The pod's claims, then the volumes that they are bound to."""
    for name in claim_names(pod):
        read = pvc_read(snapshot.target.namespace, name)
        yield read
        if volume := ((snapshot.body(read) or {}).get("spec") or {}).get("volumeName"):
            yield pv_read(str(volume))


@dataclass(frozen=True, slots=True)
class World:
    """What is known. ``pods`` is None when pods could not be listed at all.

    ``covered`` names the nodes whose pods are known; None stands for all of them.
    """

    pod: Body
    namespace: str
    nodes: tuple[Body, ...]
    pods: tuple[Body, ...] | None
    covered: frozenset[str] | None
    everywhere: bool
    volumes: tuple[tuple[str, Body], ...]
    namespaces: Mapping[str, Mapping[str, str]] | None
    more_nodes: bool = False

    def knows_pods_on(self, node: str) -> bool:
        """Whether the pods of this node are known."""
        return self.pods is not None and (self.covered is None or node in self.covered)

    def by_node(self) -> dict[str, list[Body]]:
        """The pods that the scheduler counts on each node, those nominated for it included."""
        mine = (self.pod.get("metadata") or {}).get("uid")
        priority = int((self.pod.get("spec") or {}).get("priority") or 0)
        found: dict[str, list[Body]] = {}
        for pod in self.pods or ():
            spec, status = pod.get("spec") or {}, pod.get("status") or {}
            if spec.get("nodeName"):
                found.setdefault(str(spec["nodeName"]), []).append(pod)
            elif nominated := status.get("nominatedNodeName"):
                other = (pod.get("metadata") or {}).get("uid") != mine
                if other and int(spec.get("priority") or 0) >= priority:
                    found.setdefault(str(nominated), []).append(pod)
        return found


def pod_reads(snapshot: Snapshot, pod: Body, nodes: list[Body], nearest: list[str]) -> Iterable[Read]:
    """The pods that stand on the nodes: all of a small cluster, else those of the nearest nodes."""
    if len(nodes) <= SMALL:
        yield all_pods_read()
        return
    yield from (node_pods_read(name) for name in nearest[:CANDIDATES])
    if cares_for_pods(pod):
        yield own_pods_read(snapshot.target.namespace)


def cares_for_pods(pod: Body) -> bool:
    """Whether the pod has spread or pod (anti-)affinity rules."""
    spec = pod.get("spec") or {}
    affinity = spec.get("affinity") or {}
    return bool(
        spec.get("topologySpreadConstraints")
        or affinity.get("podAffinity")
        or affinity.get("podAntiAffinity")
    )


def needs_namespaces(pod: Body) -> bool:
    """Whether an affinity rule of the pod chooses namespaces by label."""
    affinity = (pod.get("spec") or {}).get("affinity") or {}
    for kind in ("podAffinity", "podAntiAffinity"):
        for term in (affinity.get(kind) or {}).get("requiredDuringSchedulingIgnoredDuringExecution") or []:
            if term.get("namespaceSelector"):
                return True
    return False


def world_of(snapshot: Snapshot, pod: Body) -> World | None:
    """The cluster as this snapshot shows it, or None when the nodes are not known."""
    nodes = snapshot.items(nodes_read())
    if nodes is None:
        return None
    names = [sel.name_of(node) for node in nodes]
    pods, covered, everywhere = _pods(snapshot, names)
    volumes = []
    for name in claim_names(pod):
        claim = snapshot.body(pvc_read(snapshot.target.namespace, name)) or {}
        volume = snapshot.body(pv_read(str((claim.get("spec") or {}).get("volumeName") or "")))
        if volume:
            volumes.append((name, volume))
    spaces = snapshot.items(namespaces_read())
    labels = None if spaces is None else {sel.name_of(one): sel.labels_of(one) for one in spaces}
    return World(
        pod=pod,
        namespace=snapshot.target.namespace,
        nodes=tuple(nodes),
        pods=pods,
        covered=covered,
        everywhere=everywhere,
        volumes=tuple(volumes),
        namespaces=labels,
        more_nodes=bool(((snapshot.body(nodes_read()) or {}).get("metadata") or {}).get("continue")),
    )


def _pods(
    snapshot: Snapshot, nodes: list[str]
) -> tuple[tuple[Body, ...] | None, frozenset[str] | None, bool]:
    everything = snapshot.items(all_pods_read())
    if everything is not None:
        return tuple(_active(everything)), None, True
    covered, found = set(), {}
    for name in nodes:
        items = snapshot.items(node_pods_read(name))
        if items is not None:
            covered.add(name)
            for pod in _active(items):
                # A server that ignores the selector must not move pods between nodes.
                if (pod.get("spec") or {}).get("nodeName") == name:
                    found[sel.namespace_of(pod), sel.name_of(pod)] = pod
    own = snapshot.items(own_pods_read(snapshot.target.namespace))
    for pod in _active(own or []):
        found[sel.namespace_of(pod), sel.name_of(pod)] = pod
    if not covered and own is None:
        return None, frozenset(), False
    return tuple(found.values()), frozenset(covered), own is not None


def _active(pods: Iterable[Body]) -> list[Body]:
    return [pod for pod in pods if (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")]
