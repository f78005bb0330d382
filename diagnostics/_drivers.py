"""Why a CSI driver is not on a node: which DaemonSet brings it, and what became of its pod there."""

from __future__ import annotations

from collections.abc import Iterator

from poddoctor.model import Body, Found, Read, Snapshot
from poddoctor.pod.containers import status_word
from poddoctor.pod.reads import list_of, node_of, node_read

from . import _selectors as sel

Notes = tuple[tuple[str, str], ...]
# The folders of drivers that do not use their own name for it.
_FOLDERS = {
    "secrets-store.csi.k8s.io": "csi-secrets-store",
    "nfs.csi.k8s.io": "csi-nfsplugin",
}
# What a DaemonSet's controller tolerates for its pods.
_GIVEN = [
    {"key": f"node.kubernetes.io/{one}", "operator": "Exists"}
    for one in (
        "not-ready",
        "unreachable",
        "disk-pressure",
        "memory-pressure",
        "pid-pressure",
        "unschedulable",
    )
]


def sets_read() -> Read:
    """All DaemonSets: the one that brings a driver may be in any namespace."""
    return list_of("apps/v1", "daemonsets", "", "would show which DaemonSet brings the CSI driver")


def node_pods_read(node: str) -> Read:
    """All pods of the node: the driver's among them."""
    purpose = "would show whether the CSI driver's pod runs on the node"
    return list_of("v1", "pods", "", purpose, fieldSelector=f"spec.nodeName={node}")


def reads(node: str) -> Iterator[Read]:
    """What explains a driver that is not there."""
    yield sets_read()
    yield node_pods_read(node)
    yield node_read(node)


def absence(snapshot: Snapshot, driver: str, node: str) -> tuple[dict[str, str], Notes]:
    """The DaemonSet of the driver and why it has no working pod on the node, as attributes and evidence."""
    owner = _owner(snapshot, driver)
    if owner is None:
        return {}, ()
    meta = owner.get("metadata") or {}
    name, namespace = str(meta.get("name")), str(meta.get("namespace"))
    found = {"driver_set": name, "driver_namespace": namespace}
    answer = snapshot.answers.get(node_pods_read(node))
    if not isinstance(answer, Found):
        return found, ((f"daemonset/{name} in {namespace} brings {driver}", f"daemonset {name}"),)
    for pod in snapshot.items(node_pods_read(node)) or []:
        if _belongs(pod, name, namespace) and (pod.get("spec") or {}).get("nodeName") == node:
            state = status_word(pod)
            own = str((pod.get("metadata") or {}).get("name"))
            found |= {"driver_pod": own, "driver_pod_state": state}
            return found, ((f"pod {own} of daemonset/{name} on {node} is {state}", f"pods of {node}"),)
    found["driver_pod_missing"] = "yes"
    why, more = _why_not(owner, node_of(snapshot))
    text = f"daemonset/{name} in {namespace} has no pod on {node}" + (f": {why}" if why else "")
    return {**found, **more}, ((text, f"daemonset {name}, pods of {node}"),)


def _belongs(pod: Body, name: str, namespace: str) -> bool:
    meta = pod.get("metadata") or {}
    return meta.get("namespace") == namespace and any(
        one.get("kind") == "DaemonSet" and one.get("name") == name
        for one in meta.get("ownerReferences") or []
    )


def _owner(snapshot: Snapshot, driver: str) -> Body | None:
    """The DaemonSet that registers the driver: its folder below plugins/ is named after the driver."""
    node = node_of(snapshot)
    system = sel.labels_of(node).get("kubernetes.io/os", "linux") if node else "linux"
    folder = _FOLDERS.get(driver, driver)
    best: list[tuple[int, Body]] = []
    for one in snapshot.items(sets_read()) or []:
        spec = ((one.get("spec") or {}).get("template") or {}).get("spec") or {}
        wanted = (spec.get("nodeSelector") or {}).get("kubernetes.io/os", system)
        words = list(_words(spec))
        strength = 2 if any(f"/plugins/{folder}/" in word.replace("\\", "/") + "/" for word in words) else 0
        strength = strength or any(driver == word.rpartition("=")[2] for word in words)
        if wanted == system and strength:
            best.append((int(strength), one))
    return max(best, key=lambda one: one[0])[1] if best else None


def _words(spec: Body) -> Iterator[str]:
    for volume in spec.get("volumes") or []:
        yield str((volume.get("hostPath") or {}).get("path") or "").rstrip("/")
    for container in spec.get("containers") or []:
        yield from map(str, [*(container.get("command") or []), *(container.get("args") or [])])
        yield from (str(one.get("value") or "") for one in container.get("env") or [])


def _why_not(owner: Body, node: Body | None) -> tuple[str, dict[str, str]]:
    """What of the node the DaemonSet's pods do not accept; nothing when that cannot be said."""
    if node is None:
        return "", {}
    spec: Body = ((owner.get("spec") or {}).get("template") or {}).get("spec") or {}
    for key, value in sel.selector_misses({"spec": spec}, node).items():
        return f"the node lacks label {key}={value}", {"driver_label": f"{key}={value}"}
    terms = sel.required_terms({"spec": spec})
    if terms is not None and not sel.node_term_matches(terms, node):
        return "its node affinity leaves the node out", {"driver_affinity": "its node affinity leaves it out"}
    own = spec.get("tolerations") or []
    for taint in sel.untolerated([*own, *_GIVEN], node):
        shown = sel.show_taint(taint)
        more = {
            "driver_taint": shown,
            "driver_taint_key": str(taint.get("key")),
            "driver_taint_effect": str(taint.get("effect")),
            **({"driver_tolerates": "some"} if own else {}),
        }
        return f"it does not tolerate the node's taint {shown}", more
    return "", {}
