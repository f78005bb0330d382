"""Claims that are missing, not bound, lost or on their way out: from the claim to the wrong object."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import timedelta

from poddoctor.model import POD, Absent, Body, Found, Read, Snapshot, Symptom
from poddoctor.pod.names import nearest
from poddoctor.pod.reads import Event, condition, events_in, list_of, pod_of
from poddoctor.pod.units import parse_time, show_duration

from . import _claims as cl
from ._blocked import standing_events, waits_for_node, waits_for_start
from ._fit import Misfit, misfits

_NOT_FOUND = re.compile(r"persistentvolumeclaims? \\*[\"'](?P<claim>[^\"'\\]+)\\*[\"'] not found")
_UNBOUND = re.compile(r"unbound immediate PersistentVolumeClaims|PVC is not bound|has unbound")
_NO_MATCH = re.compile(r"didn't find available persistent volumes to bind|no persistent volumes available")
_CLASS_GONE = re.compile(
    r"storageclass(?:es)?(?:\.storage\.k8s\.io)? \\*[\"']?(?P<cls>[^\"'\\\s]+)\\*[\"']? not found"
)
_GONE = re.compile(r"non-existent (?:persistentvolume|pv)\b|persistentvolumes? \\*\"[^\"]+\" not found")
_PROVISIONER = re.compile(r"external provisioner \\*['\"](?P<name>[^'\"\\]+)")
_STATIC = ("", "kubernetes.io/no-provisioner")
_PATIENCE = timedelta(seconds=90)  # a cloud's volume takes 5 to 60 seconds
_MANY = 8


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
    if pod is None or not (waits_for_node(pod) or waits_for_start(pod)):
        return
    said, _ = words(snapshot)
    for use in cl.uses(snapshot):
        yield use.read
        claim = snapshot.body(use.read)
        if claim is None and use.read in snapshot.answers and _UNBOUND.search(said):
            yield cl.claim_events_read(snapshot, use.claim)  # it exists: somebody found it unbound
        elif snapshot.absent(use.read):
            yield cl.claims_read(snapshot)
        elif claim is not None and cl.phase(claim) == "Bound" and _GONE.search(said):
            yield cl.volume_read(str((claim.get("spec") or {}).get("volumeName")))
        elif claim is not None and cl.phase(claim) != "Bound":
            yield cl.claim_events_read(snapshot, use.claim)
            yield from _claim_reads(snapshot, claim)
        if claim is not None and ("ReadWriteOncePod" in cl.modes(claim) or _deleting(claim)):
            yield pods_read(snapshot)


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
    elif body is not None and body.get("provisioner") in _STATIC:
        yield cl.volumes_read()
    elif body is not None and not str(body.get("provisioner")).startswith("kubernetes.io/"):
        yield cl.drivers_read()
        yield cl.classes_read()


def examine(snapshot: Snapshot) -> Iterator[Symptom]:
    """What is wrong with the pod's claims."""
    pod = pod_of(snapshot)
    if pod is None or not (waits_for_node(pod) or waits_for_start(pod)):
        return
    text, source = words(snapshot)
    if "persistentvolumeclaim" in text.lower() or _UNBOUND.search(text):
        yield Symptom("storage.claim-named", POD, source, text)
    found = False
    for use in cl.uses(snapshot):
        answer = snapshot.answers.get(use.read)
        for symptom in _of_claim(snapshot, pod, use, answer, (text, source)):
            found = True
            yield symptom
    if not found and _UNBOUND.search(text):
        listed = [use.claim for use in cl.uses(snapshot)]
        if listed and not _all_bound(snapshot):
            yield Symptom("storage.claims-unbound", POD, source, text, {"claims": ", ".join(listed)})


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
    elif use.ephemeral and (isinstance(answer, Absent) or _ephemeral_words(said[0], use.claim)):
        yield from _ephemeral(snapshot, use, said)
    elif is_named or (isinstance(answer, Absent) and _credible(pod, snapshot, said[0])):
        yield _missing(snapshot, pod, use, said if is_named else ("", ""), absent=isinstance(answer, Absent))
    elif _UNBOUND.search(said[0]):
        yield from _from_events(snapshot, use)


