"""The claims of a pod, and what each of them asks for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from poddoctor.model import Body, Read, Snapshot
from poddoctor.pod.reads import events_read, get, list_of, pod_of
from poddoctor.pod.units import quantity

_CLASS_NOTE = "volume.beta.kubernetes.io/storage-class"
_PROVISIONER_NOTES = (
    "volume.kubernetes.io/storage-provisioner",
    "volume.beta.kubernetes.io/storage-provisioner",
)
_DEFAULT_NOTES = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)
STORAGE = "storage.k8s.io/v1"
MANY = 8
"""As many names or volumes as a report lists."""


@dataclass(frozen=True, slots=True)
class Use:
    """One volume of the pod that is a claim: by name, or generic ephemeral (then it is POD-VOLUME)."""

    volume: str
    claim: str
    ephemeral: bool
    read: Read


def uses(snapshot: Snapshot) -> list[Use]:
    """The claims that the pod names, each once, in the order of its volumes."""
    return uses_of(snapshot, pod_of(snapshot))


def uses_of(snapshot: Snapshot, pod: Body | None) -> list[Use]:
    """The claims that a pod or the template of one names; a template's ephemeral volumes have none yet."""
    found: dict[str, Use] = {}
    for volume in ((pod or {}).get("spec") or {}).get("volumes") or []:
        name = str(volume.get("name") or "")
        claim = str((volume.get("persistentVolumeClaim") or {}).get("claimName") or "")
        ephemeral = not claim and volume.get("ephemeral") is not None and snapshot.target.kind == "pod"
        if ephemeral:
            claim = f"{snapshot.target.name}-{name}"
        if claim and claim not in found:
            found[claim] = Use(name, claim, ephemeral, claim_read(snapshot, claim))
    return list(found.values())


def claim_read(snapshot: Snapshot, claim: str) -> Read:
    """One claim of the pod's namespace."""
    purpose = f"would show whether claim {claim} exists and is bound"
    return get("v1", "persistentvolumeclaims", snapshot.target.namespace, claim, purpose)


def claims_read(snapshot: Snapshot) -> Read:
    """The names of all claims in the namespace."""
    purpose = "would show which claims exist"
    return list_of("v1", "persistentvolumeclaims", snapshot.target.namespace, purpose, metadata=True)


def claim_events_read(snapshot: Snapshot, claim: str) -> Read:
    """The events of one claim."""
    purpose = f"would show why claim {claim} is not bound"
    return events_read(snapshot.target.namespace, "PersistentVolumeClaim", claim, purpose)


def volume_read(name: str) -> Read:
    """One persistent volume."""
    return get("v1", "persistentvolumes", "", name, f"would show what volume {name} is made of")


def volumes_read() -> Read:
    """All persistent volumes."""
    return list_of("v1", "persistentvolumes", "", "would show why no volume fits the claim")


def class_read(name: str) -> Read:
    """One storage class."""
    return get(STORAGE, "storageclasses", "", name, f"would show who provisions for class {name}")


def classes_read() -> Read:
    """All storage classes."""
    return list_of(STORAGE, "storageclasses", "", "would show which storage classes exist")


def drivers_read() -> Read:
    """All CSI drivers that announce themselves."""
    return list_of(STORAGE, "csidrivers", "", "would show which CSI drivers are installed")


def names(items: Iterable[Body] | None) -> list[str]:
    """The names of listed objects."""
    return sorted(name_of(one) for one in items or [])


def name_of(body: Body) -> str:
    """The name of an object, or empty."""
    return str((body.get("metadata") or {}).get("name") or "")


def phase(claim: Body) -> str:
    """Pending, Bound or Lost; a claim that the controller never saw is Pending."""
    return str((claim.get("status") or {}).get("phase") or "Pending")


def class_of(claim: Body) -> str | None:
    """The class of a claim or a volume; None when the field is not set, which means the default."""
    notes = (claim.get("metadata") or {}).get("annotations") or {}
    if notes.get(_CLASS_NOTE):
        return str(notes[_CLASS_NOTE])
    name = (claim.get("spec") or {}).get("storageClassName")
    return None if name is None else str(name)


def provisioner_of(claim: Body) -> str:
    """The provisioner that the volume controller has called for this claim, or empty."""
    notes = (claim.get("metadata") or {}).get("annotations") or {}
    return next((str(notes[key]) for key in _PROVISIONER_NOTES if notes.get(key)), "")


def selected_node(claim: Body) -> str:
    """The node that the scheduler chose for a claim that waited for its first consumer."""
    notes = (claim.get("metadata") or {}).get("annotations") or {}
    return str(notes.get("volume.kubernetes.io/selected-node") or "")


def modes(body: Body) -> list[str]:
    """The access modes of a claim or a volume."""
    return [str(one) for one in (body.get("spec") or {}).get("accessModes") or []]


def asked(claim: Body) -> Decimal:
    """The size that the claim asks for, in bytes."""
    resources = (claim.get("spec") or {}).get("resources") or {}
    return quantity((resources.get("requests") or {}).get("storage") or "0") or Decimal(0)


def asked_text(claim: Body) -> str:
    """The size that the claim asks for, as it is written."""
    resources = (claim.get("spec") or {}).get("resources") or {}
    return str((resources.get("requests") or {}).get("storage") or "")


def is_default(storage_class: Body) -> bool:
    """Whether this is a default class."""
    notes = (storage_class.get("metadata") or {}).get("annotations") or {}
    return any(notes.get(key) == "true" for key in _DEFAULT_NOTES)


def claim_attributes(use: Use, claim: Body) -> dict[str, str]:
    attributes = {"claim": use.claim, "volume": use.volume}
    if size := asked_text(claim):
        attributes["size"] = size
    if wanted := modes(claim):
        attributes.update(modes=", ".join(wanted), mode=wanted[0])
    name = class_of(claim)
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
    for one in owners:
        group = str(one.get("apiVersion") or "").rpartition("/")[0]
        if one.get("controller") and group not in ("", "apps"):
            attributes["claim_owner"] = f"{str(one.get('kind')).lower()}.{group}/{one.get('name')}"
    return attributes


def some(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - MANY} more" if len(listed) > MANY else ""
    return ", ".join(listed[:MANY]) + more
