"""Stage image: can the node get the image, and if not, in whose words.

The runtime's own text decides, from the first of: the waiting message (complete while ErrImagePull, and on
1.32 and later while ImagePullBackOff too), the newest ``Failed`` event, the bare back-off message. Around it:
which pull secrets are offered, and which tags of the same repository are known here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from poddoctor.model import POD, Body, Read, Snapshot, Symptom, SymptomKind
from poddoctor.pod.containers import Container, containers
from poddoctor.pod.names import nearest
from poddoctor.pod.owner import owner_of
from poddoctor.pod.pattern import lazy
from poddoctor.pod.reads import Event, node_of, node_read, pod_events, pod_of

from . import _image_world as world
from . import _pull_secrets as pull_secrets
from . import _pull_words as pull_words
from . import _pulling as pulling
from ._layers import held_early
from ._reference import HUB, Reference, parse, same_repository, wrong_with

_PARTS = ("image", "written", "registry", "repository", "tag", "digest")
SYMPTOMS: Mapping[str, SymptomKind] = {
    "image.pull-failed": SymptomKind(
        "kubelet waits because the image cannot be had; the text is the runtime's",
        (
            *_PARTS,
            "container",
            "reason",
            "problem",
            "offered",
            "secret_state",
            "secrets",
            "best_secret",
            "unasked",
            "suggestion",
            "architecture",
            "wrong",
            "hub",
            "full_name",
            "previous_image",
            "previous_revision",
            "runs_on",
            "candidate",
            "account",
            "account_secret",
            "cloud",
            "identity",
            "other_host",
            "expired_secret",
            "expired_node",
            "own_secret",
            "new_secret",
            "project",
            "pod_account",
            "wanted_os",
            "list",
            "asked_url",
            "stream_tag",
            "injector",
            "local",
            "hiding",
        ),
    ),
    "image.repository-known": SymptomKind("the same repository is here under another tag", ("suggestion",)),
    "image.pull-secret-missing": SymptomKind(
        "a pull secret that the pod names does not exist",
        ("secret", "nearest", "existing", "elsewhere", "hint", "said"),
    ),
    "image.pull-secret-absent": SymptomKind(
        "a pull secret that the pod names does not exist, and kubelet has not come to the images yet",
        ("secret", "nearest", "existing", "elsewhere", "hint"),
    ),
    "image.pull-secret-unusable": SymptomKind(
        "a pull secret exists, but kubelet can make nothing of it for this registry",
        ("secret", "why_unusable", "registry", "unused", "for_others", "new_secret", "broken"),
    ),
    "image.pulling": SymptomKind(
        "the image is being pulled, for a while now", (*_PARTS, "duration", "told", "usual", "other")
    ),
}
# They answer the same for what is private and for what is not there.
_HIDING = ("quay.io", "ghcr.io", "registry.gitlab.com")
_LOCAL = lazy(r"(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?$")
_TRIGGERS = "image.openshift.io/triggers"
_REASONS = (
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "RegistryUnavailable",
    "SignatureValidationFailed",
)


def reads(snapshot: Snapshot) -> Iterable[Read]:
    """The pull secrets that are offered, and the node; only when a pull fails."""
    pod = pod_of(snapshot)
    if pod is None:
        return
    failing = any(True for _ in _failing(snapshot, pod))
    if failing or held_early(snapshot, pod):
        yield from pull_secrets.reads(snapshot, pod)
    yield from pulling.reads(snapshot, pod)
    if not failing:
        return
    if node := (pod.get("spec") or {}).get("nodeName"):
        yield node_read(node)
    yield from world.history_reads(snapshot)
    if any(pull_words.is_bare(one, pod_events(snapshot)) for one in _failing(snapshot, pod)):
        yield pull_words.failed_pulls_read(snapshot)
    if not pull_secrets.names(pod):
        events = pod_events(snapshot)
        if any(world.refused(pull_words.told(one, events)[0]) for one in _failing(snapshot, pod)):
            yield from world.account_reads(snapshot)


def examine(snapshot: Snapshot) -> Iterable[Symptom]:
    """What keeps the images away."""
    pod = pod_of(snapshot)
    if pod is None:
        return
    events = pod_events(snapshot)
    failing = list(_failing(snapshot, pod))
    for container in failing:
        yield from _failure(snapshot, pod, container, events)
    if failing:
        yield from pull_secrets.symptoms(snapshot, pod, failing)
    elif held_early(snapshot, pod):
        for name in pull_secrets.names(pod):
            if snapshot.absent(pull_secrets.secret_read(snapshot.target.namespace, name)):
                yield replace(
                    pull_secrets.missing(snapshot, name), name="image.pull-secret-absent", ahead=True
                )
    for container in containers(pod):
        yield from _pulling(snapshot, pod, container)


def _failing(snapshot: Snapshot, pod: Body) -> Iterator[Container]:
    """The containers whose image keeps them; of one that a volume's image keeps, with that as its image."""
    volumes = (pod.get("spec") or {}).get("volumes") or []
    for one in containers(pod):
        if one.waiting.get("reason") in _REASONS or pull_words.wrong_host(one)[0]:
            image = pull_words.image_of(one, volumes, pod_events(snapshot))
            yield one if image == one.spec.get("image") else replace(one, spec={**one.spec, "image": image})


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
    text, source = pull_words.wrong_host(container)
    if not text:
        text, source = pull_words.told(container, events, pull_words.of_others(snapshot, container))
    attributes = _facts(container)
    reference = parse(attributes.get("image", ""))
    names = pull_secrets.offered(pod, reference.registry)
    known = _known_tags(snapshot, reference)
    before = world.previous(snapshot, container)
    suggestion = _meant(reference.tag, known)
    info = ((node_of(snapshot) or {}).get("status") or {}).get("nodeInfo") or {}
    more = {
        "reason": str(container.waiting.get("reason")),
        "problem": pull_words.problem(text),
        "offered": "yes" if names else "no",
        "secret_state": _secret_state(snapshot, names, text),
        "secrets": ", ".join(names),
        "best_secret": next(iter([*pull_secrets.fitting(snapshot, names, reference.registry), *names]), ""),
        "unasked": "" if names or pull_words.unknown_name(text) else "no pull secret",
        "other_host": pull_words.asked_host(text, reference.registry),
        "suggestion": suggestion,
        # Builds for other versions of Windows differ in more than their architecture.
        "architecture": "" if "operating system" in text else _platform(info),
        "wanted_os": _wanted_os(info, text),
        "list": "initContainers" if container.kind in ("init", "sidecar") else "containers",
        "wrong": wrong_with(str(container.spec.get("image") or "")),
        "hub": "Docker Hub" if reference.registry == HUB else "",
        "full_name": _full_name(reference),
        "asked_url": pull_words.asked_url(text, reference.registry),
        "local": reference.registry if _LOCAL.match(reference.registry) else "",
        "hiding": reference.registry if not names and reference.registry in _HIDING else "",
        **_placeholder(snapshot, pod, container),
        "previous_image": before.image if before else "",
        "previous_revision": before.revision if before else "",
    }
    more["own_secret"] = pull_secrets.writable(snapshot, more["best_secret"])
    more["new_secret"] = pull_secrets.new_name(reference.registry)
    more.update(_project(snapshot, pod, reference))
    more.update(_expired(pod, text, more["best_secret"]))
    if not names and world.refused(text):
        more.update(_unoffered(snapshot, pod, reference.registry))
    attributes.update({key: value for key, value in more.items() if value})
    # The image that a volume shows is the pod's: what changes the container's image does not mend it.
    image = container.spec.get("image")
    own = any(one.name == container.name and one.spec.get("image") == image for one in containers(pod))
    subject = container.subject if own else POD
    if not own:
        attributes["container"] = ""  # so that no step names one
    notes = [(f"image {image}", f"{container.spec_path}.image" if own else "pod.spec.volumes")]
    if before:
        notes.append((before.words, before.source))
    if there := next((one for one in world.siblings(snapshot, container) if one.image == image), None):
        attributes["runs_on"] = there.words
        notes.append((there.words, there.source))
    if "candidate" in attributes:
        words = (
            f"{snapshot.target.namespace} has pull secret {attributes['candidate']} for {reference.registry}"
        )
        notes.append((words, f"Secret {attributes['candidate']}"))
    if names:
        notes.append((f"offers pull secret {', '.join(names)}", "pod.spec.imagePullSecrets"))
    if known:
        seen = f"{reference.key} is on the node with tag {', '.join(known[:6])}"
        yield Symptom(
            "image.repository-known",
            subject,
            "node.status.images",
            seen,
            {"suggestion": suggestion},
        )
    yield Symptom("image.pull-failed", subject, source, text, attributes, notes=tuple(notes))
    if pull_words.anonymous(text):
        yield from pull_secrets.unused(snapshot, names, reference.registry)


