"""Stage sandbox: the pod has its node and its volumes, and its network or cgroup cannot be made."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from poddoctor.model import POD, Body, Read, Snapshot, Symptom, SymptomKind
from poddoctor.pod.clip import clip
from poddoctor.pod.containers import Container, containers
from poddoctor.pod.pattern import lazy
from poddoctor.pod.reads import Event, condition, get, list_of, node_of, node_read, pod_events, pod_of

from . import _silence as silence
from ._blocked import network_condition, progressed, standing_events, waits_for_start
from ._sandbox_text import read_sandbox

_FAILED = (
    "FailedCreatePodSandBox",
    "NetworkNotReady",
    "FailedCreatePodContainer",
    "FailedPodSandBoxStatus",
    "FailedSync",
)
_ATTRIBUTES = (
    "problem",
    "plugin",
    "delegate",
    "network",
    "why",
    "node",
    "handler",
    "runtime_class",
    "image_ref",
    "path",
    "attachment",
    "attempts",
    "agent",
    "agent_namespace",
    "agent_state",
    "siblings",
    "range",
    "other_nodes",
    "told",
    "volume",
    "file_system",
    "mount",
)
SYMPTOMS: Mapping[str, SymptomKind] = {
    "sandbox.failed": SymptomKind("The runtime could not make the pod's sandbox.", _ATTRIBUTES),
    "sandbox.network-not-ready": SymptomKind(
        "The node has no network plugin that is ready.",
        ("node", "why", "agent", "agent_namespace", "agent_state"),
    ),
    "sandbox.profile-missing": SymptomKind(
        "A container asks for an AppArmor or seccomp profile that the node does not have.",
        ("kind", "profile", "node", "path", "level", "apparmor", "list"),
    ),
    "sandbox.sysctl-forbidden": SymptomKind(
        "The pod sets a kernel parameter that the node does not allow.", ("sysctl", "node", "value")
    ),
    "sandbox.unexplained": SymptomKind(
        "The pod waits on its node before its first container, and nothing that can be read says why.",
        ("node", "since", "awaited", "told", "teller"),
    ),
    "sandbox.devices-not-prepared": SymptomKind(
        "The driver could not prepare the devices of a resource claim.", ("why", "node", "resource_claim")
    ),
}
_AGENTS = {
    "calico": "calico-node",
    "cilium-cni": "cilium",
    "cilium": "cilium",
    "aws-cni": "aws-node",
    "flannel": "flannel",
    "multus": "multus",
    "multus-shim": "multus",
    "istio-cni": "istio-cni",
    "weave-net": "weave",
    "antrea": "antrea-agent",
    "kube-ovn": "kube-ovn-cni",
    "ovn-k8s-cni-overlay": "ovnkube-node",
    "azure-vnet": "azure-cns",
    "canal": "canal",
    "kube-router": "kube-router",
    "ptp": "kindnet",
    "linkerd-cni": "linkerd-cni",
    "whereabouts": "whereabouts",
}
_ANY_AGENT = lazy(
    "calico|cilium|aws-node|flannel|multus|istio-cni|weave|antrea|ovn|azure-c|canal|kube-router|kindnet|podnet|cni|-net"
)
_SECCOMP = lazy(
    r"(?:cannot load seccomp profile|seccomp profile|failed to generate seccomp).{0,40}?"
    r"\\*\"?(?P<path>/[^\s\":\\]+)"
    r"\\*\"?[^\n]*?(?:no such file|does not exist|not found)"
    r"|seccomp[^\n]*?open (?P<path2>/[^\s:]+): no such file"
)
_APPARMOR = lazy(
    r"apparmor(?: is enabled but)? profile (?:not found |\\*[\"']?)(?P<profile>[\w./-]+)"
    r"|AppArmor profile \\*[\"'](?P<profile2>[^\"'\\]+)\\*[\"']"
    r"|profile \\*[\"'](?P<profile3>[^\"'\\]+)\\*[\"'] is not loaded"
    r"|apparmor failed to apply profile[^\n]*?|unable to apply apparmor profile",
    re.IGNORECASE,
)
_UNMAPPED = lazy(r"MOUNT_ATTR_IDMAP|does ?n[o']t support idmap|idmap mount|mount_setattr")
_AT = lazy(r"to rootfs(?: \\*\"[^\"]*\")? at \\*\"(?P<mount>[^\"\\]+)|mount_setattr`? `(?P<target>/[^`]+)`")
_IN_POD = lazy(r"/volumes/(?:[\w.-]+~)?(?P<kind>[\w-]+)/(?P<volume>[^/\s\"\\]+)")
_UNANSWERED = lazy(
    r"^error determining status: .*(?:DeadlineExceeded|deadline exceeded|Unavailable|connection refused)"
)
_OFTEN = 5
_SYSCTL = lazy(r"forbidden sysctl: \\*\"(?P<sysctl>[^\"\\]+)\\*\"\s*(?P<why>[^\n]*)")


def reads(snapshot: Snapshot) -> Iterable[Read]:
    """The node and the network agents on it, when the sandbox fails."""
    pod = pod_of(snapshot)
    if pod is None or not waits_for_start(pod):
        return
    node = str((pod.get("spec") or {}).get("nodeName"))
    events = _failures(snapshot)
    if events or not pod_events(snapshot):
        yield node_read(node)
    problems = {read_sandbox(one.message)[0] for one in events}
    quiet = silence.silent(snapshot, pod)
    if quiet:
        yield from silence.sibling_reads(snapshot, pod)
    if quiet or problems & {"cni", "not-ready", "ip-exhausted", "plugin-missing"} or _network_down(snapshot):
        yield node_pods_read(node)
    name = (pod.get("spec") or {}).get("runtimeClassName")
    if name and (events or quiet):
        yield runtime_class_read(str(name))


def _failures(snapshot: Snapshot) -> list[Event]:
    """The standing events about the sandbox; of a failed sync only that the runtime does not answer."""
    found = standing_events(snapshot, _FAILED)
    return [one for one in found if one.reason != "FailedSync" or _UNANSWERED.search(one.message)]


def node_pods_read(node: str) -> Read:
    """All pods of the node: the network plugin's agent among them."""
    purpose = "would show whether the network plugin's agent runs on the node"
    return list_of("v1", "pods", "", purpose, fieldSelector=f"spec.nodeName={node}")


