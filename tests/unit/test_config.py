"""What pods refer to, and kubelet's words about it, with and without the objects to look at."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from poddoctor.diagnostics._elsewhere import elsewhere_read

from poddoctor import engine, session
from poddoctor.model import Absent, Answer, Finding, Found, Read, Snapshot, Target, Unknown, Why
from poddoctor.pod.reads import get, list_of, pod_events_read, pod_read

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


def names(kind: str, *found: str) -> dict[Read, Answer]:
    """The objects of a kind in the pod's namespace, as a list of names."""
    read = list_of("v1", kind, "shop", metadata=True)
    return {read: Found({"items": [{"metadata": {"name": name}} for name in found]})}


MISNAMED = [
    ({"envFrom": [{"configMapRef": {"name": "other"}}, {"configMapRef": {"name": "settings"}}]}, None, ["containers/0/envFrom/1/configMapRef/name"]),
    ({"env": [{"name": "A"}, ENV]}, None, ["containers/0/env/1/valueFrom/configMapKeyRef/name"]),
    (None, [{"name": "x"}, {"name": "v", "configMap": {"name": "settings"}}], ["volumes/1/configMap/name"]),
    (None, [{"name": "v", "projected": {"sources": [{}, {"configMap": {"name": "settings"}}]}}], ["volumes/0/projected/sources/1/configMap/name"]),
    ({"env": [ENV]}, [{"name": "v", "configMap": {"name": "settings"}}], ["containers/0/env/0/valueFrom/configMapKeyRef/name", "volumes/0/configMap/name"]),
]  # fmt: skip


@pytest.mark.parametrize(("container", "volumes", "paths"), MISNAMED)
def test_a_similar_name_is_put_in_at_every_place(
    container: dict[str, Any] | None, volumes: list[dict[str, Any]] | None, paths: list[str]
) -> None:
    """The object of the same name in another namespace may be anybody's: it is no cure."""
    elsewhere = elsewhere_read("v1", "configmaps", "ConfigMap", "settings")
    body = {"metadata": {"name": "settings", "namespace": "tools"}, "data": {"level": "x"}}
    finding = diagnose(
        container,
        waiting('configmap "settings" not found') if container else CREATING,
        volumes=volumes,
        objects={("configmaps", "settings"): Absent(), ("configmaps", "other"): Found({"data": {}})},
        others={
            elsewhere: Found({"items": [body]}),
            get("v1", "configmaps", "tools", "settings"): Found(body),
            **names("configmaps", "setting", "quite-another"),
        },
    )[0]
    assert finding.title.endswith("did you mean setting?")
    fix = next(step for step in finding.steps if step.fixes)
    for path in paths:
        assert f'"op":"test","path":"/spec/{path}","value":"settings"' in fix.run
        assert f'"op":"replace","path":"/spec/{path}","value":"setting"' in fix.run
    assert not any("kubectl -n tools get configmap" in step.run for step in finding.steps)


def test_what_another_namespace_has_is_the_last_resort_and_no_fix() -> None:
    body = {"metadata": {"name": "keys", "namespace": "tools"}, "data": {"token": ""}}
    finding = diagnose(
        {"envFrom": [FROM]},
        waiting('secret "keys" not found'),
        objects={("secrets", "keys"): Absent()},
        others={
            elsewhere_read("v1", "secrets", "Secret", "keys"): Found({"items": [body]}),
            get("v1", "secrets", "tools", "keys"): Found(body),
        },
    )[0]
    runs = [step.run for step in finding.steps]
    copy = next(step for step in finding.steps if "-n tools get secret" in step.run)
    assert not copy.fixes
    assert runs.index(copy.run) > next(
        place for place, run in enumerate(runs) if "create secret generic keys" in run
    )


