"""Stage admission: the pod was never created. The target is the workload, the evidence is on its creator.

The newest FailedCreate event speaks: the condition ReplicaFailure keeps its first message for as long as it
is true, and is the fallback when the events have expired.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from poddoctor.model import Absent, Body, Found, Read, Snapshot, Subject, Symptom, SymptomKind
from poddoctor.pod.names import nearest
from poddoctor.pod.owner import WORKLOAD_READS
from poddoctor.pod.pattern import lazy
from poddoctor.pod.reads import Event, condition, events_in, events_read, get, list_of
from poddoctor.pod.units import parse_time, quantity, show_amount

from ._violations import patch, violations

_ATTRIBUTES = (
    "creator", "wanted", "problem", "quota", "shortfall", "amounts", "nearest", "existing", "patch",
    "violated", "service", "service_state", "limit_range",
)  # fmt: skip
SYMPTOMS: Mapping[str, SymptomKind] = {
    "admission.create-failed": SymptomKind("the API server refuses to create the pods", _ATTRIBUTES),
    "admission.zero-replicas": SymptomKind("the workload asks for no pods", ("wanted",)),
    "admission.paused": SymptomKind("the rollout is paused", ("wanted",)),
    "admission.suspended": SymptomKind("the CronJob is suspended", ("wanted",)),
    "admission.namespace-terminating": SymptomKind(
        "the namespace is being deleted", ("finalizers", "problem")
    ),
}
WORKLOAD = Subject("workload")
_KINDS = {
    "replicaset": "ReplicaSet",
    "statefulset": "StatefulSet",
    "daemonset": "DaemonSet",
    "cronjob": "CronJob",
}
_PREFIX = lazy(
    r"(?i)^(?:\(combined from similar events\): )?"
    r"(?:Error creating(?: job)?: |Create (?:Pod|Claim) .*? failed error: )"
)
_QUOTA = lazy(
    r"exceeded quota: (?P<quota>[^,]+), requested: (?P<requested>.+), "
    r"used: (?P<used>.+), limited: (?P<limited>.+)"
)
_ACCOUNT = lazy(r'serviceaccount "(?P<name>[^"]+)" not found')
_CLASSES = {
    "priorityclasses": (
        "scheduling.k8s.io/v1",
        lazy(r"no PriorityClass with name (?P<name>\S+) was found"),
    ),
    "runtimeclasses": ("node.k8s.io/v1", lazy(r'RuntimeClass "(?P<name>[^"]+)" not found')),
}
_SERVICE = lazy(r"https://(?P<service>[a-z0-9-]+)\.(?P<namespace>[a-z0-9-]+)\.svc")


def reads(snapshot: Snapshot) -> Iterable[Read]:
    """The creator's events, the namespace, and what the refusal names."""
    if snapshot.target.kind == "pod":
        return
    namespace = snapshot.target.namespace
    yield get("v1", "namespaces", "", namespace, "would show whether the namespace is being deleted")
    yield from _creator_reads(snapshot)
    text, _, _ = _refusal(snapshot)
    if "LimitRange" in text or " usage per " in text or "must be less than or equal to" in text:
        yield _limits_read(snapshot)
    if _ACCOUNT.search(text):
        yield _accounts_read(snapshot)
    for resource, (api, pattern) in _CLASSES.items():
        if pattern.search(text):
            yield list_of(api, resource, purpose="would show which one was meant", metadata=True)
    if service := _SERVICE.search(text):
        yield from _webhook_reads(service)


def _creator_reads(snapshot: Snapshot) -> Iterator[Read]:
    """What stands between the target and its pods, and its events."""
    if snapshot.target.kind == "deployment":
        yield _replicasets_read(snapshot)
    if snapshot.target.kind == "cronjob":
        yield _jobs_read(snapshot)
    for kind, creator in _creators(snapshot):
        name = str((creator.get("metadata") or {}).get("name"))
        yield events_read(snapshot.target.namespace, kind, name, "would show why no pod was created")