def runtime_class_read(name: str) -> Read:
    """One runtime class."""
    return get(
        "node.k8s.io/v1", "runtimeclasses", "", name, f"would show the handler of runtime class {name}"
    )


def examine(snapshot: Snapshot) -> Iterable[Symptom]:
    """What keeps the sandbox from the pod."""
    pod = pod_of(snapshot)
    if pod is None:
        return
    yield from _rejected(snapshot, pod)
    yield from _profiles(pod)
    yield from _unmapped(pod)
    if waits_for_start(pod):
        yield from _sandbox(snapshot, pod)
        yield from _devices(snapshot, pod)
    elif not network_condition(pod):
        yield from _between(snapshot, pod)


def _between(snapshot: Snapshot, pod: Body) -> Iterator[Symptom]:
    """All that can be said when nothing follows the init containers; where the condition is, images tells."""
    since, image = silence.between(snapshot, pod)
    if since:
        node = str((pod.get("spec") or {}).get("nodeName") or "")
        attributes = {"node": node, "since": since, "awaited": image}
        text = f"all init containers have ended, and no container was made for {since} after them"
        yield Symptom("sandbox.unexplained", POD, "pod.status.initContainerStatuses", text, attributes)


def _sandbox(snapshot: Snapshot, pod: Body) -> Iterator[Symptom]:
    node = str((pod.get("spec") or {}).get("nodeName"))
    down = _network_down(snapshot) and not (pod.get("spec") or {}).get("hostNetwork")
    events = _failures(snapshot)
    seen: set[str] = set()
    for one in events:
        problem, details = read_sandbox(one.message)
        if problem in seen:
            continue
        seen.add(problem)
        yield from _failure(snapshot, pod, node, one, problem, details, len(events))
        if problem not in ("timeout", "other"):
            return  # what it says now is what counts; older words are of an earlier state
    if down and "not-ready" not in seen and not progressed(snapshot):
        text = str(condition(node_of(snapshot), "Ready").get("message"))
        more, notes = _agent(snapshot, node, "")
        source = f"node {node} status.conditions[Ready].message"
        yield Symptom("sandbox.network-not-ready", POD, source, text, {"node": node, **more}, notes=notes)
    elif silence.silent(snapshot, pod):
        yield from _unspoken(snapshot, pod, node)
    elif not events and (changed := _changed(snapshot)):
        why = f"it was killed and made anew {changed.count} times"
        attributes = {
            "problem": "other",
            "node": node,
            "told": "own",
            "why": why,
            "attempts": str(changed.count),
        }
        yield Symptom("sandbox.failed", POD, changed.source, changed.message, attributes, changed.time)
    elif not events:
        yield from _unexplained(snapshot, pod, node)


