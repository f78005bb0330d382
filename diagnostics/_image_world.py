"""What the cluster knows of an image that cannot be pulled: revisions, sibling pods, pull secrets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from poddoctor.model import Body, Found, Read, Snapshot
from poddoctor.pod.containers import Container, container
from poddoctor.pod.owner import owner_of, revision
from poddoctor.pod.pattern import lazy
from poddoctor.pod.reads import get, list_of, pod_of

DOCKER_TYPE = "kubernetes.io/dockerconfigjson"
_REFUSED = lazy(r"(?i)denied|unauthori[sz]ed|\b40[013]\b|forbidden|no basic auth|authorization failed")
_MOST_SECRETS = 4


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """An image of the same container in another place: the image, the place in words, the source."""

    image: str
    words: str
    source: str
    revision: str = ""


def refused(text: str) -> bool:
    """Whether the registry may have refused for want of credentials."""
    return bool(_REFUSED.search(text))


_CLOUDS = (
    (lazy(r"\.dkr\.ecr[.-].*\.amazonaws\.com(?:\.cn)?$"), "ecr", "the nodes' IAM role", "aws"),
    (lazy(r"(?:^|\.)gcr\.io$|\.pkg\.dev$"), "google", "the nodes' service account", "gce"),
    (lazy(r"\.azurecr\.(?:io|cn|us)$"), "azure", "the kubelet identity", "azure"),
)
# By which names nodes are known, where the Node cannot be read.
_NAMES = (
    (lazy(r"^ip-[\d-]+\..*(?:internal|amazonaws\.com)$|\.compute\.internal$"), "aws"),
    (lazy(r"^gke-"), "gce"),
    (lazy(r"^aks-|^aks[a-z]+\w{6}$"), "azure"),
)


def cloud(registry: str, node: Body | None, name: str) -> dict[str, str]:
    """The cloud of a registry where nodes log in by their own identity, and what that is called there.

    Of a node that stands elsewhere nothing is said; where that cannot be known, no identity is named.
    """
    stands = _stands(node, name)
    for pattern, word, identity, scheme in _CLOUDS:
        if pattern.search(registry) and stands in ("", scheme):
            return {"cloud": word, **({"identity": identity} if stands else {})}
    return {}


def _stands(node: Body | None, name: str) -> str:
    """The scheme of the node's provider id, or what its name tells; empty when nothing does."""
    scheme, found, _ = str(((node or {}).get("spec") or {}).get("providerID") or "").partition("://")
    return scheme if found else next((one for pattern, one in _NAMES if pattern.search(name)), "")


def history_reads(snapshot: Snapshot) -> Iterator[Read]:
    """The revisions of the pod's Deployment, and the other pods of its workload."""
    selector = _selector(snapshot)
    if not selector:
        return
    if owner_of(snapshot).kind == "deployment":
        yield _replicasets_read(snapshot, selector)
    yield _siblings_read(snapshot, selector)


def account_reads(snapshot: Snapshot) -> Iterator[Read]:
    """The service account and the pull secrets that the pod could offer, when it offers none."""
    account = _account(snapshot)
    if account:
        yield _account_read(snapshot, account)
    listed = _secrets_read(snapshot)
    yield listed
    names = [
        *_account_secrets(snapshot),
        *(str((one.get("metadata") or {}).get("name")) for one in snapshot.items(listed) or []),
    ]
    for name in list(dict.fromkeys(names))[:_MOST_SECRETS]:
        yield secret_read(snapshot, name)


def secret_read(snapshot: Snapshot, name: str) -> Read:
    """One pull secret; its registries arrive, its values do not."""
    purpose = "would show whether the pull secret fits the registry"
    return get("v1", "secrets", snapshot.target.namespace, name, purpose)


def previous(snapshot: Snapshot, one: Container) -> Elsewhere | None:
    """What the newest other revision of the workload runs in this container, when it is another image."""
    mine = str(one.spec.get("image") or "")
    for body in _revisions(snapshot):
        image = _image_in(((body.get("spec") or {}).get("template") or {}).get("spec") or {}, one.name)
        if image and image != mine:
            meta = body.get("metadata") or {}
            number = str(revision(body) or "")
            ready = (body.get("status") or {}).get("readyReplicas")
            words = f"revision {number} ran {image}" if number else f"{meta.get('name')} ran {image}"
            if ready:
                words += f" ({ready} ready)"
            return Elsewhere(image, words, f"replicaset {meta.get('name')}", number)
    return next((each for each in siblings(snapshot, one) if each.image != mine), None)