def _from_events(snapshot: Snapshot, use: cl.Use) -> Iterator[Symptom]:
    """What the events of a claim tell, when the claim itself cannot be had."""
    attributes = {"claim": use.claim, "volume": use.volume}
    for one in events_in(snapshot, cl.claim_events_read(snapshot, use.claim))[::-1]:
        if match := _CLASS_GONE.search(one.message):
            yield Symptom("storage.class-missing-said", POD, one.source, one.message, {"claim": use.claim})
            more = {**attributes, "class": match["cls"]}
            more.update(_classes(snapshot, more))
            yield Symptom("storage.class-missing", POD, one.source, one.message, more)
        elif one.reason == "ProvisioningFailed":
            more = {**attributes, "why": _shortened(one.message)}
            yield Symptom("storage.provisioning-failed", POD, one.source, one.message, more)
        elif one.reason == "ExternalProvisioning" and one.first and snapshot.clock - one.first >= _PATIENCE:
            more = {**attributes, "since": show_duration(snapshot.clock - one.first)}
            if match := _PROVISIONER.search(one.message):
                more["provisioner"] = match["name"]
            yield Symptom("storage.provisioner-silent", POD, one.source, one.message, more)
        elif one.reason == "FailedBinding" and _NO_MATCH.search(one.message):
            how = "has no class, and no volume is there for it"
            yield Symptom("storage.class-unset", POD, one.source, one.message, {**attributes, "how": how})
        else:
            continue
        return


def _credible(pod: Body, snapshot: Snapshot, text: str) -> bool:
    """Whether "does not exist" agrees with what the cluster did.

    The scheduler looks at claims only when all of them exist, so its other words about volumes, and a
    node that it chose, say that the claim was there. Then only silence elsewhere makes the absence count.
    """
    if waits_for_node(pod):
        return "PersistentVolumeClaim" not in text and "volume" not in text
    failures = ("FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox", "FailedMapVolume")
    return not standing_events(snapshot, failures)


def _missing(snapshot: Snapshot, pod: Body, use: cl.Use, said: tuple[str, str], *, absent: bool) -> Symptom:
    attributes = {"claim": use.claim, "volume": use.volume}
    items = snapshot.items(cl.claims_read(snapshot))
    existing = [name for name in cl.names(items) if name != use.claim]
    if items is not None:
        attributes["existing"] = _some(existing) or "none"
    owner = ((pod.get("metadata") or {}).get("ownerReferences") or [{}])[0]
    if owner.get("kind") == "StatefulSet" and use.claim == f"{use.volume}-{snapshot.target.name}":
        attributes["template"] = use.volume
    elif near := nearest(use.claim, existing):
        attributes["nearest"] = near[0]
    else:
        attributes["unlike"] = "true"
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


def _ephemeral_words(text: str, claim: str) -> bool:
    return f'create the persistentvolumeclaim "{claim}"' in text.replace("\\", "")


def _ephemeral(snapshot: Snapshot, use: cl.Use, said: tuple[str, str]) -> Iterator[Symptom]:
    attributes = {"claim": use.claim, "volume": use.volume}
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
    return re.sub(r"^.*is forbidden: ", "", message, flags=re.DOTALL)[:200]


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
        attributes = {**_claim_attributes(use, claim), "pv": volume}
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
    yield from _pending(snapshot, pod, use, claim, said)


