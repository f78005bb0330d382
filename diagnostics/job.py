"""Stage job: the limits that ended a Job.

The failing pod's own cause comes first, the Job's limit second: it is a consequence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from poddoctor.model import POD, Body, Read, Snapshot, Subject, Symptom, SymptomKind
from poddoctor.pod.containers import containers
from poddoctor.pod.owner import owner_of
from poddoctor.pod.pattern import lazy
from poddoctor.pod.reads import condition, get, pod_of
from poddoctor.pod.units import parse_time

_COMMON = ("job", "reason", "failed", "succeeded", "limit", "deadline")
SYMPTOMS: Mapping[str, SymptomKind] = {
    "job.failed": SymptomKind(
        "the Job has the condition Failed (or FailureTarget)",
        (*_COMMON, "indexes", "rule", "exit_code", "culprit", "asked"),
    ),
    "job.suspended": SymptomKind("the Job is suspended: it has no pods", ("job",)),
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


def reads(snapshot: Snapshot) -> Iterable[Read]:
    """Nothing of its own: owners are read for every pod, and a Job that is the target is read first."""
    del snapshot
    return ()


def examine(snapshot: Snapshot) -> Iterable[Symptom]:
    """Which limit ended the Job, or what keeps it from ending."""
    job = _job(snapshot)
    if job is None:
        return
    pod = pod_of(snapshot)
    subject = POD if pod is not None else Subject("workload")
    if ((pod or {}).get("status") or {}).get("phase") == "Succeeded":
        return  # it did its part, whatever became of the Job
    yield from _failed(job, subject)
    if pod is None:
        yield from _suspended(job, subject)
    else:
        yield from _running_on(job, pod)


def _job(snapshot: Snapshot) -> Body | None:
    if snapshot.target.kind == "job":
        body: Body | None = snapshot.body(
            get("batch/v1", "jobs", snapshot.target.namespace, snapshot.target.name)
        )
        return body
    pod = pod_of(snapshot)
    for reference in ((pod or {}).get("metadata") or {}).get("ownerReferences") or []:
        if reference.get("kind") == "Job" and reference.get("controller"):
            owned: Body | None = snapshot.body(
                get("batch/v1", "jobs", snapshot.target.namespace, str(reference["name"]))
            )
            return owned
    owner = owner_of(snapshot)
    return owner.body if owner.kind == "job" else None


def _name(job: Body) -> str:
    return str((job.get("metadata") or {}).get("name") or "")


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


def _suspended(job: Body, subject: Subject) -> Iterator[Symptom]:
    if not (job.get("spec") or {}).get("suspend"):
        return
    yield Symptom(
        "job.suspended", subject, f"job/{_name(job)} spec.suspend", "suspend: true", {"job": _name(job)}
    )


def _running_on(job: Body, pod: Body) -> Iterator[Symptom]:
    """The main container is done (exit 0), one that never ends keeps the pod, and so the Job, from ending."""
    ended = [one for one in containers(pod, "app") if one.terminated]
    running = [one for one in containers(pod, "app") if one.is_running]
    if not ended or not running or any(one.terminated.get("exitCode") != 0 for one in ended):
        return
    # A second worker that is still busy is no fault: only what is known to run for ever counts.
    for one in running:
        image = str(one.spec.get("image") or "")
        if _SIDECARS.search(one.name) or _SIDECARS.search(image):
            names = ", ".join(sorted(each.name for each in ended))
            attributes = {"job": _name(job), "sidecar": one.name, "finished": names}
            text = f"container {names} is Completed, container {one.name} is still running"
            yield Symptom(
                "job.sidecar-runs-on", one.subject, f"{one.status_path}.state.running", text, attributes
            )
