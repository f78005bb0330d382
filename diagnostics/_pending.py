"""Claims that wait for a volume: no class, no volume that fits, a provisioner that refuses or is silent."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

from poddoctor.model import POD, Absent, Body, Found, Snapshot, Symptom
from poddoctor.pod.names import nearest
from poddoctor.pod.pattern import lazy
from poddoctor.pod.reads import Event, events_in
from poddoctor.pod.units import parse_time, show_duration

from . import _claims as cl
from ._blocked import waits_for_node
from ._fit import Misfit, misfits

_CLASS_GONE = lazy(
    r"storageclass(?:es)?(?:\.storage\.k8s\.io)? \\*[\"']?(?P<cls>[^\"'\\\s]+)\\*[\"']? not found"
)
_NO_MATCH = lazy(r"didn't find available persistent volumes to bind|no persistent volumes available")
_PROVISIONER = lazy(r"external provisioner \\*['\"](?P<name>[^'\"\\]+)")
STATIC = ("", "kubernetes.io/no-provisioner")
_PATIENCE = timedelta(seconds=90)  # a cloud's volume takes 5 to 60 seconds


def pending(
    snapshot: Snapshot, pod: Body, use: cl.Use, claim: Body, said: tuple[str, str]
) -> Iterator[Symptom]:
    attributes = cl.claim_attributes(use, claim)
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


def from_events(snapshot: Snapshot, use: cl.Use) -> Iterator[Symptom]:
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


def _classes(snapshot: Snapshot, attributes: dict[str, str]) -> dict[str, str]:
    """What is known of the existing classes: their names, the default, the nearest."""
    items = snapshot.items(cl.classes_read())
    if items is None:
        return {}
    existing, known = cl.names(items), {}
    known["existing"] = cl.some(existing) or "none"
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
            isinstance(answer, Found) and answer.body.get("provisioner") in STATIC
        )
        if not static or cl.provisioner_of(claim) not in STATIC:
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
    for body, why in ranked[: cl.MANY]:
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
    stale = bool(body and last and _CLASS_GONE.search(last.message))  # the class was made since
    if last and last.reason == "ProvisioningFailed" and not stale:
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
    if not waited and provisioner in STATIC:
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
        if one.get("provisioner") not in (*STATIC, provisioner)
    }
    near = nearest(provisioner, {*existing, *others})
    notes = [
        (f"no CSI driver is called {provisioner}; there are: {cl.some(existing) or 'none'}", "csidrivers")
    ]
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