def test_an_object_that_the_pod_uses_under_its_own_name_was_not_meant() -> None:
    container = {"envFrom": [{"configMapRef": {"name": "web"}}, {"configMapRef": {"name": "web-tls"}}]}
    finding = diagnose(
        container,
        waiting('configmap "web-tls" not found'),
        objects={("configmaps", "web"): Found({"data": {}}), ("configmaps", "web-tls"): Absent()},
        others=names("configmaps", "web"),
    )[0]
    assert "did you mean" not in finding.title


def test_the_place_is_that_of_the_template() -> None:
    """An injector puts its own before the application's containers, in the pod alone."""
    reference = {"name": "app", "env": [ENV]}
    template = {"spec": {"containers": [reference]}}
    owner = {"kind": "StatefulSet", "apiVersion": "apps/v1", "name": "db", "controller": True}
    about = {"name": "db-0", "namespace": "shop", "uid": "u", "ownerReferences": [owner]}
    statuses = [{"name": "app", "state": waiting('configmap "settings" not found')}]
    pod = {
        "metadata": about,
        "spec": {"containers": [{"name": "proxy"}, reference]},
        "status": {"phase": "Pending", "containerStatuses": statuses},
    }
    empty = Snapshot(Target("pod", "shop", "db-0"), {}, CLOCK)
    answers: dict[Read, Answer] = {
        pod_read(empty): Found(pod),
        pod_events_read(empty): Found({"items": []}),
        get("v1", "configmaps", "shop", "settings"): Absent(),
        get("apps/v1", "statefulsets", "shop", "db"): Found({"metadata": {"name": "db"}, "spec": {"template": template}}),
        **names("configmaps", "setting"),
    }  # fmt: skip
    finding = engine.diagnose(Snapshot(empty.target, answers, CLOCK)).findings[0]
    assert "/spec/template/spec/containers/0/env/0/" in next(s.run for s in finding.steps if s.fixes)


@pytest.mark.parametrize(
    ("wanted", "there", "meant"),
    [
        ("orders-prod", "orders-dev", False),
        ("orders-prod", "orders-prd", True),
        ("orders", "orders-dev", True),
        ("db", "ca", False),
        ("db", "orders-db", True),
        ("cert", "auth", False),
        ("gp2", "gp3", True),
    ],
)
def test_what_may_have_been_meant(wanted: str, there: str, meant: bool) -> None:
    finding = diagnose(
        {"envFrom": [{"secretRef": {"name": wanted}}]},
        waiting(f'secret "{wanted}" not found'),
        objects={("secrets", wanted): Absent()},
        others=names("secrets", there),
    )[0]
    assert finding.title.endswith(f"did you mean {there}?") is meant


def _of(key: str) -> dict[str, Any]:
    return {"name": key.upper(), "valueFrom": {"secretKeyRef": {"name": "keys", "key": key}}}


@pytest.mark.parametrize(
    ("container", "command"),
    [
        ({"env": [_of("a")]}, '--from-literal=a="${VALUE:?its value}"'),
        ({"env": [_of("b"), _of("a")], "envFrom": [FROM]}, '--from-literal=a="${VALUE:?the value of a}" --from-literal=b="${VALUE2:?the value of b}"'),
        ({"env": [_of("a"), _of("b"), _of("c")]}, '--from-literal=c="${VALUE3:?the value of c}"'),
        ({"env": [_of("a"), _of("b"), _of("c"), _of("d")]}, "--from-env-file="),
    ],
)  # fmt: skip
def test_one_object_that_is_missing_is_one_finding(container: dict[str, Any], command: str) -> None:
    said = waiting('secret "keys" not found')
    found = diagnose(container, said, objects={("secrets", "keys"): Absent()})
    assert [one.cause.id for one in found] == ["config/secret-not-found"]
    fixes = [step.run for step in found[0].steps if step.fixes]
    assert len(fixes) == 1
    assert fixes[0].startswith("kubectl -n shop create secret generic keys --from-")
    assert command in fixes[0]


