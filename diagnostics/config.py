"""Stage config: what the pod refers to, and what kubelet refuses before it asks the runtime.

Kubelet's words are matched to the references that the pod makes; what it has not come to yet, or said so long
ago that the event is gone, is found by looking whether the objects and keys exist.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta

from poddoctor.model import Absent, Body, Found, Read, Snapshot, Symptom, SymptomKind
from poddoctor.pod.clip import clip
from poddoctor.pod.containers import Container, containers
from poddoctor.pod.names import nearest
from poddoctor.pod.reads import Event, condition, get, list_of, pod_events, pod_of
from poddoctor.pod.units import parse_time

from ._elsewhere import elsewhere_read, hint, namespaces_with
from ._layers import REFUSED, held_before, mounted_before
from ._references import Reference, mount_at, references, source_of
from ._renames import patches
from ._template import unborn

_OBJECT = (
    "kind",
    "resource",
    "object",
    "use",
    "nearest",
    "existing",
    "said",
    "key",
    "key2",
    "key3",
    "keys",
    "hint",
    "elsewhere",
    "pod_patch",
    "template_patch",
)
SYMPTOMS: Mapping[str, SymptomKind] = {
    "config.object-missing": SymptomKind("a ConfigMap or Secret that the pod needs does not exist", _OBJECT),
    "config.key-missing": SymptomKind("a ConfigMap or Secret lacks the key that the pod needs", _OBJECT),
    "config.refused": SymptomKind(
        "kubelet refuses the container's configuration (CreateContainerConfigError)",
        (
            *("user", "problem", "reason", "list", "volume", "mount", "sub_path", "made"),
            *("variable", "other", "meant", "env", "at"),
        ),
    ),
    "config.mount-refused": SymptomKind(
        "the runtime refuses a mount into the container",
        ("list", "mount", "problem", "volume", "sub_path", "kind", "object", "keys", "nearest"),
    ),
}
_NOT_STARTED = ("StartError", "ContainerCannotRun")
_STAGES = frozenset(
    {"prod", "production", "live", "staging", "stage", "stg", "dev", "development", "test", "qa", "uat"}
    | {"blue", "green", "canary", "primary", "replica", "eu", "us", "readonly", "admin"}
)
_ROOT_CA = "kube-root-ca.crt"
_PATIENCE = timedelta(seconds=20)
_MISSING = re.compile(r'\b(?P<kind>configmap|secret)s? "(?P<name>[^"]+)" not found')
_KEY = re.compile(
    r"couldn't find key (?P<key>\S+) in (?P<kind>ConfigMap|Secret) (?P<namespace>[^\s/]+)/(?P<name>[^\s,]+)"
)
_ITEM = re.compile(
    r"(?:(?P<kind>configmap|secret) )?references non-existent (?:config|secret) key: (?P<key>[^\s\]\",]+)"
)
_MOUNT = re.compile(  # runc of all ages, and crun
    r'mounting \\*"(?P<from>[^"\\]*)\\*" to rootfs(?: \\*"[^"]*")? at \\*"(?P<mount>[^"\\]*)\\*"'
    r"|mount `(?P<source>[^`]*)` to `(?P<target>[^`]*)`"
)
_MAPS_USERS = re.compile(r"(?i)idmap|mount_setattr")
_ERRNO = re.compile(
    r"(?i)not a directory|is a directory|read-only file ?system|no such file or directory|permission denied"
    r"|file exists|operation not permitted|too many levels of symbolic links|invalid argument"
)
_SUB_PATH = re.compile(r'(?i)subPath[^"]*for volumeMount "(?P<volume>[^"]+)"|SubPath `(?P<path>[^`]*)`')
_RECURSIVE = re.compile(r'volume "(?P<volume>[^"]+)" requested recursive read-only')
_UNDEFINED = re.compile(r"^missing value for (?P<variable>\S+)")
_OTHER = re.compile(r"^container (?P<other>\S+) not found")
_ROOT = re.compile(r"non-numeric user \((?P<user>[^)]*)\)")


def reads(snapshot: Snapshot) -> Iterable[Read]:
    """The objects that a stuck pod refers to; names of their kind where one is missing."""
    pod = pod_of(snapshot)
    if pod is not None:
        yield from _mount_reads(snapshot, pod)
    waits = pod if pod is not None and _stuck(snapshot, pod) else unborn(snapshot)
    for one in references(waits or {}):
        read = _object_read(snapshot, one)
        yield read
        if isinstance(snapshot.answers.get(read), Absent):
            yield _names_read(snapshot, one)
            yield _elsewhere_read(one)
            yield from _copies(snapshot, one).values()


def _mount_reads(snapshot: Snapshot, pod: Body) -> Iterator[Read]:
    """The object behind a mount that the runtime refuses: whether it has the key that subPath names."""
    for container, _, _, match in _refused_mounts(pod):
        mount = mount_at(container.spec, match["mount"] or match["target"])
        source = source_of(pod, mount.get("name")) if mount.get("subPath") else None
        if source:
            yield _object_read(snapshot, source)


def examine(snapshot: Snapshot) -> Iterable[Symptom]:
    """What is missing, and what kubelet refuses."""
    pod = pod_of(snapshot)
    if template := unborn(snapshot):
        wanted = dict.fromkeys(references(template))
        for symptom in _together([each for one in wanted for each in _check(snapshot, one, [])]):
            yield replace(symptom, ahead=True)
    # A pod that is being deleted is started no more: what it would need does not matter.
    if pod is None or (pod.get("metadata") or {}).get("deletionTimestamp") or not _waits(pod):
        return
    said = list(_said(pod, pod_events(snapshot)))
    if _stuck(snapshot, pod):
        found = [
            placed
            for one in dict.fromkeys(references(pod))
            for symptom in _check(snapshot, one, said)
            if (placed := _in_its_turn(snapshot, pod, symptom, said))
        ]
        yield from _together(found)
        yield from _only_said(pod, said)
    yield from _refused(snapshot, pod, said)
    yield from _mounts(snapshot, pod)


def _together(found: list[Symptom]) -> Iterator[Symptom]:
    """What is missing once, though the pod refers to it often: one title, and all keys to make it with."""
    groups: dict[tuple[str, ...], list[Symptom]] = {}
    for number, symptom in enumerate(found):
        named = symptom.attributes.get("object", "")
        whole = symptom.name == "config.object-missing"
        groups.setdefault((symptom.attributes["kind"], named) if whole else (str(number),), []).append(
            symptom
        )
    for group in groups.values():
        if len(group) == 1:
            yield from group
            continue
        reached = [one for one in group if not one.ahead] or group
        keys = sorted({one.attributes["key"] for one in group if "key" in one.attributes})
        numbered = dict(zip(("key", "key2", "key3"), keys, strict=False)) if len(keys) < 4 else {}
        shared = {
            "use": reached[0].attributes["use"],
            **numbered,
            **({"keys": ", ".join(keys)} if keys else {}),
        }
        notes = tuple(dict.fromkeys(note for one in group for note in one.notes))
        for one in reached:
            own = {key: value for key, value in one.attributes.items() if key != "key"}
            yield replace(one, attributes={**own, **shared}, notes=notes)


def _waits(pod: Body) -> bool:
    return any(
        one.waiting or not one.status or one.terminated.get("reason") in _NOT_STARTED
        for one in containers(pod, "init", "sidecar", "app")
    )


def _stuck(snapshot: Snapshot, pod: Body) -> bool:
    """Whether a container waits for its configuration, or has waited to be made for a while."""
    status = pod.get("status") or {}
    if status.get("phase") != "Pending" and not any(
        one.waiting.get("reason") == REFUSED for one in containers(pod, "init", "sidecar", "app")
    ):
        return False
    reasons = {str(one.waiting.get("reason")) for one in containers(pod, "init", "sidecar", "app")}
    if REFUSED in reasons:
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


def _elsewhere_read(one: Reference) -> Read:
    return elsewhere_read("v1", one.resource, one.kind, one.name)


def _copies(snapshot: Snapshot, one: Reference) -> dict[str, Read]:
    """The Reads of the objects of this name in other namespaces, by namespace."""
    spaces = namespaces_with(snapshot, _elsewhere_read(one), one.name)[:3]
    purpose = f"would show whether the {one.kind} there has the keys"
    return {space: get("v1", one.resource, space, one.name, purpose) for space in spaces}


def _fit(snapshot: Snapshot, one: Reference) -> list[str]:
    """The other namespaces whose object of this name has all keys that the pod reads from it."""
    wanting = pod_of(snapshot) or unborn(snapshot) or {}
    wanted = (one.kind, one.name)
    keys = {ref.key for ref in references(wanting) if (ref.kind, ref.name) == wanted and ref.key}
    bodies = {space: snapshot.body(read) for space, read in _copies(snapshot, one).items()}
    return [space for space, body in bodies.items() if body is not None and keys <= {*_keys(body)}]


def _keys(body: Body) -> list[str]:
    """The keys of a ConfigMap or a Secret."""
    return sorted({**(body.get("data") or {}), **(body.get("binaryData") or {})})


def _said(pod: Body, events: list[Event]) -> Iterator[tuple[str, str, str]]:
    """Kubelet's words: text, source, container (empty for the pod)."""
    for one in containers(pod, "init", "sidecar", "app"):
        if one.waiting.get("reason") == REFUSED and one.waiting.get("message"):
            yield str(one.waiting["message"]), f"{one.status_path}.state.waiting.message", one.name
    for event in reversed(events):
        if event.reason in ("FailedMount", "Failed") and event.type != "Normal":
            yield event.message, event.source, event.container


