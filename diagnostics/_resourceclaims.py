"""Resource claims (DRA): what the pod refers to, and whether it exists."""

from __future__ import annotations

import re
from collections.abc import Iterable

from poddoctor.model import POD, Body, Read, Snapshot, Symptom
from poddoctor.pod.names import nearest
from poddoctor.pod.reads import list_of, pod_events

from . import _selectors as sel

_REFERENCES = (
    ("resourceClaimName", "resourceclaims", "ResourceClaim"),
    ("resourceClaimTemplateName", "resourceclaimtemplates", "ResourceClaimTemplate"),
)


def _api(snapshot: Snapshot) -> str:
    """The version of resource.k8s.io that this server is sure to serve."""
    found = re.match(r"v?1\.(\d+)", snapshot.version)
    minor = int(found[1]) if found else 34
    if minor >= 34:
        return "resource.k8s.io/v1"
    return "resource.k8s.io/v1beta1" if minor >= 32 else "resource.k8s.io/v1alpha3"


def _list(snapshot: Snapshot, resource: str, *, cluster: bool = False) -> Read:
    # A list, not a get: 404 then means that the API is not there, never that the object is not.
    namespace = "" if cluster else snapshot.target.namespace
    return list_of(_api(snapshot), resource, namespace, f"would show whether the pod's {resource} exist")


def claims_of(pod: Body) -> list[Body]:
    """The entries of spec.resourceClaims."""
    return list((pod.get("spec") or {}).get("resourceClaims") or [])


def reads(snapshot: Snapshot, pod: Body) -> Iterable[Read]:
    """The claims, claim templates and device classes, when the pod refers to any."""
    if claims_of(pod):
        yield _list(snapshot, "resourceclaims")
        yield _list(snapshot, "deviceclasses", cluster=True)
        if any(one.get("resourceClaimTemplateName") for one in claims_of(pod)):
            yield _list(snapshot, "resourceclaimtemplates")


def examine(snapshot: Snapshot, pod: Body, *, seen: bool = False) -> list[Symptom]:
    """What keeps a resource claim from being used, as far as objects and events show.

    ``seen`` when the scheduler has had the claims in its hands: a list without them is then no whole list.
    """
    found = []
    for index, one in enumerate(claims_of(pod)):
        source = f"pod.spec.resourceClaims[{one.get('name') or index}]"
        symptom = _unusable(snapshot, one, source)
        if symptom and not (seen and symptom.attributes["problem"] == "missing"):
            found.append(symptom)
    if claims_of(pod):
        found += _classes(snapshot, pod)
    if not found and claims_of(pod):
        failed = [one for one in pod_events(snapshot) if one.reason == "FailedResourceClaimCreation"]
        for event in failed[-1:]:
            facts = {"problem": "creation-failed"}
            found.append(Symptom("scheduling.claim", POD, event.source, event.message, facts, event.time))
    return found


def _unusable(snapshot: Snapshot, entry: Body, source: str) -> Symptom | None:
    """A claim or template that does not exist, or is on its way out."""
    for field, resource, kind in _REFERENCES:
        name = str(entry.get(field) or "")
        items = snapshot.items(_list(snapshot, resource))
        if not name or items is None:
            continue
        found = {sel.name_of(one): one for one in items}
        if name not in found:
            facts = {"problem": "missing", "claim": name, "claim_kind": kind}
            if near := nearest(name, found):
                facts["near_claim"] = near[0]
            there = f"; there are {', '.join(list(found)[:5])}" if found else ""
            return Symptom("scheduling.claim", POD, source, f"{kind} {name} does not exist{there}", facts)
        if (found[name].get("metadata") or {}).get("deletionTimestamp"):
            facts = {"problem": "terminating", "claim": name}
            return Symptom("scheduling.claim", POD, source, f"{kind} {name} is being deleted", facts)
    return None


def _classes(snapshot: Snapshot, pod: Body) -> Iterable[Symptom]:
    """Claims that ask for a device class that does not exist."""
    classes = snapshot.items(_list(snapshot, "deviceclasses", cluster=True))
    if classes is None:
        return
    names = [sel.name_of(one) for one in classes]
    for name, spec in _specs(snapshot, pod):
        for request in (spec.get("devices") or {}).get("requests") or []:
            options = [request.get("exactly") or request, *(request.get("firstAvailable") or [])]
            wanted = [str(one["deviceClassName"]) for one in options if one.get("deviceClassName")]
            if not wanted or any(one in names for one in wanted):
                continue
            facts = {"problem": "class", "claim": name, "device_class": wanted[0]}
            if near := nearest(wanted[0], names):
                facts["near_class"] = near[0]
            text = f"claim {name}, request {request.get('name')}: device class {wanted[0]} does not exist"
            yield Symptom("scheduling.claim", POD, f"resourceclaim {name}", text, facts)


def _specs(snapshot: Snapshot, pod: Body) -> Iterable[tuple[str, Body]]:
    """The specs of the pod's claims, those in templates included."""
    for entry in claims_of(pod):
        for field, resource, _ in _REFERENCES:
            for one in snapshot.items(_list(snapshot, resource)) or []:
                if entry.get(field) and sel.name_of(one) == entry[field]:
                    spec = one.get("spec") or {}
                    yield sel.name_of(one), (spec.get("spec") or {}) if "Template" in field else spec
