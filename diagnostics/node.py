"""Stage node: the machine below the pod, and what its kubelet refused, evicted or left undone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from poddoctor.model import POD, Body, Read, Snapshot, Symptom, SymptomKind
from poddoctor.pod.containers import containers
from poddoctor.pod.owner import owner_of
from poddoctor.pod.pattern import lazy
from poddoctor.pod.reads import (
    Event,
    condition,
    cut_short,
    events_in,
    node_events_read,
    node_of,
    node_read,
    pod_events,
    pod_of,
)
from poddoctor.pod.units import parse_time, quantity, show_amount, show_duration

from ._nodes import PRESSURES, Trouble, from_kubelet, node_name, says_running, trouble_of
from ._selectors import labels_of, selector_misses
from ._world import nodes_read

_EVICTED = ("resource", "quantity_left", "threshold", "offender", "usage", "request", "node", "kind", "field")

SYMPTOMS: Mapping[str, SymptomKind] = {
    "node.lost": SymptomKind(
        "The pod's node is not ready, or nothing is heard of it",
        ("node", "ready", "reason", "detail", "for", "silent_for", "shows", "kind", "lacks"),
    ),
    "node.condition": SymptomKind("The Node object itself says that it is not ready", ("node", "ready")),
    "node.gone": SymptomKind("The Node object of a bound pod does not exist", ("node", "stated")),
    "node.pod-not-picked-up": SymptomKind("The kubelet has not touched a bound pod", ("node", "for")),
    "node.evicted": SymptomKind("The kubelet evicted the pod because its node ran short", _EVICTED),
    "node.rejected": SymptomKind(
        "The kubelet refused the pod",
        (
            "reason",
            "kind",
            "resource",
            "requested",
            "used",
            "capacity",
            "short",
            "predicate",
            "node",
            "detail",
            "pinned",
        ),
    ),
    "node.rejected-event": SymptomKind("The event of the refusal", ("reason",)),
    "node.device-failed": SymptomKind(
        "A device or resource plugin could not serve the pod",
        ("resource", "requested", "available", "node", "detail", "disk"),
    ),
    "node.topology-rejected": SymptomKind(
        "The node's CPU or topology policy refused the pod", ("reason", "node", "detail")
    ),
    "node.shutdown": SymptomKind("The node was shutting down", ("reason", "node", "when")),
    "node.pressure-rejected": SymptomKind(
        "The kubelet refused the pod under pressure", ("pressure", "resource", "node")
    ),
    "node.pressure": SymptomKind("The node is under pressure now", ("pressure", "resource", "node", "for")),
    "node.pod-failed": SymptomKind("The pod failed for a reason of its own", ("reason", "detail", "node")),
    "node.preempted": SymptomKind("The kubelet removed the pod for a critical one", ("node",)),
}

_SILENT_AFTER = timedelta(seconds=90)
_LOW = lazy(r"The node was low on resource: \[?([a-z-]+)\]?", re.IGNORECASE)
_THRESHOLD = lazy(r"Threshold quantity: ([^,\s]+), available: ([^\s.]+(?:\.\d+)?[A-Za-z]*)")
_USED = lazy(
    r"(?P<what>Container|Pod) (\S+) was using ([^,]+), (?:request is ([^,]+), has larger consumption of \S+?|"
    r"which exceeds its request of (\S+?))\.(?:\s|$)"
)
_OUT_OF = lazy(r"Node didn't have enough resource: ([^,]+), requested: (\d+), used: (\d+), capacity: (\d+)")
_PREDICATE = lazy(r"Predicate (\w+) failed(?:: (.*))?", re.DOTALL)
_WHY_NO_DEVICE = lazy(r"due to (?:rpc error: code = \w+ desc = )?(.+?),? which is unexpected")
_NO_NETWORK = lazy(r"NetworkPluginNotReady|NetworkReady=false|cni (?:plugin|config)", re.IGNORECASE)
_DEVICES = lazy(
    r"requested number of devices unavailable for ([^\s.]+(?:\.[^\s.]+)*)\. "
    r"Requested: (\d+), Available: (\d+)"
)
_RECLAIM = lazy(r"\(res: ([^,]+), q: (\d+)\)")
_PREEMPTED = lazy(r"preempted (?:by kubelet|in order to admit)", re.IGNORECASE)
_CONDITION = lazy(r"The node had condition: \[([^\]]+)\]")
_PREFIX = lazy(r"^(?:Pod was rejected: |Pod )(?=[A-Z])")
_PREDICATES = (
    "NodeAffinity",
    "NodeName",
    "NodePorts",
    "TaintToleration",
    "NodeUnschedulable",
    "PodOSSelectorNodeLabelDoesNotMatch",
    "PodOSNotSupported",
    "InvalidNodeInfo",
    "SupplementalGroupsPolicyNotSupported",
    "InitContainerRestartPolicyForbidden",
    "PodLevelResourcesNotSupported",
    "PodFeatureUnsupported",
    "VolumeAttachmentLimitExceeded",
    "UnknownReason",
    "UnexpectedPredicateFailureType",
    "PredicateFailed",
)
# What the managers of exclusive CPUs and of memory say: no device is meant.
_POLICY = lazy(r"not enough cpus available|\[(?:cpu|memory) ?manager\]", re.IGNORECASE)
_TOPOLOGY = ("TopologyAffinityError", "SMTAlignmentError", "EmptyPodSharedPoolError")
_OF_OTHERS = frozenset(
    {
        *(
            "DeadlineExceeded",
            "SysctlForbidden",
            "AppArmor",
            "Evicted",
            "Terminated",
            "Forbidden",
        ),
        *("NodeShutdown", "Shutdown", "ProcMount", "SeccompProfile", "HostNetwork", "Unschedulable"),
    }
)
"""Reasons of a failed pod that other stages know, or that are no failure."""
_SIGNALS = {"MemoryPressure": "memory", "DiskPressure": "disk space", "PIDPressure": "pids"}
_KIND_OF = {"MemoryPressure": "memory", "DiskPressure": "disk", "PIDPressure": "pids"}
_ABOUT_THEN = timedelta(hours=1)
_RESOURCES = {"MemoryPressure": "memory", "DiskPressure": "disk space", "PIDPressure": "process ids"}


def reads(snapshot: Snapshot) -> Iterable[Read]:
    """The node of a bound pod always (a dead one leaves the pod at Running); its events when one is wrong."""
    pod = pod_of(snapshot)
    if pod is None or not node_name(pod) or _ended_well(pod):
        return
    yield node_read(node_name(pod))
    if snapshot.absent(node_read(node_name(pod))):
        yield replace(nodes_read(), purpose="would show whether the node was removed or only not recorded")
    if _looks_wrong(snapshot, pod):
        yield node_events_read(node_name(pod))


def _ended_well(pod: Body) -> bool:
    return (pod.get("status") or {}).get("phase") == "Succeeded" and not cut_short(pod)


def _looks_wrong(snapshot: Snapshot, pod: Body) -> bool:
    if (pod.get("status") or {}).get("reason") or trouble_of(snapshot) is not None:
        return True
    return any(True for _ in _pressures(node_of(snapshot)))


def examine(snapshot: Snapshot) -> Iterable[Symptom]:
    """What the node did to the pod, and how the node is."""
    pod = pod_of(snapshot)
    if pod is None or not node_name(pod) or _ended_well(pod):
        return
    phase = (pod.get("status") or {}).get("phase")
    if phase == "Failed":
        yield from _failed(snapshot, pod)
    elif phase == "Succeeded":
        yield from _stopped(snapshot, pod)
    else:
        yield from _node(snapshot, pod)


# --- the pod is Failed: the kubelet said why ---------------------------------------------------------------


def _failed(snapshot: Snapshot, pod: Body) -> Iterator[Symptom]:
    status = pod.get("status") or {}
    reason, message = str(status.get("reason") or ""), str(status.get("message") or "").strip()
    trouble = trouble_of(snapshot)
    if trouble and trouble.reason == "DeletionByPodGC":
        yield from _gone(pod, trouble)
        return
    plain = _PREFIX.sub("", message)
    if not reason:
        yield from _stopped(snapshot, pod)
    elif reason == "NodeLost" and trouble:
        yield from _lost(snapshot, pod, trouble)
    elif reason == "Evicted":
        yield from _evicted(snapshot, pod, message)
    elif reason.startswith("OutOf"):
        yield from _rejected(snapshot, pod, reason, plain, _numbers(plain))
    elif reason in _PREDICATES:
        yield from _rejected(snapshot, pod, reason, plain, _predicate(reason, plain))
    elif reason == "UnexpectedAdmissionError" and "preempt" in plain:
        yield from _rejected(snapshot, pod, reason, plain, _unpreempted(plain))
    elif reason == "UnexpectedAdmissionError" and _POLICY.search(plain):
        values = {"reason": reason, "node": node_name(pod), "detail": plain}
        yield _said(pod, "node.topology-rejected", message, values)
    elif reason == "UnexpectedAdmissionError":
        yield _device(pod, plain)
    else:
        yield from _removed(snapshot, pod, reason, message, plain)


def _removed(snapshot: Snapshot, pod: Body, reason: str, message: str, plain: str) -> Iterator[Symptom]:
    if reason in _TOPOLOGY:
        values = {"reason": reason, "node": node_name(pod), "detail": plain}
        yield _said(pod, "node.topology-rejected", message, values)
    elif reason in {"Terminated", "NodeShutdown", "Shutdown"} and _is_shutdown(reason, message):
        values = {
            "reason": reason,
            "node": node_name(pod),
            "when": "refused" if reason == "NodeShutdown" else "ended",
        }
        yield _said(pod, "node.shutdown", message, values, _shutdown_notes(snapshot, pod))
    elif reason == "Preempting":
        yield _said(pod, "node.preempted", message, {"node": node_name(pod)})
    elif reason and reason not in _OF_OTHERS and not any(one.terminated for one in containers(pod)):
        values = {"reason": reason, "detail": " ".join(plain.split())[:160], "node": node_name(pod)}
        yield _said(pod, "node.pod-failed", message, values)


def _stopped(snapshot: Snapshot, pod: Body) -> Iterator[Symptom]:
    """A pod that the kubelet ended and whose containers ended well: it has no reason, its condition tells."""
    said = condition(pod, "DisruptionTarget")
    message = str(said.get("message") or "")
    if said.get("reason") != "TerminationByKubelet":
        return
    if _is_shutdown("Terminated", message):
        values = {"reason": "TerminationByKubelet", "node": node_name(pod), "when": "ended"}
        yield _said(pod, "node.shutdown", message, values, _shutdown_notes(snapshot, pod))
    elif _PREEMPTED.search(message):
        yield _said(pod, "node.preempted", message, {"node": node_name(pod)})
    elif _LOW.search(message):
        yield from _evicted(snapshot, pod, message)


def _is_shutdown(reason: str, message: str) -> bool:
    return reason != "Terminated" or "shutdown" in message.lower() or "shutting down" in message.lower()


def _said(
    pod: Body, name: str, text: str, values: dict[str, str], notes: Iterable[tuple[str, str]] = ()
) -> Symptom:
    """A symptom from the pod's own status."""
    kept = {key: value for key, value in values.items() if value}
    target = condition(pod, "DisruptionTarget")
    reason, source = str((pod.get("status") or {}).get("reason") or ""), "pod.status.message"
    if not reason and target:
        reason, source = str(target.get("reason") or ""), "pod.status.conditions[DisruptionTarget]"
    when = parse_time(target.get("lastTransitionTime"))
    words = f"{reason}: {text}" if text else reason
    return Symptom(name, POD, source, words, kept, when, notes=tuple(notes))


