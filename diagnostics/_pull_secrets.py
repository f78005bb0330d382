"""The pull secrets of a pod: those it names, whether kubelet can use them, and those that it could name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from poddoctor.model import POD, Absent, Body, Found, Read, Snapshot, Symptom
from poddoctor.pod.containers import Container
from poddoctor.pod.names import nearest
from poddoctor.pod.reads import Event, get, list_of, pod_events

from . import _image_world as world
from ._elsewhere import elsewhere_read, hint, namespaces_with
from ._reference import HUB, parse

_DOCKER_TYPES = {
    "kubernetes.io/dockerconfigjson": ".dockerconfigjson",
    "kubernetes.io/dockercfg": ".dockercfg",
}
_UNRETRIEVED = re.compile(r"Unable to retrieve some image pull secrets \((?P<names>[^)]*)\)")


def names(pod: Body) -> list[str]:
    """Admission copies the pull secrets of the service account into a pod that names none."""
    offered = (pod.get("spec") or {}).get("imagePullSecrets") or []
    return [str(one["name"]) for one in offered if one.get("name")]


# OpenShift gives one to each service account; it is for the cluster's own registry.
_OF_OPENSHIFT = re.compile(r"-dockercfg-[a-z0-9]{5}")
_INTERNAL = (
    "image-registry.openshift-image-registry.svc",
    "docker-registry.default.svc",
    "default-route-openshift",
)


def offered(pod: Body, registry: str) -> list[str]:
    """The pull secrets that may be for this registry."""
    own = registry.startswith(_INTERNAL)
    return [name for name in names(pod) if own or not _OF_OPENSHIFT.search(name)]


def owned(name: str) -> bool:
    """Whether a controller of OpenShift keeps the Secret, and would undo or lose what is written into it."""
    return bool(_OF_OPENSHIFT.search(name))


def image_stream(registry: str, repository: str, namespace: str) -> dict[str, str]:
    """The other project whose images OpenShift's own registry was asked for: a role opens it, no Secret."""
    project, slash, _ = repository.partition("/")
    return {"project": project} if registry.startswith(_INTERNAL) and slash and project != namespace else {}


def writable(snapshot: Snapshot, name: str) -> str:
    """The name, when a Secret for one registry may be written over it.

    A type cannot be changed, and what it holds for other registries would be lost.
    """
    body = snapshot.body(secret_read(snapshot.target.namespace, name)) if name else None
    other = body is not None and str(body.get("type") or "Opaque") != world.DOCKER_TYPE
    several = len((body or {}).get("registries") or []) > 1
    return "" if owned(name) or other or several else name


def unused(snapshot: Snapshot, names: list[str], registry: str) -> Iterator[Symptom]:
    """That the runtime asked without credentials: none of the pull secrets is for the registry."""
    if not names:
        return
    for name in names:
        answer = snapshot.answers.get(secret_read(snapshot.target.namespace, name))
        if isinstance(answer, Absent) or _told_missing(snapshot, name):
            return
        if isinstance(answer, Found) and (
            "registries" in answer.body or _why_unusable(answer.body, registry)
        ):
            return  # what it holds is known
    attributes = {
        "unused": ", ".join(names),
        "why_unusable": f"holds no credentials for {registry}",
        "registry": registry,
        "for_others": "yes",
        "new_secret": new_name(registry),
        **({"secret": names[0]} if len(names) == 1 else {}),
    }
    text = f"offers pull secret {', '.join(names)}, and the node asked {registry} without credentials"
    yield Symptom("image.pull-secret-unusable", POD, "pod.spec.imagePullSecrets", text, attributes)


def new_name(registry: str) -> str:
    """A name for a pull secret of this registry, which none for another one has."""
    return f"pull-{re.sub(r'[^a-z0-9]+', '-', registry.lower()).strip('-')}"[:60].rstrip("-")


def secret_read(namespace: str, name: str) -> Read:
    return get("v1", "secrets", namespace, name, "would show whether the pull secret fits the registry")


def _secrets_read(namespace: str) -> Read:
    return list_of("v1", "secrets", namespace, "would show which pull secret was meant", metadata=True)


def reads(snapshot: Snapshot, pod: Body) -> Iterator[Read]:
    """The pull secrets that the pod names; where one is missing, what was meant."""
    namespace = snapshot.target.namespace
    for name in names(pod):
        read = secret_read(namespace, name)
        yield read
        if isinstance(snapshot.answers.get(read), Absent):
            yield _secrets_read(namespace)
            yield elsewhere_read("v1", "secrets", "Secret", name)


def symptoms(snapshot: Snapshot, pod: Body, failing: list[Container]) -> Iterator[Symptom]:
    namespace = snapshot.target.namespace
    for name in names(pod):
        answer = snapshot.answers.get(secret_read(namespace, name))
        told = _told_missing(snapshot, name)
        if isinstance(answer, Absent):
            if told or not _kubelet_would_tell(snapshot, failing):
                yield missing(snapshot, name, told)
        elif not isinstance(answer, Found):
            if told:
                attributes = {"secret": name, "said": "kubelet"}
                yield Symptom(
                    "image.pull-secret-missing", POD, told.source, told.message, attributes, told.time
                )
        else:
            for container in failing:
                yield from _unusable(snapshot, pod, container, name, answer.body)


