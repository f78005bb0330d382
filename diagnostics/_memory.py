"""Memory of a container that was killed for it: limits and where they come from, and what to set instead."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal

from poddoctor.model import Body, Read, Snapshot
from poddoctor.pod.containers import Container
from poddoctor.pod.pattern import lazy
from poddoctor.pod.reads import get, list_of, node_of, pod_of
from poddoctor.pod.units import parse_time, quantity, show_bytes, show_duration

from ._ends import End, memory_limits
from ._process import words

_MIB = Decimal(2**20)
_HEAP = lazy(
    r"-Xmx(?P<xmx>\d+[kKmMgGtT]?)\b|-XX:MaxHeapSize=(?P<size>\d+[kKmMgGtT]?)\b"
    r"|--max[-_]old[-_]space[-_]size[= ](?P<node>\d+)|\bGOMEMLIMIT=(?P<go>\d+(?:[KMGT]iB|B)?)"
    r"|--maxmemory[= ](?P<redis>\d+[kKmMgG]?[bB]?)\b"
    r"|\bDOTNET_GCHeapHardLimit=(?:0[xX])?(?P<dotnet>[0-9a-fA-F]+)\b"
)
_SHARE = lazy(r"-XX:MaxRAMPercentage=(\d+(?:\.\d+)?)")
_FULL_SHARE = Decimal(80)
"""What a JVM needs beside its heap (code, threads, buffers) seldom fits into less than a fifth."""
_UNIT = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_AT_ONCE = timedelta(seconds=10)
_STEADY = timedelta(minutes=10)


def usage_read(snapshot: Snapshot) -> Read:
    """What the pod uses now, where a metrics server tells."""
    purpose = "would show how much memory the containers use now"
    return get("metrics.k8s.io/v1beta1", "pods", snapshot.target.namespace, snapshot.target.name, purpose)


def limit_ranges_read(snapshot: Snapshot) -> Read:
    """The LimitRanges of the namespace."""
    purpose = "would show whether a LimitRange sets or bounds the memory limit"
    return list_of("v1", "limitranges", snapshot.target.namespace, purpose)


def describe(snapshot: Snapshot, end: End) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """The attributes of a container's memory, and the evidence rows for them."""
    one = end.container
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
        found |= _pace(snapshot, end)
        if growth := found.get("growth"):
            rows.append((f"it is killed {growth}, each time after about as long: it grows", end.source))
    else:
        found["scope"] = "none"
        rows.append(("no memory limit on the container or the pod", one.spec_path))
    rows += _usage(snapshot, one, pod=found["scope"] == "pod")
    for volume, size, path in tmpfs(snapshot, one):
        bound = f"sizeLimit {size}" if size else "no sizeLimit"
        rows.append((f"files in memory volume {volume} ({path}, {bound}) count too", "pod.spec.volumes"))
    return {key: value for key, value in found.items() if value}, rows


def _usage(snapshot: Snapshot, one: Container, *, pod: bool) -> Iterator[tuple[str, str]]:
    """What this run of the container uses, when it was measured after the run began."""
    body = snapshot.body(usage_read(snapshot)) or {}
    taken, began = parse_time(body.get("timestamp")), one.started_at
    if taken is None or began is None or taken < began:
        return
    used = {
        str(each.get("name")): quantity((each.get("usage") or {}).get("memory") or "")
        for each in body.get("containers") or []
    }
    age = show_duration(taken - began)
    source = f"metrics.k8s.io pod {snapshot.target.name}"
    mine = used.get(one.name)
    if mine:
        yield f"this run uses {_whole(mine)} of memory, {age} after its start", source
    others = [f"{name} {_whole(amount)}" for name, amount in used.items() if amount and name != one.name]
    if pod and others:
        yield f"the other containers use: {', '.join(others)}", source


def _whole(amount: Decimal) -> str:
    """Bytes in whole Mi: a measurement, not a setting."""
    return f"{max(1, int(amount / _MIB))}Mi"


