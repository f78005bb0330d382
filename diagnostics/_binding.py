"""Claims that are missing, not bound, lost or on their way out: from the claim to the wrong object."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from poddoctor.model import POD, Absent, Body, Found, Read, Snapshot, Symptom
from poddoctor.pod.clip import clip
from poddoctor.pod.names import nearest
from poddoctor.pod.owner import owner_of
from poddoctor.pod.pattern import lazy
from poddoctor.pod.reads import condition, list_of, pod_events, pod_of
from poddoctor.pod.units import parse_time, show_duration

from . import _claims as cl
from ._blocked import standing_events, waits_for_node, waits_for_start
from ._elsewhere import elsewhere_read, namespaces_with
from ._pending import STATIC, from_events, pending
from ._template import unborn

_NOT_FOUND = lazy(r"persistentvolumeclaims? \\*[\"'](?P<claim>[^\"'\\]+)\\*[\"'] not found")
_ABOUT = lazy(
    r"persistentvolumeclaim \"(?P<claim>[^\"]+)\" (?:is being deleted"
    r"|bound to non-existent persistentvolume \"(?P<pv>[^\"]+)\")"
    r"|error processing PVC (?:[^\s/]+/)?(?P<deleted>[^\s:]+): PVC is being deleted"
)
_ONE_POD = lazy(r"PersistentVolumeClaim with .{0,40}ReadWriteOncePod access mode")
_NOT_OWNER = lazy(r"PVC \"?(?:[\w.-]+/)?(?P<claim>[\w.-]+)\"? was not created for pod")
_UNBOUND = lazy(r"unbound immediate PersistentVolumeClaims|PVC is not bound|has unbound")
_GONE = lazy(r"non-existent (?:persistentvolume|pv)\b|persistentvolumes? \\*\"[^\"]+\" not found")


def words(snapshot: Snapshot) -> tuple[str, str]:
    """What the scheduler or the kubelet says about the pod's claims, and where it was read."""
    pod = pod_of(snapshot) or {}
    said = condition(pod, "PodScheduled")
    if said.get("status") == "False" and said.get("message"):
        return str(said["message"]), "pod.status.conditions[PodScheduled].message"
    reasons = ("FailedScheduling",) if waits_for_node(pod) else ("FailedMount", "FailedAttachVolume")
    texts = standing_events(snapshot, reasons)
    for one in texts:
        if "persistentvolumeclaim" in one.message.lower() or "PVC" in one.message:
            return one.message, one.source
    return (texts[0].message, texts[0].source) if texts else ("", "")


def reads(snapshot: Snapshot) -> Iterator[Read]:
    """The claims; then, for those that are not bound, what they refer to."""
    pod = pod_of(snapshot)
    for use in cl.uses_of(snapshot, unborn(snapshot)):
        yield use.read
        if snapshot.absent(use.read):
            yield cl.claims_read(snapshot)
    if pod is None or not (waits_for_node(pod) or waits_for_start(pod)):
        return
    said, _ = words(snapshot)
    for use in cl.uses(snapshot):
        yield use.read
        claim = snapshot.body(use.read)
        if claim is None and use.read in snapshot.answers and _UNBOUND.search(said):
            yield cl.claim_events_read(snapshot, use.claim)  # it exists: somebody found it unbound
        elif snapshot.absent(use.read):
            yield from _absent_reads(snapshot, use)
        elif claim is not None and cl.phase(claim) == "Bound" and _GONE.search(said):
            yield cl.volume_read(str((claim.get("spec") or {}).get("volumeName")))
        elif claim is not None and cl.phase(claim) != "Bound":
            yield cl.claim_events_read(snapshot, use.claim)
            yield from _claim_reads(snapshot, claim)
        if claim is not None and ("ReadWriteOncePod" in cl.modes(claim) or _deleting(claim)):
            yield pods_read(snapshot)


def _absent_reads(snapshot: Snapshot, use: cl.Use) -> Iterator[Read]:
    """What may have been meant: the claims of the namespace, or one of this name in another."""
    yield cl.claims_read(snapshot)
    if not use.ephemeral:
        yield _elsewhere_read(use.claim)


def pods_read(snapshot: Snapshot) -> Read:
    """The pods of the namespace: who else uses the claim."""
    return list_of("v1", "pods", snapshot.target.namespace, "would show which other pods use the claim")


def _claim_reads(snapshot: Snapshot, claim: Body) -> Iterator[Read]:
    name = cl.class_of(claim)
    volume = (claim.get("spec") or {}).get("volumeName")
    if volume:
        yield cl.volume_read(str(volume))
        if snapshot.absent(cl.volume_read(str(volume))):
            yield cl.volumes_read()
        return
    if not name:
        yield from (cl.classes_read(), cl.volumes_read())
        return
    read = cl.class_read(name)
    yield read
    body = snapshot.body(read)
    if snapshot.absent(read):
        yield from (cl.classes_read(), cl.volumes_read())
    elif body is not None and body.get("provisioner") in STATIC:
        yield cl.volumes_read()
    elif body is not None and not str(body.get("provisioner")).startswith("kubernetes.io/"):
        yield cl.drivers_read()
        yield cl.classes_read()


