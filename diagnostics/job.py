"""Stage job: the limits that ended a Job.

The failing pod's own cause comes first, the Job's limit second: it is a consequence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from poddoctor.model import POD, Body, Read, Snapshot, Subject, Symptom, SymptomKind
from poddoctor.pod.containers import containers
from poddoctor.pod.owner import owner_of
from poddoctor.pod.pattern import lazy
from poddoctor.pod.reads import condition, get, list_of, pod_of
from poddoctor.pod.units import parse_time, show_duration

_COMMON = ("job", "reason", "failed", "succeeded", "limit", "deadline")
SYMPTOMS: Mapping[str, SymptomKind] = {
    "job.failed": SymptomKind(
        "the Job has the condition Failed (or FailureTarget)",
        (*_COMMON, "indexes", "rule", "exit_code", "culprit", "asked", "cronjob"),
    ),
    "job.suspended": SymptomKind(
        "the Job is suspended, or asks for no pods", ("job", "queue", "since", "parallelism")
    ),
    "job.sidecar-runs-on": SymptomKind(
        "the work of a Job's pod is done, but another container runs on", ("job", "sidecar", "finished")
    ),
}
_RULE = lazy(
    r"(?:Container (?P<container>\S+) for pod (?P<pod>\S+) failed with exit code (?P<code>-?\d+)"
    r"|Pod (?P<other>\S+) has condition .*?)"
    r" matching (?P<action>\S+) rule at index (?P<rule>\d+)"
)
# Sidecars that are known to run for ever beside the work.
_SIDECARS = lazy(
    r"(?i)istio-proxy|envoy|linkerd|proxy|cloudsql|sidecar|agent|vault|fluent|dapr|exporter|otel"
)


_LEAVE_TAKING = timedelta(seconds=15)


def reads(snapshot: Snapshot) -> Iterable[Read]:
    """The Jobs of a CronJob; else nothing: owners are read for every pod, a Job that is the target first."""
    if snapshot.target.kind == "cronjob":
        yield _jobs_read(snapshot)


def _jobs_read(snapshot: Snapshot) -> Read:
    return list_of("batch/v1", "jobs", snapshot.target.namespace, "would show how its newest Job ended")


def examine(snapshot: Snapshot) -> Iterable[Symptom]:
    """Which limit ended the Job, or what keeps it from ending."""
    job = _job(snapshot)
    pod = pod_of(snapshot)
    if job is None:
        if pod is not None and (name := _owning_job(pod)):
            yield from _running_on(name, pod, snapshot.clock)  # the pod alone shows that
        return
    subject = POD if pod is not None else Subject("workload")
    if ((pod or {}).get("status") or {}).get("phase") == "Succeeded":
        return  # it did its part, whatever became of the Job
    yield from _failed(job, subject)
    if pod is None:
        yield from _suspended(snapshot, job, subject)
    else:
        yield from _running_on(_name(job), pod, snapshot.clock)


def _job(snapshot: Snapshot) -> Body | None:
    if snapshot.target.kind == "job":
        body: Body | None = snapshot.body(
            get("batch/v1", "jobs", snapshot.target.namespace, snapshot.target.name)
        )
        return body
    if snapshot.target.kind == "cronjob":
        return _newest(snapshot)
    pod = pod_of(snapshot)
    if pod is not None and (name := _owning_job(pod)):
        owned: Body | None = snapshot.body(get("batch/v1", "jobs", snapshot.target.namespace, name))
        return owned
    owner = owner_of(snapshot)
    return owner.body if owner.kind == "job" else None


def _newest(snapshot: Snapshot) -> Body | None:
    """The newest Job of the CronJob that is the target: its pods may be gone already."""
    cronjob = (
        snapshot.body(get("batch/v1", "cronjobs", snapshot.target.namespace, snapshot.target.name)) or {}
    )
    uid = (cronjob.get("metadata") or {}).get("uid")
    owned = [
        one
        for one in snapshot.items(_jobs_read(snapshot)) or []
        if any(ref.get("uid") == uid for ref in (one.get("metadata") or {}).get("ownerReferences") or [])
    ]
    return max(owned, key=lambda one: str(one["metadata"].get("creationTimestamp")), default=None)


def _owning_job(pod: Body) -> str:
    """The name of the Job that the pod says it belongs to, or empty."""
    owners = (pod.get("metadata") or {}).get("ownerReferences") or []
    return next(
        (str(one["name"]) for one in owners if one.get("kind") == "Job" and one.get("controller")), ""
    )


def _name(job: Body) -> str:
    return str((job.get("metadata") or {}).get("name") or "")


def _cronjob(job: Body) -> str:
    owners = (job.get("metadata") or {}).get("ownerReferences") or []
    return next((str(one.get("name")) for one in owners if one.get("kind") == "CronJob"), "")


def _failed(job: Body, subject: Subject) -> Iterator[Symptom]:
    failed = condition(job, "Failed")
    if failed.get("status") != "True":
        failed = condition(job, "FailureTarget")
    if failed.get("status") != "True":
        return
    spec, status = job.get("spec") or {}, job.get("status") or {}
    message = str(failed.get("message") or failed.get("reason"))
    rule = _RULE.search(message)
    attributes = {
        "job": _name(job),
        "cronjob": _cronjob(job),
        # What a pod says of itself goes first; when none is left the Job's word is all there is.
        "asked": subject.kind,
        "reason": str(failed.get("reason") or ""),
        "failed": str(status.get("failed") or 0),
        "succeeded": str(status.get("succeeded") or 0),
        "limit": str(spec.get("backoffLimit", 6)),
        "deadline": str(spec.get("activeDeadlineSeconds") or ""),
        "indexes": str(status.get("failedIndexes") or ""),
        "rule": rule["rule"] if rule else "",
        "exit_code": (rule["code"] or "") if rule else "",
        "culprit": ((rule["container"] and f"container {rule['container']}") or f"pod {rule['other']}")
        if rule
        else "",
    }
    notes = [(f"{attributes['failed']} pods failed, {attributes['succeeded']} succeeded", "job.status")]
    if spec.get("backoffLimit") is not None:
        notes.append((f"backoffLimit {spec['backoffLimit']}", "job.spec"))
    source = f"job/{_name(job)} condition {failed.get('type')}"
    known = {key: value for key, value in attributes.items() if value}
    time = parse_time(failed.get("lastTransitionTime"))
    yield Symptom("job.failed", subject, source, message, known, time, notes=tuple(notes))


def _suspended(snapshot: Snapshot, job: Body, subject: Subject) -> Iterator[Symptom]:
    spec = job.get("spec") or {}
    if not spec.get("suspend"):
        ended = any(condition(job, kind).get("status") == "True" for kind in ("Complete", "Failed"))
        if spec.get("parallelism") == 0 and not ended:
            source = f"job/{_name(job)} spec.parallelism"
            yield Symptom(
                "job.suspended", subject, source, "parallelism: 0", {"job": _name(job), "parallelism": "0"}
            )
        return
    attributes = {"job": _name(job)}
    if queue := ((job.get("metadata") or {}).get("labels") or {}).get("kueue.x-k8s.io/queue-name"):
        attributes["queue"] = str(queue)
    said = condition(job, "Suspended")
    since = parse_time(said.get("lastTransitionTime")) or parse_time(
        (job.get("metadata") or {}).get("creationTimestamp")
    )
    if since:
        attributes["since"] = show_duration(snapshot.clock - since)
    notes = (
        ((f"label kueue.x-k8s.io/queue-name: {queue}", f"job/{_name(job)} metadata.labels"),) if queue else ()
    )
    source = f"job/{_name(job)} spec.suspend"
    yield Symptom("job.suspended", subject, source, "suspend: true", attributes, since, notes=notes)


def _running_on(job: str, pod: Body, clock: datetime) -> Iterator[Symptom]:
    """The main container is done (exit 0), one that never ends keeps the pod, and so the Job, from ending."""
    ended = [one for one in containers(pod, "app") if one.terminated]
    running = [one for one in containers(pod, "app") if one.is_running]
    if not ended or not running or any(one.terminated.get("exitCode") != 0 for one in ended):
        return
    done = max(filter(None, (parse_time(one.terminated.get("finishedAt")) for one in ended)), default=None)
    if done is not None and clock - done < _LEAVE_TAKING:
        return  # what was told to end with the work needs a moment for it
    # A second worker that is still busy is no fault: only what is known to run for ever counts.
    for one in running:
        image = str(one.spec.get("image") or "")
        if _SIDECARS.search(one.name) or _SIDECARS.search(image):
            names = ", ".join(sorted(each.name for each in ended))
            attributes = {"job": job, "sidecar": one.name, "finished": names}
            text = f"container {names} is Completed, container {one.name} is still running"
            yield Symptom(
                "job.sidecar-runs-on", one.subject, f"{one.status_path}.state.running", text, attributes
            )
