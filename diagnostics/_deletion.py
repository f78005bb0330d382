"""A pod that is to be deleted: what it waits for, how long it may, and who had it deleted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta

from poddoctor.model import POD, Body, Snapshot, Symptom
from poddoctor.pod.containers import containers
from poddoctor.pod.reads import condition, node_of, pod_events
from poddoctor.pod.units import parse_time, show_duration

from ._drain import budgets
from ._nodes import node_name, trouble_of
from ._selectors import name_of

_MARGIN = timedelta(seconds=90)  # to unmount volumes and give back the address
_FINALIZERS = (
    ("batch.kubernetes.io/job-tracking", "the Job controller"),
    ("foregroundDeletion", "the garbage collector"),
    ("orphan", "the garbage collector"),
    ("kubernetes.io/pv", "the volume protection controller"),
    ("service.kubernetes.io/", "the service controller"),
    ("elbv2.k8s.aws/", "the AWS Load Balancer Controller"),
    ("kueue.x-k8s.io/", "Kueue"),
    ("karpenter.sh/", "Karpenter"),
    ("finalizers.argocd.argoproj.io", "Argo CD"),
    ("workflows.argoproj.io/", "Argo Workflows"),
    ("tekton.dev", "Tekton"),
    ("chains.tekton.dev", "Tekton Chains"),
    ("resource.kubernetes.io/", "the resource claim controller"),
    ("vpcresources.k8s.aws/", "the AWS VPC resource controller"),
    ("networking.gke.io/", "GKE's load balancer controller"),
    ("ephemeralrunner.actions.github.com/", "GitHub's Actions Runner Controller"),
    ("actions.github.com/", "GitHub's Actions Runner Controller"),
    ("runner.actions.summerwind.dev", "the Actions Runner Controller"),
    ("actions.summerwind.dev", "the Actions Runner Controller"),
    ("foregroundDeleteVirtualMachine", "KubeVirt"),
    ("kubevirt.io/", "KubeVirt"),
    ("ray.io/", "KubeRay"),
    ("sparkoperator.k8s.io/", "the Spark operator"),
    ("apps.kruise.io/", "OpenKruise"),
    ("volcano.sh/", "Volcano"),
    ("controller.cattle.io/", "Rancher"),
    ("wrangler.cattle.io/", "Rancher"),
    ("finalizers.fluxcd.io", "Flux"),
    ("cilium.io/", "Cilium"),
    ("longhorn.io", "Longhorn"),
    ("knative.dev/", "Knative"),
)
_KILL_EVENTS = ("FailedKillPod", "ExceededGracePeriod", "KillContainerError")


def is_deleted(pod: Body) -> bool:
    """Whether somebody asked for the pod to be deleted."""
    return bool((pod.get("metadata") or {}).get("deletionTimestamp"))


def deletion(snapshot: Snapshot, pod: Body) -> Iterator[Symptom]:
    """What the deletion of this pod waits for."""
    yield from who_deleted(snapshot, pod)
    meta = pod.get("metadata") or {}
    values, overdue = _times(snapshot, pod)
    trouble = trouble_of(snapshot)
    failed = next((one for one in reversed(pod_events(snapshot)) if one.reason in _KILL_EVENTS), None)
    if _all_ended(pod) and meta.get("finalizers"):
        yield _finalizers(pod, values)
    elif trouble is not None and (trouble.ready != "gone" or overdue > timedelta(0)):
        text = f"to be deleted, and node {values.get('node')}: {trouble.message}"
        extra = {"ready": trouble.ready, "gone": "no longer exists" if trouble.ready == "gone" else ""}
        if trouble.since:
            extra["node_for"] = show_duration(snapshot.clock - trouble.since)
        yield _ending("lifecycle.node-away", trouble.source, text, {**values, **extra}, _stale_notes(pod))
    elif overdue > timedelta(0) and failed is not None:
        extra = {"detail": failed.message}
        yield _ending("lifecycle.kill-failed", failed.source, failed.message, {**values, **extra})
    elif overdue > _MARGIN:
        text = f"its grace period ended {values.get('overdue')} ago, and the kubelet has not removed it"
        mounted = ", ".join(_mounted(pod))
        notes = [(f"volumes to unmount: {mounted}", "pod.spec.volumes")] if mounted else []
        yield _ending(
            "lifecycle.overdue", "pod.metadata.deletionTimestamp", text, {**values, "volumes": mounted}, notes
        )
    elif condition(pod, "DisruptionTarget").get("status") != "True":  # else who had it deleted says more
        yield _in_time(pod, values)


def _times(snapshot: Snapshot, pod: Body) -> tuple[dict[str, str], timedelta]:
    """How long ago it was asked, how long is left or how long it is overdue."""
    meta = pod.get("metadata") or {}
    end = parse_time(meta.get("deletionTimestamp")) or snapshot.clock
    grace = timedelta(seconds=int(meta.get("deletionGracePeriodSeconds") or 0))
    overdue = snapshot.clock - end
    values = {"grace": f"{int(grace.total_seconds())}s", "node": node_name(pod)}
    values["for"] = show_duration(snapshot.clock - (end - grace))
    if overdue > timedelta(0):
        values["overdue"] = show_duration(overdue)
    else:
        values["left"] = show_duration(-overdue)
    return values, overdue


def _ending(
    name: str, source: str, text: str, values: Mapping[str, str], notes: Iterable[tuple[str, str]] = ()
) -> Symptom:
    kept = {key: value for key, value in values.items() if value}
    return Symptom(name, POD, source, text, kept, notes=tuple(notes))


def _all_ended(pod: Body) -> bool:
    """Whether nothing of the pod runs: the kubelet has done its part, or never had one."""
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return True
    started = [one for one in containers(pod) if one.status]
    return not any(one.is_running for one in started) and (not node_name(pod) or bool(started))


def _finalizers(pod: Body, values: Mapping[str, str]) -> Symptom:
    names = [str(one) for one in (pod.get("metadata") or {}).get("finalizers") or []]
    setter = next((who for prefix, who in _FINALIZERS if names[0].startswith(prefix)), "")
    group = names[0].partition("/")[0]
    extra = {"finalizer": names[0], "finalizers": ", ".join(names), "setter": setter}
    extra["setter_hint"] = group if not setter and "." in group else ""
    text = f"deletion asked {values.get('for')} ago; finalizers left: {', '.join(names)}"
    note = ("no container runs any more: the kubelet has done its part", "pod.status")
    return _ending("lifecycle.finalizers", "pod.metadata.finalizers", text, {**values, **extra}, [note])


def _stale_notes(pod: Body) -> Iterator[tuple[str, str]]:
    running = [one.name for one in containers(pod) if one.is_running]
    if running:
        yield f"last heard: {', '.join(running)} running; this may be stale", "pod.status.containerStatuses"
    if names := (pod.get("metadata") or {}).get("finalizers"):
        yield f"finalizers too: {', '.join(names)}", "pod.metadata.finalizers"


def _mounted(pod: Body) -> Iterator[str]:
    for one in (pod.get("spec") or {}).get("volumes") or []:
        for kind in ("persistentVolumeClaim", "csi", "nfs", "ephemeral"):
            if one.get(kind):
                yield f"{one.get('name')} ({kind})"


def _in_time(pod: Body, values: Mapping[str, str]) -> Symptom:
    running = [one for one in containers(pod) if one.is_running]
    hooks = [one for one in running if ((one.spec.get("lifecycle") or {}).get("preStop"))]
    extra = {
        "hook": hooks[0].name if hooks else "",
        "signal": "" if hooks or not running else running[0].name,
    }
    names = ", ".join(one.name for one in running) or "none"
    left = values.get("left") or "0s"
    text = f"deletion asked {values.get('for')} ago, grace period {values.get('grace')}, {left} left"
    text += f"; running: {names}"
    notes = [
        (
            f"container {one.name} has a preStop hook, which runs inside the grace period",
            f"{one.spec_path}.lifecycle",
        )
        for one in hooks
    ]
    return _ending("lifecycle.ending", "pod.metadata.deletionTimestamp", text, {**values, **extra}, notes)


def who_deleted(snapshot: Snapshot, pod: Body) -> Iterator[Symptom]:
    """Who had the pod taken away, by the condition that they left on it."""
    target = condition(pod, "DisruptionTarget")
    values, _ = _times(snapshot, pod)
    kept = {key: values[key] for key in ("node", "left") if values.get(key)}
    if not is_deleted(pod):
        kept.pop("left", None)
    text = f"{target.get('reason')}: {target.get('message')}"
    when = parse_time(target.get("lastTransitionTime"))
    source = "pod.status.conditions[DisruptionTarget]"
    if target.get("reason") == "EvictionByEvictionAPI":
        if ((node_of(snapshot) or {}).get("spec") or {}).get("unschedulable"):
            kept["cordoned"] = str(kept.get("node") or "yes")
        names = [name_of(one) for one in budgets(snapshot, pod)]
        if names:
            kept["budget"] = ", ".join(names)
        notes = [(f"governed by PodDisruptionBudget {name}", f"poddisruptionbudget {name}") for name in names]
        yield Symptom("lifecycle.evicted-by-api", POD, source, text, kept, when, notes=tuple(notes))
    elif target.get("reason") == "DeletionByDeviceTaintManager":  # a taint of a device that it has claimed
        yield Symptom("lifecycle.deleted-by-taint", POD, source, text, {**kept, "device": "a device"}, when)
    elif target.get("reason") == "DeletionByTaintManager":
        taints = ((node_of(snapshot) or {}).get("spec") or {}).get("taints") or []
        harsh = [str(one.get("key")) for one in taints if one.get("effect") == "NoExecute"]
        if harsh:
            kept["taint"] = harsh[0]
            # Those of Kubernetes itself come and go with the state of the node.
            kept["by_hand"] = "no" if "node.kubernetes.io/" in harsh[0] else "yes"
        yield Symptom("lifecycle.deleted-by-taint", POD, source, text, kept, when)