def siblings(snapshot: Snapshot, one: Container) -> Iterator[Elsewhere]:
    """The images that the same container runs in other pods of the workload."""
    selector = _selector(snapshot)
    for pod in (snapshot.items(_siblings_read(snapshot, selector)) or []) if selector else []:
        meta, spec = pod.get("metadata") or {}, pod.get("spec") or {}
        other = container(pod, one.name)
        image = _image_in(spec, one.name)
        if meta.get("name") == snapshot.target.name or other is None or not image:
            continue
        if other.is_running or other.last_terminated:
            words = f"{meta.get('name')} on {spec.get('nodeName')} runs {image}"
            yield Elsewhere(image, words, f"pod {meta.get('name')}")


def candidates(snapshot: Snapshot) -> list[tuple[str, Body]]:
    """Pull secrets of the namespace that the pod does not offer, with their bodies."""
    listed = snapshot.items(_secrets_read(snapshot)) or []
    names = [str((one.get("metadata") or {}).get("name")) for one in listed]
    found = []
    for name in dict.fromkeys([*_account_secrets(snapshot), *names]):
        answer = snapshot.answers.get(secret_read(snapshot, name))
        if isinstance(answer, Found):
            found.append((name, answer.body))
    return found


def account_offers(snapshot: Snapshot) -> tuple[str, list[str]]:
    """The pod's service account, and the pull secrets that it has by now."""
    return _account(snapshot), _account_secrets(snapshot)


def _account(snapshot: Snapshot) -> str:
    return str(((pod_of(snapshot) or {}).get("spec") or {}).get("serviceAccountName") or "")


def _account_read(snapshot: Snapshot, account: str) -> Read:
    purpose = "would show which pull secrets the service account has"
    return get("v1", "serviceaccounts", snapshot.target.namespace, account, purpose)


def _account_secrets(snapshot: Snapshot) -> list[str]:
    account = _account(snapshot)
    body = snapshot.body(_account_read(snapshot, account)) if account else None
    return [str(one["name"]) for one in (body or {}).get("imagePullSecrets") or [] if one.get("name")]


def _secrets_read(snapshot: Snapshot) -> Read:
    purpose = "would show which pull secrets there are"
    return list_of(
        "v1",
        "secrets",
        snapshot.target.namespace,
        purpose,
        metadata=True,
        fieldSelector=f"type={DOCKER_TYPE}",
        limit="20",
    )


def _selector(snapshot: Snapshot) -> str:
    owner = owner_of(snapshot)
    if owner.owner_class != "workload" or owner.body is None:
        return ""
    selector = (owner.body.get("spec") or {}).get("selector") or {}
    labels = selector.get("matchLabels") or {}
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def _replicasets_read(snapshot: Snapshot, selector: str) -> Read:
    purpose = "would show which image the previous revision ran"
    return list_of("apps/v1", "replicasets", snapshot.target.namespace, purpose, labelSelector=selector)


def _siblings_read(snapshot: Snapshot, selector: str) -> Read:
    purpose = "would show whether other pods of the workload have the image"
    return list_of("v1", "pods", snapshot.target.namespace, purpose, labelSelector=selector, limit="50")


def _revisions(snapshot: Snapshot) -> Iterable[Body]:
    """The Deployment's other ReplicaSets, the newest first."""
    owner, selector = owner_of(snapshot), _selector(snapshot)
    if owner.kind != "deployment" or not selector:
        return []
    labels = ((pod_of(snapshot) or {}).get("metadata") or {}).get("labels") or {}
    own = f"{owner.name}-{labels.get('pod-template-hash')}"
    found = [
        one
        for one in snapshot.items(_replicasets_read(snapshot, selector)) or []
        if (one.get("metadata") or {}).get("name") != own and _owned(one, owner.name)
    ]
    return sorted(found, key=revision, reverse=True)


def _owned(body: Body, name: str) -> bool:
    owners = (body.get("metadata") or {}).get("ownerReferences") or []
    return any(one.get("kind") == "Deployment" and one.get("name") == name for one in owners)


def _image_in(spec: Body, name: str) -> str:
    for one in [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]:
        if one.get("name") == name:
            return str(one.get("image") or "")
    return ""