def examine(snapshot: Snapshot) -> Iterator[Symptom]:
    """What is wrong with the pod's claims."""
    pod = pod_of(snapshot)
    yield from _of_template(snapshot)
    if pod is None or not (waits_for_node(pod) or waits_for_start(pod)):
        return
    text, source = words(snapshot)
    if "persistentvolumeclaim" in text.lower() or "error processing PVC" in text or _UNBOUND.search(text):
        yield Symptom("storage.claim-named", POD, source, text)
    found = False
    unseen = _not_reached(snapshot, text)
    for use in cl.uses(snapshot):
        answer = snapshot.answers.get(use.read)
        if use in unseen and isinstance(answer, Absent):
            yield replace(_missing(snapshot, pod, use, ("", ""), absent=True), ahead=True)
            continue
        for symptom in _of_claim(snapshot, pod, use, answer, (text, source)):
            found = True
            yield symptom
    if not found and _ONE_POD.search(text):
        yield from _one_pod_said(snapshot, text, source)
    if not found and _UNBOUND.search(text):
        listed = [use.claim for use in cl.uses(snapshot)]
        if listed and not _all_bound(snapshot):
            yield Symptom("storage.claims-unbound", POD, source, text, {"claims": ", ".join(listed)})


def _of_template(snapshot: Snapshot) -> Iterator[Symptom]:
    """Claims that are missing for pods that were never made: absent, while the claims could be listed."""
    template = unborn(snapshot)
    for use in cl.uses_of(snapshot, template):
        if template and snapshot.absent(use.read) and snapshot.items(cl.claims_read(snapshot)) is not None:
            yield replace(_missing(snapshot, template, use, ("", ""), absent=True), ahead=True)


def _not_reached(snapshot: Snapshot, text: str) -> list[cl.Use]:
    """The claims that the scheduler has not looked at: it stops at the first that is missing."""
    named = _NOT_FOUND.search(text)
    listed = [one for one in cl.uses(snapshot) if not one.ephemeral]
    names = [one.claim for one in listed]
    return listed[names.index(named["claim"]) + 1 :] if named and named["claim"] in names else []


def _one_pod_said(snapshot: Snapshot, text: str, source: str) -> Iterator[Symptom]:
    """A claim for one pod only that is taken: the scheduler does not say which of the pod's claims."""
    listed = [one for one in cl.uses(snapshot) if snapshot.body(one.read) is None]
    if len(listed) == 1:
        attributes = {"claim": listed[0].claim, "volume": listed[0].volume}
        yield Symptom("storage.claim-in-use", POD, source, text, attributes)


def _all_bound(snapshot: Snapshot) -> bool:
    bodies = [snapshot.body(use.read) for use in cl.uses(snapshot)]
    return all(body is not None and cl.phase(body) == "Bound" for body in bodies)


def _of_claim(
    snapshot: Snapshot, pod: Body, use: cl.Use, answer: object, said: tuple[str, str]
) -> Iterator[Symptom]:
    named = _NOT_FOUND.search(said[0])
    is_named = bool(named and named["claim"] == use.claim)
    if isinstance(answer, Found):
        yield from _existing(snapshot, pod, use, answer.body, said)
    elif told := _told(use, said):
        yield told
    elif use.ephemeral and (
        _ephemeral_words(said[0], use.claim) or (isinstance(answer, Absent) and not _UNBOUND.search(said[0]))
    ):
        yield from _ephemeral(snapshot, use, said)
    elif is_named or (isinstance(answer, Absent) and _credible(pod, snapshot, said[0])):
        yield _missing(snapshot, pod, use, said if is_named else ("", ""), absent=isinstance(answer, Absent))
    elif _UNBOUND.search(said[0]):
        yield from from_events(snapshot, use)


def _told(use: cl.Use, said: tuple[str, str]) -> Symptom | None:
    """What the scheduler's words alone say of a claim that cannot be read."""
    attributes = {"claim": use.claim, "volume": use.volume}
    found = _ABOUT.search(said[0].replace("\\", ""))
    if not found or use.claim not in (found["claim"], found["deleted"]):
        return None
    if found["pv"]:
        return Symptom("storage.claim-lost", POD, said[1], said[0], {**attributes, "pv": found["pv"]})
    return Symptom("storage.claim-terminating", POD, said[1], said[0], attributes)