def _evicted(snapshot: Snapshot, pod: Body, message: str) -> Iterator[Symptom]:
    node = node_name(pod)
    if refused := _CONDITION.search(message):
        pressure = refused[1].split()[0].strip(",")
        values = {"pressure": pressure, "resource": _RESOURCES.get(pressure, pressure), "node": node}
        yield _said(
            pod,
            "node.pressure-rejected",
            message,
            values,
            _pressure_notes(snapshot, _KIND_OF.get(pressure, "")),
        )
        return
    low = _LOW.search(message)
    if not low:
        if "exceed" not in message:  # its own limits: the stage lifecycle tells of them
            values = {"reason": "Evicted", "detail": " ".join(message.split())[:160], "node": node}
            yield _said(pod, "node.pod-failed", message, values)
        return
    resource = _SIGNALS.get(low[1], low[1])
    values = {"resource": resource, "node": node, "kind": _kind(resource)}
    values["field"] = (
        "memory" if resource == "memory" else "ephemeral-storage" if values["kind"] == "disk" else ""
    )
    if threshold := _THRESHOLD.search(message):
        values |= {"threshold": threshold[1], "quantity_left": threshold[2].rstrip(".")}
    used = [
        (one["what"], one[2], _readable(one[3]), (one[4] or one[5] or "").strip())
        for one in _USED.finditer(message)
    ]
    offenders = [one for one in used if one[0] == "Container"]
    if offenders:
        values |= dict(zip(("offender", "usage", "request"), offenders[0][1:], strict=True))
    notes = [
        (f"{what.lower()} {name}: used {usage}, requested {request}", "pod.status.message")
        for what, name, usage, request in used
    ]
    yield _said(pod, "node.evicted", message, values, [*notes, *_pressure_notes(snapshot, values["kind"])])


