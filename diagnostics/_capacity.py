"""Storage that a driver has left, by place: why "did not have enough free storage"."""

from __future__ import annotations

from decimal import Decimal

from poddoctor.model import Body, Snapshot
from poddoctor.pod.reads import list_of
from poddoctor.pod.units import quantity, show_bytes

from . import _selectors as sel
from . import _world as world_

CAPACITIES = list_of(
    "storage.k8s.io/v1", "csistoragecapacities", "", "would show how much storage is left, and where"
)
_MOST = 4


def explain(snapshot: Snapshot, pod: Body) -> tuple[dict[str, str], tuple[tuple[str, str], ...]]:
    """The claim that finds no room, as facts, and what each place has left, as notes."""
    claims = [
        (name, claim)
        for name in world_.claim_names(pod)
        if (claim := snapshot.body(world_.pvc_read(snapshot.target.namespace, name)))
        and (claim.get("status") or {}).get("phase") != "Bound"
    ]
    if not claims:
        return {}, ()
    name, claim = max(claims, key=lambda one: _asked(one[1]))
    asked = _asked(claim)
    storage = str((claim.get("spec") or {}).get("storageClassName") or "")
    facts = {"claim": name, "asked": show_bytes(asked)} if asked else {"claim": name}
    if storage:
        facts["storage_class"] = storage
    listed = snapshot.items(CAPACITIES)
    places = [one for one in listed or [] if one.get("storageClassName") == storage]
    if listed is not None and not places and storage:
        return facts, ((f"no driver publishes free storage for class {storage}", "csistoragecapacities"),)
    places.sort(key=_left, reverse=True)
    if places:
        facts.update(most=show_bytes(_left(places[0])), published="yes")
    notes = tuple(
        (f"{_place(one)}: {show_bytes(_left(one))} of class {storage} left", "csistoragecapacities")
        for one in places[:_MOST]
    )
    return facts, notes


def _asked(claim: Body) -> Decimal:
    requests = ((claim.get("spec") or {}).get("resources") or {}).get("requests") or {}
    return quantity(requests.get("storage") or "0") or Decimal(0)


def _left(capacity: Body) -> Decimal:
    """The largest volume that can be made there: what the scheduler compares the claim with."""
    return quantity(capacity.get("maximumVolumeSize") or capacity.get("capacity") or "0") or Decimal(0)


def _place(capacity: Body) -> str:
    topology = capacity.get("nodeTopology")
    return sel.show_selector(topology) if topology else "nowhere in particular"