def _unspoken(snapshot: Snapshot, pod: Body, node: str) -> Iterator[Symptom]:
    """The reason as other pods, the node and its network agent show it, when this pod's events are gone."""
    pods = snapshot.items(node_pods_read(node))
    spec = pod.get("spec") or {}
    runtime = snapshot.body(runtime_class_read(str(spec.get("runtimeClassName") or ""))) or {}
    told = next(silence.said_of_others(snapshot, pod), None) or silence.handler_unknown(
        snapshot, str(runtime.get("handler") or "")
    )
    told = told or silence.user_namespace_unknown(snapshot, pod)
    if told is None and not spec.get("hostNetwork"):
        told = silence.range_used_up(snapshot, pods) or _agent_down(snapshot, node)
    if told is None:
        yield from _unexplained(snapshot, pod, node)
        return
    attributes = {"problem": told.problem, "node": node, "told": told.told, **told.details}
    if told.problem.startswith("runtime-") and spec.get("runtimeClassName"):
        attributes["runtime_class"] = str(spec["runtimeClassName"])
    notes = list(told.notes)
    if others := silence.others_wait_too(snapshot, pods):
        notes.append((f"{len(others)} more pods wait on {node}: {', '.join(others[:4])}", f"pods on {node}"))
    yield Symptom("sandbox.failed", POD, told.source, told.text, attributes, notes=tuple(notes))


def _changed(snapshot: Snapshot) -> Event | None:
    """The event that tells that the sandbox was replaced again and again, each time before a container."""
    return next((one for one in standing_events(snapshot, ("SandboxChanged",)) if one.count >= _OFTEN), None)


def _unexplained(snapshot: Snapshot, pod: Body, node: str) -> Iterator[Symptom]:
    """All that can be said of a pod that waits on its node when nothing tells why."""
    if since := silence.unexplained(snapshot, pod):
        attributes = {"node": node, "since": since, "awaited": silence.awaited(pod)}
        if said := silence.unknown(snapshot):
            attributes["told"] = f"{said.reason}: {clip(' '.join(said.message.split()), 140)}"
            attributes["teller"] = said.component or "an event"
            yield Symptom("sandbox.unexplained", POD, said.source, said.message, attributes, said.time)
            return
        text = f"no container was made for {since}, and no event that can be read says why"
        yield Symptom("sandbox.unexplained", POD, "pod.status.containerStatuses", text, attributes)


def _agent_down(snapshot: Snapshot, node: str) -> silence.Told | None:
    """The node's network agent, when it is not ready: it makes the networks of new pods."""
    details, _ = _agent(snapshot, node, "")
    if not details:
        return None
    where = f"{details['agent_namespace']}/{details['agent']}"
    text = f"the network agent {where} on {node} is not ready: {details['agent_state']}"
    why = f"its agent {details['agent']} is {details['agent_state']}"
    return silence.Told("cni", text, f"pod {where}", "state", {**details, "why": why})


