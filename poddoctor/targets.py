"""What the user named: one pod, a workload's failing pods, or a selector's."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from poddoctor.choice import Chosen, failing, of_this_template, staying, without_outlived, works
from poddoctor.collect import Source, first_reads
from poddoctor.model import Absent, Body, Found, Read, Target, Unknown
from poddoctor.pod.names import nearest
from poddoctor.pod.owner import WORKLOAD_READS
from poddoctor.pod.reads import condition, events_read, get, list_of

_ALIASES = {
    "po": "pod",
    "pods": "pod",
    "deploy": "deployment",
    "deployments": "deployment",
    "sts": "statefulset",
    "statefulsets": "statefulset",
    "ds": "daemonset",
    "daemonsets": "daemonset",
    "rs": "replicaset",
    "replicasets": "replicaset",
    "jobs": "job",
    "cj": "cronjob",
    "cronjobs": "cronjob",
}
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


class TargetError(Exception):
    """A target that cannot be used; the message is one line for the user."""


class BadTarget(TargetError):
    """What was typed is no target."""


def parse(text: str, namespace: str) -> Target:
    """The Target of ``POD``, ``pod/NAME`` or ``KIND/NAME`` with kubectl's short names."""
    kind, _, name = text.rpartition("/")
    kind = kind.lower().partition(".")[0]
    kind = _ALIASES.get(kind, kind or "pod")
    if kind != "pod" and kind not in WORKLOAD_READS:
        raise BadTarget(
            f"cannot diagnose a {kind}: give POD, or one of {', '.join(WORKLOAD_READS)} as KIND/NAME"
        )
    if not _NAME.fullmatch(name):
        raise BadTarget(f"{name!r} is no name of a {kind}: lower-case letters, digits, '-' and '.'")
    return Target(kind, namespace, name)


def resolve(target: Target, source: Source) -> Chosen:
    """The targets to diagnose: the pod, or the pods of a workload that fail, or the workload itself.

    Raises:
        TargetError: when nothing of this name exists, with the nearest names.
    """
    return _pod(target, source) if target.kind == "pod" else _workload(target, source)


def select(selector: str, namespace: str, source: Source) -> Chosen:
    """The failing pods of a label selector; one that works when none fails."""
    read = list_of("v1", "pods", namespace, labelSelector=selector)
    pods = _items(source, read, f"pods with {selector}")
    if not pods:
        raise TargetError(f"no pod in {namespace} has the labels {selector}")
    return failing(staying(pods, source.clock), namespace)


def _items(source: Source, read: Read, what: str) -> list[Body]:
    answer = source.ask([read])[read]
    if isinstance(answer, Unknown):
        raise TargetError(f"cannot list {what}: {answer.why}: {answer.message}")
    return list(answer.body.get("items") or []) if isinstance(answer, Found) else []


def _pod(target: Target, source: Source) -> Chosen:
    # The events travel in the same wave: collect will want them, and the source remembers.
    reads = first_reads(target)
    if not isinstance(source.ask(reads)[reads[0]], Absent):
        return Chosen((target,))
    owner = _owner_by_name(target, source)
    if owner:
        return _workload(owner, source)
    raise TargetError(_not_found(target, source))


def _owner_by_name(target: Target, source: Source) -> Target | None:
    """A workload whose pods would bear this name: its pod may never have been created."""
    kinds = ("statefulset", "deployment", "replicaset", "daemonset", "job")
    reads = {kind: list_of(*WORKLOAD_READS[kind], target.namespace, metadata=True) for kind in kinds}
    answers = source.ask(list(reads.values()))
    found = []
    for kind, read in reads.items():
        answer = answers[read]
        names = (
            [one["metadata"]["name"] for one in answer.body.get("items") or []]
            if isinstance(answer, Found)
            else []
        )
        found += [Target(kind, target.namespace, name) for name in names if _bears(kind, name, target.name)]
    # The longest name is the nearest owner.
    return max(found, key=lambda one: (len(one.name), one.kind == "deployment"), default=None)


