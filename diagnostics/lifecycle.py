"""Stage lifecycle: limits of the pod's own, deletion, resizes, and containers that hold up the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta

from poddoctor.model import POD, Body, Found, Read, Snapshot, Symptom, SymptomKind
from poddoctor.pod.containers import Container, containers
from poddoctor.pod.pattern import lazy
from poddoctor.pod.reads import (
    condition,
    log_reads,
    log_text,
    node_read,
    pod_events,
    pod_of,
)
from poddoctor.pod.units import parse_time, quantity, show_bytes, show_duration

from ._awaits import Awaited, awaited_by, service_reads, service_state
from ._deletion import deletion, is_deleted, who_deleted
from ._drain import blocked, budgets_read, drained_by
from ._nodes import node_name, trouble_of
from ._process import is_over

_ENDING = ("for", "left", "overdue", "grace", "node")

SYMPTOMS: Mapping[str, SymptomKind] = {
    "lifecycle.storage-exceeded": SymptomKind(
        "The kubelet evicted the pod because it used more disk than its own limit",
        ("kind", "volume", "limit", "suggested", "medium", "node", "field", "volume_index"),
    ),
    "lifecycle.deadline": SymptomKind(
        "The pod ran into its activeDeadlineSeconds", ("deadline", "suggested")
    ),
    "lifecycle.finalizers": SymptomKind(
        "The pod is to be deleted, its containers have ended, finalizers are left",
        (*_ENDING, "finalizer", "finalizers", "setter", "setter_hint"),
    ),
    "lifecycle.node-away": SymptomKind(
        "The pod is to be deleted and its node cannot confirm it", (*_ENDING, "ready", "gone", "node_for")
    ),
    "lifecycle.ending": SymptomKind(
        "The pod is to be deleted and still has time", (*_ENDING, "hook", "signal")
    ),
    "lifecycle.overdue": SymptomKind(
        "The pod should be gone since its grace period ended", (*_ENDING, "volumes")
    ),
    "lifecycle.kill-failed": SymptomKind("The runtime could not kill the pod", (*_ENDING, "detail")),
    "lifecycle.evicted-by-api": SymptomKind(
        "The pod was evicted through the API", ("node", "cordoned", "budget", "left")
    ),
    "lifecycle.drain-blocked": SymptomKind(
        "The node is being emptied, and the API would refuse to evict the pod",
        (
            *("kind", "node", "who", "budget", "budgets", "count", "rule", "own", "sick", "detail"),
            *("healthy", "desired", "expected", "scale_to"),
        ),
    ),
    "lifecycle.deleted-by-taint": SymptomKind(
        "A NoExecute taint had the pod deleted", ("node", "taint", "by_hand", "left", "device")
    ),
    "lifecycle.resize": SymptomKind(
        "An in-place resize was not done",
        ("state", "detail", "container", "resource", "wanted", "allocated", "node"),
    ),
    "lifecycle.init-waits": SymptomKind(
        "An init container runs on and waits for something",
        (
            *("for", "host", "port", "service", "service_namespace", "state", "nearest", "what", "log"),
            "elsewhere",
            *("job", "job_state", "service_is"),
        ),
    ),
    "lifecycle.awaited-missing": SymptomKind(
        "What the init container waits for is not there", ("service", "state")
    ),
    "lifecycle.init-runs": SymptomKind("An init container is at work", ("for", "position")),
    "lifecycle.sidecar-ends": SymptomKind(
        "A native sidecar keeps ending", ("exit_code", "reason", "restarts", "blocks", "word")
    ),
    "lifecycle.debug-failing": SymptomKind(
        "An ephemeral container does not run", ("reason", "detail", "exit_code")
    ),
}

_EMPTY_DIR = lazy(r'Usage of EmptyDir volume "([^"]+)" exceeds the limit "([^"]+)"')
_POD_TOTAL = lazy(
    r"[Ee]phemeral local storage usage exceeds the total limit of containers ([^\s.]+(?:\.\d+)?\w*)"
)
_CONTAINER = lazy(r'Container (\S+) exceeded its local ephemeral storage limit "([^"]+)"')
_STATES = {
    "absent": "does not exist",
    "no-endpoints": "has no ready endpoints",
    "no-port": "has no port {port}",
}
_AT_WORK = timedelta(seconds=30)


def reads(snapshot: Snapshot) -> Iterable[Read]:
    """The node of a pod that is to be deleted; the log and the Service of a waiting init container."""
    pod = pod_of(snapshot)
    if pod is None:
        return
    if is_deleted(pod):
        if node_name(pod):
            yield node_read(node_name(pod))
        if condition(pod, "DisruptionTarget").get("reason") == "EvictionByEvictionAPI":
            yield budgets_read(snapshot)
        return
    if drained_by(snapshot, pod):
        yield budgets_read(snapshot)
    for one in containers(pod, "init"):
        if one.is_running:
            yield log_reads(snapshot, one.name)[1]
            yield from service_reads(snapshot, _awaited(snapshot, one))
    for one in containers(pod, "sidecar"):
        if _keeps_ending(snapshot, one):
            yield from log_reads(snapshot, one.name)


def examine(snapshot: Snapshot) -> Iterable[Symptom]:
    """What holds this pod's life up, or ended it."""
    pod = pod_of(snapshot)
    if pod is None:
        return
    yield from _own_limits(pod)
    if is_deleted(pod):
        yield from deletion(snapshot, pod)
        return
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        if pod["status"]["phase"] == "Failed":
            yield from who_deleted(snapshot, pod)
        return
    yield from blocked(snapshot, pod)
    yield from _resize(pod)
    for one in containers(pod):
        if one.kind == "init":
            yield from _init(snapshot, pod, one)
        elif one.kind == "sidecar":
            yield from _sidecar(snapshot, pod, one)
        elif one.kind == "ephemeral":
            yield from _debug(snapshot, one)


