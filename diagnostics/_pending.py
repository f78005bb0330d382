"""Claims that wait for a volume: no class, no volume that fits, a provisioner that refuses or is silent."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from poddoctor.model import POD, Absent, Body, Found, Snapshot, Symptom
from poddoctor.pod.clip import clip
from poddoctor.pod.names import nearest
from poddoctor.pod.pattern import Pattern, lazy
from poddoctor.pod.reads import Event, events_in
from poddoctor.pod.units import parse_time, show_duration

from . import _claims as cl
from ._blocked import waits_for_node
from ._fit import Misfit, misfits
from ._storage_errors import refusal, slow, telling

_CLASS_GONE = lazy(
    r"storageclass(?:es)?(?:\.storage\.k8s\.io)? \\*[\"']?(?P<cls>[^\"'\\\s]+)\\*[\"']? not found"
)
_NO_MATCH = lazy(r"didn't find available persistent volumes to bind|no persistent volumes available")
_PROVISIONER = lazy(r"external provisioner \\*['\"](?P<name>[^'\"\\]+)")
STATIC = ("", "kubernetes.io/no-provisioner")
_PATIENCE = timedelta(seconds=90)  # a cloud's volume takes 5 to 60 seconds


@dataclass(frozen=True, slots=True)
class _Case:
    """One claim that is not bound: what its judges look at.

    ``attributes`` are the facts of the claim, ``events`` its own, newest first, and ``text`` is what the
    scheduler or the kubelet says of the pod.
    """

    snapshot: Snapshot
    pod: Body
    use: cl.Use
    claim: Body
    attributes: Mapping[str, str]
    events: tuple[Event, ...]
    text: str

    @property
    def cls(self) -> str:
        """The class that the claim names, or empty."""
        return self.attributes.get("class", "")

    @property
    def class_body(self) -> Body:
        """The class, empty when it is not known."""
        return self.snapshot.body(cl.class_read(self.cls)) or {}

    def event(self, *reasons: str, pattern: Pattern | None = None) -> Event | None:
        """The newest event of these reasons (any, when none is named) whose words fit."""
        return next(
            (
                one
                for one in self.events
                if (not reasons or one.reason in reasons) and (not pattern or pattern.search(one.message))
            ),
            None,
        )


def pending(
    snapshot: Snapshot, pod: Body, use: cl.Use, claim: Body, said: tuple[str, str]
) -> Iterator[Symptom]:
    """Why a claim that exists is not bound: the first judge that knows has the word."""
    events = events_in(snapshot, cl.claim_events_read(snapshot, use.claim))[::-1]
    uid = (claim.get("metadata") or {}).get("uid")
    own = tuple(one for one in events if one.uid in ("", uid))
    case = _Case(snapshot, pod, use, claim, cl.claim_attributes(use, claim), own, said[0])
    if (claim.get("spec") or {}).get("volumeName"):
        yield from _reserved(case)
        return
    for judge in (_class_missing, _no_volume, _provisioning, _fixed_node):
        found = list(judge(case))
        if found:
            yield from found
            return


def from_events(snapshot: Snapshot, use: cl.Use) -> Iterator[Symptom]:
    """What the events of a claim tell, when the claim itself cannot be had."""
    attributes = {"claim": use.claim, "volume": use.volume}
    for one in events_in(snapshot, cl.claim_events_read(snapshot, use.claim))[::-1]:
        if match := _CLASS_GONE.search(one.message):
            # Not certain here: a volume of that class may have been made by hand.
            more = {**attributes, "class": match["cls"]}
            more.update(_classes(snapshot, more))
            yield Symptom("storage.class-missing", POD, one.source, one.message, more)
        elif one.reason == "ProvisioningFailed":
            more = {**attributes, "why": _shortened(one.message)}
            yield Symptom("storage.provisioning-failed", POD, one.source, one.message, more)
        elif one.reason == "ExternalProvisioning" and one.first:
            age = snapshot.clock - one.first
            more = {**attributes, "since": show_duration(age)}
            if match := _PROVISIONER.search(one.message):
                more["provisioner"] = match["name"]
            name = "storage.provisioner-silent" if age >= _PATIENCE else "storage.provisioning"
            yield Symptom(name, POD, one.source, one.message, more)
        elif one.reason == "FailedBinding" and _NO_MATCH.search(one.message):
            how = "has no class, and no volume is there for it"
            yield Symptom("storage.class-unset", POD, one.source, one.message, {**attributes, "how": how})
        else:
            continue
        return


def _classes(snapshot: Snapshot, attributes: Mapping[str, str]) -> dict[str, str]:
    """What is known of the existing classes: their names, the default, the nearest."""
    items = snapshot.items(cl.classes_read())
    if items is None:
        return {}
    existing, known = cl.names(items), {}
    known["existing"] = cl.some(existing) or "none"
    default = next((cl.name_of(one) for one in items if cl.is_default(one)), "")
    # A class need not exist as an object where volumes are made by hand.
    by_hand = {cl.class_of(one) or "" for one in snapshot.items(cl.volumes_read()) or []} - {""}
    every = sorted({*existing, *by_hand})
    if near := nearest(attributes.get("class", ""), every) if attributes.get("class") else []:
        known["nearest"] = near[0]
    elif default or len(existing) == 1:
        known["other"] = default or existing[0]
    if default:
        known["default"] = default
    return known


def _class_missing(case: _Case) -> Iterator[Symptom]:
    snapshot, use, name = case.snapshot, case.use, case.cls
    answer = snapshot.answers.get(cl.class_read(name)) if name else None
    if not name or isinstance(answer, Found):
        return
    said = case.event(pattern=_CLASS_GONE)
    if said and (match := _CLASS_GONE.search(said.message)) and match["cls"] != name:
        said = None
    known_before = cl.provisioner_of(case.claim) or case.event("ExternalProvisioning", "WaitForFirstConsumer")
    if said is None and (not isinstance(answer, Absent) or known_before):
        return
    listed = snapshot.items(cl.volumes_read())
    if any((cl.class_of(one) or "") == name for one in listed or []):
        return  # a class without an object: for volumes that were made by hand
    if said is not None and listed is not None:
        yield Symptom("storage.class-missing-said", POD, said.source, said.message, {"claim": use.claim})
    more = _classes(snapshot, case.attributes)
    notes = [(f"storage classes: {more['existing']}", "storageclasses")] if more.get("existing") else []
    message = f'claim {use.claim} asks for class "{name}"'
    if isinstance(answer, Absent):
        message += ", which does not exist"
    source = f"persistentvolumeclaim {use.claim} spec.storageClassName"
    attributes = {**case.attributes, **more}
    yield Symptom("storage.class-missing", POD, source, message, attributes, notes=tuple(notes))


def _no_volume(case: _Case) -> Iterator[Symptom]:
    snapshot, claim, name = case.snapshot, case.claim, case.cls
    if name:
        answer = snapshot.answers.get(cl.class_read(name))
        static = isinstance(answer, Absent) or (
            isinstance(answer, Found) and answer.body.get("provisioner") in STATIC
        )
        if not static or cl.provisioner_of(claim) not in STATIC:
            return
    volumes = snapshot.items(cl.volumes_read())
    said = case.event(pattern=_NO_MATCH)
    judged = [(one, misfits(one, claim)) for one in volumes or []]
    if any(not reasons for _, reasons in judged) and not (said or _NO_MATCH.search(case.text)):
        return  # the controller is about to bind it
    candidates = [(one, why) for one, why in judged if all(each.kind != "class" for each in why)]
    if not name and not candidates:
        default = any(cl.is_default(one) for one in snapshot.items(cl.classes_read()) or [])
        if said or (volumes is not None and not default) or case.attributes.get("empty"):
            yield _no_class(case, said)
        return
    if volumes is None and said is None and not _NO_MATCH.search(case.text):
        return
    yield _nothing_fits(case, volumes, candidates, said)


def _no_class(case: _Case, said: Event | None) -> Symptom:
    claim = case.use.claim
    more = _classes(case.snapshot, case.attributes)
    default = more.get("default")
    if (fitting := _but_for_its_class(case)) and not default and "empty" not in case.attributes:
        more.update(fitting=cl.name_of(fitting), other=cl.class_of(fitting) or "")
    if case.attributes.get("empty"):
        how = 'wants no class (storageClassName ""), and no volume is there for it'
    elif default:
        how = f"names no class (the default {default} came later), and no volume is there for it"
    else:
        how = "names no storage class, and the cluster has no default one"
    text = said.message if said else f"claim {claim} {how}"
    source = said.source if said else f"persistentvolumeclaim {claim} spec.storageClassName"
    notes = [(f"claim {claim} {how}", f"persistentvolumeclaim {claim} spec")]
    if "fitting" in more:
        words = f"it would fit, and is of class {more['other']}"
        notes.append((f"volume {more['fitting']}: {words}", f"persistentvolume {more['fitting']}"))
    if more.get("existing"):
        which = f"default: {default}" if default else "none of them is the default"
        notes.append((f"storage classes: {more['existing']} ({which})", "storageclasses"))
    more["how"] = how
    attributes = {**case.attributes, **more}
    return Symptom("storage.class-unset", POD, source, text, attributes, notes=tuple(notes))


def _but_for_its_class(case: _Case) -> Body | None:
    """The one volume that would do if the claim named its class."""
    volumes = case.snapshot.items(cl.volumes_read()) or []
    found = [one for one in volumes if [why.kind for why in misfits(one, case.claim)] == ["class"]]
    return found[0] if len({cl.class_of(one) for one in found}) == 1 else None


def _nothing_fits(
    case: _Case,
    volumes: list[Body] | None,
    candidates: list[tuple[Body, list[Misfit]]],
    said: Event | None,
) -> Symptom:
    name, claim = case.use.claim, case.claim
    ranked = sorted(candidates, key=lambda one: (len(one[1]), cl.name_of(one[0])))
    more: dict[str, str] = {}
    wanted = f'{cl.asked_text(claim)}, {", ".join(cl.modes(claim))}, class "{cl.class_of(claim) or ""}"'
    notes = [(f"claim {name} asks for {wanted}", f"persistentvolumeclaim {name} spec")]
    for body, why in ranked[: cl.MANY]:
        reasons = (
            "; ".join(one.text for one in why) or "fits by itself, but not for a node that may take the pod"
        )
        notes.append((f"{cl.name_of(body)} {reasons}", f"persistentvolume {cl.name_of(body)}"))
    if ranked:
        body, why = ranked[0]
        more["closest"] = cl.name_of(body)
        more["why"] = " and ".join(one.text for one in why) or "is for a node that cannot take the pod"
        if len(why) == 1:
            more["problem"] = why[0].kind
        if offered := ((body.get("spec") or {}).get("capacity") or {}).get("storage"):
            more["offered"] = str(offered)
        if len(cl.modes(claim)) == 1 and cl.modes(body):
            more["offered_mode"] = cl.modes(body)[0]
        more.update(_label(body, claim))
    if volumes is not None:
        more["count"] = str(len(candidates))
    text = said.message if said else f"claim {name} ({wanted}): no volume fits"
    source = said.source if said else f"persistentvolumeclaim {name} spec"
    attributes = {**case.attributes, **more}
    shown = notes if said else notes[1:]  # the text says it too
    return Symptom("storage.no-volume-fits", POD, source, text, attributes, notes=tuple(shown))


def _label(volume: Body, claim: Body) -> dict[str, str]:
    """The one label that the claim's selector asks for and the volume lacks, and what it has instead."""
    selector = (claim.get("spec") or {}).get("selector") or {}
    labels = (volume.get("metadata") or {}).get("labels") or {}
    wanted = selector.get("matchLabels") or {}
    lacking = [(key, value) for key, value in wanted.items() if labels.get(key) != value]
    if len(lacking) != 1 or selector.get("matchExpressions"):
        return {}
    key, value = lacking[0]
    return {"label": f"{key}={value}", "unlabel": f"{key}={labels[key]}" if key in labels else f"{key}-"}


