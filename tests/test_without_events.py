"""Events go after an hour: each recording of the starting stages, with its events gone and an hour later.

The cause is found from what is left, or nothing is claimed, and the report says that the events are gone.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from poddoctor import collect, engine, recording
from poddoctor.model import Found, Report

from .conftest import recorded

FAMILIES = ("sandbox", "image", "config", "startup")
NAMES = [name for name in recorded() if name.partition("/")[0] in FAMILIES]
# Only an event ever says these, and nothing else of the recording shows them.
SPOKEN = {
    "image/pull-in-progress",
    "sandbox/cni-plugin-failed",
    "sandbox/cni-plugin-missing",
    "sandbox/devices-not-prepared",
    "sandbox/network-attachment-missing",
    "sandbox/node-disk-full",
    "sandbox/pause-image-unavailable",
    "sandbox/pod-ip-exhausted",
    "sandbox/runtime-class-handler-missing",
    "sandbox/sandbox-failed",
    "sandbox/sandbox-timeouts",
    "sandbox/user-namespaces-unsupported",
    "startup/post-start-hook-failed",
}


def without_events(name: str) -> Report:
    loaded = recording.load(recorded()[name])
    gone = Found({"items": []})
    answers = {
        read: gone if read.resource == "events" else answer
        for read, answer in loaded.snapshot.answers.items()
    }
    later = loaded.snapshot.clock + timedelta(minutes=50)
    source = replace(loaded, snapshot=replace(loaded.snapshot, answers=answers, clock=later))
    return engine.diagnose(collect.collect(source.snapshot.target, source))


@pytest.mark.parametrize("name", NAMES)
def test_the_cause_or_nothing(name: str) -> None:
    report = without_events(name)
    cause = name.partition("--")[0]
    found = [one.cause.id for one in report.findings if one.standing in ("now", "waiting")]
    if cause not in SPOKEN:
        assert found[:1] == [cause]
        return
    others = [one for one in report.findings if one.cause.id != cause]
    assert all(one.confidence == "possible" for one in others), others
    if not report.findings:
        assert any("no event of the pod is left" in line for line in report.look_next)


def test_most_causes_need_no_event() -> None:
    kept = [
        name
        for name in NAMES
        if [one.cause.id for one in without_events(name).findings][:1] == [name.partition("--")[0]]
    ]
    assert len(kept) >= 0.75 * len(NAMES), f"{len(kept)} of {len(NAMES)}"