def _failure(
    snapshot: Snapshot, pod: Body, node: str, one: Event, problem: str, details: dict[str, str], attempts: int
) -> Iterator[Symptom]:
    attributes = {"problem": problem, "node": node, "told": "own", **details}
    notes: tuple[tuple[str, str], ...] = ()
    if one.count > 1 or attempts > 1:
        attributes["attempts"] = str(max(one.count, attempts))
    if problem == "sysctl":
        name = details.get("sysctl", "").replace("/", ".")
        yield Symptom(
            "sandbox.sysctl-forbidden", POD, one.source, one.message, {"sysctl": name, "node": node}, one.time
        )
        return
    if problem == "security-profile":
        yield _profile(pod, one.message, one.source)
        return
    if problem in ("cni", "not-ready", "ip-exhausted", "plugin-missing"):
        more, notes = _agent(snapshot, node, details.get("plugin", ""))
        attributes.update(more)
    if problem == "ip-exhausted":
        more, further = _addresses(snapshot, node)
        attributes.update(more)
        notes = (*further, *notes)
    if problem.startswith("runtime-"):
        more, notes = _handler(snapshot, pod, details.get("handler", ""))
        attributes.update(more)
    attributes = {key: value for key, value in attributes.items() if value}
    if problem == "not-ready":
        wanted = {
            key: attributes[key]
            for key in SYMPTOMS["sandbox.network-not-ready"].attributes
            if key in attributes
        }
        yield Symptom(
            "sandbox.network-not-ready", POD, one.source, one.message, wanted, one.time, notes=notes
        )
        return
    yield Symptom("sandbox.failed", POD, one.source, one.message, attributes, one.time, notes=notes)


def _network_down(snapshot: Snapshot) -> bool:
    ready = condition(node_of(snapshot), "Ready")
    text = str(ready.get("message") or "")
    return ready.get("status") == "False" and (
        "NetworkReady=false" in text or "NetworkPluginNotReady" in text
    )


def _agent(snapshot: Snapshot, node: str, plugin: str) -> tuple[dict[str, str], tuple[tuple[str, str], ...]]:
    """The network plugin's own pod on the node, when it is not ready: it explains the plugin's failure."""
    wanted = _AGENTS.get(plugin, plugin)
    for pod in snapshot.items(node_pods_read(node)) or []:
        meta, status = pod.get("metadata") or {}, pod.get("status") or {}
        name = str(meta.get("name") or "")
        owner = (meta.get("ownerReferences") or [{}])[0].get("kind")
        hosted = (pod.get("spec") or {}).get("hostNetwork")
        if (
            owner != "DaemonSet"
            or not hosted
            or not (_ANY_AGENT.search(name) if not wanted else wanted in name or _ANY_AGENT.search(name))
        ):
            continue
        if condition(pod, "Ready").get("status") == "True":
            continue
        waiting = next(
            (one.waiting.get("reason") for one in containers(pod) if one.waiting.get("reason")), None
        )
        state = str(waiting or status.get("reason") or status.get("phase") or "not ready")
        found = {"agent": name, "agent_namespace": str(meta.get("namespace")), "agent_state": state}
        return found, ((f"{meta.get('namespace')}/{name} on {node} is not ready: {state}", f"pod {name}"),)
    return {}, ()