def _reserved(case: _Case) -> Iterator[Symptom]:
    """A claim that names its volume: the volume must exist, be free, and fit."""
    snapshot, claim = case.snapshot, case.use.claim
    volume = str((case.claim.get("spec") or {}).get("volumeName"))
    answer = snapshot.answers.get(cl.volume_read(volume))
    attributes = {**case.attributes, "pv": volume}
    source = f"persistentvolumeclaim {claim} spec.volumeName"
    if isinstance(answer, Absent):
        existing = cl.names(snapshot.items(cl.volumes_read()))
        if near := nearest(volume, existing):
            attributes["nearest"] = near[0]
        attributes.update(problem="missing", why="does not exist")
    elif isinstance(answer, Found) and (why := misfits(answer.body, case.claim)):
        attributes.update(problem=why[0].kind, why=" and ".join(one.text for one in why))
    else:
        return
    text = f"claim {claim} asks for volume {volume}, which {attributes['why']}"
    yield Symptom("storage.named-volume-unusable", POD, source, text, attributes)


def _provisioning(case: _Case) -> Iterator[Symptom]:
    claim, body = case.use.claim, case.class_body
    provisioner = cl.provisioner_of(case.claim) or str(body.get("provisioner") or "")
    attributes = {**case.attributes, **({"provisioner": provisioner} if provisioner else {})}
    # Success and a new try both come after a failure: the newest of these words counts.
    last = case.event("ProvisioningFailed", "ProvisioningSucceeded")
    stale = bool(body and last and _CLASS_GONE.search(last.message))  # the class was made since
    if last and last.reason == "ProvisioningFailed" and not stale:
        # What it said before it only said that it is busy is worth more.
        last = last if not slow(last.message) else _spoken(case, last)
        attributes["why"] = _shortened(last.message)
        if kind := refusal(last.message):
            attributes["refusal"] = kind
        if "ReadWriteMany" in cl.modes(case.claim) and kind == "mode":
            attributes["shared"] = "yes"
        yield Symptom("storage.provisioning-failed", POD, last.source, last.message, attributes)
        return
    waited = next(
        (one for one in case.events[::-1] if one.reason in ("ExternalProvisioning", "Provisioning")), None
    )
    late = body.get("volumeBindingMode") == "WaitForFirstConsumer"
    if not waited and (not provisioner or provisioner in STATIC):
        return
    if not waited and (
        (late and not cl.selected_node(case.claim)) or not (cl.provisioner_of(case.claim) or body)
    ):
        return
    started = parse_time((case.claim.get("metadata") or {}).get("creationTimestamp"))
    since = (waited.first if waited and waited.first and late else None) or started
    age = case.snapshot.clock - since if since else timedelta(0)
    attributes["since"] = show_duration(age)
    name = "storage.provisioner-silent" if age >= _PATIENCE else "storage.provisioning"
    notes, more = _driver_notes(case.snapshot, provisioner)
    if others := _alternatives(case.snapshot, provisioner):
        more["alternatives"] = others
    if not case.events and "driver_absent" not in more:
        # Events live for an hour, and the provisioner's answer would stand in one of them.
        attributes["unheard"] = "what that said of it is not recorded"
    message = waited.message if waited else f"claim {claim} waits for provisioner {provisioner}"
    source = waited.source if waited else f"persistentvolumeclaim {claim} metadata.annotations"
    yield Symptom(name, POD, source, message, {**attributes, **more}, notes=tuple(notes))
    if more.get("driver_absent"):
        yield Symptom("storage.driver-unknown", POD, notes[0][1], notes[0][0])


