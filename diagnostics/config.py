"""Stage config: what the pod refers to, and what kubelet refuses before it asks the runtime.

Kubelet's words are matched to the references that the pod makes; what it has not come to yet, or said so long
ago that the event is gone, is found by looking whether the objects and keys exist.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta

from poddoctor.model import Absent, Body, Found, Read, Snapshot, Symptom, SymptomKind
from poddoctor.pod.containers import containers
from poddoctor.pod.names import nearest
from poddoctor.pod.reads import Event, condition, get, list_of, pod_events, pod_of
from poddoctor.pod.units import parse_time

from ._references import Reference, references

_OBJECT = ("kind", "resource", "object", "use", "nearest", "existing", "said", "key", "keys")
SYMPTOMS: Mapping[str, SymptomKind] = {
    "config.object-missing": SymptomKind("a ConfigMap or Secret that the pod needs does not exist", _OBJECT),
    "config.key-missing": SymptomKind("a ConfigMap or Secret lacks the key that the pod needs", _OBJECT),
    "config.refused": SymptomKind(
        "kubelet refuses the container's configuration (CreateContainerConfigError)",
        ("user", "problem", "reason"),
    ),
    "config.mount-refused": SymptomKind(
        "the runtime refuses a mount into the container", ("mount", "problem")
    ),
}
_WAITING = ("CreateContainerConfigError", "ContainerCreating", "PodInitializing")
_PATIENCE = timedelta(seconds=20)
_MISSING = re.compile(r'\b(?P<kind>configmap|secret)s? "(?P<name>[^"]+)" not found')
_KEY = re.compile(
    r"couldn't find key (?P<key>\S+) in (?P<kind>ConfigMap|Secret) (?P<namespace>[^\s/]+)/(?P<name>[^\s,]+)"
)
_ITEM = re.compile(
    r"(?:(?P<kind>configmap|secret) )?references non-existent (?:config|secret) key: (?P<key>[^\s\]\",]+)"
)
_MOUNT = re.compile(r'error mounting "(?P<from>[^"]*)" to rootfs at "(?P<mount>[^"]*)"')
_ROOT = re.compile(r"non-numeric user \((?P<user>[^)]*)\)")


def reads(snapshot: Snapshot) -> Iterable[Read]:
    """The objects that a stuck pod refers to; names of their kind where one is missing."""
    pod = pod_of(snapshot)
    if pod is None or not _stuck(snapshot, pod):
        return
    for one in references(pod):
        read = _object_read(snapshot, one)
        yield read
        if isinstance(snapshot.answers.get(read), Absent):
            yield _names_read(snapshot, one)


def examine(snapshot: Snapshot) -> Iterable[Symptom]:
    """What is missing, and what kubelet refuses."""
    pod = pod_of(snapshot)
    if pod is None or not _waits(pod):
        return
    said = list(_said(pod, pod_events(snapshot)))
    if _stuck(snapshot, pod):
        for one in dict.fromkeys(references(pod)):
            yield from _check(snapshot, one, said)
    yield from _refused(pod, said)


def _waits(pod: Body) -> bool:
    return any(one.waiting or not one.status for one in containers(pod, "init", "sidecar", "app"))


def _stuck(snapshot: Snapshot, pod: Body) -> bool:
    """Whether a container waits for its configuration, or has waited to be made for a while."""
    status = pod.get("status") or {}
    if status.get("phase") != "Pending" and not any(
        one.waiting.get("reason") in _WAITING[:1] for one in containers(pod, "init", "sidecar", "app")
    ):
        return False
    reasons = {str(one.waiting.get("reason")) for one in containers(pod, "init", "sidecar", "app")}
    if _WAITING[0] in reasons:
        return True
    if any(_MISSING.search(one.message) or _ITEM.search(one.message) for one in pod_events(snapshot)):
        return True
    bound = condition(pod, "PodScheduled")
    since = parse_time(status.get("startTime")) or parse_time(bound.get("lastTransitionTime"))
    return since is not None and snapshot.clock - since > _PATIENCE


def _object_read(snapshot: Snapshot, one: Reference) -> Read:
    purpose = f"would show whether {one.kind} {one.name} exists and which keys it has"
    return get("v1", one.resource, snapshot.target.namespace, one.name, purpose)


def _names_read(snapshot: Snapshot, one: Reference) -> Read:
    purpose = f"would show which {one.kind} was meant"
    return list_of("v1", one.resource, snapshot.target.namespace, purpose, metadata=True)


def _said(pod: Body, events: list[Event]) -> Iterator[tuple[str, str, str]]:
    """Kubelet's words: text, source, container (empty for the pod)."""
    for one in containers(pod, "init", "sidecar", "app"):
        if one.waiting.get("reason") == "CreateContainerConfigError" and one.waiting.get("message"):
            yield str(one.waiting["message"]), f"{one.status_path}.state.waiting.message", one.name
    for event in reversed(events):
        if event.reason in ("FailedMount", "Failed") and event.type != "Normal":
            yield event.message, event.source, event.container


