"""The texts of runtimes and registries, from their sources, and what they mean."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from poddoctor.diagnostics._reference import parse, wrong_with
from poddoctor.diagnostics.image import _meant

from poddoctor import engine
from poddoctor.model import Absent, Answer, Found, Read, Report, Snapshot, Target
from poddoctor.pod.reads import get, pod_events_read, pod_read

CLOCK = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
CONTAINERD = 'failed to pull and unpack image "{image}": failed to resolve reference "{image}": '
TRANSFER = (
    'rpc error: code = NotFound desc = failed to pull and unpack image "{image}": failed to resolve image: '
)


def first(
    message: str,
    *,
    reason: str = "ErrImagePull",
    image: str = "shop/web:2",
    secrets: dict[str, Any] | None = None,
    event: str = "",
) -> str:
    spec: dict[str, Any] = {"nodeName": "n1", "containers": [{"name": "app", "image": image}]}
    if secrets is not None:
        spec["imagePullSecrets"] = [{"name": name} for name in secrets]
    waiting = {"reason": reason, "message": message.replace("{image}", image)}
    status = {"phase": "Pending", "containerStatuses": [{"name": "app", "state": {"waiting": waiting}}]}
    pod = {"metadata": {"name": "web", "namespace": "shop", "uid": "u"}, "spec": spec, "status": status}
    target = Target("pod", "shop", "web")
    empty = Snapshot(target, {}, CLOCK)
    about = {"kind": "Pod", "name": "web", "uid": "u", "fieldPath": "spec.containers{app}"}
    events = (
        [
            {
                "metadata": {"name": "e"},
                "reason": "Failed",
                "message": event,
                "involvedObject": about,
                "type": "Warning",
            }
        ]
        if event
        else []
    )
    answers: dict[Read, Answer] = {
        pod_read(empty): Found(pod),
        pod_events_read(empty): Found({"items": events}),
    }
    for name, body in (secrets or {}).items():
        answers[get("v1", "secrets", "shop", name)] = Found(body) if body else Absent()
    findings = engine.diagnose(Snapshot(target, answers, CLOCK)).findings
    return " ".join(one.cause.id for one in findings)


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        (CONTAINERD + "{image}: not found", "image/tag-not-found"),
        (TRANSFER + "{image}: not found", "image/tag-not-found"),
        ("rpc error: code = Unknown desc = Error response from daemon: manifest for shop/web:2 not found: manifest unknown: manifest unknown", "image/tag-not-found"),
        ("initializing source docker://shop/web:2: reading manifest 2 in docker.io/shop/web: manifest unknown", "image/tag-not-found"),
        (CONTAINERD + "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed", "image/repository-not-found"),
        ("Error response from daemon: pull access denied for shop/web, repository does not exist or may require 'docker login': denied: requested access to the resource is denied", "image/repository-not-found"),
        ("initializing source docker://quay.io/a/b:1: reading manifest 1 in quay.io/a/b: unauthorized: access to the requested resource is not authorized", "image/repository-not-found"),
        (CONTAINERD + "failed to authorize: failed to fetch oauth token: unexpected status from POST request to https://auth/token: 401 Unauthorized", "image/credentials-rejected"),
        (CONTAINERD + "unexpected status from HEAD request to https://ghcr.io/v2/a/manifests/1: 403 Forbidden", "image/credentials-rejected"),
        ('failed to pull and unpack image "{image}": failed to copy: httpReadSeeker: failed open: unexpected status code https://registry-1.docker.io/v2/library/nginx/manifests/sha256:00: 429 Too Many Requests - Server message: toomanyrequests: You have reached your pull rate limit.', "image/rate-limited"),
        ("too many requests to registry", "image/rate-limited"),
        (CONTAINERD + 'failed to do request: Head "https://h/v2/": dial tcp: lookup h on 10.0.0.10:53: no such host', "image/registry-dns-failure"),
        (CONTAINERD + 'failed to do request: Head "https://h/v2/": dial tcp: lookup h on 10.0.0.10:53: read udp 1.2.3.4:5->10.0.0.10:53: i/o timeout', "image/registry-dns-failure"),
        (CONTAINERD + 'failed to do request: Head "https://h/v2/": dial tcp 1.2.3.4:443: i/o timeout', "image/registry-unreachable"),
        ('pinging container registry h: Get "https://h/v2/": dial tcp 1.2.3.4:443: connect: connection refused', "image/registry-unreachable"),
        (CONTAINERD + 'failed to do request: Head "https://h/v2/": tls: failed to verify certificate: x509: certificate has expired or is not yet valid', "image/registry-untrusted-certificate"),
        (CONTAINERD + 'failed to do request: Head "https://h/v2/": http: server gave HTTP response to HTTPS client', "image/registry-speaks-http"),
        ('rpc error: code = NotFound desc = failed to pull and unpack image "{image}": no match for platform in manifest: not found', "image/no-matching-platform"),
        ('choosing an image from manifest list docker://a: no image found in image index for architecture "amd64", variant "", OS "linux"', "image/no-matching-platform"),
        (CONTAINERD + "unexpected status from HEAD request to https://h/v2/a/manifests/1: 503 Service Unavailable", "image/registry-error"),
        ("failed to extract layer sha256:0: write /x: no space left on device", "image/node-disk-full"),
        ('media type "application/vnd.docker.distribution.manifest.v1+prettyjws" is no longer supported since containerd v2.0, please rebuild the image as OCI', "image/unsupported-manifest"),
        ("something that nobody has seen before", "image/pull-failed"),
        ('failed to pull and unpack image "{image}": failed to copy: httpReadSeeker: failed open: unexpected status code https://h/v2/a/blobs/sha256:00: 403 Forbidden', "image/download-interrupted"),
        ("Error response from daemon: pull access denied for 1.dkr.ecr.eu-west-1.amazonaws.com/a, repository does not exist or may require 'docker login': denied: User: arn:aws:sts::1:assumed-role/nodes/i-1 is not authorized to perform: ecr:BatchGetImage on resource: a", "image/credentials-rejected"),
        (CONTAINERD + 'failed to do request: Head "https://h/v2/": tls: failed to verify certificate: x509: certificate signed by unknown authority (possibly because of "x509: invalid signature: parent certificate cannot sign")', "image/registry-untrusted-certificate"),
        ('rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: dial unix /run/containerd/containerd.sock: connect: connection refused"', "image/pull-failed"),
        ("Error response from daemon: filesystem layer verification failed for digest sha256:00", "image/download-interrupted"),
    ],
)  # fmt: skip
def test_texts(message: str, cause: str) -> None:
    assert first(message) == cause


@pytest.mark.parametrize(
    ("reason", "message", "cause"),
    [
        (
            "InvalidImageName",
            'Failed to apply default image tag "A/b": invalid reference format',
            "image/invalid-reference",
        ),
        (
            "ErrImageNeverPull",
            'Container image "x" is not present with pull policy of Never',
            "image/never-pulled",
        ),
        ("ImageInspectError", 'Failed to inspect image "x": rpc error', "image/inspect-failed"),
        (
            "SignatureValidationFailed",
            "image pull failed for x because the signature validation failed",
            "image/signature-rejected",
        ),
        (
            "RegistryUnavailable",
            "image pull failed for x because the registry is unavailable",
            "image/registry-unreachable",
        ),
        (
            "ImagePullBackOff",
            'Back-off pulling image "x": ErrImagePull: docker.io/library/x:9: not found',
            "image/tag-not-found",
        ),
    ],
)
def test_reasons(reason: str, message: str, cause: str) -> None:
    assert first(message, reason=reason) == cause


def test_before_1_32_the_event_has_the_words() -> None:
    bare = 'Back-off pulling image "shop/web:2"'
    event = (
        'Failed to pull image "shop/web:2": rpc error: code = NotFound desc = docker.io/shop/web:2: not found'
    )
    assert first(bare, reason="ImagePullBackOff", event=event) == "image/tag-not-found"
    assert first(bare, reason="ImagePullBackOff") == "image/pull-failed"


DENIED = (
    CONTAINERD
    + "pull access denied, repository does not exist or may require authorization: authorization failed"
)


@pytest.mark.parametrize(
    ("secret", "cause"),
    [
        (None, "image/pull-secret-missing"),
        ({"type": "Opaque", "data": {"password": ""}}, "image/pull-secret-unusable"),
        (
            {
                "type": "kubernetes.io/dockerconfigjson",
                "data": {".dockerconfigjson": ""},
                "registries": ["ghcr.io"],
            },
            "image/pull-secret-unusable",
        ),
        (
            {
                "type": "kubernetes.io/dockerconfigjson",
                "data": {".dockerconfigjson": ""},
                "registries": ["https://index.docker.io/v1/"],
            },
            "image/credentials-rejected",
        ),
    ],
)
def test_pull_secrets(secret: dict[str, Any] | None, cause: str) -> None:
    assert first(DENIED, secrets={"registry": secret}) == cause


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("nginx", ("nginx", "docker.io", "library/nginx", "latest", "")),
        ("shop/web:2", ("shop/web", "docker.io", "shop/web", "2", "")),
        ("localhost/web", ("localhost/web", "localhost", "web", "latest", "")),
        ("reg:5000/a/b:1", ("reg:5000/a/b", "reg:5000", "a/b", "1", "")),
        ("ghcr.io/a/b@sha256:" + "0" * 64, ("ghcr.io/a/b", "ghcr.io", "a/b", "", "sha256:" + "0" * 64)),
    ],
)
def test_references(image: str, parts: tuple[str, ...]) -> None:
    found = parse(image)
    assert (found.written, found.registry, found.repository, found.tag, found.digest) == parts
    assert wrong_with(image) == ""


@pytest.mark.parametrize(
    "image", ["", "Web:1", "web:", "http://a/b", "we b", "web:{{tag}}", "a//b", "web:-x", "web@sha256:1"]
)
def test_invalid_references(image: str) -> None:
    assert wrong_with(image)


def with_volume(message: str, image: str) -> Report:
    """A pod that waits for the image of its container, with a volume that shows an image."""
    spec = {
        "nodeName": "n1",
        "containers": [{"name": "app", "image": "shop/web:2"}],
        "volumes": [{"name": "model", "image": {"reference": image}}],
    }
    waiting = {"reason": "ImagePullBackOff", "message": message}
    status = {"phase": "Pending", "containerStatuses": [{"name": "app", "state": {"waiting": waiting}}]}
    pod = {"metadata": {"name": "web", "namespace": "shop", "uid": "u"}, "spec": spec, "status": status}
    empty = Snapshot(Target("pod", "shop", "web"), {}, CLOCK)
    return engine.diagnose(Snapshot(empty.target, {pod_read(empty): Found(pod)}, CLOCK))


@pytest.mark.parametrize(
    ("named", "subject", "title"),
    [("shop/model:9", "pod", '"9" of shop/model'), ("shop/web:2", "container", '"2" of shop/web')],
)
def test_the_image_of_a_volume_is_not_the_container_s(named: str, subject: str, title: str) -> None:
    text = f'Back-off pulling image "{named}": ErrImagePull: docker.io/{named}: not found'
    found = with_volume(text, "shop/model:9").findings[0]
    assert (found.cause.id, found.subjects[0].kind) == ("image/tag-not-found", subject)
    assert title in found.title
    assert any("set image" in step.run for step in found.steps) is (subject == "container")


def test_an_image_for_another_windows() -> None:
    text = "hcs::CreateComputeSystem app: The container operating system does not match the host operating system."
    assert first(text, reason="RunContainerError") == "image/no-matching-platform"
    assert "image/" not in first(
        "hcs::CreateComputeSystem app: The parameter is incorrect.", reason="RunContainerError"
    )


@pytest.mark.parametrize(
    ("words", "secrets", "confidence"),
    [
        ("unauthorized: authentication required", None, "certain"),
        ("unauthorized: authentication required", {"registry": {}}, "likely"),
        ("unauthorized: incorrect username or password", {"registry": {}}, "certain"),
    ],
)
def test_a_secret_that_nobody_saw_may_be_none(words: str, secrets: Any, confidence: str) -> None:
    spec: dict[str, Any] = {"nodeName": "n1", "containers": [{"name": "app", "image": "h.example.com/a:1"}]}
    if secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in secrets]
    waiting = {"reason": "ErrImagePull", "message": words}
    status = {"phase": "Pending", "containerStatuses": [{"name": "app", "state": {"waiting": waiting}}]}
    pod = {"metadata": {"name": "web", "namespace": "shop", "uid": "u"}, "spec": spec, "status": status}
    empty = Snapshot(Target("pod", "shop", "web"), {}, CLOCK)
    found = engine.diagnose(Snapshot(empty.target, {pod_read(empty): Found(pod)}, CLOCK)).findings
    assert [(one.cause.id, one.confidence) for one in found] == [("image/credentials-rejected", confidence)]


@pytest.mark.parametrize(
    ("tag", "known", "meant"),
    [
        ("2.44-nosuch", ["1.9", "1.27", "latest"], "1.27"),
        ("latests", ["1.27", "latest"], "latest"),
        ("nightly", ["edge", "v2", "v10"], "v10"),
        ("3", ["latest"], "latest"),
        ("3", [], ""),
    ],
)
def test_a_tag_in_place_of_one_that_is_not_there(tag: str, known: list[str], meant: str) -> None:
    assert _meant(tag, known) == meant