def _unoffered(snapshot: Snapshot, pod: Body, registry: str) -> dict[str, str]:
    """What could have let the node in though the pod offers nothing: a secret, or its identity."""
    found = pull_secrets.unoffered(snapshot, registry)
    name = str((pod.get("spec") or {}).get("nodeName") or "")
    return {**found, **({} if found["candidate"] else world.cloud(registry, node_of(snapshot), name))}


def _secret_state(snapshot: Snapshot, names: list[str], text: str) -> str:
    """Whether it is known that the offered pull secrets, if any, were of use to the runtime."""
    if names and pull_words.anonymous(text):
        return "unseen"
    seen = not names or pull_secrets.any_seen(snapshot, names) or pull_words.sent(text)
    return "known" if seen else "unseen"


def _expired(pod: Body, text: str, secret: str) -> dict[str, str]:
    """Whose token the registry calls expired: the pull secret's, or without one the node's."""
    if not pull_words.expired(text):
        return {}
    node = str((pod.get("spec") or {}).get("nodeName") or "")
    return {"expired_secret": secret} if secret else {"expired_node": node}


def _full_name(reference: Reference) -> str:
    """What stands behind the registry in a full reference."""
    rest = f":{reference.tag}" if reference.tag else ""
    return f"{reference.repository}{rest}" + (f"@{reference.digest}" if reference.digest else "")