def _check(snapshot: Snapshot, one: Reference, said: list[tuple[str, str, str]]) -> Iterator[Symptom]:
    answer = snapshot.answers.get(_object_read(snapshot, one))
    if isinstance(answer, Absent):
        lacking = _about_key(one, said) if one.key else None
        if lacking and not _about_object(one, said):
            # Kubelet names the key, so the object was there: what answers now may not have kept it.
            yield _key_missing(snapshot, one, None, lacking)
        elif one.name != _ROOT_CA or _about_object(one, said):
            yield _object_missing(snapshot, one, _about_object(one, said))
    elif isinstance(answer, Found):
        keys = _keys(answer.body)
        if one.key and one.key not in keys:
            yield _key_missing(snapshot, one, keys, _about_key(one, said))
    else:
        # The object could not be read: kubelet's words alone tell.
        if words := _about_object(one, said):
            yield _object_missing(snapshot, one, words)
        if one.key and (words := _about_key(one, said)):
            yield _key_missing(snapshot, one, None, words)


def _in_its_turn(
    snapshot: Snapshot, pod: Body, symptom: Symptom, said: list[tuple[str, str, str]]
) -> Symptom | None:
    """Marks what kubelet has not come to yet, and drops what it has left behind: mounted volumes."""
    if symptom.attributes.get("said"):
        return symptom
    if mounted_before(snapshot, pod, symptom.subject):
        return None
    before = held_before(snapshot, pod, symptom.subject)
    spoken = [text for text, source, name in said if name == symptom.subject.name and ".waiting" in source]
    if not before and symptom.subject.name and spoken:
        # Kubelet names the first that it misses, and stops there.
        before = f"kubelet stops before it: {spoken[0]}"
    if not before:
        return symptom
    note = (f"not tried yet: {before}", "pod.status")
    return replace(symptom, ahead=True, notes=(*symptom.notes, note))


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
    existing = sorted(name for name in names if name != _ROOT_CA)
    near, others = nearest(one.name, _spare(snapshot, one, existing), 1), _fit(snapshot, one)
    attributes = {
        "nearest": "".join(near),
        "elsewhere": next(iter(others), ""),
        "hint": hint(others, near),
        "existing": ", ".join(existing[:8]),
        "said": "kubelet" if words else "",
        **(patches(snapshot, one, near[0], key=False) if near else {}),
        **_facts(one),
    }
    sentence = f"{one.kind} {one.name} does not exist in {snapshot.target.namespace}"
    text, source = words or (sentence, one.path)
    notes = [(f"{one.use} needs {one.kind} {one.name}", one.path)]
    if existing:
        notes.append((f"{snapshot.target.namespace} has {', '.join(existing[:8])}", one.resource))
    if others:
        notes.append((f"{one.kind} {one.name} exists in {', '.join(others)}", one.resource))
    known = {key: value for key, value in attributes.items() if value}
    return Symptom("config.object-missing", one.subject, source, text, known, notes=tuple(notes))


