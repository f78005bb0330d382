"""A workload without pods about which nobody says a word: does its controller run, or are the events gone?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from poddoctor.model import Absent, Body, Read, Snapshot, Subject, Symptom
from poddoctor.pod.reads import get
from poddoctor.pod.units import parse_time, show_duration

WORKLOAD = Subject("workload")
LEASE = get(
    "coordination.k8s.io/v1",
    "leases",
    "kube-system",
    "kube-controller-manager",
    "would show whether the controllers of the cluster are alive",
)
_PATIENCE = timedelta(seconds=30)
_SILENCE = timedelta(minutes=2)
# A DaemonSet whose pods are refused did not write its status before 1.26.
_OBSERVING = ("deployment", "statefulset", "replicaset", "replicationcontroller")


def reads(snapshot: Snapshot, body: Body) -> Iterator[Read]:
    """The lease of the controllers, when none of them has looked at the workload."""
    if _waits(snapshot, body):
        yield LEASE


def examine(snapshot: Snapshot, body: Body) -> Iterator[Symptom]:
    """That no controller has looked at the workload, and whether they run."""
    if not _waits(snapshot, body):
        return
    status, meta = body.get("status") or {}, body.get("metadata") or {}
    age = _age(snapshot, body)
    seen = status.get("observedGeneration")
    field = "observedGeneration" if snapshot.target.kind in _OBSERVING else "startTime"
    after = show_duration(age)
    text = f"generation {meta.get('generation', 1)}, {field} {seen or 'none'}, {after} after it was made"
    yield Symptom("admission.unobserved", WORKLOAD, f"{snapshot.target.kind}.status", text, {"age": after})
    source = "lease kube-system/kube-controller-manager"
    if isinstance(snapshot.answers.get(LEASE), Absent):
        return  # managed clusters may keep it elsewhere: its absence says nothing
    spec = (snapshot.body(LEASE) or {}).get("spec") or {}
    renewed = parse_time(spec.get("renewTime"))
    if renewed is None:
        return
    silent = snapshot.clock - renewed
    state = _state(silent, silent < age - _PATIENCE, int(spec.get("leaseDurationSeconds") or 15))
    if not state:
        return
    text = f"the controller manager last renewed its lease {show_duration(silent)} ago"
    yield Symptom("admission.controller-lease", WORKLOAD, source, text, {"state": state})


def _state(silent: timedelta, since: bool, term: int) -> str:
    """Stale or fresh; ``since`` when the lease was renewed while the workload had long been there.

    A lease that has just run out proves nothing: a successor may be about to take it.
    """
    if since or silent.total_seconds() <= 2 * term:
        return "fresh"
    return "stale" if silent.total_seconds() > max(60, 3 * term) else ""


def unexplained(snapshot: Snapshot, body: Body, creator: str, wanted: int) -> Iterator[Symptom]:
    """Pods are lacking for a while, and no event or condition says why: events live for an hour."""
    age = _age(snapshot, body)
    if age < _SILENCE or wanted <= 0 or _waits(snapshot, body):
        return
    text = f"{creator} lacks pods, and nothing that can be read says why"
    attributes = {"creator": creator, "age": show_duration(age), "wanted": str(wanted)}
    yield Symptom("admission.pods-unexplained", WORKLOAD, f"{snapshot.target.kind}.status", text, attributes)


def _age(snapshot: Snapshot, body: Body) -> timedelta:
    created = parse_time((body.get("metadata") or {}).get("creationTimestamp"))
    return snapshot.clock - created if created else timedelta(0)


def _waits(snapshot: Snapshot, body: Body) -> bool:
    """Whether the controller has never looked at this workload, although it had the time."""
    status, kind = body.get("status") or {}, snapshot.target.kind
    if _age(snapshot, body) < _PATIENCE or (body.get("metadata") or {}).get("deletionTimestamp"):
        return False
    if kind in _OBSERVING:
        return not status.get("observedGeneration") and not status.get("replicas")
    if kind == "job":
        managed = (body.get("spec") or {}).get("managedBy") not in (None, "kubernetes.io/job-controller")
        return not managed and not status.get("startTime") and not status.get("conditions")
    return False