@pytest.mark.parametrize("chain", [("Job",), ("Job", "CronJob"), ()])
def test_the_patch_fits_the_owner(chain: tuple[str, ...]) -> None:
    spec = {"containers": [{"name": "app", "envFrom": [FROM]}]}
    statuses = [{"name": "app", "state": waiting('secret "keys" not found')}]
    bodies: dict[Read, Answer] = {}
    below: dict[str, Any] = {"metadata": {"name": "web", "namespace": "shop", "uid": "u"}}
    pod = below = {**below, "spec": spec, "status": {"phase": "Pending", "containerStatuses": statuses}}
    for kind in chain:
        owner = {"kind": kind, "apiVersion": "batch/v1", "name": "nightly", "controller": True}
        below["metadata"]["ownerReferences"] = [owner]
        template = {"template": {"spec": spec}}
        below = {
            "metadata": {"name": "nightly"},
            "spec": template if kind == "Job" else {"jobTemplate": {"spec": template}},
        }
        bodies[get("batch/v1", f"{kind.lower()}s", "shop", "nightly")] = Found(below)
    empty = Snapshot(Target("pod", "shop", "web"), {}, CLOCK)
    answers: dict[Read, Answer] = {
        pod_read(empty): Found(pod),
        pod_events_read(empty): Found({"items": []}),
        get("v1", "secrets", "shop", "keys"): Absent(),
        **names("secrets", "key"),
        **bodies,
    }
    steps = engine.diagnose(Snapshot(empty.target, answers, CLOCK)).findings[0].steps
    place = {0: "/spec/", 1: "/spec/template/spec/", 2: "/spec/jobTemplate/spec/template/spec/"}[len(chain)]
    path = f'"path":"{place}containers/0/envFrom/0/secretRef/name"'
    runs = [step.run for step in steps if '"op":"replace"' in step.run]
    assert len(runs) == 1
    assert path in runs[0]
    assert ("replace --force" in runs[0]) is (len(chain) < 2)


def test_a_pod_that_is_being_deleted_needs_nothing() -> None:
    empty = Snapshot(Target("pod", "shop", "web"), {}, CLOCK)
    statuses = [{"name": "app", "state": waiting('secret "keys" not found')}]
    for gone in (None, "2026-01-01T11:59:50Z"):
        meta = {"name": "web", "namespace": "shop", "uid": "u", "deletionTimestamp": gone}
        spec = {"containers": [{"name": "app", "envFrom": [FROM]}]}
        pod = {"metadata": meta, "spec": spec, "status": {"phase": "Pending", "containerStatuses": statuses}}
        answers: dict[Read, Answer] = {
            pod_read(empty): Found(pod),
            get("v1", "secrets", "shop", "keys"): Absent(),
        }
        found = engine.diagnose(Snapshot(empty.target, answers, CLOCK)).findings
        assert any(one.cause.family == "config" for one in found) is (gone is None)


@pytest.mark.parametrize(("keys", "made"), [({"level": ""}, True), ({"colour": ""}, False)])
def test_what_was_made_since_is_only_waited_for(keys: dict[str, str], made: bool) -> None:
    state = waiting('configmap "settings" not found')
    finding = diagnose({"env": [ENV]}, state, objects={("configmaps", "settings"): Found({"data": keys})})[0]
    assert finding.title.startswith("ConfigMap settings has what container app needs by now") is made


@pytest.mark.parametrize("name", ["subpath-failed", "mount-target-conflict"])
def test_a_mount_has_one_kind_of_sub_path(name: str) -> None:
    cause = next(one for one in session.causes([]) if one.id == f"config/{name}")
    patches = [step for step in cause.steps if '"subPath":' in step.run]
    assert patches
    assert all('"subPathExpr":null' in step.run for step in patches)
    known = [step.only["nearest"] for step in patches if '"subPath":"{nearest}"' in step.run]
    assert known == ([("any",)] if name == "mount-target-conflict" else [])