def _credible(pod: Body, snapshot: Snapshot, text: str) -> bool:
    """Whether "does not exist" agrees with what the cluster did.

    The scheduler looks for the claims first, so its words about anything else, and a node that it chose,
    say that the claim was there. Then only silence makes the absence count.
    """
    if waits_for_node(pod):
        return not text
    if any(one.reason == "Scheduled" for one in pod_events(snapshot)) or not _placed_by_hand(snapshot):
        return False
    failures = ("FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox", "FailedMapVolume")
    return not standing_events(snapshot, failures)


def _placed_by_hand(snapshot: Snapshot) -> bool:
    """Whether spec.nodeName may stand in the manifest, so that no scheduler looked for the claim."""
    owner = owner_of(snapshot)
    template = ((owner.body or {}).get("spec") or {}).get("template") or {}
    return owner.kind == "pod" or bool((template.get("spec") or {}).get("nodeName"))


def _missing(snapshot: Snapshot, pod: Body, use: cl.Use, said: tuple[str, str], *, absent: bool) -> Symptom:
    attributes = {"claim": use.claim, "volume": use.volume}
    items = snapshot.items(cl.claims_read(snapshot))
    existing = [name for name in cl.names(items) if name != use.claim]
    if items is not None:
        attributes["existing"] = cl.some(existing) or "none"
    if others := namespaces_with(snapshot, _elsewhere_read(use.claim), use.claim):
        attributes["elsewhere"] = others[0]
    owner = ((pod.get("metadata") or {}).get("ownerReferences") or [{}])[0]
    if owner.get("kind") == "StatefulSet" and use.claim == f"{use.volume}-{snapshot.target.name}":
        attributes["template"] = use.volume
    elif near := nearest(use.claim, existing):
        attributes["nearest"] = near[0]
    else:
        attributes["unlike"] = "true"
        if akin := _akin(use.claim, existing):
            attributes["akin"] = akin
    notes = []
    if absent:
        notes.append((f'persistentvolumeclaim "{use.claim}": 404, not found', use.read.path))
    if items is not None:
        notes.append(
            (f"claims in {snapshot.target.namespace}: {attributes['existing']}", "persistentvolumeclaims")
        )
    text = said[0] or f"volume {use.volume} uses claim {use.claim}, which does not exist"
    source = said[1] or f"pod.spec.volumes[{use.volume}].persistentVolumeClaim.claimName"
    return Symptom("storage.claim-missing", POD, source, text, attributes, notes=tuple(notes))


def _akin(wanted: str, existing: list[str]) -> str:
    """The one claim whose name begins with the same word, where there is just one."""
    word = re.split(r"[-.]", wanted)[0]
    found = [name for name in existing if len(word) > 2 and re.split(r"[-.]", name)[0] == word]
    return found[0] if len(found) == 1 else ""


def _elsewhere_read(claim: str) -> Read:
    return elsewhere_read("v1", "persistentvolumeclaims", "PersistentVolumeClaim", claim)


def _ephemeral_words(text: str, claim: str) -> bool:
    plain = text.replace("\\", "")
    return f'create the persistentvolumeclaim "{claim}"' in plain or _of_another(plain, claim)


def _of_another(text: str, claim: str) -> bool:
    """Whether the scheduler says that a claim of that name was not made for the pod."""
    found = _NOT_OWNER.search(text)
    return found is not None and found["claim"] == claim


def _ephemeral(snapshot: Snapshot, use: cl.Use, said: tuple[str, str]) -> Iterator[Symptom]:
    attributes = {"claim": use.claim, "volume": use.volume}
    if _of_another(said[0].replace("\\", ""), use.claim):
        attributes.update(why="not owned by this pod", foreign="true")
    for one in standing_events(snapshot, ("FailedBinding",)):
        if one.message.startswith(f"ephemeral volume {use.volume}:"):
            attributes["why"] = _refusal(one.message.partition(": ")[2])
            yield Symptom("storage.ephemeral-claim-refused", POD, one.source, one.message)
            break
    text = said[0] or f"claim {use.claim} of ephemeral volume {use.volume} does not exist"
    source = said[1] or f"pod.spec.volumes[{use.volume}].ephemeral"
    yield Symptom("storage.ephemeral-claim-missing", POD, source, text, attributes)


def _refusal(message: str) -> str:
    """The reason alone, without the claim's name said twice."""
    return clip(re.sub(r"^.*is forbidden: ", "", message, flags=re.DOTALL), 200)


def _deleting(claim: Body) -> bool:
    return bool((claim.get("metadata") or {}).get("deletionTimestamp"))