def _spoken(case: _Case, last: Event) -> Event:
    told = [one for one in case.events if one.reason == "ProvisioningFailed" and not slow(one.message)]
    return told[0] if told else last


def _driver_notes(snapshot: Snapshot, provisioner: str) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """Whether a CSI driver of the provisioner's name is known, and which one was probably meant."""
    drivers = snapshot.items(cl.drivers_read())
    if drivers is None or not provisioner:
        return [], {}
    if "csi" not in provisioner:
        return [], {}  # provisioners of another kind register nothing
    existing = cl.names(drivers)
    if provisioner in existing:
        return [
            (f"CSI driver {provisioner} is registered: its controller has made no volume", "csidrivers")
        ], {}
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


def _alternatives(snapshot: Snapshot, provisioner: str) -> str:
    """The classes that another provisioner serves."""
    listed = snapshot.items(cl.classes_read()) or []
    return cl.some(cl.names([one for one in listed if one.get("provisioner") not in (*STATIC, provisioner)]))


def _fixed_node(case: _Case) -> Iterator[Symptom]:
    """A pod with spec.nodeName passes the scheduler by, which alone picks the node of such a claim."""
    waits = case.event("WaitForFirstConsumer", "WaitForPodScheduled")
    late = waits or case.class_body.get("volumeBindingMode") == "WaitForFirstConsumer"
    if not late or waits_for_node(case.pod) or cl.selected_node(case.claim):
        return
    claim = case.use.claim
    message = f"claim {claim} waits for the scheduler to choose a node, and spec.nodeName passes it by"
    source = f"persistentvolumeclaim {claim} status.phase"
    yield Symptom("storage.claim-without-scheduler", POD, source, message, case.attributes)


def _shortened(message: str) -> str:
    """The words of the driver, without the wrappers around them."""
    text = re.sub(r"^failed to provision volume with StorageClass \S+ ", "", message, flags=re.IGNORECASE)
    told = telling(text, 160) or clip(message, 160)
    return f"its provisioner has not finished what it was asked before ({told})" if slow(text) else told