def _readable(amount: str) -> str:
    """Kubelet gives what it measured in Ki; whole Mi are enough to read."""
    measured = quantity(amount)
    if not amount.endswith("Ki") or measured is None or measured < 2**20:
        return amount
    return f"{int(measured / 2**20)}Mi"


def _kind(resource: str) -> str:
    return {"memory": "memory", "pids": "pids"}.get(resource, "disk")


def _pressure_notes(snapshot: Snapshot, kind: str, *, told: str = "") -> Iterator[tuple[str, str]]:
    """What the node said of this resource about then, and whether it still runs short of it."""
    pod = pod_of(snapshot) or {}
    then = parse_time(condition(pod, "DisruptionTarget").get("lastTransitionTime")) or snapshot.clock
    newest: dict[str, tuple[str, str]] = {}
    for event in events_in(snapshot, node_events_read(node_name(pod))):
        near = event.time is None or abs(event.time - then) < _ABOUT_THEN
        if near and _event_kind(event) == kind:
            newest[event.message] = (event.message, event.source)
    yield from list(newest.values())[-2:]  # the newest of each wording
    for name, since in _pressures(node_of(snapshot)):
        if name != told and _KIND_OF[name] == kind:
            yield f"the node still has {name}{since}", f"node {node_name(pod)} .status.conditions[{name}]"