def _existing(
    snapshot: Snapshot, pod: Body, use: cl.Use, claim: Body, said: tuple[str, str]
) -> Iterator[Symptom]:
    if foreign := _foreign(pod, use, claim):
        yield foreign
        yield from (one for one in _ephemeral(snapshot, use, said) if one.name.endswith("refused"))
        return
    if _deleting(claim):
        yield _terminating(snapshot, use, claim)
        return
    if cl.phase(claim) == "Lost":
        volume = str((claim.get("spec") or {}).get("volumeName") or "")
        attributes = {**cl.claim_attributes(use, claim), "pv": volume}
        message = f"claim {use.claim} is Lost: its volume {volume} does not exist any more"
        yield Symptom(
            "storage.claim-lost", POD, f"persistentvolumeclaim {use.claim} status.phase", message, attributes
        )
        return
    if cl.phase(claim) == "Bound" and (lost := _volume_gone(snapshot, use, claim, said)):
        yield lost
        return
    if cl.phase(claim) == "Bound":
        yield from _in_use(snapshot, use, claim, said[0])
        return
    yield from pending(snapshot, pod, use, claim, said)


def _volume_gone(snapshot: Snapshot, use: cl.Use, claim: Body, said: tuple[str, str]) -> Symptom | None:
    """A claim that still says Bound, while the scheduler or the kubelet finds no such volume."""
    volume = str((claim.get("spec") or {}).get("volumeName") or "")
    if not _GONE.search(said[0]):
        return None
    named = f'"{volume}"' in said[0].replace("\\", "") or f'"{use.claim}"' in said[0].replace("\\", "")
    if not named and not snapshot.absent(cl.volume_read(volume)):
        return None
    return Symptom(
        "storage.claim-lost", POD, said[1], said[0], {**cl.claim_attributes(use, claim), "pv": volume}
    )


def _foreign(pod: Body, use: cl.Use, claim: Body) -> Symptom | None:
    if not use.ephemeral:
        return None
    uid = (pod.get("metadata") or {}).get("uid")
    owners = (claim.get("metadata") or {}).get("ownerReferences") or []
    if not uid or any(one.get("uid") == uid for one in owners):
        return None
    attributes = {"claim": use.claim, "volume": use.volume, "why": "not owned by this pod"}
    text = f"claim {use.claim} exists, but does not belong to this pod: its ephemeral volume cannot use it"
    source = f"persistentvolumeclaim {use.claim} metadata.ownerReferences"
    return Symptom("storage.ephemeral-claim-missing", POD, source, text, {**attributes, "foreign": "true"})


def _terminating(snapshot: Snapshot, use: cl.Use, claim: Body) -> Symptom:
    meta = claim.get("metadata") or {}
    since = parse_time(meta.get("deletionTimestamp"))
    attributes = cl.claim_attributes(use, claim)
    if since:
        attributes["since"] = show_duration(snapshot.clock - since)
    holders = [name for name, _ in _others(snapshot, use.claim)]
    if holders:
        attributes.update(holder=holders[0], holders=cl.some(holders))
    finalizers = ", ".join(map(str, meta.get("finalizers") or []))
    if finalizers:
        attributes["finalizers"] = finalizers
    text = f"claim {use.claim} is being deleted" + (f", held by {finalizers}" if finalizers else "")
    source = f"persistentvolumeclaim {use.claim} metadata.deletionTimestamp"
    return Symptom("storage.claim-terminating", POD, source, text, attributes)


def _others(snapshot: Snapshot, claim: str) -> list[tuple[str, str]]:
    """Other pods of the namespace that use the claim, with their nodes; ended ones do not count."""
    found = []
    for pod in snapshot.items(pods_read(snapshot)) or []:
        name = str((pod.get("metadata") or {}).get("name") or "")
        spec, status = pod.get("spec") or {}, pod.get("status") or {}
        used = {
            (one.get("persistentVolumeClaim") or {}).get("claimName") for one in spec.get("volumes") or []
        }
        if name == snapshot.target.name or status.get("phase") in ("Succeeded", "Failed"):
            continue
        if claim in used and spec.get("nodeName"):
            found.append((name, str(spec["nodeName"])))
    return sorted(found)


def _in_use(snapshot: Snapshot, use: cl.Use, claim: Body, text: str) -> Iterator[Symptom]:
    if "ReadWriteOncePod" not in cl.modes(claim):
        return
    holders = _others(snapshot, use.claim)
    if not holders and "ReadWriteOncePod access mode" not in text:
        return
    attributes = cl.claim_attributes(use, claim)
    sentence = f"claim {use.claim} allows one pod only (ReadWriteOncePod)"
    if holders:
        attributes.update(holder=holders[0][0], holder_node=holders[0][1])
        sentence += f" and pod {holders[0][0]} on {holders[0][1]} uses it"
    source = f"persistentvolumeclaim {use.claim} spec.accessModes"
    yield Symptom("storage.claim-in-use", POD, source, sentence, attributes)