def _volume_gone(snapshot: Snapshot, use: cl.Use, claim: Body, said: tuple[str, str]) -> Symptom | None:
    """A claim that still says Bound, while the scheduler or the kubelet finds no such volume."""
    volume = str((claim.get("spec") or {}).get("volumeName") or "")
    if not _GONE.search(said[0]):
        return None
    named = f'"{volume}"' in said[0].replace("\\", "") or f'"{use.claim}"' in said[0].replace("\\", "")
    if not named and not snapshot.absent(cl.volume_read(volume)):
        return None
    return Symptom(
        "storage.claim-lost", POD, said[1], said[0], {**_claim_attributes(use, claim), "pv": volume}
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
    attributes = _claim_attributes(use, claim)
    if since:
        attributes["since"] = show_duration(snapshot.clock - since)
    holders = [name for name, _ in _others(snapshot, use.claim)]
    if holders:
        attributes.update(holder=holders[0], holders=_some(holders))
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
    attributes = _claim_attributes(use, claim)
    sentence = f"claim {use.claim} allows one pod only (ReadWriteOncePod)"
    if holders:
        attributes.update(holder=holders[0][0], holder_node=holders[0][1])
        sentence += f" and pod {holders[0][0]} on {holders[0][1]} uses it"
    source = f"persistentvolumeclaim {use.claim} spec.accessModes"
    yield Symptom("storage.claim-in-use", POD, source, sentence, attributes)


def _claim_attributes(use: cl.Use, claim: Body) -> dict[str, str]:
    attributes = {"claim": use.claim, "volume": use.volume}
    if size := cl.asked_text(claim):
        attributes["size"] = size
    if modes := cl.modes(claim):
        attributes.update(modes=", ".join(modes), mode=modes[0])
    name = cl.class_of(claim)
    if name:
        attributes["class"] = name
    if name is None:
        attributes["unset"] = "true"
    elif not name:
        attributes["empty"] = "true"
    if use.ephemeral:
        attributes["ephemeral"] = "true"
    owners = (claim.get("metadata") or {}).get("ownerReferences") or []
    if not use.ephemeral and not owners:
        attributes["plain"] = "true"
    return attributes


def _pending(
    snapshot: Snapshot, pod: Body, use: cl.Use, claim: Body, said: tuple[str, str]
) -> Iterator[Symptom]:
    attributes = _claim_attributes(use, claim)
    events = events_in(snapshot, cl.claim_events_read(snapshot, use.claim))[::-1]
    uid = (claim.get("metadata") or {}).get("uid")
    events = [one for one in events if one.uid in ("", uid)]
    volume = str((claim.get("spec") or {}).get("volumeName") or "")
    if volume:
        yield from _reserved(snapshot, use, claim, volume, attributes)
        return
    for judge in (_class_missing, _no_volume, _provisioning, _fixed_node):
        found = list(judge(snapshot, pod, use, claim, attributes, events, said[0]))
        if found:
            yield from found
            return


def _classes(snapshot: Snapshot, attributes: dict[str, str]) -> dict[str, str]:
    """What is known of the existing classes: their names, the default, the nearest."""
    items = snapshot.items(cl.classes_read())
    if items is None:
        return {}
    existing, known = cl.names(items), {}
    known["existing"] = _some(existing) or "none"
    default = next((cl.name_of(one) for one in items if cl.is_default(one)), "")
    if near := nearest(attributes.get("class", ""), existing) if attributes.get("class") else []:
        known["nearest"] = near[0]
    elif default or len(existing) == 1:
        known["other"] = default or existing[0]
    if default:
        known["default"] = default
    return known


def _class_missing(
    snapshot: Snapshot,
    pod: Body,
    use: cl.Use,
    claim: Body,
    attributes: dict[str, str],
    events: list[Event],
    text: str,
) -> Iterator[Symptom]:
    del pod, text
    name = attributes.get("class", "")
    answer = snapshot.answers.get(cl.class_read(name)) if name else None
    if not name or isinstance(answer, Found):
        return
    said = next((one for one in events if (m := _CLASS_GONE.search(one.message)) and m["cls"] == name), None)
    known_before = cl.provisioner_of(claim) or any(
        one.reason in ("ExternalProvisioning", "WaitForFirstConsumer") for one in events
    )
    if said is None and (not isinstance(answer, Absent) or known_before):
        return
    listed = snapshot.items(cl.volumes_read()) or []
    if any((cl.class_of(one) or "") == name for one in listed):
        return  # a class without an object: for volumes that were made by hand
    if said is not None:
        yield Symptom("storage.class-missing-said", POD, said.source, said.message, {"claim": use.claim})
    more = _classes(snapshot, attributes)
    notes = [(f"storage classes: {more['existing']}", "storageclasses")] if more.get("existing") else []
    message = f'claim {use.claim} asks for class "{name}"'
    if isinstance(answer, Absent):
        message += ", which does not exist"
    source = f"persistentvolumeclaim {use.claim} spec.storageClassName"
    yield Symptom("storage.class-missing", POD, source, message, {**attributes, **more}, notes=tuple(notes))


def _no_volume(
    snapshot: Snapshot,
    pod: Body,
    use: cl.Use,
    claim: Body,
    attributes: dict[str, str],
    events: list[Event],
    text: str,
) -> Iterator[Symptom]:
    del pod
    name = attributes.get("class", "")
    if name:
        answer = snapshot.answers.get(cl.class_read(name))
        static = isinstance(answer, Absent) or (
            isinstance(answer, Found) and answer.body.get("provisioner") in _STATIC
        )
        if not static or cl.provisioner_of(claim) not in _STATIC:
            return
    volumes = snapshot.items(cl.volumes_read())
    said = next((one for one in events if _NO_MATCH.search(one.message)), None)
    judged = [(one, misfits(one, claim)) for one in volumes or []]
    if any(not reasons for _, reasons in judged) and not (said or _NO_MATCH.search(text)):
        return  # the controller is about to bind it
    candidates = [(one, why) for one, why in judged if all(each.kind != "class" for each in why)]
    if not name and not candidates:
        default = any(cl.is_default(one) for one in snapshot.items(cl.classes_read()) or [])
        if said or (volumes is not None and not default) or attributes.get("empty"):
            yield from _no_class(snapshot, use, attributes, said)
        return
    if volumes is None and said is None and not _NO_MATCH.search(text):
        return
    yield _nothing_fits(use, claim, attributes, volumes, candidates, said)


def _no_class(
    snapshot: Snapshot, use: cl.Use, attributes: dict[str, str], said: Event | None
) -> Iterator[Symptom]:
    more = _classes(snapshot, attributes)
    default = more.get("default")
    if attributes.get("empty"):
        how = 'wants no class (storageClassName ""), and no volume is there for it'
    elif default:
        how = f"names no class (the default {default} came later), and no volume is there for it"
    else:
        how = "names no storage class, and the cluster has no default one"
    text = said.message if said else f"claim {use.claim} {how}"
    source = said.source if said else f"persistentvolumeclaim {use.claim} spec.storageClassName"
    notes = [(f"claim {use.claim} {how}", f"persistentvolumeclaim {use.claim} spec")]
    if more.get("existing"):
        which = f"default: {default}" if default else "none of them is the default"
        notes.append((f"storage classes: {more['existing']} ({which})", "storageclasses"))
    more["how"] = how
    yield Symptom("storage.class-unset", POD, source, text, {**attributes, **more}, notes=tuple(notes))


def _nothing_fits(
    use: cl.Use,
    claim: Body,
    attributes: dict[str, str],
    volumes: list[Body] | None,
    candidates: list[tuple[Body, list[Misfit]]],
    said: Event | None,
) -> Symptom:
    ranked = sorted(candidates, key=lambda one: (len(one[1]), cl.name_of(one[0])))
    more: dict[str, str] = {}
    notes: list[tuple[str, str]] = []
    for body, why in ranked[:_MANY]:
        name = cl.name_of(body)
        reasons = (
            "; ".join(one.text for one in why) or "fits by itself, but not for a node that may take the pod"
        )
        notes.append((f"{name} {reasons}", f"persistentvolume {name}"))
    if ranked:
        body, why = ranked[0]
        more["closest"] = cl.name_of(body)
        more["why"] = " and ".join(one.text for one in why) or "is for a node that cannot take the pod"
        if len(why) == 1:
            more["problem"] = why[0].kind
        if offered := ((body.get("spec") or {}).get("capacity") or {}).get("storage"):
            more["offered"] = str(offered)
    if volumes is not None:
        more["count"] = str(len(candidates))
    wanted = f'{cl.asked_text(claim)}, {", ".join(cl.modes(claim))}, class "{cl.class_of(claim) or ""}"'
    text = said.message if said else f"claim {use.claim} ({wanted}): no volume fits"
    source = said.source if said else f"persistentvolumeclaim {use.claim} spec"
    notes.insert(0, (f"claim {use.claim} asks for {wanted}", f"persistentvolumeclaim {use.claim} spec"))
    return Symptom("storage.no-volume-fits", POD, source, text, {**attributes, **more}, notes=tuple(notes))


def _reserved(
    snapshot: Snapshot, use: cl.Use, claim: Body, volume: str, attributes: dict[str, str]
) -> Iterator[Symptom]:
    """A claim that names its volume: the volume must exist, be free, and fit."""
    read = cl.volume_read(volume)
    answer = snapshot.answers.get(read)
    attributes = {**attributes, "pv": volume}
    source = f"persistentvolumeclaim {use.claim} spec.volumeName"
    if isinstance(answer, Absent):
        existing = cl.names(snapshot.items(cl.volumes_read()))
        if near := nearest(volume, existing):
            attributes["nearest"] = near[0]
        text = f"claim {use.claim} asks for volume {volume}, which does not exist"
        yield Symptom(
            "storage.named-volume-unusable",
            POD,
            source,
            text,
            {**attributes, "problem": "missing", "why": "does not exist"},
        )
    elif isinstance(answer, Found) and (why := misfits(answer.body, claim)):
        attributes["why"] = " and ".join(one.text for one in why)
        attributes["problem"] = why[0].kind
        text = f"claim {use.claim} asks for volume {volume}, which {attributes['why']}"
        yield Symptom("storage.named-volume-unusable", POD, source, text, attributes)


def _provisioning(
    snapshot: Snapshot,
    pod: Body,
    use: cl.Use,
    claim: Body,
    attributes: dict[str, str],
    events: list[Event],
    text: str,
) -> Iterator[Symptom]:
    del pod, text
    body = snapshot.body(cl.class_read(attributes.get("class", ""))) or {}
    provisioner = cl.provisioner_of(claim) or str(body.get("provisioner") or "")
    if provisioner:
        attributes = {**attributes, "provisioner": provisioner}
    # Success and a new try both come after a failure: the newest of these words counts.
    last = next(
        (one for one in events if one.reason in ("ProvisioningFailed", "ProvisioningSucceeded")), None
    )
    if last and last.reason == "ProvisioningFailed":
        why = _shortened(last.message)
        yield Symptom(
            "storage.provisioning-failed", POD, last.source, last.message, {**attributes, "why": why}
        )
        return
    started = parse_time((claim.get("metadata") or {}).get("creationTimestamp"))
    waited = next(
        (one for one in events[::-1] if one.reason in ("ExternalProvisioning", "Provisioning")), None
    )
    lazy = body.get("volumeBindingMode") == "WaitForFirstConsumer"
    if not (waited or provisioner) or (lazy and not (cl.selected_node(claim) or waited)):
        return
    if not waited and not cl.provisioner_of(claim) and not body:
        return
    if not waited and provisioner in _STATIC:
        return
    since = (waited.first if waited and waited.first and lazy else None) or started
    age = snapshot.clock - since if since else timedelta(0)
    attributes["since"] = show_duration(age)
    name = "storage.provisioner-silent" if age >= _PATIENCE else "storage.provisioning"
    notes, more = _driver_notes(snapshot, provisioner)
    message = waited.message if waited else f"claim {use.claim} waits for provisioner {provisioner}"
    source = waited.source if waited else f"persistentvolumeclaim {use.claim} metadata.annotations"
    yield Symptom(name, POD, source, message, {**attributes, **more}, notes=tuple(notes))
    if more.get("driver_absent"):
        yield Symptom("storage.driver-unknown", POD, notes[0][1], notes[0][0])


def _driver_notes(snapshot: Snapshot, provisioner: str) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """Whether a CSI driver of the provisioner's name is known, and which one was probably meant."""
    drivers = snapshot.items(cl.drivers_read())
    if drivers is None or not provisioner:
        return [], {}
    existing = cl.names(drivers)
    if provisioner in existing:
        return [(f"CSI driver {provisioner} is registered: its controller does not answer", "csidrivers")], {}
    others = {
        str(one.get("provisioner"))
        for one in snapshot.items(cl.classes_read()) or []
        if one.get("provisioner") not in (*_STATIC, provisioner)
    }
    near = nearest(provisioner, {*existing, *others})
    notes = [(f"no CSI driver is called {provisioner}; there are: {_some(existing) or 'none'}", "csidrivers")]
    return notes, {"driver_absent": "true", **({"nearest": near[0]} if near else {})}


def _fixed_node(
    snapshot: Snapshot,
    pod: Body,
    use: cl.Use,
    claim: Body,
    attributes: dict[str, str],
    events: list[Event],
    text: str,
) -> Iterator[Symptom]:
    """A pod with spec.nodeName passes the scheduler by, which alone picks the node of such a claim."""
    del text
    body = snapshot.body(cl.class_read(attributes.get("class", ""))) or {}
    waits = any(one.reason in ("WaitForFirstConsumer", "WaitForPodScheduled") for one in events)
    lazy = waits or body.get("volumeBindingMode") == "WaitForFirstConsumer"
    if not lazy or waits_for_node(pod) or cl.selected_node(claim):
        return
    message = f"claim {use.claim} waits for the scheduler to choose a node, and spec.nodeName passes it by"
    source = f"persistentvolumeclaim {use.claim} status.phase"
    yield Symptom("storage.claim-without-scheduler", POD, source, message, attributes)


def _shortened(message: str) -> str:
    """The words of the driver, without the wrappers around them."""
    text = re.sub(r"^failed to provision volume with StorageClass \S+ ", "", message, flags=re.IGNORECASE)
    text = re.sub(r"rpc error: code = \w+ desc = ", "", text)
    return text.strip().splitlines()[0][:160] if text.strip() else message[:160]


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - _MANY} more" if len(listed) > _MANY else ""
    return ", ".join(listed[:_MANY]) + more
