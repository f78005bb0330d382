"""What a container that is ready says again and again, and what of it counts."""

from __future__ import annotations

from typing import Any

import pytest
from poddoctor.diagnostics._awaits import services_read, slices_read
from poddoctor.diagnostics._policies import policies_read

from poddoctor.model import Absent, Answer, Body, Found, Read, Snapshot, Unknown
from poddoctor.pod.reads import get, list_of, pod_read, recent_log_read

from .test_logs import CLOCK, TARGET, diagnosed

WORKS: Body = {"restartCount": 0, "ready": True, "state": {"running": {"startedAt": "2025-12-31T10:00:00Z"}}}
READ = recent_log_read(Snapshot(TARGET, {}, CLOCK), "app")
REFUSED = "ERROR ledger:5432: connect: connection refused\n"
FORBIDDEN = (
    'E0101 00:00:01.000000       1 reflector.go:150] pods is forbidden: User "system:serviceaccount:shop:spy" '
    'cannot list resource "pods" in API group "" in the namespace "shop"\n'
)
OK = "INFO served an order\n"


def ledger(*, ready: bool) -> dict[Read, Answer]:
    body = {"metadata": {"name": "ledger", "namespace": "shop"}, "spec": {"ports": [{"port": 5432}]}}
    ends: list[Any] = [{"conditions": {"ready": True}}] if ready else []
    return {
        get("v1", "services", "shop", "ledger"): Found(body),
        slices_read("shop", "ledger"): Found({"items": [{"endpoints": ends}]}),
        list_of("v1", "pods", "shop"): Found({"items": []}),
    }


@pytest.mark.parametrize(
    ("text", "ready", "causes"),
    [
        (REFUSED * 3, False, ["logs/dependency-refused"]),
        (REFUSED * 2, False, []),  # not often
        (REFUSED * 3, True, []),  # nothing shows why: it may have got over it, or be used to it
        (REFUSED * 5 + OK * 12, False, []),  # history
        ((REFUSED + OK * 2) * 4, False, ["logs/dependency-refused"]),
        (FORBIDDEN * 4, True, ["logs/kubernetes-api-forbidden"]),
        (
            "WARN traces export: dial tcp: lookup otel-collector on 10.96.0.10:53: no such host\n" * 9,
            True,
            [],
        ),
        ("ERROR NullPointerException\n" * 9, True, []),
        ("ERROR cannot write /data/wal: no space left on device\n" * 3, True, ["logs/disk-full"]),
        ("", False, []),
    ],
)
def test_what_a_ready_container_repeats(text: str, *, ready: bool, causes: list[str]) -> None:
    found = diagnosed("", status=WORKS, others={**ledger(ready=ready), READ: Found(text)})
    assert [one.cause.id for one in found] == causes


def test_how_often_is_said_and_no_restart_advised() -> None:
    (found,) = diagnosed("", status=WORKS, others={READ: Found(FORBIDDEN * 4)})
    assert ("it is ready, and has said so 4 times within 2 minutes", "log app") in found.symptoms[0].notes
    assert not any("back-off" in step.do for step in found.steps)


def test_the_log_of_a_working_container_is_not_missed() -> None:
    assert READ.optional
    assert diagnosed("", status=WORKS, others={READ: Unknown("forbidden", "no")}) == ()


@pytest.mark.parametrize(
    ("listed", "causes"), [(Found({"items": []}), ["logs/dependency-refused"]), (Absent(), [])]
)
def test_a_service_is_missed_only_if_services_can_be_listed(listed: Answer, causes: list[str]) -> None:
    others = {get("v1", "services", "shop", "ledger"): Absent(), services_read("shop"): listed}
    found = diagnosed("", status=WORKS, others={**others, READ: Found(REFUSED * 3)})
    assert [one.cause.id for one in found] == causes


@pytest.mark.parametrize(("times", "causes"), [(3, ["network/network-policy-denies"]), (2, [])])
def test_a_policy_that_keeps_a_ready_container_from_names(times: int, causes: list[str]) -> None:
    policy = {
        "metadata": {"name": "closed", "namespace": "shop"},
        "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": []},
    }
    text = "wget: bad address 'ledger:80'\n" * times
    body = {
        "metadata": {"name": "api-1", "namespace": "shop", "uid": "u"},
        "spec": {"containers": [{"name": "app", "image": "acme/api:1"}]},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"name": "app", **WORKS}],
        },
    }
    others = {
        pod_read(Snapshot(TARGET, {}, CLOCK)): Found(body),
        READ: Found(text),
        policies_read("shop"): Found({"items": [policy]}),
    }
    assert [one.cause.id for one in diagnosed("", status=WORKS, others=others)][:1] == causes