def _check(snapshot: Snapshot, one: Reference, said: list[tuple[str, str, str]]) -> Iterator[Symptom]:
    answer = snapshot.answers.get(_object_read(snapshot, one))
    if isinstance(answer, Absent):
        yield _object_missing(snapshot, one, _about_object(one, said))
    elif isinstance(answer, Found):
        keys = sorted({**(answer.body.get("data") or {}), **(answer.body.get("binaryData") or {})})
        if one.key and one.key not in keys:
            yield _key_missing(one, keys, _about_key(one, said))
    else:
        # The object could not be read: kubelet's words alone tell.
        if words := _about_object(one, said):
            yield _object_missing(snapshot, one, words)
        if one.key and (words := _about_key(one, said)):
            yield _key_missing(one, None, words)


def _about_object(one: Reference, said: list[tuple[str, str, str]]) -> tuple[str, str] | None:
    for text, source, _ in said:
        for found in _MISSING.finditer(text):
            if found["kind"] == one.kind.lower() and found["name"] == one.name:
                return text, source
    return None


def _about_key(one: Reference, said: list[tuple[str, str, str]]) -> tuple[str, str] | None:
    for text, source, _ in said:
        found = _KEY.search(text)
        if found and (found["kind"], found["name"], found["key"]) == (one.kind, one.name, one.key):
            return text, source
        item = _ITEM.search(text)
        if item and item["key"] == one.key:
            return text, source
    return None


def _object_missing(snapshot: Snapshot, one: Reference, words: tuple[str, str] | None) -> Symptom:
    listed = snapshot.items(_names_read(snapshot, one)) or []
    names = [str((body.get("metadata") or {}).get("name")) for body in listed]
    existing = sorted(name for name in names if name != "kube-root-ca.crt")
    attributes = {
        "nearest": "".join(nearest(one.name, existing, 1)),
        "existing": ", ".join(existing[:8]),
        "said": "kubelet" if words else "",
        **_facts(one),
    }
    sentence = f"{one.kind} {one.name} does not exist in {snapshot.target.namespace}"
    text, source = words or (sentence, one.path)
    notes = [(f"{one.use} needs {one.kind} {one.name}", one.path)]
    if existing:
        notes.append((f"{snapshot.target.namespace} has {', '.join(existing[:8])}", one.resource))
    known = {key: value for key, value in attributes.items() if value}
    return Symptom("config.object-missing", one.subject, source, text, known, notes=tuple(notes))


def _key_missing(one: Reference, keys: list[str] | None, words: tuple[str, str] | None) -> Symptom:
    attributes = {
        "nearest": "".join(nearest(one.key, keys or [], 1)),
        "keys": ", ".join((keys or [])[:12]),
        "said": "kubelet" if words else "",
        **_facts(one),
    }
    text, source = words or (f"{one.kind} {one.name} has no key {one.key}", one.path)
    notes = [(f"{one.use} needs key {one.key} of {one.kind} {one.name}", one.path)]
    if keys is not None:
        notes.append(
            (
                f"{one.kind} {one.name} has {', '.join(keys[:12]) or 'no keys at all'}",
                f"{one.kind} {one.name}",
            )
        )
    known = {key: value for key, value in attributes.items() if value}
    return Symptom("config.key-missing", one.subject, source, text, known, notes=tuple(notes))


def _facts(one: Reference) -> dict[str, str]:
    return {
        "kind": one.kind,
        "resource": one.kind.lower(),
        "object": one.name,
        "use": one.use,
        "key": one.key,
    }


def _refused(pod: Body, said: list[tuple[str, str, str]]) -> Iterator[Symptom]:
    """Refusals that are not about a missing object."""
    for one in containers(pod):
        waiting, ended = one.waiting, one.last_terminated or one.terminated
        message = str(waiting.get("message") or "")
        source = f"{one.status_path}.state.waiting.message"
        if waiting.get("reason") == "CreateContainerConfigError" and not message:
            message, source = next(
                ((text, where) for text, where, name in said if name == one.name), ("", source)
            )
        if waiting.get("reason") == "CreateContainerConfigError" and message:
            user = _ROOT.search(message)
            facts = {"reason": str(waiting["reason"]), "problem": message[:160]}
            if user:
                facts["user"] = user["user"]
            yield Symptom("config.refused", one.subject, source, message, facts)
        refused = f"{message}\n{ended.get('message') or ''}"
        mount = _MOUNT.search(refused)
        if mount and waiting:
            problem = refused[mount.end() :].strip(" :").splitlines()[0][-120:]
            facts = {"mount": mount["mount"], "problem": problem}
            where = source if _MOUNT.search(message) else f"{one.status_path}.lastState.terminated.message"
            yield Symptom(
                "config.mount-refused", one.subject, where, mount[0] + refused[mount.end() :][:200], facts
            )