# --- the pod's own limits ----------------------------------------------------------------------------------


def _own_limits(pod: Body) -> Iterator[Symptom]:
    status = pod.get("status") or {}
    reason, message = status.get("reason"), str(status.get("message") or "").strip()
    if status.get("phase") != "Failed":
        return
    if reason == "DeadlineExceeded":
        deadline = (pod.get("spec") or {}).get("activeDeadlineSeconds")
        values = {"deadline": f"{deadline}s", "suggested": str(int(deadline) * 2)} if deadline else {}
        notes = ((f"activeDeadlineSeconds: {deadline}", "pod.spec"),) if deadline else ()
        yield Symptom("lifecycle.deadline", POD, "pod.status", f"{reason}: {message}", values, notes=notes)
        return
    if reason != "Evicted":
        return
    values = {"node": node_name(pod)}
    if found := _EMPTY_DIR.search(message):
        medium, index = _volume(pod, found[1])
        values |= {"kind": "empty-dir", "volume": found[1], "limit": found[2], "medium": medium}
        values |= {"volume_index": index, "suggested": _double(found[2])}
        yield _exceeded(message, values)
    elif found := _CONTAINER.search(message):
        values |= {"kind": "container", "limit": found[2], "suggested": _double(found[2])}
        yield _exceeded(message, values, pod, found[1])
    elif found := _POD_TOTAL.search(message):
        limit = found[1].rstrip(".")
        limited = [one.name for one in containers(pod, "app", "sidecar") if _storage_limit(one)]
        values |= {"kind": "pod", "limit": limit}
        if len(limited) == 1:  # the pod's total is this container's limit
            values |= {"suggested": _double(limit)}
            yield _exceeded(message, values, pod, limited[0])
        else:
            yield _exceeded(message, values)


def _storage_limit(one: Container) -> str:
    return str(((one.spec.get("resources") or {}).get("limits") or {}).get("ephemeral-storage") or "")


def _exceeded(message: str, values: Mapping[str, str], pod: Body | None = None, name: str = "") -> Symptom:
    subject = next((one.subject for one in containers(pod or {}) if one.name == name), POD)
    kept = {key: value for key, value in values.items() if value}
    return Symptom("lifecycle.storage-exceeded", subject, "pod.status.message", f"Evicted: {message}", kept)


