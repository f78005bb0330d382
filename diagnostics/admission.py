"""Stage admission: the pod was never created. The target is the workload, the evidence is on its creator.

The newest FailedCreate event speaks: the condition ReplicaFailure keeps its first message for as long as it
is true, and is the fallback when the events have expired.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from poddoctor.model import Body, Read, Snapshot, Subject, Symptom, SymptomKind
from poddoctor.pod.names import nearest
from poddoctor.pod.owner import WORKLOAD_READS, revision
from poddoctor.pod.pattern import lazy
from poddoctor.pod.reads import Event, condition, events_in, events_read, get, list_of
from poddoctor.pod.units import parse_time, show_duration

from . import _daemons as daemons
from . import _refusals as refusals
from . import _unobserved as unobserved
from . import _webhooks as webhooks
from ._cron import minutes_between, never_comes
from ._elsewhere import elsewhere_read, namespaces_with
from ._refusals import BOUNDS
from ._violations import patch, violations

_LACKING = lazy(r"(?<= for: )[\w.,-]+")
_FORBIDDEN = lazy(r"^pods? \"[^\"]*\" is forbidden: ")
_ATTRIBUTES = (
    "creator", "wanted", "problem", "quota", "shortfall", "amounts", "nearest", "existing", "patch",
    "violated", "service", "service_state", "limit_range", "service_namespace", "gone", "why", "backend",
    "idle", "configuration", "configuration_name", "policy", "said", "account", "numbers", "job", "compute",
    "elsewhere", "policy_backend", "several", "lacking_in",
)  # fmt: skip
SYMPTOMS: Mapping[str, SymptomKind] = {
    "admission.create-failed": SymptomKind("the API server refuses to create the pods", _ATTRIBUTES),
    "admission.zero-replicas": SymptomKind("the workload asks for no pods", ("wanted",)),
    "admission.no-node-wanted": SymptomKind(
        "no node is one that the DaemonSet may use",
        (
            "kind",
            "label",
            "key",
            "value",
            "near_key",
            "near_value",
            "existing",
            "taint",
            "node",
            "several",
            "wanted",
            "patch",
        ),
    ),
    "admission.paused": SymptomKind("the rollout is paused", ("wanted",)),
    "admission.unobserved": SymptomKind("no controller has looked at the workload", ("age",)),
    "admission.controller-lease": SymptomKind("whether the controllers of the cluster are alive", ("state",)),
    "admission.pods-unexplained": SymptomKind(
        "pods are lacking, and nothing says why", ("creator", "age", "wanted")
    ),
    "admission.cronjob-not-starting": SymptomKind(
        "the CronJob's controller starts no Job", ("wanted", "trouble", "schedule", "zone", "case", "day")
    ),
    "admission.suspended": SymptomKind("the CronJob is suspended", ("wanted",)),
    "admission.namespace-terminating": SymptomKind(
        "the namespace is being deleted", ("finalizer", "held", "since", "api", "problem")
    ),
}
WORKLOAD = Subject("workload")
_KINDS = {
    "replicaset": "ReplicaSet",
    "statefulset": "StatefulSet",
    "daemonset": "DaemonSet",
    "cronjob": "CronJob",
    "replicationcontroller": "ReplicationController",
}
_PREFIX = lazy(
    r"(?i)^(?:\(combined from similar events\): )?"
    r"(?:Error creating(?: job)?: |Create (?:Pod|Claim) .*? failed error: )"
)
_ACCOUNT = lazy(r'serviceaccount "(?P<name>[^"]+)" not found')
_OFTEN, _MANY, _HOUR = 3, 10, timedelta(hours=1)
# What the CronJob controller says when it cannot tell when to start; the first is of old versions.
_NO_START = (
    "FailedNeedsStart",
    "UnknownTimeZone",
    "UnparseableSchedule",
    "UnParseableCronJobSchedule",
    "InvalidSchedule",
    "InconsistentSchedule",
)
_CASES = {
    "MissSchedule": "late",
    "JobAlreadyActive": "overlap",
}
# Conditions of a namespace that is being deleted.
_REMAINING = lazy(r"resources are remaining: (?P<held>[\w.-]+) has")
_FINALIZERS = lazy(r"finalizers remaining: (?P<finalizer>\S+) in")
_UNSERVED = lazy(r"server APIs: (?P<group>[\w.-]+)/(?P<version>v\w+):")
_CLASSES = {
    "priorityclasses": (
        "scheduling.k8s.io/v1",
        lazy(r"no PriorityClass with name (?P<name>\S+) was found"),
    ),
    "runtimeclasses": ("node.k8s.io/v1", lazy(r'RuntimeClass "(?P<name>[^"]+)" not found')),
}


def reads(snapshot: Snapshot) -> Iterable[Read]:
    """The creator's events, the namespace, and what the refusal names."""
    if snapshot.target.kind == "pod":
        return
    namespace = snapshot.target.namespace
    yield get("v1", "namespaces", "", namespace, "would show whether the namespace is being deleted")
    yield from _creator_reads(snapshot)
    yield from unobserved.reads(snapshot, _workload(snapshot) or {})
    yield from daemons.reads(snapshot, _workload(snapshot) or {})
    text, _, _ = _refusal(snapshot)
    if BOUNDS.search(text):
        yield _limits_read(snapshot)
    if found := _ACCOUNT.search(text):
        yield _accounts_read(snapshot)
        yield _account_elsewhere(found["name"])
    for resource, (api, pattern) in _CLASSES.items():
        if pattern.search(text):
            yield list_of(api, resource, purpose="would show which one was meant", metadata=True)
    yield from webhooks.reads(snapshot, text)


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