def _spare(snapshot: Snapshot, one: Reference, existing: list[str]) -> list[str]:
    """The objects that may have been meant.

    Not those that the pod uses under their own name, and not those of another stage, such as dev for prod.
    """
    wanting = pod_of(snapshot) or unborn(snapshot) or {}
    used = {each.name for each in references(wanting) if each.kind == one.kind}
    return [name for name in existing if name not in used and not _other_stage(one.name, name)]


def _other_stage(wanted: str, name: str) -> bool:
    ours, theirs = ({*re.split(r"[-_.]", each.lower())} & _STAGES for each in (wanted, name))
    return ours != theirs and bool(ours) and bool(theirs)


def _key_missing(
    snapshot: Snapshot, one: Reference, keys: list[str] | None, words: tuple[str, str] | None
) -> Symptom:
    near = nearest(one.key, keys or [], 1)
    attributes = {
        "nearest": "".join(near),
        "hint": hint([], near),
        "keys": ", ".join((keys or [])[:12]),
        "said": "kubelet" if words else "",
        **(patches(snapshot, one, near[0], key=True) if near else {}),
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


def _only_said(pod: Body, said: list[tuple[str, str, str]]) -> Iterator[Symptom]:
    """What a waiting container misses in kubelet's words, though no reference of the pod is known for it."""
    known = {(one.kind.lower(), one.name) for one in references(pod)}
    for text, source, name in said:
        found = _MISSING.search(text)
        if not found or ".state.waiting" not in source or (found["kind"], found["name"]) in known:
            continue
        kind = "ConfigMap" if found["kind"] == "configmap" else "Secret"
        facts = {"kind": kind, "resource": found["kind"], "object": found["name"], "said": "kubelet"}
        subject = next(one.subject for one in containers(pod) if one.name == name)
        yield Symptom("config.object-missing", subject, source, text, {**facts, "use": f"container {name}"})


def _refused(snapshot: Snapshot, pod: Body, said: list[tuple[str, str, str]]) -> Iterator[Symptom]:
    """What kubelet refuses in its own words."""
    for one in containers(pod):
        if one.waiting.get("reason") != REFUSED:
            continue
        message, source = str(one.waiting.get("message") or ""), f"{one.status_path}.state.waiting.message"
        if not message:
            message, source = next(
                ((text, where) for text, where, name in said if name == one.name), ("", source)
            )
        if message:
            user = _ROOT.search(message)
            facts = {
                "reason": REFUSED,
                "problem": clip(message, 160),
                "list": _list_of(one),
                "user": user["user"] if user else "",
                "made": _made_since(snapshot, pod, message),
                **_sub_path(one, message),
                **_undefined(one, message),
                **_other_container(pod, one, message),
                **_recursive(one, message),
            }
            known = {key: value for key, value in facts.items() if value}
            yield Symptom("config.refused", one.subject, source, message, known)


def _made_since(snapshot: Snapshot, pod: Body, message: str) -> str:
    """The object that kubelet missed and that is there by now, with the key that the pod reads from it."""
    found = _MISSING.search(message) or _KEY.search(message)
    if not found:
        return ""
    missed = (found["kind"].lower(), found["name"])
    wanted = [one for one in references(pod) if (one.kind.lower(), one.name) == missed]
    for one in wanted:
        body = snapshot.body(_object_read(snapshot, one))
        if body is None or (one.key and one.key not in _keys(body)):
            return ""
    return f"{wanted[0].kind} {wanted[0].name}" if wanted else ""


def _list_of(one: Container) -> str:
    return "initContainers" if one.kind in ("init", "sidecar") else "containers"


def _recursive(one: Container, message: str) -> dict[str, str]:
    """The mount that is to be read-only with all that is mounted below it."""
    found = _RECURSIVE.search(message)
    for mount in (one.spec.get("volumeMounts") or []) if found else []:
        if found and mount.get("name") == found["volume"] and mount.get("recursiveReadOnly"):
            return {"volume": found["volume"], "mount": str(mount.get("mountPath"))}
    return {}


def _sub_path(one: Container, message: str) -> dict[str, str]:
    """The mount that kubelet means: it names the volume or the path, never both."""
    found = _SUB_PATH.search(message)
    for mount in (one.spec.get("volumeMounts") or []) if found else []:
        path = str(mount.get("subPath") or mount.get("subPathExpr") or "")
        if path and found and (found["volume"] == mount.get("name") or found["path"] == path):
            return {"volume": str(mount.get("name")), "mount": str(mount.get("mountPath")), "sub_path": path}
    return {}


def _undefined(one: Container, message: str) -> dict[str, str]:
    """The variable that a subPathExpr names, and the container does not define."""
    found = _UNDEFINED.search(message)
    for mount in (one.spec.get("volumeMounts") or []) if found else []:
        path = str(mount.get("subPathExpr") or "")
        if found and f"$({found['variable']})" in path:
            return {"variable": found["variable"], "volume": str(mount.get("name")), "sub_path": path}
    return {}


def _other_container(pod: Body, one: Container, message: str) -> dict[str, str]:
    """The variable that reads the resources of a container that is not there, and which one was meant."""
    found = _OTHER.search(message)
    for index, each in enumerate((one.spec.get("env") or []) if found else []):
        source = (each.get("valueFrom") or {}).get("resourceFieldRef") or {}
        if found and source.get("containerName") == found["other"]:
            names = [other.name for other in containers(pod, "init", "sidecar", "app")]
            return {
                "other": found["other"],
                "meant": next(iter(nearest(found["other"], names, 1)), one.name),
                "env": str(each.get("name")),
                "at": f"{_list_of(one)}/{one.index}/env/{index}/valueFrom/resourceFieldRef/containerName",
            }
    return {}


def _refused_mounts(pod: Body) -> Iterator[tuple[Container, str, str, re.Match[str]]]:
    """Containers whose mount the runtime refuses: with the text, its source and the match in it."""
    for one in containers(pod, "init", "sidecar", "app"):
        if one.running:
            continue
        places = (
            (one.waiting, "state.waiting"),
            (one.terminated, "state.terminated"),
            (one.last_terminated, "lastState.terminated"),
        )
        for state, place in places:
            text = str(state.get("message") or "")
            match = _MOUNT.search(text)
            # The runtime's own mounts (proc, cgroup) are no business of the pod's volumes, and users that
            # a file system cannot map (hostUsers: false) none of the place in the container.
            if (
                match
                and not _MAPS_USERS.search(text)
                and ("/pods/" in text or mount_at(one.spec, match["mount"] or match["target"]))
            ):
                yield one, text, f"{one.status_path}.{place}.message", match
                break


def _mounts(snapshot: Snapshot, pod: Body) -> Iterator[Symptom]:
    for one, text, source, match in _refused_mounts(pod):
        path = match["mount"] or match["target"]
        mount = mount_at(one.spec, path)
        error = _ERRNO.search(text, match.end())
        facts = {
            "list": _list_of(one),
            "mount": str(mount.get("mountPath") or path),
            "problem": error[0].lower() if error else text[match.end() :].strip(" :")[:100],
            "volume": str(mount.get("name") or ""),
            "sub_path": str(mount.get("subPath") or ""),
        }
        notes = []
        if mount.get("subPath") and (object_ := source_of(pod, mount.get("name"))):
            body = snapshot.body(_object_read(snapshot, object_))
            keys = _keys(body) if body else []
            if body and facts["sub_path"] not in keys:
                facts["kind"], facts["object"] = object_.kind, object_.name
                facts["keys"] = ", ".join(keys[:12])
                facts["nearest"] = "".join(nearest(facts["sub_path"], keys, 1))
                words = f"{object_.kind} {object_.name} has {facts['keys'] or 'no keys at all'}"
                notes.append((words, f"{object_.kind} {object_.name}"))
            notes.append(
                (
                    f"subPath {facts['sub_path']} of volume {mount.get('name')}",
                    f"{one.spec_path}.volumeMounts",
                )
            )
        known = {key: value for key, value in facts.items() if value}
        yield Symptom("config.mount-refused", one.subject, source, text, known, notes=tuple(notes))
