"""Stage image: can the node get the image, and if not, in whose words.

The runtime's own text decides, from the first of: the waiting message (complete while ErrImagePull, and on
1.32 and later while ImagePullBackOff too), the newest ``Failed`` event, the bare back-off message. Around it:
which pull secrets are offered, and which tags of the same repository are known here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta

from poddoctor.model import POD, Absent, Body, Found, Read, Snapshot, Symptom, SymptomKind
from poddoctor.pod.containers import Container, containers
from poddoctor.pod.names import nearest
from poddoctor.pod.reads import Event, get, list_of, node_of, node_read, pod_events, pod_of
from poddoctor.pod.units import show_duration

from ._reference import HUB, Reference, parse, same_repository, wrong_with

_PARTS = ("image", "written", "registry", "repository", "tag", "digest")
SYMPTOMS: Mapping[str, SymptomKind] = {
    "image.pull-failed": SymptomKind(
        "kubelet waits because the image cannot be had; the text is the runtime's",
        (
            *_PARTS,
            "reason",
            "problem",
            "offered",
            "secrets",
            "best_secret",
            "unasked",
            "suggestion",
            "architecture",
            "wrong",
            "hub",
        ),
    ),
    "image.repository-known": SymptomKind("the same repository is here under another tag", ("suggestion",)),
    "image.pull-secret-missing": SymptomKind(
        "a pull secret that the pod names does not exist", ("secret", "nearest", "existing")
    ),
    "image.pull-secret-unusable": SymptomKind(
        "a pull secret exists, but kubelet can make nothing of it for this registry",
        ("secret", "why_unusable", "registry"),
    ),
    "image.pulling": SymptomKind("the image is being pulled, for a while now", (*_PARTS, "duration")),
}
_REASONS = (
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "RegistryUnavailable",
    "SignatureValidationFailed",
)
_BARE = re.compile(r'^Back-off pulling image "[^"]*"\s*$')
_WRAPPERS = re.compile(
    r'(?:Back-off pulling image "[^"]*": (?:ErrImagePull: )?'
    r'|Failed to pull image "[^"]*": |rpc error: code = \w+ desc = |failed to pull and unpack image "[^"]*": '
    r'|failed to resolve (?:reference "[^"]*"|image): |failed to do request: |(?:Head|Get|Post) "[^"]*": '
    r"|Error response from daemon: "
    r"|initializing source \S+: |[Uu]nable to pull image or OCI artifact: |pull image err: )"
)
_SLOW = timedelta(seconds=60)
_DOCKER_TYPES = {
    "kubernetes.io/dockerconfigjson": ".dockerconfigjson",
    "kubernetes.io/dockercfg": ".dockercfg",
}


def reads(snapshot: Snapshot) -> Iterable[Read]:
    """The pull secrets that are offered, and the node; only when a pull fails."""
    pod = pod_of(snapshot)
    if pod is None or not any(True for _ in _failing(pod)):
        return
    if node := (pod.get("spec") or {}).get("nodeName"):
        yield node_read(node)
    namespace = snapshot.target.namespace
    for name in _secret_names(pod):
        read = _secret_read(namespace, name)
        yield read
        if isinstance(snapshot.answers.get(read), Absent):
            yield _secrets_read(namespace)


def examine(snapshot: Snapshot) -> Iterable[Symptom]:
    """What keeps the images away."""
    pod = pod_of(snapshot)
    if pod is None:
        return
    events = pod_events(snapshot)
    failing = list(_failing(pod))
    for container in failing:
        yield from _failure(snapshot, pod, container, events)
    if failing:
        yield from _secrets(snapshot, pod, failing)
    for container in containers(pod):
        yield from _pulling(snapshot, container, events)


def _failing(pod: Body) -> Iterator[Container]:
    for one in containers(pod):
        if one.waiting.get("reason") in _REASONS:
            yield one


def _secret_names(pod: Body) -> list[str]:
    """Admission copies the pull secrets of the service account into a pod that names none."""
    offered = (pod.get("spec") or {}).get("imagePullSecrets") or []
    return [str(one["name"]) for one in offered if one.get("name")]


def _secret_read(namespace: str, name: str) -> Read:
    return get("v1", "secrets", namespace, name, "would show whether the pull secret fits the registry")


def _secrets_read(namespace: str) -> Read:
    return list_of("v1", "secrets", namespace, "would show which pull secret was meant", metadata=True)


def _facts(container: Container) -> dict[str, str]:
    image = str(container.spec.get("image") or "")
    reference = parse(image)
    facts = {
        "image": image,
        "written": reference.written,
        "registry": reference.registry,
        "repository": reference.repository,
        "tag": reference.tag,
        "digest": reference.digest,
    }
    return {key: value for key, value in facts.items() if value}


def _failure(snapshot: Snapshot, pod: Body, container: Container, events: list[Event]) -> Iterator[Symptom]:
    text, source = _words(container, events)
    attributes = _facts(container)
    reference = parse(attributes.get("image", ""))
    names = _secret_names(pod)
    known = _known_tags(snapshot, reference)
    suggestion = next(iter((nearest(reference.tag, known, 1) if reference.tag else []) or known[-1:]), "")
    info = ((node_of(snapshot) or {}).get("status") or {}).get("nodeInfo") or {}
    more = {
        "reason": str(container.waiting.get("reason")),
        "problem": _problem(text),
        "offered": "yes" if names else "no",
        "secrets": ", ".join(names),
        "best_secret": next(iter([*_fitting(snapshot, names, reference.registry), *names]), ""),
        "unasked": "" if names else "no pull secret",
        "suggestion": suggestion,
        "architecture": str(info.get("architecture") or ""),
        "wrong": wrong_with(str(container.spec.get("image") or "")),
        "hub": "Docker Hub" if reference.registry == HUB else "",
    }
    attributes.update({key: value for key, value in more.items() if value})
    notes = [(f"image {attributes.get('image')}", f"{container.spec_path}.image")]
    if names:
        notes.append((f"offers pull secret {', '.join(names)}", "pod.spec.imagePullSecrets"))
    if known:
        notes.append((f"this node has tag {', '.join(known[:6])} of it", "node.status.images"))
        seen = f"{reference.key} is on the node with tag {', '.join(known[:6])}"
        yield Symptom(
            "image.repository-known",
            container.subject,
            "node.status.images",
            seen,
            {"suggestion": suggestion},
        )
    yield Symptom("image.pull-failed", container.subject, source, text, attributes, notes=tuple(notes))


def _words(container: Container, events: list[Event]) -> tuple[str, str]:
    """The runtime's words and where they stand."""
    message = str(container.waiting.get("message") or "")
    place = f"{container.status_path}.state.waiting.message"
    if message and not _BARE.match(message):
        return message, place
    for event in reversed(events):
        if event.container in ("", container.name) and event.message.startswith("Failed to pull image"):
            return event.message, event.source
        if event.container == container.name and event.reason in ("InspectFailed", "ErrImageNeverPull"):
            return event.message, event.source
    return message or f"{container.waiting.get('reason')}: kubelet gives no reason", place