def _volume(pod: Body, name: str) -> tuple[str, str]:
    for index, one in enumerate((pod.get("spec") or {}).get("volumes") or []):
        if one.get("name") == name:
            return str((one.get("emptyDir") or {}).get("medium") or ""), str(index)
    return "", ""


def _double(limit: str) -> str:
    amount = quantity(limit)
    return show_bytes(amount * 2) if amount else ""


# --- resize ------------------------------------------------------------------------------------------------


def _resize(pod: Body) -> Iterator[Symptom]:
    """In-place resize: conditions since 1.33, ``status.resize`` before."""
    pending, progress = condition(pod, "PodResizePending"), condition(pod, "PodResizeInProgress")
    old = str((pod.get("status") or {}).get("resize") or "")
    if pending.get("status") == "True":
        state, detail, source = (
            str(pending.get("reason")),
            str(pending.get("message") or ""),
            "PodResizePending",
        )
    elif progress.get("status") == "True" and progress.get("reason") == "Error":
        state, detail, source = "Error", str(progress.get("message") or ""), "PodResizeInProgress"
    elif old in {"Infeasible", "Deferred"} and not pending:
        state, detail, source = old, "", ""
    else:
        return
    path = f"pod.status.conditions[{source}]" if source else "pod.status.resize"
    values = {"state": state, "detail": detail, "node": node_name(pod), **_difference(pod)}
    when = parse_time((pending or progress).get("lastTransitionTime"))
    kept = {key: value for key, value in values.items() if value}
    text = f"{state}: {detail}" if detail else state
    yield Symptom("lifecycle.resize", POD, path, text, kept, when)


def _difference(pod: Body) -> dict[str, str]:
    """The first resource that was asked for and is not what the container has."""
    for one in containers(pod, "app", "sidecar"):
        for part in ("requests", "limits"):
            asked = (one.spec.get("resources") or {}).get(part) or {}
            actual = one.status.get("allocatedResources") if part == "requests" else None
            actual = actual or (one.status.get("resources") or {}).get(part) or {}
            for resource, amount in asked.items():
                if resource in actual and quantity(actual[resource]) != quantity(amount):
                    return {
                        "container": one.name,
                        "resource": resource,
                        "wanted": str(amount),
                        "allocated": str(actual[resource]),
                    }
    return {}


# --- containers that hold up the others --------------------------------------------------------------------


def _awaited(snapshot: Snapshot, one: Container) -> Awaited | None:
    return awaited_by(
        one, log_text(snapshot, log_reads(snapshot, one.name)[1]) or "", snapshot.target.namespace
    )


def _init(snapshot: Snapshot, pod: Body, one: Container) -> Iterator[Symptom]:
    if not one.is_running or one.started_at is None or trouble_of(snapshot) is not None:
        return
    running = snapshot.clock - one.started_at
    waited = show_duration(running)
    log = (log_text(snapshot, log_reads(snapshot, one.name)[1]) or "").strip()
    last = log.splitlines()[-1].strip() if log else ""
    notes = [(f'last line: "{last[:160]}"', f"log {one.name}")] if last else []
    awaited = _awaited(snapshot, one)
    state, extra, evidence = service_state(snapshot, awaited) if awaited else ("", {}, [])
    # What does not exist is told at once; endpoints may be a moment late.
    if awaited is None or (running < _AT_WORK and state not in {"absent", "no-port", "failed"}):
        inits = containers(pod, "init", "sidecar")
        position = f"{[each.name for each in inits].index(one.name) + 1} of {len(inits)}"
        text = f"running for {waited}, init container {position}"
        values = {"for": waited, "position": position}
        yield Symptom(
            "lifecycle.init-runs",
            one.subject,
            one.status_path,
            text,
            values,
            one.started_at,
            notes=tuple(notes),
        )
        return
    values = {
        "for": waited,
        "host": awaited.host,
        "port": awaited.port,
        "what": awaited.what,
        "log": last[:80],
    }
    values |= {"state": state, **extra}
    if "service" in extra:
        values["service_is"] = _STATES.get(state, "").format(port=awaited.port)
        space = extra.get("service_namespace", "")
        values["elsewhere"] = space if space != snapshot.target.namespace else ""
    notes += [(f"it runs: {awaited.line}", f"{one.spec_path}.command"), *evidence]
    kept = {key: value for key, value in values.items() if value}
    text = f"running for {waited} without ending: waits for {awaited.what}"
    yield Symptom(
        "lifecycle.init-waits", one.subject, one.status_path, text, kept, one.started_at, notes=tuple(notes)
    )
    if state in {"absent", "no-endpoints", "no-port", "failed"} and evidence:
        about = {"service": extra.get("service") or awaited.host, "state": state}
        yield Symptom("lifecycle.awaited-missing", one.subject, evidence[0][1], evidence[0][0], about)


