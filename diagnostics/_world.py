"""The cluster as far as it was read, for judging nodes: nodes, pods, volumes, namespaces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from poddoctor.model import Body, Read, Snapshot
from poddoctor.pod.reads import get, list_of

from . import _selectors as sel

CANDIDATES = 20
"""Of how many nodes the pods are read at the most: a Pending pod is no reason to download a cluster."""
_ACTIVE = "status.phase!=Succeeded,status.phase!=Failed"
_PODS = "would show what the pods on the nodes already take"
_RULES = "would show where the pods stand that its rules mean"
# From the server's cache: it has an index of pods by node, and the store behind it has none.
_CACHED = "0"


def nodes_read() -> Read:
    """All nodes, in pages of this size."""
    return list_of("v1", "nodes", "", "would show why each node refuses the pod", limit="500")


def node_pods_read(node: str) -> Read:
    """The pods of one node that have not ended."""
    selector = f"spec.nodeName={node},{_ACTIVE}"
    return list_of("v1", "pods", "", _PODS, fieldSelector=selector, resourceVersion=_CACHED)


def nominees_read() -> Read:
    """The pods for which room is being made somewhere: the scheduler counts them there already."""
    selector = "status.nominatedNodeName!="
    return list_of("v1", "pods", "", _PODS, fieldSelector=selector, resourceVersion=_CACHED)


def selected_pods_read(namespace: str, selector: Body) -> Read:
    """The pods that a rule means, in one namespace or in all."""
    query = {"fieldSelector": _ACTIVE, "resourceVersion": _CACHED}
    if words := sel.query(selector):
        query["labelSelector"] = words
    return Read("list", "v1", "pods", namespace, "", tuple(sorted(query.items())), purpose=_RULES)


def keyed_pods_read(namespace: str, key: str) -> Read:
    """Some pods of the namespace that have a label of this key: one of them may be the one that is meant."""
    purpose = "would show which pods may be meant"
    return list_of("v1", "pods", namespace, purpose, metadata=True, labelSelector=key, limit="200")


def nominated_read(node: str) -> Read:
    """The pods for which room was made on this node."""
    purpose = "would show for which pod this one was removed"
    return list_of("v1", "pods", "", purpose, fieldSelector=f"status.nominatedNodeName={node}")


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
        elif volume.get("ephemeral") is not None:
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

    Attributes:
        covered: the nodes whose pods are known; None stands for all of them.
        everywhere: whether the pods of all nodes are known.
        more_nodes: whether the list of nodes was not read to its end.
        ruled: whether all pods are known that the pod's own rules (affinity, spread) mean.
        refused: whether the scheduler names rules of other pods, which no selector finds.
        likenesses: further pods, of which only labels are known.
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
    ruled: bool = False
    refused: bool = False
    likenesses: tuple[Body, ...] = ()

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


def rule_reads(pod: Body, namespace: str) -> list[Read]:
    """The pods that the pod's own rules mean: by label selector, and never all pods."""
    found = [
        selected_pods_read(namespace, selector)
        for _, one in sel.spread_constraints(pod)
        if (selector := sel.full_selector(one, pod)) is not None
    ]
    for kind in ("podAffinity", "podAntiAffinity"):
        for term in sel.pod_terms(pod, kind):
            if (selector := sel.full_selector(term, pod)) is not None:
                found += [selected_pods_read(one, selector) for one in _spaces(term, namespace)]
    return list(dict.fromkeys(found))


def _spaces(term: Body, namespace: str) -> list[str]:
    """The namespaces that a term reaches; an empty name stands for all, to be sorted out by their labels."""
    if term.get("namespaceSelector") is not None:
        return [""]
    return [str(one) for one in term.get("namespaces") or [namespace]]


def likeness_reads(snapshot: Snapshot, pod: Body) -> Iterable[Read]:
    """Where a required affinity finds no pod at all: what else stands there under the same labels."""
    namespace = snapshot.target.namespace
    for term in sel.pod_terms(pod, "podAffinity"):
        selector = sel.full_selector(term, pod)
        spaces = _spaces(term, namespace)
        if selector is None or any(snapshot.items(selected_pods_read(one, selector)) != [] for one in spaces):
            continue
        for key in (selector.get("matchLabels") or {}) if spaces != [""] else ():
            yield from (keyed_pods_read(one, str(key)) for one in spaces[:3])


def needs_namespaces(pod: Body) -> bool:
    """Whether an affinity rule of the pod chooses namespaces by label."""
    affinity = (pod.get("spec") or {}).get("affinity") or {}
    for kind in ("podAffinity", "podAntiAffinity"):
        for term in (affinity.get(kind) or {}).get("requiredDuringSchedulingIgnoredDuringExecution") or []:
            if term.get("namespaceSelector"):
                return True
    return False


def world_of(snapshot: Snapshot, pod: Body, *, refused: bool = False) -> World | None:
    """The cluster as this snapshot shows it, or None when the nodes are not known."""
    nodes = snapshot.items(nodes_read())
    if nodes is None:
        return None
    covered = frozenset(
        name for name in map(sel.name_of, nodes) if snapshot.items(node_pods_read(name)) is not None
    )
    volumes = []
    for name in claim_names(pod):
        claim = snapshot.body(pvc_read(snapshot.target.namespace, name)) or {}
        volume = snapshot.body(pv_read(str((claim.get("spec") or {}).get("volumeName") or "")))
        if volume:
            volumes.append((name, volume))
    rules = rule_reads(pod, snapshot.target.namespace)
    ruled = all(snapshot.items(one) is not None for one in rules)
    more = bool(((snapshot.body(nodes_read()) or {}).get("metadata") or {}).get("continue"))
    return World(
        pod=pod,
        namespace=snapshot.target.namespace,
        nodes=tuple(nodes),
        pods=_pods(snapshot, covered, rules) if covered or (rules and ruled) else None,
        covered=covered,
        everywhere=len(covered) == len(nodes) and not more,
        volumes=tuple(volumes),
        namespaces=_namespaces(snapshot),
        more_nodes=more,
        ruled=ruled,
        refused=refused,
        likenesses=tuple(_likenesses(snapshot, pod)),
    )


def _namespaces(snapshot: Snapshot) -> Mapping[str, Mapping[str, str]] | None:
    spaces = snapshot.items(namespaces_read())
    return None if spaces is None else {sel.name_of(one): sel.labels_of(one) for one in spaces}


def _pods(snapshot: Snapshot, covered: Iterable[str], rules: Iterable[Read]) -> tuple[Body, ...]:
    """All pods that were seen, each once. A server that ignores a selector must not move pods about."""
    found: dict[tuple[str, str], Body] = {}
    for name in sorted(covered):
        for pod in _active(snapshot.items(node_pods_read(name)) or []):
            if (pod.get("spec") or {}).get("nodeName") == name:
                found[sel.namespace_of(pod), sel.name_of(pod)] = pod
    for read in (*rules, nominees_read()):
        for pod in _active(snapshot.items(read) or []):
            found.setdefault((sel.namespace_of(pod), sel.name_of(pod)), pod)
    return tuple(found.values())


def _likenesses(snapshot: Snapshot, pod: Body) -> Iterable[Body]:
    for read in dict.fromkeys(likeness_reads(snapshot, pod)):
        yield from snapshot.items(read) or []


def _active(pods: Iterable[Body]) -> list[Body]:
    return [pod for pod in pods if (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")]