def _bears(kind: str, owner: str, pod: str) -> bool:
    tail = {"statefulset": r"-\d+", "deployment": r"(-[a-z0-9]{6,10})?-[a-z0-9]{5}"}.get(
        kind, r"(-\d+)?-[a-z0-9]{5}"
    )
    return pod == owner or bool(re.fullmatch(re.escape(owner) + tail, pod))


def _not_found(target: Target, source: Source) -> str:
    space = get("v1", "namespaces", "", target.namespace)
    pods = list_of("v1", "pods", target.namespace, metadata=True)
    events = events_read(target.namespace, "Pod", target.name)
    answers = source.ask([space, pods, events])
    if isinstance(answers[space], Absent):
        return f"namespace {target.namespace} does not exist{_near_namespaces(target, source)}"
    answer = answers[pods]
    names = (
        [one["metadata"]["name"] for one in answer.body.get("items") or []]
        if isinstance(answer, Found)
        else []
    )
    message = f"pod {target.name} does not exist in {target.namespace}"
    if near := nearest(target.name, names) or _akin(target.name, names):
        message += f": nearest {'are' if len(near) > 1 else 'is'} {', '.join(near)}"
    elif names:
        message += f": it holds {', '.join(sorted(names)[:5])}{' …' if len(names) > 5 else ''}"
    else:
        message += ", which holds no pods" if isinstance(answer, Found) else ""
    return message + _last_words(answers[events])


def _akin(wanted: str, names: Sequence[str]) -> list[str]:
    """The pods whose names begin as the wanted one does, up to a dash: replicas of the same workload."""
    parts = wanted.split("-")
    for length in range(len(parts) - 1, 0, -1):
        stem = "-".join(parts[:length]) + "-"
        if found := sorted(name for name in names if name.startswith(stem)):
            return found[:3]
    return []


def _near_namespaces(target: Target, source: Source) -> str:
    read = list_of("v1", "namespaces", metadata=True)
    answer = source.ask([read])[read]
    names = (
        [one["metadata"]["name"] for one in answer.body.get("items") or []]
        if isinstance(answer, Found)
        else []
    )
    near = nearest(target.namespace, names)
    return f": nearest {'are' if len(near) > 1 else 'is'} {', '.join(near)}" if near else ""


def _last_words(answer: object) -> str:
    items: list[Mapping[str, object]] = (
        list(answer.body.get("items") or []) if isinstance(answer, Found) else []
    )
    if not items:
        return ""
    last = max(items, key=lambda one: str(one.get("lastTimestamp") or one.get("eventTime") or ""))
    return f"; the last event of a pod of that name: {last.get('reason')}: {str(last.get('message'))[:200]}"


def _workload(target: Target, source: Source) -> Chosen:
    read = get(*WORKLOAD_READS[target.kind], target.namespace, target.name)
    answer = source.ask([read])[read]
    if isinstance(answer, Unknown):
        raise TargetError(f"cannot read {target.kind} {target.name}: {answer.why}: {answer.message}")
    if isinstance(answer, Absent):
        raise TargetError(_no_workload(target, source))
    pods: Sequence[Body] = _pods_of(target, answer.body, source)
    if target.kind not in ("job", "cronjob"):
        pods = without_outlived(of_this_template(pods), _wanted(answer.body), source.clock)
    chosen = failing(staying(pods, source.clock), target.namespace) if pods else Chosen(())
    own = (target,) if _lacks_pods(target, answer.body, pods) or not pods else ()
    return replace(chosen, targets=(*own, *chosen.targets))


def _wanted(body: Body) -> int:
    spec, status = body.get("spec") or {}, body.get("status") or {}
    return int(status.get("desiredNumberScheduled", spec.get("replicas", 1)) or 0)


