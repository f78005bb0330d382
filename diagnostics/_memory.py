"""Memory of a container that was killed for it: limits and where they come from, and what to set instead."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal

from poddoctor.model import Body, Read, Snapshot
from poddoctor.pod.containers import Container
from poddoctor.pod.pattern import lazy
from poddoctor.pod.reads import list_of, node_of, pod_of
from poddoctor.pod.units import quantity, show_bytes

from ._ends import memory_limits
from ._process import words

_MIB = Decimal(2**20)
_HEAP = lazy(r"-Xmx(\d+)([kKmMgG]?)\b|--max[-_]old[-_]space[-_]size[= ](\d+)|GOMEMLIMIT=(\d+)(MiB|GiB)")
_UNIT = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30}


def limit_ranges_read(snapshot: Snapshot) -> Read:
    """The LimitRanges of the namespace."""
    purpose = "would show whether a LimitRange sets or bounds the memory limit"
    return list_of("v1", "limitranges", snapshot.target.namespace, purpose)


def describe(snapshot: Snapshot, one: Container) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """The attributes of a container's memory, and the evidence rows for them."""
    limits = memory_limits(snapshot, one)
    request = ((one.spec.get("resources") or {}).get("requests") or {}).get("memory")
    found: dict[str, str] = {"request": str(request or "")}
    rows: list[tuple[str, str]] = []
    if limits:
        scope, limit, path = min(limits, key=lambda each: quantity(each[1]) or 0)
        origin = _limit_range(snapshot, one) if scope == "container" else ""
        found |= {"scope": scope, "limit": limit, "limit_range": origin}
        found["pod_limit"] = limit if scope == "pod" else ""
        found["request_is_limit"] = "true" if request and quantity(request) == quantity(limit) else "false"
        found |= _suggestion(snapshot, one, limit)
        row = f"memory limit {limit}" + (f", request {request}" if request else ", no request")
        rows.append((row, path))
        if origin:
            rows.append((f"the limit is the default of LimitRange {origin}", "pod.metadata.annotations"))
        if heap := found.get("heap"):
            rows.append((f"the application is told to use up to {heap}", one.spec_path))
    else:
        found["scope"] = "none"
        rows.append(("no memory limit on the container or the pod", one.spec_path))
    for volume, size, path in tmpfs(snapshot, one):
        bound = f"sizeLimit {size}" if size else "no sizeLimit"
        rows.append((f"files in memory volume {volume} ({path}, {bound}) count too", "pod.spec.volumes"))
    return {key: value for key, value in found.items() if value}, rows


def tmpfs(snapshot: Snapshot, one: Container) -> Iterator[tuple[str, str, str]]:
    """The memory-backed volumes that a container mounts: name, size limit and mount path."""
    spec = (pod_of(snapshot) or {}).get("spec") or {}
    mounts = {
        each.get("name"): str(each.get("mountPath") or "") for each in one.spec.get("volumeMounts") or []
    }
    for volume in spec.get("volumes") or []:
        empty = volume.get("emptyDir") or {}
        if empty.get("medium") == "Memory" and volume.get("name") in mounts:
            yield str(volume["name"]), str(empty.get("sizeLimit") or ""), mounts[volume["name"]]


def filling(snapshot: Snapshot, one: Container, limit: str) -> tuple[str, str, str] | None:
    """The memory-backed volume that can fill the limit alone; /dev/shm, a habit, is not suspected."""
    bound = quantity(limit)
    for volume, size, path in tmpfs(snapshot, one):
        most = quantity(size) if size else None
        if path != "/dev/shm" and (most is None or (bound is not None and most * 4 >= bound * 3)):  # noqa: S108
            return volume, size, path
    return None


def memory_taken(snapshot: Snapshot, one: Container) -> bool:
    """Whether the limit is enough to start, so that what is left of an earlier run must have used it up.

    Files in a memory-backed volume stay charged to the pod when its container ends.
    """
    limits = memory_limits(snapshot, one)
    amount = quantity(limits[0][1]) if limits else None
    return amount is not None and amount >= 16 * _MIB and filling(snapshot, one, limits[0][1]) is not None


def _limit_range(snapshot: Snapshot, one: Container) -> str:
    """The LimitRange that gave the limit, by the note that admission left on the pod."""
    notes = (((pod_of(snapshot) or {}).get("metadata")) or {}).get("annotations") or {}
    note = str(notes.get("kubernetes.io/limit-ranger") or "")
    if not re.search(rf"memory[^;]* limit for (?:init )?container {re.escape(one.name)}\b", note):
        return ""
    limit = quantity(((one.spec.get("resources") or {}).get("limits") or {}).get("memory"))
    for body in snapshot.items(limit_ranges_read(snapshot)) or []:
        for item in (body.get("spec") or {}).get("limits") or []:
            if quantity((item.get("default") or {}).get("memory")) == limit:
                return str((body.get("metadata") or {}).get("name") or "")
    return "of the namespace"


def _suggestion(snapshot: Snapshot, one: Container, limit: str) -> Mapping[str, str]:
    """What to set instead, on what basis, bounded by what the node and the namespace allow."""
    amount = quantity(limit)
    if not amount:
        return {}
    heap = _heap(one)
    if heap and heap * Decimal("1.25") > amount:
        wanted, basis = heap * Decimal("1.5"), f"half more than the {show_bytes(heap)} it is told to use"
    else:
        wanted, basis = amount * 2, "double the present limit, not a measurement"
    wanted = _rounded(max(wanted, 64 * _MIB))
    most = _most(snapshot)
    found = {"heap": show_bytes(heap) if heap and heap * Decimal("1.25") > amount else ""}
    if most is not None and wanted > most:
        return found
    return {**found, "suggested_limit": show_bytes(wanted), "basis": basis}


def _rounded(amount: Decimal) -> Decimal:
    step = 64 * _MIB if amount >= 256 * _MIB else 16 * _MIB
    return (amount / step).to_integral_value(rounding="ROUND_CEILING") * step


def _most(snapshot: Snapshot) -> Decimal | None:
    """The largest limit that makes sense: the node's allocatable memory, or a LimitRange's maximum."""
    allocatable = ((node_of(snapshot) or {}).get("status") or {}).get("allocatable") or {}
    bounds = [quantity(allocatable.get("memory"))]
    for body in snapshot.items(limit_ranges_read(snapshot)) or []:
        items: list[Body] = (body.get("spec") or {}).get("limits") or []
        bounds += [quantity((each.get("max") or {}).get("memory")) for each in items]
    known = [bound for bound in bounds if bound is not None]
    return min(known) if known else None


def _heap(one: Container) -> Decimal | None:
    """The heap that the command line or an environment variable asks for."""
    texts = words(one.spec.get("command")) + words(one.spec.get("args"))
    texts += [f"{each.get('name')}={each.get('value') or ''}" for each in one.spec.get("env") or []]
    for text in texts:
        for java, unit, node, go, go_unit in _HEAP.findall(text):
            if java:
                return Decimal(java) * _UNIT[unit.lower()]
            if node:
                return Decimal(node) * _MIB
            return Decimal(go) * (_MIB if go_unit == "MiB" else 1024 * _MIB)
    return None
