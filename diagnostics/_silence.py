"""A pod that waits for its sandbox while no event of it is left: what its surroundings say in its place."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from poddoctor.model import Body, Found, Read, Snapshot
from poddoctor.pod.containers import containers
from poddoctor.pod.reads import Event, condition, event, list_of, node_of, pod_events, pod_events_read
from poddoctor.pod.units import parse_time, show_duration

from ._blocked import standing_events, waits_for_start
from ._sandbox_text import read_sandbox

_PATIENCE = timedelta(seconds=75)
_LONG = timedelta(minutes=2)
_VERY_LONG = timedelta(minutes=5)
# Warnings of which another stage, or another part of this one, makes its own symptom.
_TOLD_ELSEWHERE = frozenset(
    {
        *("FailedMount", "FailedAttachVolume", "FailedMapVolume", "FailedBinding", "FailedScheduling"),
        *("FailedCreatePodSandBox", "NetworkNotReady", "FailedCreatePodContainer", "FailedPodSandBoxStatus"),
        *("FailedPrepareDynamicResources", "SysctlForbidden", "AppArmor", "BackOff", "InspectFailed"),
        *("FailedSync", "NodeNotReady", "FailedKillPod", "Preempted", "Evicted", "Unhealthy"),
        *("FailedToRetrieveImagePullSecret", "DNSConfigForming", "ResourceClaimCreationFailed"),
    }
)
_HARMLESS = ("Scheduled", "SuccessfulAttachVolume", "TaintManagerEviction", "NominatedPodFor")
_REASON = "FailedCreatePodSandBox"
_LOST = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Told:
    """What was said; ``told`` is ``sibling`` (an event of a pod like this) or ``state`` (an object)."""

    problem: str
    text: str
    source: str
    told: str
    details: dict[str, str] = field(default_factory=dict)
    notes: tuple[tuple[str, str], ...] = ()


def silent(snapshot: Snapshot, pod: Body) -> bool:
    """Whether the pod has waited for its sandbox for a while, and its events are gone (not merely unread)."""
    answer = snapshot.answers.get(pod_events_read(snapshot))
    if not waits_for_start(pod) or not isinstance(answer, Found) or pod_events(snapshot):
        return False
    since = parse_time(condition(pod, "PodScheduled").get("lastTransitionTime"))
    since = since or parse_time((pod.get("status") or {}).get("startTime"))
    return since is not None and snapshot.clock - since > _PATIENCE


def unexplained(snapshot: Snapshot, pod: Body) -> str:
    """For how long the pod has waited on its node with nothing to read that says why; else empty."""
    ready = condition(node_of(snapshot), "Ready").get("status")
    events = [one for one in pod_events(snapshot) if one.type == "Warning" or one.reason not in _HARMLESS]
    if not waits_for_start(pod) or (events and unknown(snapshot) is None) or ready not in (None, "True"):
        return ""
    if not any(one.waiting for one in containers(pod, "init", "sidecar", "app")):
        return ""  # kubelet has not taken it up: that is the node's business
    since = parse_time(condition(pod, "PodScheduled").get("lastTransitionTime"))
    since = since or parse_time((pod.get("status") or {}).get("startTime"))
    lasted = snapshot.clock - since if since else timedelta()
    # A young pod has events when nothing is wrong: without a single one, they are lost.
    patience = _PATIENCE if silent(snapshot, pod) else _LONG
    return show_duration(lasted) if lasted > patience else ""


def unknown(snapshot: Snapshot) -> Event | None:
    """The newest warning while the pod waits, when all are of reasons that no stage knows."""
    warnings = [one for one in pod_events(snapshot) if one.type == "Warning" and one.message]
    if any(one.reason in _TOLD_ELSEWHERE for one in warnings):
        return None
    return next(iter(standing_events(snapshot, {one.reason for one in warnings})), None)


def between(snapshot: Snapshot, pod: Body) -> tuple[str, str]:
    """For how long nothing has followed the last init container, and the image that is next; else empty."""
    inits, apps = containers(pod, "init", "sidecar"), containers(pod, "app")
    ready = condition(node_of(snapshot), "Ready").get("status")
    ends = [parse_time(one.terminated.get("finishedAt")) for one in inits if one.kind == "init"]
    # Without an end, or with an event that tells of progress, another stage knows more.
    if not ends or None in ends or ready not in (None, "True") or _begun(snapshot):
        return "", ""
    if any(one.terminated.get("exitCode") != 0 for one in inits if one.kind == "init"):
        return "", ""
    if any(one.waiting.get("reason") != "PodInitializing" or one.last_terminated for one in apps):
        return "", ""
    if (pod.get("metadata") or {}).get("deletionTimestamp") or not all(
        one.is_running for one in inits if one.kind == "sidecar"
    ):
        return "", ""
    lasted = snapshot.clock - max(one for one in ends if one)
    image = str(apps[0].spec.get("image") or "") if apps else ""
    return (show_duration(lasted), f"image {image}") if lasted > _VERY_LONG else ("", "")


def _begun(snapshot: Snapshot) -> bool:
    return any(one.type == "Warning" or one.reason not in _HARMLESS for one in pod_events(snapshot))


def awaited(pod: Body) -> str:
    """What kubelet may be waiting for, as far as the pod shows it."""
    spec = pod.get("spec") or {}
    names = [
        str(one.get("name"))
        for one in spec.get("volumes") or []
        if not str(one.get("name")).startswith("kube-api-access-")
    ]
    parts = [f"volume{'s' if len(names) > 1 else ''} {', '.join(names[:4])}"] if names else []
    if claims := [str(one.get("name")) for one in spec.get("resourceClaims") or []]:
        parts.append(f"the devices of claim {', '.join(claims)}")
    sandbox = "its sandbox" if spec.get("hostNetwork") else "its sandbox and network"
    if spec.get("runtimeClassName"):
        sandbox += f" (runtime class {spec['runtimeClassName']})"
    elif networks := ((pod.get("metadata") or {}).get("annotations") or {}).get(
        "k8s.v1.cni.cncf.io/networks"
    ):
        sandbox += f" (also {' '.join(str(networks).split())[:60]})"
    parts.append(sandbox)
    if condition(pod, "PodReadyToStartContainers").get("status") != "False" or not names:
        first = next(iter(containers(pod, "init", "sidecar", "app")), None)
        parts += [f"image {first.spec.get('image')}"] if first else []
    return " or ".join(parts)


def sibling_events_read(namespace: str) -> Read:
    """The failed sandboxes of other pods, in one namespace or in all (empty)."""
    purpose = "would show why the sandboxes of other pods on the node fail"
    selector = f"involvedObject.kind=Pod,reason={_REASON}"
    return list_of("v1", "events", namespace, purpose, fieldSelector=selector, limit="20")


def sibling_reads(snapshot: Snapshot, pod: Body) -> Iterator[Read]:
    """Events of other pods: in the namespace first, in the others when that has none."""
    yield sibling_events_read(snapshot.target.namespace)
    near = snapshot.answers.get(sibling_events_read(snapshot.target.namespace))
    if near is not None and not list(_siblings(snapshot, pod, snapshot.target.namespace)):
        yield sibling_events_read("")


def said_of_others(snapshot: Snapshot, pod: Body) -> Iterator[Told]:
    """The newest words about a pod of the same owner, or on the same node."""
    for namespace in (snapshot.target.namespace, ""):
        for name, text, source in _siblings(snapshot, pod, namespace):
            problem, details = read_sandbox(text)
            note = (f"no event of this pod is left; this is said of pod {name}", source)
            yield Told(problem, text, source, "sibling", details, (note,))
            return


def _siblings(snapshot: Snapshot, pod: Body, namespace: str) -> Iterator[tuple[str, str, str]]:
    node = (pod.get("spec") or {}).get("nodeName")
    stem = str((pod.get("metadata") or {}).get("generateName") or "")
    rows = snapshot.items(sibling_events_read(namespace)) or []
    for body in sorted(
        rows, key=lambda one: str(one.get("lastTimestamp") or one.get("eventTime") or "")[:19]
    )[::-1]:
        about, one = body.get("involvedObject") or {}, event(body)
        name = str(about.get("name") or "")
        host = (body.get("source") or {}).get("host") or body.get("reportingInstance")
        alike = bool(stem) and name.startswith(stem) and about.get("namespace") == snapshot.target.namespace
        recent = one.time is not None and snapshot.clock - one.time < _LOST
        if one.reason == _REASON and recent and (host == node or (alike and not host)):
            yield name, one.message, f"{one.source} of {about.get('namespace')}/{name}"


def range_used_up(snapshot: Snapshot, pods: list[Body] | None) -> Told | None:
    """The node's own range of addresses, when the pods on it hold them all."""
    cidr = str(((node_of(snapshot) or {}).get("spec") or {}).get("podCIDR") or "")
    if pods is None or not re.fullmatch(r"[\d.]+/\d+", cidr):
        return None
    network = ipaddress.ip_network(cidr, strict=False)
    held = {
        str(status["podIP"])
        for one in pods
        if (status := one.get("status") or {}).get("podIP")
        and status.get("phase") not in ("Succeeded", "Failed")
    }
    held = {address for address in held if ipaddress.ip_address(address) in network}
    # The network's own address, the gateway's and the broadcast address are never given out.
    free = network.num_addresses - 3 - len(held)
    if free > 0:
        return None
    text = f"the pods of the node hold {len(held)} addresses of its range {cidr}, which has no more"
    return Told("ip-exhausted", text, "node.spec.podCIDR", "state", {"range": cidr})