def _replicasets_read(snapshot: Snapshot) -> Read:
    return list_of(
        "apps/v1", "replicasets", snapshot.target.namespace, "would show which ReplicaSet creates the pods"
    )


def _jobs_read(snapshot: Snapshot) -> Read:
    return list_of("batch/v1", "jobs", snapshot.target.namespace, "would show the Job that creates the pods")


def _limits_read(snapshot: Snapshot) -> Read:
    return list_of(
        "v1", "limitranges", snapshot.target.namespace, "would show which LimitRange sets the bounds"
    )


def _accounts_read(snapshot: Snapshot) -> Read:
    purpose = "would show which service account was meant"
    return list_of("v1", "serviceaccounts", snapshot.target.namespace, purpose, metadata=True)


def _webhook_reads(service: re.Match[str]) -> Iterator[Read]:
    place = service["namespace"], service["service"]
    yield get("v1", "services", *place, "would show whether the webhook's Service exists")
    yield get("v1", "endpoints", *place, "would show whether anything runs behind the webhook's Service")


def examine(snapshot: Snapshot) -> Iterable[Symptom]:
    """Why the workload has no pods, or fewer than it wants."""
    body = _workload(snapshot)
    if body is None:
        return
    yield from _terminating(snapshot)
    yield from _on_purpose(snapshot, body)
    text, source, creator = _refusal(snapshot)
    if text:
        yield _failed(snapshot, body, text, source, creator)


def _workload(snapshot: Snapshot) -> Body | None:
    target = snapshot.target
    if target.kind == "pod":
        return None
    body: Body | None = snapshot.body(get(*WORKLOAD_READS[target.kind], target.namespace, target.name))
    return body


def _wanted(body: Body) -> int:
    spec, status = body.get("spec") or {}, body.get("status") or {}
    return int(status.get("desiredNumberScheduled", spec.get("replicas", spec.get("parallelism", 1))) or 0)


def _owned(snapshot: Snapshot, read: Read) -> list[Body]:
    """The listed objects that the target owns, by UID: names are used again."""
    uid = ((_workload(snapshot) or {}).get("metadata") or {}).get("uid")
    return [
        one
        for one in snapshot.items(read) or []
        if any(owner.get("uid") == uid for owner in (one.get("metadata") or {}).get("ownerReferences") or [])
    ]


def _newest_replicaset(snapshot: Snapshot) -> Body | None:
    return max(_owned(snapshot, _replicasets_read(snapshot)), key=_revision, default=None)


def _newest_job(snapshot: Snapshot) -> Body | None:
    jobs = _owned(snapshot, _jobs_read(snapshot))
    return max(jobs, key=lambda job: str(job["metadata"].get("creationTimestamp")), default=None)


def _revision(replicaset: Body) -> int:
    notes = (replicaset.get("metadata") or {}).get("annotations") or {}
    number = str(notes.get("deployment.kubernetes.io/revision", "0"))
    return int(number) if number.isdigit() else 0


def _refusal(snapshot: Snapshot) -> tuple[str, str, str]:
    """The newest refusal while pods are lacking: text, source and creator; empty when there is none."""
    for kind, creator in _creators(snapshot):
        if not _lacks(creator):
            continue
        name = str((creator.get("metadata") or {}).get("name"))
        label = f"{kind.lower()}/{name}"
        if event := _refused(snapshot, kind, creator):
            return _PREFIX.sub("", event.message), event.source, label
        for kinds, reason in (("ReplicaFailure", "FailedCreate"), ("Progressing", "ReplicaSetCreateError")):
            failure = condition(creator, kinds)
            if failure.get("reason") == reason and failure.get("message"):
                return str(failure["message"]), f"{label} condition {kinds}", label
    return "", "", ""


