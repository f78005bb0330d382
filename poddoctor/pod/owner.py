"""Who owns the pod, and who owns the owner: the object that a fix must change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from poddoctor.model import Body, Read, Snapshot
from poddoctor.pod.reads import get, pod_of

OwnerClass = Literal["none", "workload", "job", "cronjob", "static", "custom"]

_APIS = {
    "ReplicaSet": ("apps/v1", "replicasets"),
    "Deployment": ("apps/v1", "deployments"),
    "StatefulSet": ("apps/v1", "statefulsets"),
    "DaemonSet": ("apps/v1", "daemonsets"),
    "Job": ("batch/v1", "jobs"),
    "CronJob": ("batch/v1", "cronjobs"),
    "ReplicationController": ("v1", "replicationcontrollers"),
}
_CLASSES: dict[str, OwnerClass] = {"Job": "job", "CronJob": "cronjob", "Node": "static"}
WORKLOAD_READS = {kind.lower(): api for kind, api in _APIS.items()}
"""API and resource of each workload kind, by its lower-case singular."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The top-most known owner of a pod.

    ``kind`` is a lower-case singular (``deployment``; ``pod`` for a bare or static pod). ``owner_class`` says
    how it can be changed: a ``workload`` has a template that rolls out, a ``job`` is immutable, a ``static``
    pod is a file on its node, ``custom`` belongs to an operator.
    """

    kind: str
    name: str
    owner_class: OwnerClass
    body: Body | None = None

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


def owner_reads(snapshot: Snapshot) -> Iterable[Read]:
    """The owners up the chain, as far as they are known now."""
    body: Body | None = pod_of(snapshot)
    guess = _guess(body) if body else ""
    if guess:
        # Asked in the same wave as the ReplicaSet: a wrong guess is an Absent, and costs nothing.
        yield get(*_APIS["Deployment"], snapshot.target.namespace, guess)
    while body is not None:
        reference = _controller(body)
        read = _read(snapshot.target.namespace, reference) if reference else None
        if read is None:
            return
        yield read
        body = snapshot.body(read)


def owner_of(snapshot: Snapshot) -> Owner:
    """The owner that a fix must change; the target itself when it is a workload."""
    target = snapshot.target
    pod = pod_of(snapshot)
    if pod is None:
        own: OwnerClass = _CLASSES.get({"job": "Job", "cronjob": "CronJob"}.get(target.kind, ""), "workload")
        return Owner(target.kind, target.name, "none" if target.kind == "pod" else own)
    if "kubernetes.io/config.mirror" in ((pod.get("metadata") or {}).get("annotations") or {}):
        return Owner("pod", target.name, "static", pod)
    owner, body = Owner("pod", target.name, "none", pod), pod
    while reference := _controller(body):
        kind, name = str(reference.get("kind")), str(reference.get("name"))
        read = _read(target.namespace, reference)
        found: Body | None = snapshot.body(read) if read else None
        owner = Owner(
            kind.lower(), name, _CLASSES.get(kind, "workload" if kind in _APIS else "custom"), found
        )
        if found is None:
            return _guessed(pod, owner)
        body = found
    return owner


def revision(body: Body | None) -> int:
    """Which rollout a Deployment has reached, or a ReplicaSet stands for; 0 when it does not say."""
    notes = ((body or {}).get("metadata") or {}).get("annotations") or {}
    number = str(notes.get("deployment.kubernetes.io/revision") or "")
    return int(number) if number.isdigit() else 0


def _guessed(pod: Body, owner: Owner) -> Owner:
    """A ReplicaSet that cannot be read still tells its Deployment."""
    name = _guess(pod)
    return Owner("deployment", name, "workload") if owner.kind == "replicaset" and name else owner


def _guess(pod: Body) -> str:
    """The Deployment behind a ReplicaSet, which is named DEPLOYMENT-HASH with the hash in the pod's label."""
    digest = ((pod.get("metadata") or {}).get("labels") or {}).get("pod-template-hash")
    reference = _controller(pod) or {}
    name = str(reference.get("name") or "")
    if reference.get("kind") != "ReplicaSet" or not digest or not name.endswith(f"-{digest}"):
        return ""
    return name.removesuffix(f"-{digest}")


def _controller(body: Body) -> Mapping[str, str] | None:
    references = (body.get("metadata") or {}).get("ownerReferences") or []
    return next((one for one in references if one.get("controller")), None)


def _read(namespace: str, reference: Mapping[str, str]) -> Read | None:
    known = _APIS.get(str(reference.get("kind")))
    group = str(reference.get("apiVersion", "")).partition("/")[0]
    # An operator may call its own kind "Deployment": the group tells.
    if known is None or group != known[0].partition("/")[0]:
        return None
    return get(*known, namespace, str(reference.get("name")))


def managers(snapshot: Snapshot) -> list[str]:
    """One sentence for each tool that reverts a change made by hand (Helm, Argo CD, Flux, operators)."""
    owner = owner_of(snapshot)
    meta = ((owner.body or {}).get("metadata")) or {}
    notes, labels = meta.get("annotations") or {}, meta.get("labels") or {}
    found = []
    if release := notes.get("meta.helm.sh/release-name"):
        space = notes.get("meta.helm.sh/release-namespace", snapshot.target.namespace)
        found.append(f"managed by Helm release {space}/{release}: make the change in its values too")
    tracking = str(notes.get("argocd.argoproj.io/tracking-id", ""))
    if app := labels.get("argocd.argoproj.io/instance") or tracking.partition(":")[0]:
        found.append(
            f"managed by Argo CD application {app}: make the change in its source, or it is reverted"
        )
    found += [
        f"managed by Flux {tool} {name}: make the change in its source, or it is reverted"
        for tool in ("kustomize", "helm")
        if (name := labels.get(f"{tool}.toolkit.fluxcd.io/name"))
    ]
    if owner.owner_class == "custom":
        found.append(f"owned by {owner}: its operator reverts changes, make them in that object")
    return found
