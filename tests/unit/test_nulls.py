"""A null in a list is no element, wherever a cluster or a recording has one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone

from poddoctor import collect, engine
from poddoctor.model import Absent, Answer, Found, Read, Target

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)
WAITING = {"waiting": {"reason": "CreateContainerError", "message": "no command specified"}}
POD = {
    "metadata": {"name": "web", "namespace": "shop", "uid": "u", "ownerReferences": [None]},
    "spec": {
        "nodeName": "n1",
        "containers": [None, {"name": "app", "image": "app:1", "env": [None], "volumeMounts": [None]}],
        "initContainers": [None],
        "volumes": [None],
        "tolerations": [None],
    },
    "status": {
        "phase": "Pending",
        "conditions": [None],
        "containerStatuses": [None, {"name": "app", "state": WAITING}],
    },
}


class Holed:
    """A cluster that holds one pod and one event that is null."""

    clock, version = NOW, "v1.31.0"

    def ask(self, reads: Sequence[Read]) -> Mapping[Read, Answer]:
        """The pod, and nothing else."""
        answers = {"pods": Found(POD), "events": Found({"items": [None]})}
        return {
            read: answers.get(read.resource, Absent()) if read.verb != "log" else Absent() for read in reads
        }


def test_nulls_are_passed_over() -> None:
    report = engine.diagnose(collect.collect(Target("pod", "shop", "web"), Holed()))
    assert [one.cause.id for one in report.findings] == ["startup/no-command"]
    assert not [one for one in report.not_seen if "bug" in one.answer.message]


def test_what_has_none_stays_the_same_object() -> None:
    body = {"items": [{"a": [1, {"b": None}]}]}
    assert collect._without_nulls(body) is body