def _creators(snapshot: Snapshot) -> Iterator[tuple[str, Body]]:
    """Who creates the pods, nearest to the pods first: only it has the events and the true numbers."""
    body, kind = _workload(snapshot), snapshot.target.kind
    if body is None:
        return
    if kind == "deployment" and (replicaset := _newest_replicaset(snapshot)):
        yield "ReplicaSet", replicaset
    if kind == "cronjob" and (job := _newest_job(snapshot)):
        yield "Job", job
    yield _KINDS.get(kind, kind.capitalize()), body


def _refused(snapshot: Snapshot, kind: str, creator: Body) -> Event | None:
    """The newest event of a refusal that this very object was given and has not got over."""
    meta, status = creator.get("metadata") or {}, creator.get("status") or {}
    for event in reversed(events_in(snapshot, events_read(snapshot.target.namespace, kind, meta["name"]))):
        if event.reason not in ("FailedCreate", "ReplicaSetCreateError"):
            continue
        if event.uid and meta.get("uid") and event.uid != meta["uid"]:
            continue
        # A CronJob notes the time only when it could create the Job.
        created = parse_time(status.get("lastScheduleTime"))
        return None if created and event.time and created >= event.time else event
    return None


def _lacks(creator: Body) -> bool:
    """Whether fewer pods were created than are wanted: an old refusal that was got over counts no more."""
    status, spec = creator.get("status") or {}, creator.get("spec") or {}
    if "jobTemplate" in spec:
        return True
    if "completions" in spec or "backoffLimit" in spec:
        return not any(status.get(key) for key in ("active", "succeeded", "failed", "conditions"))
    if "replicas" not in spec and not status.get("observedGeneration"):
        return True  # before 1.26 a DaemonSet that is refused never writes its status
    if "strategy" in spec:  # a Deployment: its old pods must not stand in for the new ones
        return int(status.get("updatedReplicas") or 0) < _wanted(creator)
    have = int(status.get("currentNumberScheduled", status.get("replicas", 0)) or 0)
    return have < _wanted(creator)


def _failed(snapshot: Snapshot, body: Body, text: str, source: str, creator: str) -> Symptom:
    spec = body.get("spec") or {}
    template = spec.get("template") or {}  # a CronJob's lies deeper: the patch would be another one
    attributes = {
        "creator": creator,
        "wanted": str(_wanted(body) or ""),
        "problem": text[:200],
        "patch": patch(text, template) if "violates PodSecurity" in text else "",
        "violated": ", ".join(violations(text)) if "violates PodSecurity" in text else "",
        **_quota(text),
        **_limit_range(snapshot, text),
        **_near(snapshot, text),
        **_webhook(snapshot, text),
    }
    known = {key: value for key, value in attributes.items() if value}
    notes = [(known[key], "resourcequota") for key in ("amounts",) if key in known]
    if "existing" in known:
        notes.append((f"there are {known['existing']}", "list"))
    if "service_state" in known:
        notes.append((f"Service {known['service']}: {known['service_state']}", "services, endpoints"))
    return Symptom("admission.create-failed", WORKLOAD, source, text, known, notes=tuple(notes))


def _quota(text: str) -> dict[str, str]:
    """The amounts by which a quota is exceeded, as numbers."""
    found = _QUOTA.search(text)
    if not found:
        return {}
    requested, used, limited = (_amounts(found[name]) for name in ("requested", "used", "limited"))
    rows, shorts = [], []
    for resource, asked in requested.items():
        unit = resource.rpartition(".")[2]
        free = limited.get(resource, Decimal(0)) - used.get(resource, Decimal(0))
        shown = [
            show_amount(unit, one)
            for one in (asked, used.get(resource, Decimal(0)), limited.get(resource, Decimal(0)))
        ]
        rows.append(f"{resource}: {shown[0]} asked, {shown[1]} used of {shown[2]}")
        if asked > free:
            shorts.append(f"{resource} by {show_amount(unit, asked - free)}")
    return {"quota": found["quota"], "amounts": "; ".join(rows), "shortfall": ", ".join(shorts)}