def _pace(snapshot: Snapshot, end: End) -> dict[str, str]:
    """Whether it is killed as it starts, or again and again after about the same long time.

    Only the last run is recorded; the mean of all runs comes from the age of the pod and the restarts.
    """
    if not end.record.get("startedAt") or end.lasted < timedelta():
        return {}
    if end.lasted <= _AT_ONCE:
        late = end.lasted >= timedelta(seconds=2)
        return {"at_once": f"{show_duration(end.lasted)} after its start" if late else "as it starts"}
    began = parse_time(((pod_of(snapshot) or {}).get("status") or {}).get("startTime"))
    runs = end.container.restarts + bool(end.container.terminated)
    if began is None or end.finished is None or runs < 3 or end.lasted < _STEADY:
        return {}
    mean = (end.finished - began) / runs
    return (
        {"growth": f"about every {show_duration(mean)}"} if mean * 0.75 <= end.lasted <= mean * 1.25 else {}
    )


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
    heap, share = _heap(one), _share(one)
    tight = heap is not None and heap * Decimal("1.25") > amount
    found = {"heap": show_bytes(heap) if heap and tight else ""}
    if share is not None and share >= _FULL_SHARE and not heap:
        found |= {
            "heap": f"{share.normalize():f}% of it for the heap alone",
            "heap_share": f"{share.normalize():f}",
        }
    if heap and tight:
        wanted, basis = heap * Decimal("1.5"), f"half more than the {show_bytes(heap)} it is told to use"
    else:
        wanted, basis = amount * 2, "double the present limit, not a measurement"
    wanted = _rounded(max(wanted, 64 * _MIB))
    most, whose = _most(snapshot)
    if most is not None and wanted > most:
        wanted, basis = most // (16 * _MIB) * (16 * _MIB), f"the most that {whose} allows, not a measurement"
        if wanted * 4 < amount * 5:
            return {**found, "bound": f"{whose} allows no more than {show_bytes(most)}"}
    return {**found, "suggested_limit": show_bytes(wanted), "basis": basis}


def _rounded(amount: Decimal) -> Decimal:
    step = 64 * _MIB if amount >= 256 * _MIB else 16 * _MIB
    return (amount / step).to_integral_value(rounding="ROUND_CEILING") * step


def _most(snapshot: Snapshot) -> tuple[Decimal | None, str]:
    """The largest limit that makes sense, and who sets it: the node's memory, or a LimitRange's maximum."""
    node = node_of(snapshot) or {}
    whole = quantity(((node.get("status") or {}).get("allocatable") or {}).get("memory"))
    # A node has more to do than one container.
    bounds = [(whole * Decimal("0.8") if whole else None, f"node {(node.get('metadata') or {}).get('name')}")]
    for body in snapshot.items(limit_ranges_read(snapshot)) or []:
        items: list[Body] = (body.get("spec") or {}).get("limits") or []
        name = f"LimitRange {(body.get('metadata') or {}).get('name')}"
        bounds += [(quantity((each.get("max") or {}).get("memory")), name) for each in items]
    known = [(bound, whose) for bound, whose in bounds if bound is not None]
    return min(known, key=lambda each: each[0]) if known else (None, "")


def _texts(one: Container) -> list[str]:
    """All that can tell a runtime how much memory to use: the command line and the environment."""
    texts = [" ".join(words(one.spec.get("command")) + words(one.spec.get("args")))]
    return texts + [f"{each.get('name')}={each.get('value') or ''}" for each in one.spec.get("env") or []]


def _share(one: Container) -> Decimal | None:
    """The part of the limit that a JVM may fill with its heap, in percent; the last setting counts."""
    found = [each for text in _texts(one) for each in _SHARE.findall(text)]
    return Decimal(found[-1]) if found else None


def _heap(one: Container) -> Decimal | None:
    """The heap that the command line or an environment variable asks for."""
    for text in _texts(one):
        for found in _HEAP.finditer(text):
            kind = str(found.lastgroup)
            if kind == "dotnet":
                return Decimal(int(found[kind], 16))
            if kind == "node":
                return Decimal(found[kind]) * _MIB
            digits = found[kind].rstrip("bB").removesuffix("i")
            unit = digits[-1:].lower() if digits[-1:].isalpha() else ""
            return Decimal(digits.rstrip("kKmMgGtT")) * _UNIT[unit]
    return None