def _placeholder(snapshot: Snapshot, pod: Body, container: Container) -> dict[str, str]:
    """Who should have put the image in place of what the template says: Istio, or a trigger of OpenShift."""
    image, meta = str(container.spec.get("image") or ""), pod.get("metadata") or {}
    marks = {**(meta.get("labels") or {}), **(meta.get("annotations") or {})}
    istio = container.name == "istio-proxy" or any("inject.istio.io" in key for key in marks)
    if image == "auto" and (istio or "sidecar.istio.io/inject" in marks):
        return {"injector": "Istio"}
    if image.strip():
        return {}
    owner = (owner_of(snapshot).body or {}).get("metadata") or {}
    for trigger in _triggers(str((owner.get("annotations") or {}).get(_TRIGGERS) or "")):
        source, field = trigger.get("from") or {}, str(trigger.get("fieldPath") or "")
        if source.get("kind") == "ImageStreamTag" and f'"{container.name}"' in field.replace("'", '"'):
            return {"stream_tag": str(source.get("name") or "")}
    return {}


def _triggers(text: str) -> list[Body]:
    try:
        found = json.loads(text) if text else []
    except ValueError:
        return []
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _known_tags(snapshot: Snapshot, reference: Reference) -> list[str]:
    status = (node_of(snapshot) or {}).get("status") or {}
    names = [str(name) for image in status.get("images") or [] for name in image.get("names") or []]
    return same_repository(reference, names)


def _platform(info: Body) -> str:
    """What a node runs, in the words of registries; Linux goes without saying."""
    system, processor = str(info.get("operatingSystem") or "linux"), str(info.get("architecture") or "")
    return processor if system == "linux" or not processor else f"{system}/{processor}"


def _wanted_os(info: Body, text: str) -> str:
    """The operating system that the image is for, where it is not the node's: mixed clusters have both."""
    if re.search(r"image operating system \W*windows", text):
        return "windows"
    windows = info.get("operatingSystem") == "windows" and "operating system" not in text
    return "linux" if windows else ""


def _project(snapshot: Snapshot, pod: Body, reference: Reference) -> dict[str, str]:
    """The project of OpenShift whose images the pod's service account must be let pull."""
    found = pull_secrets.image_stream(reference.registry, reference.repository, snapshot.target.namespace)
    account = str((pod.get("spec") or {}).get("serviceAccountName") or "default")
    return {**found, "pod_account": account} if found else {}


def _meant(tag: str, known: list[str]) -> str:
    """The tag that was probably meant: a similar one, or else the newest that names a version."""
    if near := nearest(tag, known, 1) if tag else []:
        return near[0]
    return max(known, key=lambda one: (bool(re.match(r"v?\d", one)), _ordered(one)), default="")


def _ordered(tag: str) -> list[tuple[int, str]]:
    """A tag for comparing: 1.9 comes before 1.27."""
    return [(int(one), "") if one.isdigit() else (0, one) for one in re.findall(r"\d+|\D+", tag)]


def _pulling(snapshot: Snapshot, pod: Body, container: Container) -> Iterator[Symptom]:
    begun = pulling.since(snapshot, pod, container)
    if begun is None:
        return
    start, text, source, told = begun
    lasted = pulling.lasted(snapshot, start)
    took, other, place = pulling.usual(snapshot, container)
    attributes = {**_facts(container), "duration": lasted, "told": told, "usual": took, "other": other}
    notes = ((f"pod {other} had it after {took}", place),) if took else ()
    known = {key: value for key, value in attributes.items() if value}
    yield Symptom(
        "image.pulling", container.subject, source, f"{text}, for {lasted}", known, start, notes=notes
    )
