"""Target to Snapshot: asks the diagnostics for Reads, wave by wave, until they want no more.

The source may be a cluster or a recording: the loop is the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

from poddoctor.model import Absent, Answer, Found, Read, Snapshot, Target, Unknown, merge, unanswered
from poddoctor.pod.clock import true_time
from poddoctor.pod.owner import WORKLOAD_READS, owner_reads
from poddoctor.pod.reads import events_read, get, is_log_error, pod_events_read, pod_read
from poddoctor.stages import diagnostics

MAX_WAVES = 8
MAX_READS = 400
# Kubelet answers 400 where there simply is no such log (yet): an absence, not a failure.
_NO_LOG = re.compile(r"previous terminated container|is waiting to start|is not available|is terminated")


class Source(Protocol):
    """Where answers come from."""

    @property
    def clock(self) -> datetime:
        """The server's time, UTC; known after the first answers."""

    @property
    def version(self) -> str:
        """The server's version, or empty."""

    def ask(self, reads: Sequence[Read]) -> Mapping[Read, Answer]:
        """The answers to one wave of Reads. Every Read gets one."""


def collect(target: Target, source: Source) -> Snapshot:
    """All that the diagnostics want to know about the target.

    The budget bounds waves and reads; what was cut is an Unknown, so that nobody takes it for healthy.
    """
    answers = _ask(source, first_reads(target))
    snapshot = Snapshot(target, answers, true_time(source.clock, answers), source.version)
    for _ in range(MAX_WAVES):
        wanted = unanswered(snapshot, _wanted(snapshot))
        if not wanted:
            return snapshot
        room = max(0, MAX_READS - len(snapshot.answers))
        cut: dict[Read, Answer] = {
            read: Unknown("cut", f"more than {MAX_READS} reads") for read in wanted[room:]
        }
        answers = {**snapshot.answers, **_ask(source, wanted[:room]), **cut}
        snapshot = Snapshot(target, answers, true_time(source.clock, answers), source.version)
    rest = unanswered(snapshot, _wanted(snapshot))
    return merge(snapshot, {read: Unknown("cut", f"more than {MAX_WAVES} waves") for read in rest})


def first_reads(target: Target) -> tuple[Read, ...]:
    """The first wave: the target and its events."""
    if target.kind == "pod":
        empty = Snapshot(target, {}, datetime.min)  # noqa: DTZ901 - the clock is not known before the first answer
        return pod_read(empty), pod_events_read(empty)
    api, resource = WORKLOAD_READS[target.kind]
    kinds = {
        "replicaset": "ReplicaSet",
        "statefulset": "StatefulSet",
        "daemonset": "DaemonSet",
        "cronjob": "CronJob",
        "replicationcontroller": "ReplicationController",
    }
    kind = kinds.get(target.kind, target.kind.capitalize())
    purpose = "would show why no pod was created"
    return get(api, resource, target.namespace, target.name), events_read(
        target.namespace, kind, target.name, purpose
    )


def _wanted(snapshot: Snapshot) -> Iterable[Read]:
    yield from owner_reads(snapshot)
    for module in diagnostics().values():
        try:
            yield from module.reads(snapshot)
        except Exception:  # noqa: BLE001, S112 - the engine reports the same diagnostic as broken
            continue


def _ask(source: Source, reads: Sequence[Read]) -> dict[Read, Answer]:
    answers = source.ask(reads) if reads else {}
    return {read: normal(read, answer) for read, answer in answers.items()}


def normal(read: Read, answer: Answer) -> Answer:
    """A log that is kubelet's error is no log; a null in a list is no element, whoever wrote it."""
    if read.verb != "log":
        return replace(answer, body=_without_nulls(answer.body)) if isinstance(answer, Found) else answer
    if isinstance(answer, Found) and isinstance(answer.body, str) and is_log_error(answer.body):
        return Unknown("expired", answer.body.strip())
    if isinstance(answer, Unknown) and answer.why == "error" and _NO_LOG.search(answer.message):
        return Absent(answer.message)
    return answer


def _without_nulls(body: Any) -> Any:
    """The body without the nulls in its lists; the same object where there is none."""
    if isinstance(body, dict):
        changed = {
            key: new
            for key, value in body.items()
            if isinstance(value, (dict, list)) and (new := _without_nulls(value)) is not value
        }
        return {**body, **changed} if changed else body
    if isinstance(body, list):
        kept = [_without_nulls(one) for one in body if one is not None]
        same = len(kept) == len(body) and all(new is old for new, old in zip(kept, body, strict=True))
        return body if same else kept
    return body
