"""Pods that look the same in ``kubectl get pods`` and have different causes: both must come out right."""

from __future__ import annotations

import pytest

from poddoctor.pod.containers import status_word
from poddoctor.pod.reads import pod_of

from .conftest import recorded, report_of, snapshot_of

# What kubectl shows as the same state, though kubelet alternates between its words.
SAME = {
    "ImagePullBackOff": "ErrImagePull",
    "CrashLoopBackOff": "crashing",
    "Error": "crashing",
    "OOMKilled": "crashing",
    "Completed": "crashing",
    "RunContainerError": "crashing",
    "Running": "running",
}
PAIRS = [
    ("crash/killed-unproven", "crash/oom-killed"),
    ("crash/killed-unproven", "probes/liveness-kills-container"),
    ("crash/oom-killed", "crash/child-process-oom-killed"),
    ("crash/finishes-immediately", "crash/application-error"),
    ("crash/application-error", "logs/dependency-refused"),
    ("startup/command-not-found", "startup/command-not-executable"),
    ("startup/exec-format-error", "startup/interpreter-missing"),
    ("config/configmap-not-found", "config/configmap-key-not-found"),
    ("config/secret-not-found--projected", "config/configmap-not-found--volume"),
    ("image/tag-not-found", "image/repository-not-found"),
    ("image/credentials-rejected", "image/pull-secret-unusable"),
    ("image/registry-dns-failure", "image/registry-unreachable"),
    ("scheduling/insufficient-resources", "scheduling/request-exceeds-every-node"),
    ("scheduling/untolerated-taint", "scheduling/node-selector-mismatch"),
    ("scheduling/insufficient-resources", "storage/pvc-not-found"),
    ("probes/readiness-failing", "node/node-not-ready"),
    ("probes/probe-path-wrong", "probes/probe-http-error"),
    ("lifecycle/finalizer-blocks-deletion", "crash/application-error"),
]


def word(name: str) -> str:
    pod = pod_of(snapshot_of(recorded()[name]))
    assert pod is not None
    shown = status_word(pod)
    return SAME.get(shown, shown)


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_both_come_out_right(one: str, other: str) -> None:
    causes = [report_of(recorded()[name]).findings[0].cause.id for name in (one, other)]
    assert causes == [one.partition("--")[0], other.partition("--")[0]]
    assert {word(one), word(other)} <= {"crashing", "running"} or word(one) == word(other)