def _problem(text: str) -> str:
    """The innermost words: what the wrappers of kubelet and runtime only pass on."""
    inner = _WRAPPERS.sub("", " ".join(text.split()))
    return "" if _BARE.match(text) else inner[:160]


def _known_tags(snapshot: Snapshot, reference: Reference) -> list[str]:
    status = (node_of(snapshot) or {}).get("status") or {}
    names = [str(name) for image in status.get("images") or [] for name in image.get("names") or []]
    return same_repository(reference, names)


def _secrets(snapshot: Snapshot, pod: Body, failing: list[Container]) -> Iterator[Symptom]:
    namespace = snapshot.target.namespace
    for name in _secret_names(pod):
        answer = snapshot.answers.get(_secret_read(namespace, name))
        if isinstance(answer, Absent):
            yield _missing(snapshot, name)
        elif isinstance(answer, Found):
            for container in failing:
                yield from _unusable(snapshot, pod, container, name, answer.body)


def _missing(snapshot: Snapshot, name: str) -> Symptom:
    existing = [
        str(one["metadata"]["name"]) for one in snapshot.items(_secrets_read(snapshot.target.namespace)) or []
    ]
    near = nearest(name, existing, 1)
    attributes = {"secret": name, "nearest": "".join(near), "existing": ", ".join(sorted(existing)[:8])}
    text = f"Secret {name} does not exist in {snapshot.target.namespace}"
    return Symptom(
        "image.pull-secret-missing",
        POD,
        "pod.spec.imagePullSecrets",
        text,
        {key: value for key, value in attributes.items() if value},
    )


def _fitting(snapshot: Snapshot, names: list[str], registry: str) -> list[str]:
    """Those of the offered pull secrets that kubelet can use for this registry."""
    found = ((name, snapshot.body(_secret_read(snapshot.target.namespace, name))) for name in names)
    return [name for name, body in found if body and not _why_unusable(body, registry)]


def _unusable(
    snapshot: Snapshot, pod: Body, container: Container, name: str, secret: Body
) -> Iterator[Symptom]:
    """Kubelet passes over a Secret of another type, without its key, or without this registry: in silence."""
    registry = parse(str(container.spec.get("image") or "")).registry
    why = _why_unusable(secret, registry)
    # One that is for another registry is no fault beside one that fits.
    if why and not _fitting(snapshot, _secret_names(pod), registry):
        attributes = {"secret": name, "why_unusable": why, "registry": registry}
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


def _pulling(snapshot: Snapshot, container: Container, events: list[Event]) -> Iterator[Symptom]:
    if container.waiting.get("reason") not in ("ContainerCreating", "PodInitializing"):
        return
    mine = [
        one
        for one in events
        if one.container == container.name and one.reason in ("Pulling", "Pulled", "Failed")
    ]
    if not mine or mine[-1].reason != "Pulling" or mine[-1].time is None:
        return
    lasted = snapshot.clock - mine[-1].time
    if lasted > _SLOW:
        attributes = {**_facts(container), "duration": show_duration(lasted)}
        text = f"{mine[-1].message}, for {show_duration(lasted)}"
        yield Symptom("image.pulling", container.subject, mine[-1].source, text, attributes, mine[-1].time)