def _event_kind(event: Event) -> str:
    """Which resource an event of a node that runs short is about."""
    if event.reason == "FreeDiskSpaceFailed":
        return "disk"
    if event.reason == "SystemOOM":
        return "memory"
    if event.reason != "EvictionThresholdMet":
        return ""
    return next((kind for kind in ("memory", "pids") if kind in event.message), "disk")


def _pressures(node: Body | None) -> Iterator[tuple[str, str]]:
    for name in PRESSURES:
        one = condition(node, name)
        if one.get("status") == "True":
            yield name, f" since {one.get('lastTransitionTime')}" if one.get("lastTransitionTime") else ""


def _rejected(
    snapshot: Snapshot, pod: Body, reason: str, message: str, values: dict[str, str]
) -> Iterator[Symptom]:
    values = {"reason": reason, "node": node_name(pod), "detail": message, **values}
    template = ((owner_of(snapshot).body or {}).get("spec") or {}).get("template") or {}
    if (template.get("spec") or {}).get("nodeName"):
        values["pinned"] = "yes"
    if reason == "NodeAffinity" and (lacking := _lacking(snapshot, pod)):
        values["detail"] = lacking
    yield _said(pod, "node.rejected", message, values)
    for event in pod_events(snapshot):
        if event.reason == reason:
            yield Symptom(
                "node.rejected-event", POD, event.source, event.message, {"reason": reason}, event.time
            )
            return


