"""Why a persistent volume does not fit a claim, by the rules of the volume controller."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from poddoctor.model import Body
from poddoctor.pod.units import quantity

from ._claims import asked, asked_text, class_of, modes


@dataclass(frozen=True, slots=True)
class Misfit:
    """One reason, and its kind: ``size``, ``mode``, ``class``, ``taken``, ``released`` or another word."""

    kind: str
    text: str


def misfits(volume: Body, claim: Body) -> list[Misfit]:
    """All reasons why this volume is not for this claim; none when it fits."""
    spec, wanted = volume.get("spec") or {}, claim.get("spec") or {}
    found = [*_taken(volume, claim)]
    mine, theirs = class_of(volume) or "", class_of(claim) or ""
    if mine != theirs:
        found.append(Misfit("class", f'is of class "{mine}", the claim asks for class "{theirs}"'))
    offered = quantity((spec.get("capacity") or {}).get("storage") or "0") or Decimal(0)
    if offered < asked(claim):
        size = (spec.get("capacity") or {}).get("storage") or "0"
        found.append(Misfit("size", f"offers {size}, the claim asks for {asked_text(claim)}"))
    if lacking := [one for one in modes(claim) if one not in modes(volume)]:
        offers = ", ".join(modes(volume)) or "no access mode"
        found.append(Misfit("mode", f"offers {offers}, the claim asks for {', '.join(lacking)}"))
    kind, asks = spec.get("volumeMode") or "Filesystem", wanted.get("volumeMode") or "Filesystem"
    if kind != asks:
        found.append(Misfit("volume-mode", f"has volumeMode {kind}, the claim asks for {asks}"))
    if lacking := _selector(wanted.get("selector") or {}, (volume.get("metadata") or {}).get("labels") or {}):
        found.append(Misfit("selector", f"lacks what the claim's selector asks for: {', '.join(lacking)}"))
    return found


def _taken(volume: Body, claim: Body) -> list[Misfit]:
    reference = (volume.get("spec") or {}).get("claimRef") or {}
    status = (volume.get("status") or {}).get("phase") or "Available"
    meta = claim.get("metadata") or {}
    other = f"{reference.get('namespace')}/{reference.get('name')}"
    ours = (reference.get("namespace"), reference.get("name")) == (meta.get("namespace"), meta.get("name"))
    stale = bool(reference.get("uid")) and reference.get("uid") != meta.get("uid")
    if (volume.get("metadata") or {}).get("deletionTimestamp"):
        return [Misfit("deleting", "is being deleted")]
    if status == "Released" or (ours and stale):
        return [Misfit("released", f"is Released: it still belongs to the deleted claim {other}")]
    if status == "Failed":
        return [Misfit("failed", "is Failed: its reclaim went wrong")]
    if reference and not ours:
        word = "is bound to" if status == "Bound" else "is reserved for"
        return [Misfit("taken", f"{word} claim {other}")]
    return []


def _selector(selector: Body, labels: Body) -> list[str]:
    lacking = [
        f"{key}={value}"
        for key, value in (selector.get("matchLabels") or {}).items()
        if labels.get(key) != value
    ]
    for one in selector.get("matchExpressions") or []:
        key, operator, values = one.get("key"), one.get("operator"), one.get("values") or []
        holds = {
            "In": labels.get(key) in values,
            "NotIn": labels.get(key) not in values,
            "Exists": key in labels,
            "DoesNotExist": key not in labels,
        }.get(str(operator), True)
        if not holds:
            lacking.append(f"{key} {operator} {' '.join(map(str, values))}".strip())
    return lacking
