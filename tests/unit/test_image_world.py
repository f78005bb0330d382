"""What the cluster knows around a failed pull: revisions, siblings, pull secrets that were not offered."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from poddoctor.diagnostics._elsewhere import elsewhere_read

from poddoctor import engine
from poddoctor.model import Absent, Answer, Finding, Found, Read, Snapshot, Target
from poddoctor.pod.reads import get, list_of, node_read, pod_events_read, pod_read

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
    reason: str = "ErrImagePull",
    labels: dict[str, str] | None = None,
) -> Finding:
    owner = {"kind": "ReplicaSet", "name": "web-a", "controller": True, "apiVersion": "apps/v1"}
    waiting = {"reason": reason, "message": message}
    pod = {
        "metadata": {
            "name": "web-a-1",
            "namespace": "shop",
            "uid": "u",
            "labels": {**LABELS, **(labels or {})},
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
    ("image", "provider", "words", "advice"),
    [
        (
            "1.dkr.ecr.eu-west-1.amazonaws.com/web:2",
            "aws:///a/i-0",
            "the nodes' IAM role may not pull",
            "aws iam",
        ),
        (
            "europe-west3-docker.pkg.dev/p/r/web:2",
            "gce://p/z/n",
            "the nodes' service account may not",
            "gcloud",
        ),
        ("shop.azurecr.io/web:2", "azure:///s/r", "the kubelet identity may not pull", "az aks"),
        # A node of another cloud has no such identity; where nobody knows, the advice alone is given.
        (
            "shop.azurecr.io/web:2",
            "aws:///a/i-0",
            "asks for credentials and the pod offers no pull secret",
            "",
        ),
        ("1.dkr.ecr.eu-west-1.amazonaws.com/web:2", "kind://docker/c/n", "asks for credentials", ""),
        ("shop.azurecr.io/web:2", "", "asks for credentials and the pod offers no pull secret", "az aks"),
    ],
)
def test_in_clouds_the_node_logs_in(image: str, provider: str, words: str, advice: str) -> None:
    answers: dict[Read, Answer] = {node_read("n1"): Found({"spec": {"providerID": provider}})}
    found = diagnose(DENIED, image=image, answers=answers)
    assert words in found.title
    clouds = [step.run.split()[0] for step in found.steps if step.run.startswith(("aws", "gcloud", "az"))]
    assert clouds == ([advice.split(maxsplit=1)[0]] if advice else [])


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
        # The runtime had no credentials, so none of what is offered is for this registry.
        ((FAILED,), "v1.34.1", None, ("image/pull-secret-unusable", "certain")),
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
    copy = next(step for step in found.steps if "kubectl -n tools get secret regcred" in step.run)
    assert not copy.fixes  # another namespace's credentials are the last thing to take
    assert copy is not found.steps[0]


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


@pytest.mark.parametrize(
    ("image", "offers"),
    [("quay.io/shop/web:2", False), ("image-registry.openshift-image-registry.svc:5000/shop/web:2", True)],
)
def test_the_secret_of_openshift_is_for_its_own_registry(image: str, offers: bool) -> None:
    text = f"initializing source docker://{image}: reading manifest 2: unauthorized: access is not authorized"
    found = diagnose(text, image=image, names=("default-dockercfg-x2k9p",))
    assert ("default-dockercfg-x2k9p" in found.title) is offers


OTHER = "unauthorized: authentication required"


@pytest.mark.parametrize(
    ("text", "held", "cause"),
    [
        (DENIED, None, "image/pull-secret-unusable"),
        (DENIED, secret("docker.io"), "image/pull-secret-unusable"),
        # It has an entry for the registry by now, or the runtime did offer something.
        (DENIED, secret("ghcr.io"), "image/credentials-rejected"),
        (OTHER, None, "image/credentials-rejected"),
    ],
)
def test_asked_without_credentials(text: str, held: Answer | None, cause: str) -> None:
    answers = {get("v1", "secrets", "shop", "hub"): held} if held else {}
    found = diagnose(text, image="ghcr.io/shop/web:2", names=("hub",), answers=answers)
    assert found.cause.id == cause
    overwritten = any("secret docker-registry hub" in step.run for step in found.steps)
    assert overwritten is (cause == "image/credentials-rejected")
    assert not any("delete secret" in step.run for step in found.steps)


@pytest.mark.parametrize(
    ("kind", "registries", "over"),
    [
        (TYPE, ["ghcr.io"], True),
        ("kubernetes.io/dockercfg", ["ghcr.io"], False),
        (TYPE, ["ghcr.io", "quay.io"], False),
    ],
)
def test_what_a_secret_holds_besides_is_not_lost(kind: str, registries: list[str], over: bool) -> None:
    key = ".dockercfg" if kind.endswith("cfg") else ".dockerconfigjson"
    body = {"type": kind, "data": {key: ""}, "registries": registries}
    answers: dict[Read, Answer] = {get("v1", "secrets", "shop", "old"): Found(body)}
    found = diagnose(OTHER, image="ghcr.io/shop/web:2", names=("old",), answers=answers)
    assert any("secret docker-registry old " in step.run for step in found.steps) is over
    assert any("secret docker-registry pull-ghcr-io " in step.run for step in found.steps) is not over


@pytest.mark.parametrize(("project", "binds"), [("build", True), ("shop", False)])
def test_a_project_of_openshift_is_opened_by_a_role(project: str, binds: bool) -> None:
    image = f"image-registry.openshift-image-registry.svc:5000/{project}/web:2"
    found = diagnose(OTHER, image=image, names=("web-dockercfg-x2k9p",))
    commands = "\n".join(step.run for step in found.steps)
    rights = "kubectl -n build create rolebinding shop-web-image-puller --clusterrole=system:image-puller"
    assert (rights in commands) is binds
    assert "web-dockercfg-x2k9p" not in commands


@pytest.mark.parametrize(
    ("system", "text", "wanted"),
    [
        ("windows", "no match for platform in manifest: not found", "linux"),
        ("linux", 'image operating system "windows" cannot be used on this platform', "windows"),
        ("linux", "no match for platform in manifest: not found", ""),
    ],
)
def test_where_an_image_of_another_system_can_run(system: str, text: str, wanted: str) -> None:
    info = {"architecture": "amd64", "operatingSystem": system}
    found = diagnose(text, answers={node_read("n1"): Found({"status": {"nodeInfo": info}})})
    moves = [step.run for step in found.steps if "nodeSelector" in step.run]
    assert [f'"kubernetes.io/os":"{wanted}"' in run for run in moves] == ([True] if wanted else [])


def test_windows_is_told() -> None:
    info = {"architecture": "amd64", "operatingSystem": "windows"}
    answers: dict[Read, Answer] = {node_read("n1"): Found({"status": {"nodeInfo": info}})}
    found = diagnose("no match for platform in manifest: not found", image="nginx:1.27", answers=answers)
    assert found.title == "Image nginx:1.27 has no build for windows/amd64, the platform of node n1"


@pytest.mark.parametrize(
    ("text", "held", "confidence"),
    [
        (DENIED, secret("docker.io"), "certain"),
        # Refused in words that a repository which does not exist gets as well.
        (
            "pull access denied, repository does not exist or may require authorization",
            secret("quay.io"),
            "likely",
        ),
        ("pull access denied", Found({"type": "Opaque", "data": {}}), "certain"),
    ],
)
def test_a_secret_for_another_registry_may_be_beside_the_point(
    text: str, held: Answer, confidence: str
) -> None:
    answers = {get("v1", "secrets", "shop", "hub"): held}
    found = diagnose(text, image="ghcr.io/shop/web:2", names=("hub",), answers=answers)
    assert (found.cause.id, found.confidence) == ("image/pull-secret-unusable", confidence)
    renames = any("set image" in step.run for step in found.steps)
    assert renames is ("registries" in getattr(held, "body", {}))


TRIGGER = '[{"from":{"kind":"ImageStreamTag","name":"web:latest"},"fieldPath":"spec.template.spec.containers[?(@.name==\\"%s\\")].image"}]'


@pytest.mark.parametrize(
    ("annotation", "tag"),
    [(TRIGGER % "app", "web:latest"), (TRIGGER % "side", ""), ("no json", ""), ("", "")],
)
def test_a_blank_that_a_trigger_of_openshift_should_fill(annotation: str, tag: str) -> None:
    notes = {"image.openshift.io/triggers": annotation}
    deployment = {"metadata": {"name": "web", "annotations": notes}, "spec": {}}
    answers: dict[Read, Answer] = {get("apps/v1", "deployments", "shop", "web"): Found(deployment)}
    found = diagnose('couldn\'t parse image name " "', image=" ", answers=answers, reason="InvalidImageName")
    assert found.cause.id == "image/invalid-reference"
    assert found.attributes.get("stream_tag", "") == tag


@pytest.mark.parametrize(
    ("image", "labels", "told"),
    [
        ("auto", {"sidecar.istio.io/inject": "true"}, True),
        ("auto", {}, False),  # somebody's own image of that name
        ("shop/auto", {"sidecar.istio.io/inject": "true"}, False),
    ],
)
def test_the_place_holder_of_a_gateway_that_was_not_injected(
    image: str, labels: dict[str, str], told: bool
) -> None:
    said = "pull access denied, repository does not exist or may require authorization: insufficient_scope"
    found = diagnose(said, image=image, labels=labels)
    assert found.cause.id == "image/repository-not-found"
    assert ("place holder" in found.title) is told
    assert any("point the workload" in step.do for step in found.steps) is not told


def test_a_registry_that_is_the_node_itself_and_the_way_it_was_asked() -> None:
    said = 'failed to do request: Head "http://localhost:5000/v2/a": dial tcp [::1]:5000: connect: connection refused'
    found = diagnose(said, image="localhost:5000/a:1")
    assert "seen from node n1, is the node itself" in found.title
    assert any("http://localhost:5000/v2/" in step.run for step in found.steps)
    far = diagnose("dial tcp 10.0.0.9:443: connect: connection refused", image="hub.example.com/a:1")
    assert "itself" not in far.title
    assert any("https://hub.example.com/v2/" in step.run for step in far.steps)


@pytest.mark.parametrize(
    ("image", "names", "told"),
    [
        ("quay.io/shop/web:1", (), True),
        ("quay.io/shop/web:1", ("own",), False),
        ("hub.example.com/web:1", (), False),
    ],
)
def test_some_registries_do_not_tell_private_from_absent(
    image: str, names: tuple[str, ...], told: bool
) -> None:
    found = diagnose(
        "unexpected status from HEAD request to https://x/v2/: 401 UNAUTHORIZED", image=image, names=names
    )
    assert found.cause.id == "image/credentials-rejected"
    assert ("or it is not there" in found.title) is told
    assert any("If the name is wrong" in step.do for step in found.steps) is told


def test_the_mirror_is_tried_where_the_mirror_was_asked() -> None:
    said = 'Head "https://mirror.example.com:5000/v2/a?ns=docker.io": dial tcp 10.9.9.9:5000: connect: no route to host'
    assert any("https://mirror.example.com:5000/v2/" in step.run for step in diagnose(said).steps)
