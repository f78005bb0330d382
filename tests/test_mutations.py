"""What is left of a diagnosis when a part of the evidence cannot be had.

For each recording one Answer at a time is taken away, in each of the ways in which the world takes it: no
crash, no certain finding that rests on it, and it is named under "Not seen".
"""

from __future__ import annotations

import pytest

from poddoctor import engine
from poddoctor.model import Absent, Answer, Found, Read, Report, Snapshot, Unknown
from poddoctor.pod.reads import pod_read

from .conftest import healthy, recorded, snapshot_of

LOST = {"forbidden": Unknown("forbidden", "no"), "timed out": Unknown("timed-out", "late")}


def without(snapshot: Snapshot, read: Read, answer: Answer) -> Snapshot:
    return Snapshot(snapshot.target, {**snapshot.answers, read: answer}, snapshot.clock, snapshot.version)


def emptied(read: Read) -> Answer:
    """A list without items, a log without lines, an object that is gone."""
    if read.verb == "log":
        return Found("")
    return Found({"items": []}) if read.verb == "list" else Absent("gone")


def diagnose(snapshot: Snapshot) -> Report:
    found, broken = engine.examine(snapshot)
    assert not broken, broken
    assert found is not None
    return engine.diagnose(snapshot)


def only_the_pod(snapshot: Snapshot) -> Snapshot:
    kept = pod_read(snapshot)
    answers: dict[Read, Answer] = {
        read: answer if read == kept else LOST["forbidden"] for read, answer in snapshot.answers.items()
    }
    return Snapshot(snapshot.target, answers, snapshot.clock, snapshot.version)


@pytest.mark.parametrize("name", [*recorded(), *(f"healthy/{one}" for one in healthy())])
def test_one_answer_lost(name: str) -> None:
    snapshot = snapshot_of(recorded().get(name) or healthy()[name.removeprefix("healthy/")])
    for read, answer in snapshot.answers.items():
        if isinstance(answer, Unknown):
            continue
        for lost in LOST.values():
            report = diagnose(without(snapshot, read, lost))
            # That a mere hint cannot be had is no news, nor that another namespace may not be looked into.
            quiet = read.optional or (read.elsewhere and lost.why == "forbidden")
            named = read in [one.read for one in report.not_seen]
            assert named is not quiet, f"{read.path} is{'' if named else ' not'} named"
        diagnose(without(snapshot, read, emptied(read)))


@pytest.mark.parametrize("name", recorded())
def test_a_certain_finding_quotes_only_what_was_seen(name: str) -> None:
    """With the pod alone, no finding may quote an event, a log or another object."""
    snapshot = snapshot_of(recorded()[name])
    if snapshot.target.kind != "pod":
        return
    for finding in diagnose(only_the_pod(snapshot)).findings:
        for symptom in finding.symptoms:
            for source in (symptom.source, *(note[1] for note in symptom.notes)):
                assert source.startswith("pod."), f"{finding.cause.id} quotes {source!r}"


@pytest.mark.parametrize("name", healthy())
def test_a_healthy_pod_stays_healthy_when_little_can_be_seen(name: str) -> None:
    snapshot = snapshot_of(healthy()[name])
    if snapshot.target.kind == "pod":
        report = diagnose(only_the_pod(snapshot))
        assert [
            one.cause.id for one in report.findings if one.standing == "now" and one.confidence != "possible"
        ] == []