def _amounts(text: str) -> dict[str, Decimal]:
    pairs = [part.partition("=") for part in text.split(",")]
    return {key.strip(): quantity(value) or Decimal(0) for key, _, value in pairs if value}


def _limit_range(snapshot: Snapshot, text: str) -> dict[str, str]:
    if not (" usage per " in text or " ratio per " in text or "must be less than or equal to" in text):
        return {}
    names = [
        str((one.get("metadata") or {}).get("name")) for one in snapshot.items(_limits_read(snapshot)) or []
    ]
    return {"limit_range": ", ".join(names)}


def _near(snapshot: Snapshot, text: str) -> dict[str, str]:
    """What exists in place of the service account or class that does not."""
    searched = [(_ACCOUNT, _accounts_read(snapshot))]
    for resource, (api, pattern) in _CLASSES.items():
        searched.append((pattern, list_of(api, resource, metadata=True)))
    for pattern, read in searched:
        found = pattern.search(text)
        names = sorted(str((one.get("metadata") or {}).get("name")) for one in snapshot.items(read) or [])
        if found and names:
            return {"nearest": "".join(nearest(found["name"], names, 1)), "existing": ", ".join(names[:8])}
    return {}


def _webhook(snapshot: Snapshot, text: str) -> dict[str, str]:
    found = _SERVICE.search(text)
    if not found:
        return {}
    service, endpoints = (snapshot.answers.get(read) for read in _webhook_reads(found))
    state = ""
    if isinstance(service, Absent):
        state = "does not exist"
    elif isinstance(endpoints, Absent):
        state = "has no endpoints"
    elif isinstance(endpoints, Found):
        ready = sum(len(one.get("addresses") or []) for one in endpoints.body.get("subsets") or [])
        state = f"has {ready} ready endpoints" if ready else "has no ready endpoints"
    return {"service": f"{found['namespace']}/{found['service']}", "service_state": state}


def _terminating(snapshot: Snapshot) -> Iterator[Symptom]:
    namespace = snapshot.body(get("v1", "namespaces", "", snapshot.target.namespace)) or {}
    if (namespace.get("status") or {}).get("phase") != "Terminating":
        return
    held = [
        str(one.get("message"))
        for one in (namespace.get("status") or {}).get("conditions") or []
        if one.get("status") == "True" and one.get("message")
    ]
    text = f"namespace {snapshot.target.namespace} has phase Terminating"
    notes = tuple((message, "namespace.status.conditions") for message in held)
    attributes = {"problem": held[0][:160]} if held else {}
    yield Symptom(
        "admission.namespace-terminating", WORKLOAD, "namespace.status.phase", text, attributes, notes=notes
    )


def _on_purpose(snapshot: Snapshot, body: Body) -> Iterator[Symptom]:
    spec, status = body.get("spec") or {}, body.get("status") or {}
    kind = snapshot.target.kind
    if kind in ("deployment", "statefulset", "replicaset") and spec.get("replicas") == 0:
        yield Symptom(
            "admission.zero-replicas", WORKLOAD, f"{kind}.spec.replicas", "replicas: 0", {"wanted": "0"}
        )
    updated, wanted = int(status.get("updatedReplicas") or 0), int(spec.get("replicas", 1) or 0)
    if kind == "deployment" and spec.get("paused") and updated < wanted:
        text = f"paused: true, {updated} of {wanted} pods have the newest template"
        yield Symptom("admission.paused", WORKLOAD, "deployment.spec.paused", text, {"wanted": str(wanted)})
    if kind == "cronjob" and spec.get("suspend"):
        yield Symptom(
            "admission.suspended", WORKLOAD, "cronjob.spec.suspend", "suspend: true", {"wanted": "0"}
        )