def _addresses(snapshot: Snapshot, node: str) -> tuple[dict[str, str], tuple[tuple[str, str], ...]]:
    """How many addresses the pods of the node hold, against what the node's range can give."""
    items = snapshot.items(node_pods_read(node))
    if items is None:
        return {}, ()
    held = sum(
        bool((one.get("status") or {}).get("podIP"))
        and not (one.get("spec") or {}).get("hostNetwork")
        and (one.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
        for one in items
    )
    if not held:
        return {}, ()  # the pods of the node are not among those that are known
    found = {"siblings": "1 pod there has" if held == 1 else f"{held} pods there have"}
    text = f"{held} pod{'' if held == 1 else 's'} on {node} hold{'s' if held == 1 else ''} an address"
    if cidr := ((node_of(snapshot) or {}).get("spec") or {}).get("podCIDR"):
        text += f"; the node's range is {cidr}"
    return found, ((text, f"pods on {node}"),)


def _handler(
    snapshot: Snapshot, pod: Body, handler: str
) -> tuple[dict[str, str], tuple[tuple[str, str], ...]]:
    name = str((pod.get("spec") or {}).get("runtimeClassName") or "")
    found = {"runtime_class": name}
    notes = []
    body = snapshot.body(runtime_class_read(name)) if name else None
    if body is not None:
        notes.append(
            (f"runtime class {name} has handler {body.get('handler')}", f"runtimeclass {name} handler")
        )
        if not handler:
            found["handler"] = str(body.get("handler") or "")
    known = [
        str(one.get("name") or "")
        for one in ((node_of(snapshot) or {}).get("status") or {}).get("runtimeHandlers") or []
    ]
    if listed := [one for one in known if one]:
        notes.append((f"handlers of the node's runtime: {', '.join(listed)}", "node status.runtimeHandlers"))
    return {key: value for key, value in found.items() if value}, tuple(notes)


def _rejected(snapshot: Snapshot, pod: Body) -> Iterator[Symptom]:
    """The kubelet turned the pod away before it made anything."""
    status = pod.get("status") or {}
    node = str((pod.get("spec") or {}).get("nodeName") or "")
    if status.get("reason") == "SysctlForbidden":
        text = str(status.get("message") or "")
        match = _SYSCTL.search(text)
        attributes = {"node": node, **({"sysctl": match["sysctl"]} if match else {})}
        if "sysctl" not in attributes:
            event = next((one for one in pod_events(snapshot)[::-1] if one.reason == "SysctlForbidden"), None)
            if event and (match := _SYSCTL.search(event.message)):
                attributes["sysctl"], text = match["sysctl"], event.message
        attributes.update(_sysctl_value(pod, attributes.get("sysctl", "")))
        yield Symptom(
            "sandbox.sysctl-forbidden", POD, "pod.status.message", text or "SysctlForbidden", attributes
        )
    elif status.get("reason") == "AppArmor":
        yield _profile(pod, str(status.get("message") or ""), "pod.status.message")


def _sysctl_value(pod: Body, name: str) -> dict[str, str]:
    context = (pod.get("spec") or {}).get("securityContext") or {}
    for one in context.get("sysctls") or []:
        if str(one.get("name")).replace("/", ".") == name and one.get("value") is not None:
            return {"value": str(one["value"])}
    return {}


def _profiles(pod: Body) -> Iterator[Symptom]:
    """A missing profile shows when a container is created, in the container's own words."""
    for one in containers(pod):
        for body, place in (
            (one.waiting, "state.waiting"),
            (one.terminated, "state.terminated"),
            (one.last_terminated, "lastState.terminated"),
        ):
            text = str(body.get("message") or "")
            if text and not one.is_running and (_SECCOMP.search(text) or _APPARMOR.search(text)):
                symptom = _profile(pod, text, f"{one.status_path}.{place}.message")
                if symptom.attributes.get("kind") == "AppArmor":
                    asked = _asked_profile(pod, one)
                else:
                    own = (one.spec.get("securityContext") or {}).get("seccompProfile")
                    asked = {"level": "container" if own else "pod"}
                asked["list"] = "initContainers" if one.kind in ("init", "sidecar") else "containers"
                yield Symptom(
                    symptom.name, one.subject, symptom.source, text, {**asked, **symptom.attributes}
                )
                break


def _unmapped(pod: Body) -> Iterator[Symptom]:
    """A volume that cannot be mounted into a user namespace: it shows when the container is created."""
    own = (pod.get("spec") or {}).get("hostUsers") is False
    for one in containers(pod):
        for body, place in (
            (one.waiting, "state.waiting"),
            (one.terminated, "state.terminated"),
            (one.last_terminated, "lastState.terminated"),
        ):
            text = str(body.get("message") or "")
            if one.is_running or not _UNMAPPED.search(text) or not (own or "MOUNT_ATTR_IDMAP" in text):
                continue
            found = _AT.search(text)
            at = (found["mount"] or found["target"]) if found else ""
            attributes = {
                "problem": "user-namespaces",
                "told": "own",
                "node": str((pod.get("spec") or {}).get("nodeName") or ""),
                "why": "the file system of a volume cannot map users",
                "mount": at,
                **_mounted(pod, one, at, text),
            }
            known = {key: value for key, value in attributes.items() if value}
            yield Symptom("sandbox.failed", one.subject, f"{one.status_path}.{place}.message", text, known)
            break


def _mounted(pod: Body, one: Container, at: str, text: str) -> dict[str, str]:
    """The volume at this path and what it is made of; or what its path on the node tells."""
    path = _IN_POD.search(text)
    mounts = one.spec.get("volumeMounts") or []
    volume = next((str(each.get("name")) for each in mounts if at and each.get("mountPath") == at), "")
    body: Body = next(
        (each for each in (pod.get("spec") or {}).get("volumes") or [] if each.get("name") == volume), {}
    )
    if not body and path:
        return {"volume": path["volume"], "file_system": path["kind"]}
    return {"volume": volume, "file_system": next((key for key in body if key != "name"), "")}


def _asked_profile(pod: Body, one: Container) -> dict[str, str]:
    """The AppArmor profile that the container asks for: in a field, or before 1.30 in an annotation."""
    notes = (pod.get("metadata") or {}).get("annotations") or {}
    noted = str(notes.get(f"container.apparmor.security.beta.kubernetes.io/{one.name}") or "")
    for level, spec in (("container", one.spec), ("pod", pod.get("spec") or {})):
        profile = (spec.get("securityContext") or {}).get("appArmorProfile") or {}
        if profile.get("localhostProfile"):
            return {"profile": str(profile["localhostProfile"]), "level": level}
    if noted.startswith("localhost/"):
        return {"profile": noted.removeprefix("localhost/"), "level": "annotation"}
    return {}


def _profile(pod: Body, text: str, source: str) -> Symptom:
    attributes = {"node": str((pod.get("spec") or {}).get("nodeName") or "")}
    if match := _SECCOMP.search(text):
        path = match["path"] or match["path2"]
        attributes.update(kind="seccomp", profile=path.rpartition("/seccomp/")[2] or path, path=path)
    elif "AppArmor is not enabled" in text or "AppArmor is not supported" in text:
        attributes.update(kind="AppArmor", apparmor="not enabled")
    elif match := _APPARMOR.search(text):
        attributes["kind"] = "AppArmor"
        profile = match["profile"] or match["profile2"] or match["profile3"]
        if profile:
            attributes["profile"] = profile.removeprefix("localhost/")
    return Symptom("sandbox.profile-missing", POD, source, text, {k: v for k, v in attributes.items() if v})


def _devices(snapshot: Snapshot, pod: Body) -> Iterator[Symptom]:
    node = str((pod.get("spec") or {}).get("nodeName"))
    for one in standing_events(snapshot, ("FailedPrepareDynamicResources",))[:1]:
        attributes = {
            "node": node,
            "why": clip(one.message.removeprefix("Failed to prepare dynamic resources: "), 160),
        }
        if match := re.search(r"ResourceClaim (?P<name>[\w./-]+)", one.message):
            attributes["resource_claim"] = match["name"].rpartition("/")[2]
        yield Symptom("sandbox.devices-not-prepared", POD, one.source, one.message, attributes, one.time)