def _keeps_ending(snapshot: Snapshot, one: Container) -> bool:
    if one.waiting.get("reason") == "CrashLoopBackOff":
        return True
    ended = bool(one.terminated or one.last_terminated)
    return ended and one.restarts >= 2 and not is_over(one, snapshot.clock)


def _sidecar(snapshot: Snapshot, pod: Body, one: Container) -> Iterator[Symptom]:
    end = one.terminated or one.last_terminated
    if not end or not _keeps_ending(snapshot, one):
        return
    blocked = [
        each.name for each in containers(pod, "app") if each.waiting.get("reason") == "PodInitializing"
    ]
    values = {
        "exit_code": str(end.get("exitCode", "")),
        "reason": str(end.get("reason") or ""),
        "restarts": str(one.restarts),
        "blocks": ", ".join(blocked),
        "word": str(one.waiting.get("reason") or ""),
    }
    notes = (
        [(f"{', '.join(blocked)} waits for it (PodInitializing)", "pod.status.containerStatuses")]
        if blocked
        else []
    )
    if line := _last_words(snapshot, one):
        notes.append((line, f"log {one.name}"))
    text = f"restartPolicy Always in initContainers; {one.restarts} restarts"
    text += f", last exit code {end.get('exitCode')}"
    kept = {key: value for key, value in values.items() if value}
    when = parse_time(end.get("finishedAt"))
    yield Symptom(
        "lifecycle.sidecar-ends", one.subject, one.status_path, text, kept, when, notes=tuple(notes)
    )


def _last_words(snapshot: Snapshot, one: Container) -> str:
    for read in log_reads(snapshot, one.name):
        if isinstance(snapshot.answers.get(read), Found):
            lines = (log_text(snapshot, read) or "").strip().splitlines()
            if lines:
                return lines[-1].strip()[:200]
    return ""


def _debug(snapshot: Snapshot, one: Container) -> Iterator[Symptom]:
    waiting, ended = one.waiting, one.terminated
    if waiting.get("reason") in {None, "", "ContainerCreating", "PodInitializing"} and not ended:
        yield from _debug_pull(snapshot, one)
        return
    if ended and (not ended.get("exitCode") or ended.get("reason") == "Error"):
        return  # a debugging session that somebody ended
    state = waiting or ended
    values = {"reason": str(state.get("reason") or ""), "detail": str(state.get("message") or "")[:120]}
    if ended:
        values["exit_code"] = str(ended.get("exitCode"))
    kept = {key: value for key, value in values.items() if value}
    text = f"{state.get('reason')}: {state.get('message') or ''}"
    yield Symptom("lifecycle.debug-failing", one.subject, one.status_path, text, kept)


def _debug_pull(snapshot: Snapshot, one: Container) -> Iterator[Symptom]:
    """The failed pull that only an event tells of yet: kubelet writes the status at its next try."""
    mine = [each for each in pod_events(snapshot) if each.container == one.name]
    told = [each for each in mine if not each.message.startswith("Error: ")]  # the same failure once more
    if one.is_running or not told or not told[-1].message.startswith("Failed to pull image"):
        return
    values = {"reason": "ErrImagePull", "detail": told[-1].message[:120]}
    yield Symptom("lifecycle.debug-failing", one.subject, told[-1].source, told[-1].message, values)