def _numbers(message: str) -> dict[str, str]:
    """The kubelet counts cpu in thousandths and all else in units."""
    found = _OUT_OF.search(message)
    if not found:
        return {"kind": "resource"}
    name = found[1]
    scale = Decimal(1000) if name == "cpu" else Decimal(1)
    asked, used, capacity = (Decimal(one) / scale for one in found.groups()[1:])
    return {
        "kind": "resource",
        "resource": name,
        "requested": show_amount(name, asked),
        "used": show_amount(name, used),
        "capacity": show_amount(name, capacity),
        "short": show_amount(name, max(asked + used - capacity, Decimal(0))),
    }


def _unpreempted(message: str) -> dict[str, str]:
    """A critical pod for which the kubelet found nothing to remove."""
    found = _RECLAIM.search(message)
    amount = f"{found[2]}m" if found and found[1] == "cpu" else found[2] if found else ""
    short = quantity(amount) if found else None
    said = f", short by {show_amount(found[1], short)} {found[1]}" if found and short is not None else ""
    return {"kind": "resource", "detail": f"a critical pod, and nothing to remove for it{said}"}


def _lacking(snapshot: Snapshot, pod: Body) -> str:
    """The labels of the nodeSelector that the node does not have, when both can be seen."""
    node = node_of(snapshot)
    misses = selector_misses(pod, node) if node else {}
    labels = labels_of(node)
    return "; ".join(
        f"it asks for {key}={value}, the node has "
        + (f"{key}={labels[key]}" if key in labels else f"no label {key}")
        for key, value in sorted(misses.items())
    )


def _predicate(reason: str, message: str) -> dict[str, str]:
    found = _PREDICATE.search(message)
    return {
        "kind": "predicate",
        "predicate": reason,
        "detail": (found[2] if found and found[2] else message).strip(),
    }


def _device(pod: Body, message: str) -> Symptom:
    why = _WHY_NO_DEVICE.search(message)
    values = {"node": node_name(pod), "detail": why[1] if why else message}
    if "no space left" in message:
        values["disk"] = "full"
    if found := _DEVICES.search(message):
        values |= {"resource": found[1], "requested": found[2], "available": found[3]}
    return _said(pod, "node.device-failed", message, values)


def _shutdown_notes(snapshot: Snapshot, pod: Body) -> Iterator[tuple[str, str]]:
    newest = {
        event.message: event.source
        for event in events_in(snapshot, node_events_read(node_name(pod)))
        if event.reason in {"Shutdown", "Rebooted"} or "shutting down" in event.message
    }
    yield from newest.items()


# --- the pod is bound and not ended: how is its node? ------------------------------------------------------


def _node(snapshot: Snapshot, pod: Body) -> Iterator[Symptom]:
    name = node_name(pod)
    trouble = trouble_of(snapshot)
    if trouble and trouble.ready == "gone":
        if _suffers(pod):
            yield from _gone(pod, trouble)
        return
    if trouble and not _works_regardless(pod, trouble):
        yield from _lost(snapshot, pod, trouble)
    yield from _not_picked_up(snapshot, pod)
    if condition(pod, "Ready").get("status") == "True":
        return
    for pressure, since in _pressures(node_of(snapshot)):
        message = condition(node_of(snapshot), pressure).get("message")
        yield Symptom(
            "node.pressure",
            POD,
            f"node {name} .status.conditions[{pressure}]",
            f"{pressure} is True{since}: {message}",
            {"pressure": pressure, "resource": _RESOURCES[pressure], "node": name},
            parse_time(condition(node_of(snapshot), pressure).get("lastTransitionTime")),
            notes=tuple(_pressure_notes(snapshot, _KIND_OF[pressure], told=pressure)),
        )


def _works_regardless(pod: Body, trouble: Trouble) -> bool:
    """A pod on the host's network needs no pod network: it may be the very one that is to bring it."""
    return (
        trouble.ready == "False"
        and bool((pod.get("spec") or {}).get("hostNetwork"))
        and "network" in trouble.message.lower()
    )