def _account_elsewhere(name: str) -> Read:
    return elsewhere_read("v1", "serviceaccounts", "ServiceAccount", name)


def _accounts_read(snapshot: Snapshot) -> Read:
    purpose = "would show which service account was meant"
    return list_of("v1", "serviceaccounts", snapshot.target.namespace, purpose, metadata=True)


def examine(snapshot: Snapshot) -> Iterable[Symptom]:
    """Why the workload has no pods, or fewer than it wants."""
    body = _workload(snapshot)
    if body is None:
        return
    yield from _terminating(snapshot)
    yield from _on_purpose(snapshot, body)
    yield from daemons.examine(snapshot, body)
    yield from _not_starting(snapshot, body)
    text, source, creator = _refusal(snapshot)
    if text:
        yield _failed(snapshot, body, text, source, creator)
    elif not _idle(body):
        yield from unobserved.examine(snapshot, body)
        yield from _without_a_word(snapshot, body)


def _idle(body: Body) -> bool:
    """Whether the workload makes no pods because somebody wanted it so."""
    spec = body.get("spec") or {}
    return bool(spec.get("suspend") or spec.get("paused") or "jobTemplate" in spec)


def _without_a_word(snapshot: Snapshot, body: Body) -> Iterator[Symptom]:
    for kind, creator in _creators(snapshot):
        status = creator.get("status") or {}
        have = status.get("currentNumberScheduled", status.get("replicas"))
        if _lacks(creator) and not have:
            name = (creator.get("metadata") or {}).get("name")
            yield from unobserved.unexplained(snapshot, body, f"{kind.lower()}/{name}", _wanted(body))
        return


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
    return max(_owned(snapshot, _replicasets_read(snapshot)), key=revision, default=None)


def _newest_job(snapshot: Snapshot) -> Body | None:
    jobs = _owned(snapshot, _jobs_read(snapshot))
    return max(jobs, key=lambda job: str(job["metadata"].get("creationTimestamp")), default=None)


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


def _which_container(spec: Body, text: str) -> dict[str, str]:
    """The containers of the template where there are several, and the one that a quota finds lacking."""
    names = [str(one.get("name")) for one in spec.get("containers") or []]
    if len(names) < 2:
        return {}
    lacking = {name for listed in _LACKING.findall(text) for name in listed.split(",")}
    return {"several": ", ".join(names), "lacking_in": lacking.pop() if len(lacking) == 1 else ""}