def handler_unknown(snapshot: Snapshot, handler: str) -> Told | None:
    """A handler that the node's runtime does not list among its own."""
    status = (node_of(snapshot) or {}).get("status") or {}
    known = [str(one.get("name") or "") for one in status.get("runtimeHandlers") or []]
    if not handler or not known or handler in known:
        return None
    text = (
        f"the runtime of the node has no handler {handler}: it has {', '.join(one for one in known if one)}"
    )
    return Told("runtime-handler", text, "node.status.runtimeHandlers", "state", {"handler": handler})


def user_namespace_unknown(snapshot: Snapshot, pod: Body) -> Told | None:
    """A pod with its own user namespace on a node whose runtime says that it has none."""
    status = (node_of(snapshot) or {}).get("status") or {}
    handlers = status.get("runtimeHandlers") or []
    if (pod.get("spec") or {}).get("hostUsers") is not False or not handlers:
        return None
    if any((one.get("features") or {}).get("userNamespaces") for one in handlers):
        return None
    text = "no handler of the node's runtime has the feature userNamespaces"
    why = "its runtime has no user namespaces"
    return Told("user-namespaces", text, "node.status.runtimeHandlers", "state", {"why": why})


def others_wait_too(snapshot: Snapshot, pods: list[Body] | None) -> list[str]:
    """Other pods of the node that wait for their sandbox as well: then it is the node."""
    return [
        f"{(one.get('metadata') or {}).get('namespace')}/{(one.get('metadata') or {}).get('name')}"
        for one in pods or []
        if (one.get("metadata") or {}).get("name") != snapshot.target.name and _waits(one)
    ]


def _waits(pod: Body) -> bool:
    return waits_for_start(pod) and any(one.waiting for one in containers(pod, "init", "sidecar", "app"))