def _lost(snapshot: Snapshot, pod: Body, trouble: Trouble) -> Iterator[Symptom]:
    name = node_name(pod)
    values = {
        "node": name,
        "ready": trouble.ready,
        "reason": trouble.reason,
        "detail": trouble.message.rstrip("."),
        "kind": "self" if trouble.ready == "False" else "silent",
        "shows": "Running" if says_running(pod) else "",
        "lacks": "network" if _NO_NETWORK.search(f"{trouble.reason} {trouble.message}") else "",
    }
    if trouble.since:
        values["for"] = show_duration(snapshot.clock - trouble.since)
    if trouble.heartbeat and trouble.ready == "Unknown":
        values["silent_for"] = show_duration(snapshot.clock - trouble.heartbeat)
    text = f"Ready is {trouble.ready}: {trouble.message}" if trouble.ready != "unknown" else trouble.message
    kept = {key: value for key, value in values.items() if value}
    yield Symptom(
        "node.lost", POD, trouble.source, text, kept, trouble.since, notes=tuple(_lost_notes(snapshot, pod))
    )
    if trouble.ready in {"False", "Unknown"}:
        values = {"node": name, "ready": trouble.ready}
        yield Symptom("node.condition", POD, trouble.source, text, values, trouble.since)


def _lost_notes(snapshot: Snapshot, pod: Body) -> Iterator[tuple[str, str]]:
    if condition(pod, "ContainersReady").get("status") == "True" and says_running(pod):
        yield "the pod's status is the last that was heard: its containers still say running", "pod.status"
    for event in pod_events(snapshot):
        if event.reason in {"NodeNotReady", "TaintManagerEviction"}:
            yield event.message, event.source
    taints = ((node_of(snapshot) or {}).get("spec") or {}).get("taints") or []
    shown = [f"{one.get('key')}:{one.get('effect')}" for one in taints if one.get("effect") == "NoExecute"]
    if shown:
        wait = _tolerated(pod, [str(one.get("key")) for one in taints if one.get("effect") == "NoExecute"])
        yield f"taints {', '.join(shown)}{wait}", f"node {node_name(pod)} .spec.taints"


def _tolerated(pod: Body, keys: list[str]) -> str:
    for one in (pod.get("spec") or {}).get("tolerations") or []:
        if one.get("key") in keys and one.get("tolerationSeconds") is not None:
            return f": the pod is evicted {one['tolerationSeconds']}s after them"
        if one.get("key") in keys or (not one.get("key") and one.get("operator") == "Exists"):
            return ": the pod tolerates them and stays where it is"
    return ""


def _suffers(pod: Body) -> bool:
    """Whether the pod shows it: the garbage collector removes the pods of a node that is gone in a minute."""
    deleted = (pod.get("metadata") or {}).get("deletionTimestamp")
    return bool(deleted) or condition(pod, "Ready").get("status") != "True"


def _gone(pod: Body, trouble: Trouble) -> Iterator[Symptom]:
    # A name that never was a node's is the scheduler's matter: no kubelet ever saw the pod.
    if not (pod.get("status") or {}).get("startTime"):
        return
    values = {"node": node_name(pod)}
    if trouble.reason == "DeletionByPodGC":
        values["stated"] = "yes"
    yield Symptom("node.gone", POD, trouble.source, trouble.message, values, trouble.since)


def _not_picked_up(snapshot: Snapshot, pod: Body) -> Iterator[Symptom]:
    status = pod.get("status") or {}
    if status.get("startTime") or status.get("containerStatuses") or status.get("initContainerStatuses"):
        return
    if status.get("phase") not in (None, "", "Pending", "Unknown"):
        return
    bound = parse_time(condition(pod, "PodScheduled").get("lastTransitionTime")) or parse_time(
        (pod.get("metadata") or {}).get("creationTimestamp")
    )
    if bound is None or snapshot.clock - bound < _SILENT_AFTER:
        return
    if any(map(from_kubelet, pod_events(snapshot))):
        return  # it speaks of this pod: only the status is missing
    waited = show_duration(snapshot.clock - bound)
    notes = []
    ready = condition(node_of(snapshot), "Ready")
    if ready:
        notes.append(
            (
                f"Ready is {ready.get('status')}: {ready.get('message')}",
                f"node {node_name(pod)} .status.conditions[Ready]",
            )
        )
    yield Symptom(
        "node.pod-not-picked-up",
        POD,
        "pod.status",
        f"bound {waited} ago, and neither startTime nor any container status was written since",
        {"node": node_name(pod), "for": waited},
        bound,
        notes=tuple(notes),
    )