def _failed(snapshot: Snapshot, body: Body, text: str, source: str, creator: str) -> Symptom:
    template = _template(body)
    spec = template.get("spec") or {}
    secured = "violates PodSecurity" in text
    attributes = {
        "creator": creator,
        "wanted": str(_wanted(body) or ""),
        "problem": _FORBIDDEN.sub("", " ".join(text.split()))[:200],
        "patch": patch(text, template, _depth(body)) if secured else "",
        "violated": ", ".join(violations(text)) if secured else "",
        "account": str(spec.get("serviceAccountName") or "default") if template else "",
        **_which_container(spec, text),
        "numbers": "true" if "must be less than or equal to" in text else "",
        # The Job that cannot get its pod keeps the template with which it was made.
        "job": creator.removeprefix("job/") if creator.startswith("job/") and _depth(body) else "",
        **refusals.quota(text),
        **refusals.policy(text),
        **refusals.constraints(text),
        **_limit_range(snapshot, text),
        **_near(snapshot, text),
        **_elsewhere(snapshot, text),
        **webhooks.facts(snapshot, text),
    }
    ready = attributes.pop("ready", "")
    known = {key: value for key, value in attributes.items() if value}
    notes = [(known[key], "resourcequota") for key in ("amounts",) if key in known]
    if left := _old_pods(snapshot, body):
        notes.append(left)
    if "existing" in known:
        notes.append((f"there are {known['existing']}", "list"))
    if "service_state" in known:
        notes.append((f"Service {known['service']} {known['service_state']}", "services, endpointslices"))
    if ready:
        notes.append((ready, "services, endpointslices"))
    if "idle" in known:
        notes.append((f"{known['backend']} behind it is scaled to 0", known["backend"]))
    if "configuration" in known:
        notes.append((f"the webhook is configured in {known['configuration']}", known["configuration"]))
    return Symptom("admission.create-failed", WORKLOAD, source, text, known, notes=tuple(notes))


def _old_pods(snapshot: Snapshot, body: Body) -> tuple[str, str] | None:
    """That an earlier version goes on running, which is why the Deployment looks alive."""
    status = body.get("status") or {}
    have, new = (int(status.get(key) or 0) for key in ("replicas", "updatedReplicas"))
    if snapshot.target.kind != "deployment" or have <= new:
        return None
    old = f"{have - new} pod{'s' if have - new > 1 else ''} of the earlier version"
    wanted = _wanted(body)
    return f"{old} go on running; {new} of {wanted} have the new one", "deployment.status"


def _depth(body: Body) -> tuple[str, ...]:
    """Where the pod template of a CronJob lies: one level deeper than that of others."""
    return ("jobTemplate", "spec") if "jobTemplate" in (body.get("spec") or {}) else ()


def _template(body: Body) -> Body:
    place: Body = body.get("spec") or {}
    for key in (*_depth(body), "template"):
        place = place.get(key) or {}
    return place


def _limit_range(snapshot: Snapshot, text: str) -> dict[str, str]:
    if not BOUNDS.search(text):
        return {}
    names = [
        str((one.get("metadata") or {}).get("name")) for one in snapshot.items(_limits_read(snapshot)) or []
    ]
    return {"limit_range": ", ".join(names)}


def _elsewhere(snapshot: Snapshot, text: str) -> dict[str, str]:
    found = _ACCOUNT.search(text)
    others = namespaces_with(snapshot, _account_elsewhere(found["name"]), found["name"]) if found else []
    return {"elsewhere": others[0]} if others else {}


def _near(snapshot: Snapshot, text: str) -> dict[str, str]:
    """What exists in place of the service account or class that does not."""
    searched = [(_ACCOUNT, _accounts_read(snapshot))]
    for resource, (api, pattern) in _CLASSES.items():
        searched.append((pattern, list_of(api, resource, metadata=True)))
    for pattern, read in searched:
        found = pattern.search(text)
        names = sorted(str((one.get("metadata") or {}).get("name")) for one in snapshot.items(read) or [])
        if found and found["name"] in names:
            return {}  # it was made since
        if found and names:
            return {"nearest": "".join(nearest(found["name"], names, 1)), "existing": ", ".join(names[:8])}
    return {}