def _no_workload(target: Target, source: Source) -> str:
    read = list_of(*WORKLOAD_READS[target.kind], target.namespace, metadata=True)
    answer = source.ask([read])[read]
    names = (
        [one["metadata"]["name"] for one in answer.body.get("items") or []]
        if isinstance(answer, Found)
        else []
    )
    near = nearest(target.name, names) or sorted(names)[:5]
    return f"{target.kind} {target.name} does not exist in {target.namespace}" + (
        f": there {'are' if len(near) > 1 else 'is'} {', '.join(near)}" if near else ""
    )


def _lacks_pods(target: Target, body: Body, pods: Sequence[Body]) -> bool:
    """Whether the workload itself must be asked why pods are missing."""
    spec, status = body.get("spec") or {}, body.get("status") or {}
    if not pods or target.kind in ("job", "cronjob"):
        return not pods or (target.kind == "cronjob" and _is_held(spec, status, pods))
    wanted = _wanted(body)
    if target.kind == "deployment":
        # Old pods that still run must not hide that no new one can be created.
        refused = condition(body, "ReplicaFailure").get("status") == "True" or spec.get("paused")
        return len(pods) < wanted or (bool(refused) and int(status.get("updatedReplicas") or 0) < wanted)
    if target.kind == "statefulset" and spec.get("podManagementPolicy", "OrderedReady") == "OrderedReady":
        return len(pods) < wanted and all(map(works, pods))  # else the next pod waits for one that fails
    return len(pods) < wanted


def _is_held(spec: Body, status: Body, pods: Sequence[Body]) -> bool:
    """Whether a CronJob may wait for a run that goes on and on: its pod works, and says nothing of it."""
    forbids = spec.get("concurrencyPolicy") == "Forbid" and bool(status.get("active"))
    return forbids and all(map(works, pods))


def _pods_of(target: Target, body: Body, source: Source) -> list[Body]:
    if target.kind == "cronjob":
        jobs = _owned(_items(source, list_of("batch/v1", "jobs", target.namespace), "jobs"), body)
        newest = max(jobs, key=lambda job: str(job["metadata"].get("creationTimestamp")), default=None)
        return (
            _pods_of(Target("job", target.namespace, newest["metadata"]["name"]), newest, source)
            if newest
            else []
        )
    selector = _selector((body.get("spec") or {}).get("selector") or {})
    if not selector:
        return []
    pods = _items(source, list_of("v1", "pods", target.namespace, labelSelector=selector), "its pods")
    if target.kind == "job" and condition(body, "Complete").get("status") == "True":
        # Those of its tries that failed before one succeeded are over.
        pods = [pod for pod in pods if (pod.get("status") or {}).get("phase") == "Succeeded"] or pods
    return _owned(pods, body) if target.kind != "deployment" else pods


def _owned(bodies: Sequence[Body], owner: Body) -> list[Body]:
    uid = owner["metadata"].get("uid")
    return [
        body
        for body in bodies
        if any(reference.get("uid") == uid for reference in body["metadata"].get("ownerReferences") or [])
    ]


def _selector(selector: Mapping[str, object]) -> str:
    """The text form of a selector, for the labelSelector parameter."""
    labels = (
        selector.get("matchLabels")
        if "matchLabels" in selector or "matchExpressions" in selector
        else selector
    )
    parts = [f"{key}={value}" for key, value in sorted((labels or {}).items())]  # type: ignore[attr-defined]
    expressions: list[dict[str, object]] = selector.get("matchExpressions") or []  # type: ignore[assignment]
    for one in expressions:
        values = ",".join(map(str, one.get("values") or []))  # type: ignore[call-overload]
        key, operator = one.get("key"), one.get("operator")
        forms = {
            "In": f"{key} in ({values})",
            "NotIn": f"{key} notin ({values})",
            "Exists": f"{key}",
            "DoesNotExist": f"!{key}",
        }
        parts.append(forms[str(operator)])
    return ",".join(parts)