def _told_missing(snapshot: Snapshot, name: str) -> Event | None:
    """The event in which kubelet says that it could not get this pull secret."""
    for one in reversed(pod_events(snapshot)):
        found = _UNRETRIEVED.search(one.message)
        if found and name in re.split(r"[,;\s]+", found["names"]):
            return one
    return None


def _kubelet_would_tell(snapshot: Snapshot, failing: list[Container]) -> bool:
    """Whether a missing pull secret would be among the events: since 1.28 kubelet warns at each attempt.

    The API may answer "not found" for a Secret that was there at the time of the pull.
    """
    version = re.match(r"v?1\.(\d+)", snapshot.version)
    names = {one.name for one in failing}
    pulls = [one for one in pod_events(snapshot) if one.reason == "Failed" and one.container in names]
    return bool(version and int(version[1]) >= 28 and pulls)


def missing(snapshot: Snapshot, name: str, told: Event | None = None) -> Symptom:
    existing = [
        str(one["metadata"]["name"]) for one in snapshot.items(_secrets_read(snapshot.target.namespace)) or []
    ]
    near = nearest(name, existing, 1)
    others = namespaces_with(snapshot, elsewhere_read("v1", "secrets", "Secret", name), name)
    attributes = {
        "secret": name,
        "nearest": "".join(near),
        "existing": ", ".join(sorted(existing)[:8]),
        "elsewhere": next(iter(others), ""),
        "hint": hint(others, near),
        "said": "kubelet" if told else "",
    }
    text = f"Secret {name} does not exist in {snapshot.target.namespace}"
    return Symptom(
        "image.pull-secret-missing",
        POD,
        "pod.spec.imagePullSecrets",
        text,
        {key: value for key, value in attributes.items() if value},
    )


def any_seen(snapshot: Snapshot, names: list[str]) -> bool:
    """Whether one of the secrets could be read: else it may be that none of them is there or of use."""
    return any(snapshot.body(secret_read(snapshot.target.namespace, name)) is not None for name in names)


def fitting(snapshot: Snapshot, names: list[str], registry: str) -> list[str]:
    """Those of the offered pull secrets that kubelet can use for this registry."""
    found = ((name, snapshot.body(secret_read(snapshot.target.namespace, name))) for name in names)
    return [name for name, body in found if body and not _why_unusable(body, registry)]


def unoffered(snapshot: Snapshot, registry: str) -> dict[str, str]:
    """A pull secret for this registry that exists, though the pod does not offer it."""
    account, offered = world.account_offers(snapshot)
    fitting = [name for name, body in world.candidates(snapshot) if not _why_unusable(body, registry)]
    later = next((name for name in fitting if name in offered), "")
    return {
        "candidate": later or next(iter(fitting), ""),
        "account": account if later else "",
        "account_secret": later,
    }


def _unusable(
    snapshot: Snapshot, pod: Body, container: Container, name: str, secret: Body
) -> Iterator[Symptom]:
    """Kubelet passes over a Secret of another type, without its key, or without this registry: in silence."""
    registry = parse(str(container.spec.get("image") or "")).registry
    why = _why_unusable(secret, registry)
    # One that is for another registry is no fault beside one that fits.
    if why and name in offered(pod, registry) and not fitting(snapshot, names(pod), registry):
        attributes = {"secret": name, "why_unusable": why, "registry": registry}
        if owned(name) or secret.get("registries"):
            attributes.update(for_others="yes", new_secret=new_name(registry))
        else:
            attributes["broken"] = "yes"
        text = f"Secret {name} {why}"
        yield Symptom("image.pull-secret-unusable", container.subject, f"Secret {name}", text, attributes)


def _why_unusable(secret: Body, registry: str) -> str:
    """What keeps kubelet from using this Secret for the registry, in words; empty when nothing does."""
    kind = str(secret.get("type") or "Opaque")
    key = _DOCKER_TYPES.get(kind)
    why = ""
    if key is None:
        why = f"has type {kind}, which kubelet ignores"
    elif key not in (secret.get("data") or {}):
        why = f"lacks the key {key}"
    elif secret.get("malformed"):
        why = f"holds no valid JSON in {key}"
    elif "registries" in secret and not any(
        _host_fits(str(host), registry) for host in secret["registries"] or []
    ):
        listed = ", ".join(map(str, secret["registries"])) or "no registry"
        why = f"holds credentials for {listed}, not for {registry}"
    return why


def _host_fits(entry: str, registry: str) -> bool:
    """Whether an entry of a docker config is for this registry (scheme and path aside, ``*`` as a glob)."""
    host = re.sub(r"^https?://", "", entry).partition("/")[0]
    hub = ("docker.io", "index.docker.io", "registry-1.docker.io")
    if registry == HUB:
        return host in hub
    return host == registry or bool(re.fullmatch(re.escape(host).replace(r"\*", "[^.]*"), registry))
