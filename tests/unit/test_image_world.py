"""What the cluster knows around a failed pull: revisions, siblings, pull secrets that were not offered."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from poddoctor.diagnostics._elsewhere import elsewhere_read

from poddoctor import engine
from poddoctor.model import Absent, Answer, Finding, Found, Read, Snapshot, Target
from poddoctor.pod.reads import get, list_of, pod_events_read, pod_read

CLOCK = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
NOT_FOUND = "docker.io/shop/web:2: not found"
DENIED = "failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized"
LABELS = {"app": "web", "pod-template-hash": "a"}
TYPE = "kubernetes.io/dockerconfigjson"


def secret(*registries: str) -> Answer:
    return Found({"type": TYPE, "data": {".dockerconfigjson": ""}, "registries": list(registries)})


def replicaset(name: str, revision: str, image: str) -> dict[str, Any]:
    owner = {"kind": "Deployment", "name": "web", "controller": True, "apiVersion": "apps/v1"}
    template = {"spec": {"containers": [{"name": "app", "image": image}]}}
    meta = {
        "name": name,
        "annotations": {"deployment.kubernetes.io/revision": revision},
        "ownerReferences": [owner],
    }
    return {"metadata": meta, "spec": {"template": template}}


def diagnose(
    message: str,
    *,
    image: str = "shop/web:2",
    names: tuple[str, ...] = (),
    answers: dict[Read, Answer] | None = None,
    events: tuple[tuple[str, str], ...] = (),
    version: str = "v1.34.1",
) -> Finding:
    owner = {"kind": "ReplicaSet", "name": "web-a", "controller": True, "apiVersion": "apps/v1"}
    waiting = {"reason": "ErrImagePull", "message": message}
    pod = {
        "metadata": {
            "name": "web-a-1",
            "namespace": "shop",
            "uid": "u",
            "labels": LABELS,
            "ownerReferences": [owner],
        },
        "spec": {
            "nodeName": "n1",
            "serviceAccountName": "web",
            "imagePullSecrets": [{"name": name} for name in names],
            "containers": [{"name": "app", "image": image}],
        },
        "status": {"phase": "Pending", "containerStatuses": [{"name": "app", "state": {"waiting": waiting}}]},
    }
    empty = Snapshot(Target("pod", "shop", "web-a-1"), {}, CLOCK)
    about = {"kind": "Pod", "name": "web-a-1", "uid": "u", "fieldPath": "spec.containers{app}"}
    rows = [
        {
            "metadata": {"name": reason},
            "reason": reason,
            "message": text,
            "type": "Warning",
            "involvedObject": about,
        }
        for reason, text in events
    ]
    deployment = {"metadata": {"name": "web"}, "spec": {"selector": {"matchLabels": {"app": "web"}}}}
    given: dict[Read, Answer] = {
        pod_read(empty): Found(pod),
        pod_events_read(empty): Found({"items": rows}),
        get("apps/v1", "replicasets", "shop", "web-a"): Found(replicaset("web-a", "3", image)),
        get("apps/v1", "deployments", "shop", "web"): Found(deployment),
        **(answers or {}),
    }
    return engine.diagnose(Snapshot(empty.target, given, CLOCK, version)).findings[0]


def revisions(*bodies: dict[str, Any]) -> dict[Read, Answer]:
    return {
        list_of("apps/v1", "replicasets", "shop", labelSelector="app=web"): Found({"items": list(bodies)})
    }


def test_the_last_revision_that_ran_another_image_is_named() -> None:
    found = diagnose(
        NOT_FOUND,
        answers=revisions(
            replicaset("web-a", "3", "shop/web:2"),
            replicaset("web-b", "1", "shop/web:1.3"),
            replicaset("web-c", "2", "shop/web:1.4"),
        ),
    )
    assert found.title.endswith("revision 2 ran shop/web:1.4")
    assert any("--to-revision=2" in step.run for step in found.steps)


def test_only_one_s_own_revisions_count() -> None:
    foreign = {**replicaset("api-b", "9", "shop/api:7")}
    foreign["metadata"] = {**foreign["metadata"], "ownerReferences": []}
    assert "revision" not in diagnose(NOT_FOUND, answers=revisions(foreign)).title


def unoffered(registry: str, account: tuple[str, ...] = ()) -> dict[Read, Answer]:
    selector = {"fieldSelector": f"type={TYPE}", "limit": "20"}
    listed = Found({"items": [{"metadata": {"name": "team"}}]})
    return {
        list_of("v1", "secrets", "shop", metadata=True, **selector): listed,
        get("v1", "secrets", "shop", "team"): secret(registry),
        get("v1", "serviceaccounts", "shop", "web"): Found(
            {"imagePullSecrets": [{"name": one} for one in account]}
        ),
    }


@pytest.mark.parametrize(
    ("answers", "words", "command"),
    [
        (unoffered("ghcr.io"), "the pod offers no pull secret; there is team", "imagePullSecrets"),
        (unoffered("quay.io"), "the pod offers no pull secret", "create secret docker-registry"),
        (unoffered("ghcr.io", ("team",)), "service account web has pull secret team", "rollout restart"),
    ],
)
def test_a_pull_secret_that_was_not_offered(answers: dict[Read, Answer], words: str, command: str) -> None:
    found = diagnose(DENIED, image="ghcr.io/shop/web:2", answers=answers)
    assert words in found.title
    assert ("there is team" in found.title) == ("there is team" in words)
    assert command in next(step for step in found.steps if step.fixes).run


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ("1.dkr.ecr.eu-west-1.amazonaws.com/web:2", "the nodes' IAM role may not pull"),
        ("europe-west3-docker.pkg.dev/p/r/web:2", "the nodes' service account may not pull"),
        ("shop.azurecr.io/web:2", "the kubelet identity may not pull"),
    ],
)
def test_in_clouds_the_node_logs_in(image: str, words: str) -> None:
    assert words in diagnose(DENIED, image=image).title


UNRETRIEVED = (
    "FailedToRetrieveImagePullSecret",
    "Unable to retrieve some image pull secrets (regcred); attempting",
)
FAILED = ("Failed", f'Failed to pull image "ghcr.io/shop/web:2": {DENIED}')


@pytest.mark.parametrize(
    ("events", "version", "answer", "expected"),
    [
        ((UNRETRIEVED, FAILED), "v1.34.1", Absent(), ("image/pull-secret-missing", "certain")),
        ((UNRETRIEVED, FAILED), "v1.34.1", None, ("image/pull-secret-missing", "certain")),
        ((), "v1.34.1", Absent(), ("image/pull-secret-missing", "likely")),
        ((FAILED,), "v1.25.4", Absent(), ("image/pull-secret-missing", "likely")),
        # It was there, but nobody saw whether it is for this registry.
        ((FAILED,), "v1.34.1", Absent(), ("image/credentials-rejected", "likely")),
        ((FAILED,), "v1.34.1", None, ("image/credentials-rejected", "likely")),
    ],
)
def test_a_pull_secret_that_is_missing_is_told_by_kubelet(
    events: tuple[tuple[str, str], ...], version: str, answer: Answer | None, expected: tuple[str, str]
) -> None:
    answers = {get("v1", "secrets", "shop", "regcred"): answer} if answer else {}
    found = diagnose(
        DENIED,
        image="ghcr.io/shop/web:2",
        names=("regcred",),
        answers=answers,
        events=events,
        version=version,
    )
    assert (found.cause.id, found.confidence) == expected


def test_a_secret_of_another_namespace_is_named() -> None:
    other = Found({"items": [{"metadata": {"name": "regcred", "namespace": "tools"}}]})
    answers: dict[Read, Answer] = {
        get("v1", "secrets", "shop", "regcred"): Absent(),
        elsewhere_read("v1", "secrets", "Secret", "regcred"): other,
    }
    found = diagnose(DENIED, image="ghcr.io/shop/web:2", names=("regcred",), answers=answers)
    assert found.title == "Pull secret regcred does not exist in shop; namespace tools has one"
    assert "kubectl -n tools get secret regcred" in found.steps[0].run


def pull_failed(pod: str, image: str) -> dict[str, Any]:
    return {
        "metadata": {"name": f"{pod}.1"},
        "reason": "Failed",
        "type": "Warning",
        "message": f'Failed to pull image "{image}": {NOT_FOUND}',
        "involvedObject": {"kind": "Pod", "name": pod, "uid": "other"},
        "lastTimestamp": "2026-01-01T11:59:00Z",
    }


@pytest.mark.parametrize(
    ("image", "expected"), [("shop/web:2", "image/tag-not-found"), ("shop/web:3", "image/pull-failed")]
)
def test_the_words_about_another_pod_of_the_same_image(image: str, expected: str) -> None:
    selector = {"fieldSelector": "involvedObject.kind=Pod,reason=Failed", "limit": "100"}
    answers: dict[Read, Answer] = {
        list_of("v1", "events", "shop", **selector): Found({"items": [pull_failed("web-a-2", image)]})
    }
    found = diagnose('Back-off pulling image "shop/web:2"', answers=answers)
    assert found.cause.id == expected


@pytest.mark.parametrize(
    ("text", "title"),
    [
        (
            (
                'failed to copy: httpReadSeeker: failed open: failed to do request: Get "https://layers.s3.example/x?a=b": '
                "dial tcp 10.0.0.9:443: i/o timeout"
            ),
            (
                "layers.s3.example, which node n1 asks for images of docker.io, does not answer: "
                "dial tcp 10.0.0.9:443: i/o timeout"
            ),
        ),
        (
            (
                'failed to do request: Head "https://registry-1.docker.io/v2/shop/web/manifests/2": '
                "dial tcp 10.0.0.9:443: i/o timeout"
            ),
            "Registry docker.io does not answer node n1: dial tcp 10.0.0.9:443: i/o timeout",
        ),
        (
            'failed to do request: Head "https://mirror.corp/v2/": dial tcp: lookup mirror.corp: no such host',
            "The name mirror.corp, which node n1 asks for images of docker.io, cannot be resolved",
        ),
        (
            (
                "(Mirrors also failed: [m.corp/a:2: pinging container registry m.corp: dial tcp 10.0.0.1:5000: i/o timeout]): "
                "docker.io/shop/web:2: reading manifest 2 in docker.io/shop/web: received unexpected HTTP status: "
                "502 Bad Gateway"
            ),
            "Registry docker.io is broken: 502 Bad Gateway",
        ),
        (
            "denied: Your authorization token has expired. Reauthenticate and try again.",
            "The token that node n1 has for registry docker.io has expired, and the pod offers no pull secret",
        ),
        (
            "name unknown: the repository with name 'shop/web' does not exist in the registry",
            "Registry docker.io has no repository shop/web",
        ),
    ],
)
def test_whose_host_and_whose_token_is_meant(text: str, title: str) -> None:
    assert diagnose(text).title == title
