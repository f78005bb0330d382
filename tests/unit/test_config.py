"""What pods refer to, and kubelet's words about it, with and without the objects to look at."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from poddoctor.diagnostics._elsewhere import elsewhere_read

from poddoctor import engine
from poddoctor.model import Absent, Answer, Finding, Found, Read, Snapshot, Target, Unknown, Why
from poddoctor.pod.reads import get, pod_events_read, pod_read

CLOCK = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
CONFIG_ERROR = "CreateContainerConfigError"
ENV = {"name": "LEVEL", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "level"}}}
FROM = {"secretRef": {"name": "keys"}}
OCI = "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: "
KUBELET_DIR = "/var/lib/kubelet/pods/u/volume-subpaths/settings/app/0"


def diagnose(
    container: dict[str, Any] | None = None,
    state: dict[str, Any] | None = None,
    last: dict[str, Any] | None = None,
    *,
    volumes: list[dict[str, Any]] | None = None,
    objects: dict[tuple[str, str], Answer] | None = None,
    event: str = "",
    phase: str = "Pending",
    others: dict[Read, Answer] | None = None,
) -> list[Finding]:
    spec = {"containers": [{"name": "app", "image": "web:1", **(container or {})}], "volumes": volumes}
    spec["nodeName"] = "n1"
    status = {
        "phase": phase,
        "startTime": "2026-01-01T11:50:00Z",
        "containerStatuses": [{"name": "app", "state": state or {}, "lastState": last or {}}],
    }
    pod = {"metadata": {"name": "web", "namespace": "shop", "uid": "u"}, "spec": spec, "status": status}
    about = {"kind": "Pod", "name": "web", "uid": "u"}
    mount = {"metadata": {"name": "e"}, "reason": "FailedMount", "type": "Warning", "involvedObject": about}
    empty = Snapshot(Target("pod", "shop", "web"), {}, CLOCK)
    answers: dict[Read, Answer] = {
        pod_read(empty): Found(pod),
        pod_events_read(empty): Found({"items": [{**mount, "message": event}] if event else []}),
    }
    for (resource, name), answer in (objects or {}).items():
        answers[get("v1", resource, "shop", name)] = answer
    answers.update(others or {})
    return list(engine.diagnose(Snapshot(empty.target, answers, CLOCK)).findings)


def waiting(message: str, reason: str = CONFIG_ERROR) -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ('configmap "settings" not found', "config/configmap-not-found"),
        ('secret "keys" not found', "config/secret-not-found"),
        ("couldn't find key level in ConfigMap shop/settings", "config/configmap-key-not-found"),
        ('configmap "nowhere-in-the-spec" not found', "config/configmap-not-found"),
        ('container has runAsNonRoot and image will run as root (pod: "web_shop(u)", container: app)', "config/runs-as-root"),
        ("container's runAsUser breaks non-root policy (pod: \"web_shop(u)\", container: app)", "config/runs-as-root"),
        ('container has runAsNonRoot and image has non-numeric user (node), cannot verify user is non-root (pod: "web_shop(u)", container: app)', "config/non-numeric-user"),
        ('failed to create subPath directory for volumeMount "spool" of container "app"', "config/subpath-failed"),
        ('failed to prepare subPath for volumeMount "spool" of container "app"', "config/subpath-failed"),
    ],
)  # fmt: skip
def test_kubelet_says_it_and_nothing_can_be_read(message: str, cause: str) -> None:
    forbidden = {
        ("configmaps", "settings"): Unknown("forbidden"),
        ("secrets", "keys"): Unknown("forbidden"),
    }
    container = {"env": [ENV], "envFrom": [FROM]}
    found = diagnose(container, waiting(message), objects=dict(forbidden))
    assert [(one.cause.id, one.confidence) for one in found] == [(cause, "certain")]


VOLUMES = [{"name": "settings", "configMap": {"name": "settings", "items": [{"key": "a.conf"}]}}]
CREATING = {"waiting": {"reason": "ContainerCreating"}}


@pytest.mark.parametrize(
    ("answer", "event", "expected"),
    [
        (Absent(), "", ("config/configmap-not-found", "likely")),
        (
            Absent(),
            'MountVolume.SetUp failed for volume "settings" : configmap "settings" not found',
            ("config/configmap-not-found", "certain"),
        ),
        (Found({"data": {"A.conf": ""}}), "", ("config/configmap-key-not-found", "likely")),
        (
            Unknown("forbidden"),
            'MountVolume.SetUp failed for volume "settings" : configmap references non-existent config key: a.conf',
            ("config/configmap-key-not-found", "certain"),
        ),
        (
            Absent(),
            "Unable to attach or mount volumes: unmounted volumes=[settings], unattached volumes=[settings]: timed out waiting for the condition",
            ("config/configmap-not-found", "likely"),
        ),
    ],
)
def test_volumes(answer: Answer, event: str, expected: tuple[str, str]) -> None:
    found = diagnose(
        None, CREATING, volumes=VOLUMES, objects={("configmaps", "settings"): answer}, event=event
    )
    assert [(one.cause.id, one.confidence) for one in found if one.cause.family == "config"] == [expected]


def test_the_forbidden_is_not_missing_and_the_optional_not_needed() -> None:
    optional = [{"name": "settings", "configMap": {"name": "settings", "optional": True}}]
    for volumes, answer in ((VOLUMES, Unknown("forbidden")), (optional, Absent())):
        found = diagnose(None, CREATING, volumes=volumes, objects={("configmaps", "settings"): answer})
        assert [one.cause.id for one in found if one.cause.family == "config"] == []


def test_the_words_of_kubelet_win_over_an_answer_that_may_have_holes() -> None:
    said = waiting("couldn't find key level in ConfigMap shop/settings")
    found = diagnose({"env": [ENV]}, said, objects={("configmaps", "settings"): Absent()})
    assert [(one.cause.id, one.confidence) for one in found] == [
        ("config/configmap-key-not-found", "certain")
    ]


def test_the_authority_of_the_cluster_is_missed_only_when_kubelet_says_so() -> None:
    name = "kube-root-ca.crt"
    volumes = [{"name": "kube-api-access-x", "projected": {"sources": [{"configMap": {"name": name}}]}}]
    gone = {("configmaps", name): Absent()}
    event = f'MountVolume.SetUp failed for volume "kube-api-access-x" : configmap "{name}" not found'
    silent = diagnose(None, CREATING, volumes=volumes, objects=gone)
    assert [one.cause.id for one in silent if one.cause.family == "config"] == []
    assert diagnose(None, CREATING, volumes=volumes, objects=gone, event=event)[0].cause.id == (
        "config/configmap-not-found"
    )


def test_an_unknown_refusal_is_told_in_the_words_of_kubelet() -> None:
    found = diagnose(None, waiting("services have not yet been read at least once, cannot construct envvars"))
    assert [(one.cause.id, one.confidence) for one in found] == [("config/configuration-refused", "likely")]
    assert "services have not yet been read" in found[0].title


@pytest.mark.parametrize(
    "event",
    [
        'MountVolume.SetUp failed for volume "settings" : failed to sync configmap cache: timed out waiting for the condition',
        'MountVolume.SetUp failed for volume "settings" : object "shop"/"settings" not registered',
    ],
)
def test_noise_of_kubelet_is_no_missing_object(event: str) -> None:
    present = Found({"data": {"a.conf": ""}})
    found = diagnose(
        None, CREATING, volumes=VOLUMES, objects={("configmaps", "settings"): present}, event=event
    )
    assert not [one for one in found if one.cause.family == "config"]


MOUNT = {"volumeMounts": [{"name": "settings", "mountPath": "/etc/passwd", "subPath": "site.cnf"}]}
WHOLE = [{"name": "settings", "configMap": {"name": "settings"}}]


@pytest.mark.parametrize(
    "text",
    [
        f'{OCI}error during container init: error mounting "{KUBELET_DIR}" to rootfs at "/etc/passwd": mount {KUBELET_DIR}:/etc/passwd (via /proc/self/fd/6), flags: 0x5001: not a directory: unknown',
        f'{OCI}container_linux.go:380: starting container process caused: process_linux.go:545: container init caused: rootfs_linux.go:76: mounting \\"{KUBELET_DIR}\\" to rootfs at \\"/etc/passwd\\" caused: mount through procfd: not a directory: unknown',
        f"container create failed: mount `{KUBELET_DIR}` to `etc/passwd`: Not a directory",
    ],
)
def test_mounts_that_the_runtime_refuses(text: str) -> None:
    last = {"terminated": {"reason": "StartError", "exitCode": 128, "message": text}}
    objects: dict[tuple[str, str], Answer] = {("configmaps", "settings"): Found({"data": {"site.conf": ""}})}
    states: list[tuple[dict[str, Any], dict[str, Any]]] = [
        (waiting("back-off", "CrashLoopBackOff"), last),
        (waiting(text, "CreateContainerError"), {}),
        (last, {}),
    ]
    for state, before in states:
        found = diagnose(MOUNT, state, before, volumes=WHOLE, objects=objects, phase="Running")
        assert found[0].cause.id == "config/mount-target-conflict"
        assert "did you mean site.conf" in found[0].title
        assert "not a directory" not in found[0].title


def test_the_runtimes_own_mounts_are_no_volumes() -> None:
    text = f'{OCI}error mounting "proc" to rootfs at "/proc": permission denied: unknown'
    found = diagnose(MOUNT, waiting(text, "RunContainerError"), volumes=WHOLE)
    assert not [one for one in found if one.cause.family == "config"]


@pytest.mark.parametrize(
    ("there", "offered"),
    [(Found({"data": {"level": "x"}}), True), (Found({"data": {"colour": "x"}}), False), (Unknown("forbidden"), False)],
)  # fmt: skip
def test_an_object_of_another_namespace_is_offered_when_it_has_the_keys(there: Answer, offered: bool) -> None:
    listed = Found({"items": [{"metadata": {"name": "settings", "namespace": "tools"}}]})
    found = diagnose(
        {"env": [ENV]},
        waiting('configmap "settings" not found'),
        objects={("configmaps", "settings"): Absent()},
        others={
            elsewhere_read("v1", "configmaps", "ConfigMap", "settings"): listed,
            get("v1", "configmaps", "tools", "settings"): there,
        },
    )[0]
    assert found.cause.id == "config/configmap-not-found"
    assert any("kubectl -n tools get configmap" in step.run for step in found.steps) is offered


@pytest.mark.parametrize(
    ("kind", "container", "volumes", "path"),
    [
        ("configmaps", {"env": [{"name": "A", "value": "1"}, ENV]}, None, "containers/0/env/1/valueFrom/configMapKeyRef"),
        ("configmaps", None, [{"name": "x"}, {"name": "v", "configMap": {"name": "settings", "items": [{"key": "a"}, {"key": "level"}]}}], "volumes/1/configMap"),
        ("secrets", None, [{"name": "v", "secret": {"secretName": "settings", "items": [{"key": "level"}]}}], "volumes/0/secret"),
        ("secrets", None, [{"name": "v", "projected": {"sources": [{}, {"secret": {"name": "settings", "items": [{"key": "level"}]}}]}}], "volumes/0/projected/sources/1/secret"),
    ],
)  # fmt: skip
def test_the_reference_is_mended_where_it_stands(
    kind: str, container: dict[str, Any] | None, volumes: list[dict[str, Any]] | None, path: str
) -> None:
    there = {(kind, "settings"): Found({"data": {"Level": "", "a": ""}})}
    said = "couldn't find key level in ConfigMap shop/settings"
    state = waiting(said) if container else waiting("", "ContainerCreating")
    finding = diagnose(container, state, volumes=volumes, objects=there)[0]
    assert finding.cause.id.endswith("key-not-found")
    patch = next(step.run for step in finding.steps if step.fixes)
    assert f"/spec/{path}" in patch
    assert '"value":"level"' in patch
    assert '"value":"Level"' in patch


def test_without_a_similar_key_the_missing_one_is_added() -> None:
    there = {("configmaps", "settings"): Found({"data": {"colours": ""}})}
    state = waiting("couldn't find key level in ConfigMap shop/settings")
    finding = diagnose({"env": [ENV]}, state, objects=there)[0]
    assert next(step.run for step in finding.steps if step.fixes).startswith(
        "kubectl -n shop patch configmap settings"
    )


def test_a_variable_that_a_sub_path_needs() -> None:
    mount = {"name": "files", "mountPath": "/srv", "subPathExpr": "$(TENANT)/in"}
    found = diagnose({"volumeMounts": [mount]}, waiting("missing value for TENANT"))
    assert [one.cause.id for one in found] == ["config/variable-undefined"]
    assert "$(TENANT)/in" in found[0].title


@pytest.mark.parametrize(("named", "meant"), [("ap", "app"), ("billing", "app")])
def test_the_resources_of_a_container_that_is_not_there(named: str, meant: str) -> None:
    source = {"resourceFieldRef": {"containerName": named, "resource": "limits.cpu"}}
    found = diagnose(
        {"env": [{"name": "CPUS", "valueFrom": source}]}, waiting(f"container {named} not found")
    )
    assert [one.cause.id for one in found] == ["config/resource-of-no-container"]
    assert f'"value":"{meant}"' in next(step.run for step in found[0].steps if step.fixes)
    assert [one.cause.id for one in diagnose({}, waiting(f'secret "{named}" not found'))] == [
        "config/secret-not-found"
    ]


def test_who_may_not_look_into_other_namespaces_is_not_told_so() -> None:
    empty = Snapshot(Target("pod", "shop", "web"), {}, CLOCK)
    elsewhere = elsewhere_read("v1", "configmaps", "ConfigMap", "settings")
    here = get("v1", "configmaps", "shop", "settings")
    cases: list[tuple[Why, list[Read]]] = [("forbidden", [here]), ("timed-out", [elsewhere, here])]
    for why, seen in cases:
        answers: dict[Read, Answer] = {read: Unknown(why) for read in (elsewhere, here)}
        report = engine.diagnose(Snapshot(empty.target, answers, CLOCK))
        assert [one.read for one in report.not_seen] == seen
