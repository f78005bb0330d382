"""The first line of a report, the context of commands, and where to look when nothing was found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from poddoctor.model import Body, Identity, Snapshot
from poddoctor.pod.containers import containers, ready_count, restart_count, status_word
from poddoctor.pod.owner import managers, owner_of, revision
from poddoctor.pod.reads import condition, cut_short, found, pod_events, pod_events_read, pod_of, target_body
from poddoctor.pod.units import parse_time, show_duration

_BEFORE_START = ("ContainerCreating", "PodInitializing")


def context_values(snapshot: Snapshot) -> Mapping[str, str]:
    """The placeholders of playbooks.

    ``image of NAME``, ``template lacks NAME``, ``waits_for_pod`` and ``first_revision`` serve the
    engine alone.
    """
    owner = owner_of(snapshot)
    pod = pod_of(snapshot) or {}
    spec = pod.get("spec") or {}
    names = containers(pod)
    values = {
        "namespace": snapshot.target.namespace,
        "pod": snapshot.target.name if snapshot.target.kind == "pod" else "",
        "workload": str(owner),
        "workload_kind": owner.kind,
        "workload_name": owner.name,
        "owner": owner.owner_class,
        "node": str(spec.get("nodeName") or ""),
        "container": next((one.name for one in names if one.kind == "app"), ""),
        "selector": ",".join(f"{key}={value}" for key, value in sorted(_selector(owner.body).items())),
    }
    if owner.kind == "replicaset" and _narrowed(owner.body):
        values["selector"] = ""  # by its labels alone, pods of others would be deleted with its own
    if owner.kind == "statefulset" and _ordered(owner.body):
        values["waits_for_pod"] = "yes"
    if owner.kind == "deployment" and revision(owner.body) == 1:
        values["first_revision"] = "yes"
    values["image"] = next((str(one.spec.get("image", "")) for one in names if one.kind == "app"), "")
    values.update({f"image of {one.name}": str(one.spec.get("image", "")) for one in names})
    if owner.owner_class == "workload" and (known := _in_template(owner.body)):
        values.update({f"template lacks {one.name}": "yes" for one in names if one.name not in known})
    return values


def _in_template(body: Body | None) -> frozenset[str]:
    """The containers in the template of a workload: an injector adds others to its pods alone."""
    template = ((body or {}).get("spec") or {}).get("template") or {}
    spec = template.get("spec") or {}
    listed = [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]
    return frozenset(str(one.get("name")) for one in listed)


def _ordered(statefulset: Body | None) -> bool:
    """Whether its controller replaces no pod while an earlier one is not ready."""
    spec = (statefulset or {}).get("spec") or {}
    return str(spec.get("podManagementPolicy") or "OrderedReady") == "OrderedReady"


def _narrowed(body: Body | None) -> bool:
    """Whether its selector has more than labels."""
    return bool((((body or {}).get("spec") or {}).get("selector") or {}).get("matchExpressions"))


def _selector(body: Body | None) -> Mapping[str, str]:
    selector = ((body or {}).get("spec") or {}).get("selector") or {}
    labels: Mapping[str, str] = selector.get("matchLabels") or {}
    return {} if (body or {}).get("kind") == "ReplicaSet" and selector.get("matchExpressions") else labels


def identify(snapshot: Snapshot) -> Identity:
    """The identity line of the target."""
    pod = pod_of(snapshot)
    if pod is None:
        return _workload(snapshot)
    spec, meta = pod.get("spec") or {}, pod.get("metadata") or {}
    ready, total = ready_count(pod)
    word = status_word(pod)
    facts = [word, f"{ready}/{total} ready"]
    if restarts := restart_count(pod):
        facts.append(f"{restarts} restart{'s' if restarts > 1 else ''}")
    if created := parse_time(meta.get("creationTimestamp")):
        facts.append(f"{show_duration(snapshot.clock - created)} old")
    facts.append(f"on {spec['nodeName']}" if spec.get("nodeName") else "on no node yet")
    owner = owner_of(snapshot)
    if owner.owner_class == "static":
        facts.append("static pod")
    else:
        facts.append("no owner" if owner.kind == "pod" else f"from {owner}")
    return Identity(
        snapshot.target, tuple(facts), healthy=_healthy(pod, word), context=tuple(managers(snapshot))
    )


def _healthy(pod: Body, word: str) -> bool:
    if word == "Completed" or (pod.get("status") or {}).get("phase") == "Succeeded":
        return not cut_short(pod)
    return word == "Running" and condition(pod, "Ready").get("status") == "True"


def _workload(snapshot: Snapshot) -> Identity:
    owner = owner_of(snapshot)
    body = target_body(snapshot) or {}
    spec, status = body.get("spec") or {}, body.get("status") or {}
    wanted = status.get("desiredNumberScheduled", spec.get("replicas", spec.get("completions")))
    have = status.get("readyReplicas", status.get("numberReady", status.get("succeeded"))) or 0
    facts = [f"{have}/{wanted} ready"] if wanted is not None else []
    created = parse_time((body.get("metadata") or {}).get("creationTimestamp"))
    if created:
        facts.append(f"{show_duration(snapshot.clock - created)} old")
    return Identity(
        snapshot.target,
        tuple(facts),
        healthy=not spec.get("suspend") if wanted is None else have >= wanted,
        context=tuple(managers(snapshot)) if owner.body else (),
    )


def _events_gone(snapshot: Snapshot) -> Iterable[str]:
    """That nothing the kubelet said is left: it expires an hour after it was said last."""
    if pod_of(snapshot) and found(snapshot, pod_events_read(snapshot)) and not pod_events(snapshot):
        yield "no event of the pod is left (each goes an hour after it was last said)"


def look_next(snapshot: Snapshot) -> tuple[str, ...]:
    """Commands that show more, for a pod that does not work and whose cause was not found."""
    target = snapshot.target
    kind = "pod" if target.kind == "pod" else target.kind
    lines = list(_events_gone(snapshot))
    lines += [f"kubectl -n {target.namespace} describe {kind} {target.name}"]
    pod = pod_of(snapshot) or {}
    node = (pod.get("spec") or {}).get("nodeName")
    lines += [
        f"kubectl -n {target.namespace} logs {target.name} -c {one.name} --tail=50"
        for one in containers(pod, "init", "sidecar", "app")
        if one.is_running and not one.ready
    ]
    if node and any(one.waiting.get("reason") in _BEFORE_START for one in containers(pod)):
        lines.append(f"kubectl get pods -A -o wide --field-selector spec.nodeName={node}")
        if any(one.get("persistentVolumeClaim") for one in (pod.get("spec") or {}).get("volumes") or []):
            lines.append(f"kubectl get volumeattachments | grep {node}")
    if node:
        lines.append(f"on {node}: journalctl -u kubelet --since -10m")
    return tuple(lines)