def _terminating(snapshot: Snapshot) -> Iterator[Symptom]:
    namespace = snapshot.body(get("v1", "namespaces", "", snapshot.target.namespace)) or {}
    status = namespace.get("status") or {}
    text, source, _ = _refusal(snapshot)
    if status.get("phase") == "Terminating":
        text, source = (
            f"namespace {snapshot.target.namespace} has phase Terminating",
            "namespace.status.phase",
        )
    elif "because it is being terminated" not in text:
        return
    held = [
        str(one.get("message"))
        for one in status.get("conditions") or []
        if one.get("status") == "True" and one.get("message")
    ]
    notes = tuple((message, "namespace.status.conditions") for message in held)
    attributes = {"problem": held[0][:160]} if held else {}
    since = parse_time((namespace.get("metadata") or {}).get("deletionTimestamp"))
    if since:
        attributes["since"] = show_duration(snapshot.clock - since)
    for pattern in (_REMAINING, _FINALIZERS, _UNSERVED):
        found = next((match for message in held if (match := pattern.search(message))), None)
        attributes.update(found.groupdict() if found else {})
    if "version" in attributes:
        attributes["api"] = f"{attributes.pop('version')}.{attributes.pop('group')}"
    yield Symptom("admission.namespace-terminating", WORKLOAD, source, text, attributes, notes=notes)


def _on_purpose(snapshot: Snapshot, body: Body) -> Iterator[Symptom]:
    spec, status = body.get("spec") or {}, body.get("status") or {}
    kind = snapshot.target.kind
    # An old revision that its Deployment has scaled down is no fault, and would be scaled down again.
    owners = (body.get("metadata") or {}).get("ownerReferences") or []
    kept = kind == "replicaset" and any(one.get("controller") for one in owners)
    if kind in ("deployment", "statefulset", "replicaset") and spec.get("replicas") == 0 and not kept:
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


def _passed_over(snapshot: Snapshot, event: Event, started: datetime | None, schedule: str) -> bool:
    """Whether start after start is left out: once it may be a controller that was away, or a slow run."""
    if event.count < _OFTEN:
        return False
    often = timedelta(minutes=_MANY * minutes_between(schedule))
    lately = started is not None and snapshot.clock - started < (min(often, _HOUR) or _HOUR)
    return event.reason == "MissSchedule" or (
        event.reason in ("JobAlreadyActive", "TooManyMissedTimes") and not lately
    )


def _not_starting(snapshot: Snapshot, body: Body) -> Iterator[Symptom]:
    """A CronJob whose schedule cannot be read starts nothing, and its controller only says so here."""
    if snapshot.target.kind != "cronjob":
        return
    spec, meta, status = body.get("spec") or {}, body.get("metadata") or {}, body.get("status") or {}
    schedule = str(spec.get("schedule") or "")
    read = events_read(snapshot.target.namespace, "CronJob", snapshot.target.name)
    if day := never_comes(schedule):
        # The controller calls such a schedule invalid, or says nothing at all: it looks well formed.
        told = next((one for one in reversed(events_in(snapshot, read)) if one.reason in _NO_START), None)
        notes = ((told.message, told.source),) if told else ()
        yield Symptom(
            "admission.cronjob-not-starting",
            WORKLOAD,
            "cronjob.spec.schedule",
            f"schedule: {schedule}",
            {"schedule": schedule, "day": day, "case": "never"},
            notes=notes,
        )
        return
    started = parse_time(status.get("lastScheduleTime"))
    for event in reversed(events_in(snapshot, read)):
        if event.uid not in ("", meta.get("uid")):
            continue
        if event.reason not in _NO_START and not _passed_over(snapshot, event, started, schedule):
            continue
        if not (started and event.time and started >= event.time):
            facts = {
                "trouble": event.message[:160],
                "schedule": schedule,
                "zone": str(spec.get("timeZone") or ""),
                "case": "missed"
                if "too many missed" in event.message.lower()
                else _CASES.get(event.reason, "schedule"),
            }
            known = {key: value for key, value in facts.items() if value}
            yield Symptom(
                "admission.cronjob-not-starting", WORKLOAD, event.source, event.message, known, event.time
            )
        return
