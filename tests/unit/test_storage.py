"""The storage stage on the words of several versions, and on objects when the events are gone."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from poddoctor.diagnostics import _attached, _binding, _claims, _drivers, _mounting
from poddoctor.diagnostics._nodes import nodes_read
from poddoctor.diagnostics._storage_errors import refusal

from poddoctor.engine import diagnose
from poddoctor.model import Absent, Answer, Finding, Found, Read, Snapshot, Target, Unknown
from poddoctor.pod.reads import get, node_read, pod_events_read, pod_read

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)
EMPTY = Snapshot(Target("pod", "shop", "web"), {}, NOW)
CLAIM = _claims.claim_read(EMPTY, "data")
VOLUME = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}


def event(
    reason: str, message: str, about: str = "Pod", name: str = "web", uid: str = "u1"
) -> dict[str, Any]:
    return {
        "metadata": {"name": f"{name}.1"},
        "reason": reason,
        "message": message,
        "lastTimestamp": "2026-03-01T11:58:00Z",
        "firstTimestamp": "2026-03-01T11:50:00Z",
        "involvedObject": {"kind": about, "name": name, "namespace": "shop", "uid": uid},
    }


def snapshot(
    answers: dict[Read, Answer], said: str = "", events: list[dict[str, Any]] | None = None, **spec: Any
) -> Snapshot:
    """A pod with one claim: Pending with the scheduler's words, or bound to a node when the spec says so."""
    conditions = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": said}]
    if spec.get("nodeName"):
        conditions = [{"type": "PodScheduled", "status": "True"}]
    body = {
        "metadata": {
            "name": "web",
            "namespace": "shop",
            "uid": "u1",
            "creationTimestamp": "2026-03-01T11:50:00Z",
        },
        "spec": {"containers": [{"name": "app", "image": "nginx"}], "volumes": [VOLUME], **spec},
        "status": {"phase": "Pending", "conditions": conditions},
    }
    first: dict[Read, Answer] = {
        pod_read(EMPTY): Found(body),
        pod_events_read(EMPTY): Found({"items": events or []}),
    }
    return Snapshot(EMPTY.target, {**first, **answers}, NOW)


def claim(phase: str = "Pending", **spec: Any) -> Found:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "5Gi"}}, **spec}
    meta = {"name": "data", "namespace": "shop", "uid": "c1", "creationTimestamp": "2026-03-01T11:50:00Z"}
    return Found({"metadata": meta, "spec": spec, "status": {"phase": phase}})


def first(of: Snapshot) -> Finding | None:
    shown = [one for one in diagnose(of).findings if one.confidence != "possible"]
    return shown[0] if shown else None


def cause(of: Snapshot) -> str:
    found = first(of)
    return found.cause.id if found else ""


def names(*existing: str) -> Found:
    return Found({"items": [{"metadata": {"name": name}} for name in existing]})


@pytest.mark.parametrize(
    "said",
    [
        '0/3 nodes are available: persistentvolumeclaim "data" not found. preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.',
        '0/3 nodes are available: 3 persistentvolumeclaim "data" not found.',
        'persistentvolumeclaim "data" not found',
        '0/3 nodes are available: persistentvolumeclaim "data" not found. not found',
    ],
)
@pytest.mark.parametrize("answer", [Absent(), Unknown("forbidden")])
def test_missing_claim(said: str, answer: Answer) -> None:
    found = first(snapshot({CLAIM: answer, _claims.claims_read(EMPTY): names("data2")}, said))
    assert found is not None
    assert (found.cause.id, found.confidence) == ("storage/pvc-not-found", "certain")
    assert "data2" in found.title


def test_claim_that_is_only_not_recorded() -> None:
    """The scheduler found it unbound, so it exists, whatever the 404 says."""
    said = "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found"
    assert cause(snapshot({CLAIM: Absent()}, said)) == "storage/claim-unbound"
    assert cause(snapshot({CLAIM: Unknown("forbidden")}, said)) == "storage/claim-unbound"


def test_scheduler_that_came_past_the_claims() -> None:
    said = "0/3 nodes are available: 3 Insufficient cpu."
    assert not cause(snapshot({CLAIM: Absent()}, said)).startswith("storage/")
    assert cause(snapshot({CLAIM: Absent()}, "")) == "storage/pvc-not-found"


def test_the_next_missing_claim_is_told_at_once() -> None:
    """The scheduler names one claim; those that it has not come to are looked at here."""
    volumes = [{"name": one, "persistentVolumeClaim": {"claimName": one}} for one in ("a", "b", "c")]
    answers: dict[Read, Answer] = {_claims.claim_read(EMPTY, one): Absent() for one in ("a", "b", "c")}
    of = snapshot(answers, '0/3 nodes are available: persistentvolumeclaim "b" not found.', volumes=volumes)
    found = [
        (one.standing, one.attributes["claim"]) for one in diagnose(of).findings if "claim" in one.attributes
    ]
    assert found == [("now", "b"), ("next", "c")]


def test_claim_made_after_the_message() -> None:
    said = '0/3 nodes are available: persistentvolumeclaim "data" not found.'
    lazy = {
        "metadata": {"name": "gp3"},
        "provisioner": "ebs.csi.aws.com",
        "volumeBindingMode": "WaitForFirstConsumer",
    }
    answers = {CLAIM: claim(storageClassName="gp3"), _claims.class_read("gp3"): Found(lazy)}
    assert cause(snapshot(answers, said)) != "storage/pvc-not-found"


UNBOUND = "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims."


@pytest.mark.parametrize(
    ("reason", "message", "wanted"),
    [
        ("ProvisioningFailed", 'storageclass.storage.k8s.io "fast" not found', "storage-class-not-found"),
        (
            "ProvisioningFailed",
            'failed to provision volume with StorageClass "fast": rpc error: code = Internal desc = quota exceeded',
            "provisioning-failed",
        ),
        (
            "ExternalProvisioning",
            (
                "Waiting for a volume to be created either by the external provisioner 'x.csi' or manually by the "
                "system administrator."
            ),
            "provisioner-not-responding",
        ),
        (
            "ExternalProvisioning",
            (
                'waiting for a volume to be created, either by external provisioner "x.csi" or manually created by '
                "system administrator"
            ),
            "provisioner-not-responding",
        ),
    ],
)
def test_words_of_the_volume_controller(reason: str, message: str, wanted: str) -> None:
    events = Found({"items": [event(reason, message, "PersistentVolumeClaim", "data", "c1")]})
    answers = {
        CLAIM: claim(storageClassName="fast"),
        _claims.claim_events_read(EMPTY, "data"): events,
        _claims.class_read("fast"): Unknown("forbidden"),
    }
    assert cause(snapshot(answers, UNBOUND)) == f"storage/{wanted}"


def test_why_no_volume_fits() -> None:
    volume = {
        "metadata": {"name": "disk-a"},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "manual",
        },
        "status": {"phase": "Available"},
    }
    answers: dict[Read, Answer] = {
        CLAIM: claim(storageClassName="manual"),
        _claims.class_read("manual"): Absent(),
        _claims.volumes_read(): Found({"items": [volume]}),
    }
    found = first(snapshot(answers, UNBOUND))
    assert found is not None
    assert found.title == "No volume fits claim data: disk-a offers 1Gi, the claim asks for 5Gi"


def test_waiting_for_the_first_consumer_is_no_fault() -> None:
    lazy = {
        "metadata": {"name": "gp3"},
        "provisioner": "ebs.csi.aws.com",
        "volumeBindingMode": "WaitForFirstConsumer",
    }
    waits = event("WaitForFirstConsumer", "waiting for first consumer", "PersistentVolumeClaim", "data", "c1")
    answers = {
        CLAIM: claim(storageClassName="gp3"),
        _claims.class_read("gp3"): Found(lazy),
        _claims.claim_events_read(EMPTY, "data"): Found({"items": [waits]}),
    }
    said = "0/3 nodes are available: 3 Insufficient cpu."
    assert not cause(snapshot(answers, said)).startswith("storage/")


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        (
            'MountVolume.SetUp failed for volume "h" : hostPath type check failed: /x is not a directory',
            "hostpath-type-mismatch",
        ),
        (
            (
                'MountVolume.MountDevice failed for volume "pv-1" : kubernetes.io/csi: attacher.MountDevice failed to '
                "create newCsiDriverClient: driver name ebs.csi.aws.com not found in the list of registered CSI drivers"
            ),
            "csi-driver-missing-on-node",
        ),
        (
            (
                'MountVolume.SetUp failed for volume "nfs" : mount failed: exit status 32\nMounting command: mount\n'
                "Mounting arguments: -t nfs 10.0.0.5:/exports/a /var/lib/kubelet/x\nOutput: mount.nfs: access denied by "
                "server while mounting 10.0.0.5:/exports/a"
            ),
            "mount-access-denied",
        ),
        (
            (
                'MountVolume.SetUp failed for volume "nfs" : mount failed: exit status 32\nMounting command: mount\n'
                "Mounting arguments: -t nfs 10.0.0.5:/a /var/lib/kubelet/x\nOutput: mount: wrong fs type, bad option, "
                "bad superblock on 10.0.0.5:/a, missing codepage or helper program, or other error.\n       (for several "
                "filesystems (e.g. nfs, cifs) you might\n       need a /sbin/mount.<type> helper program)"
            ),
            "mount-helper-missing",
        ),
        (
            (
                'MountVolume.SetUp failed for volume "nfs" : mount failed: exit status 32\nMounting command: mount\n'
                "Mounting arguments: -t nfs files:/a /var/lib/kubelet/x\nOutput: mount.nfs: Failed to resolve server "
                "files: Name or service not known"
            ),
            "storage-server-unreachable",
        ),
        (
            (
                'MountVolume.MountDevice failed for volume "pv-1" : mount failed: exit status 32\nMounting command: mount\n'
                "Mounting arguments: -t ext4 -o defaults /dev/xvdf /mnt\nOutput: mount: /mnt: wrong fs type, bad option, "
                "bad superblock on /dev/xvdf, missing codepage or helper program, or other error."
            ),
            "mount-failed",  # a guess of mount(8): the disk may be well
        ),
        (
            'MountVolume.NewMounter initialization failed for volume "l" : path "/mnt/a" does not exist',
            "volume-path-missing",
        ),
        (
            'Multi-Attach error for volume "pv-1" Volume is already used by pod(s) web-old',
            "multi-attach",
        ),
        (
            (
                'Multi-Attach error for volume "pv-1" Volume is already exclusively attached to one node and can\'t be '
                "attached to another"
            ),
            "multi-attach",
        ),
        (
            'AttachVolume.Attach failed for volume "pv-1" : rpc error: code = NotFound desc = Instance "i-1" not found',
            "attach-failed",
        ),
        (
            (
                'AttachVolume.Attach failed for volume "pv-1" : timed out waiting for external-attacher of '
                "ebs.csi.aws.com CSI driver to attach volume vol-1"
            ),
            "attach-failed",
        ),
        (
            (
                'MountVolume.SetUp failed for volume "s" : rpc error: code = Unknown desc = failed to mount secrets store '
                "objects for pod shop/web, err: rpc error: code = Unknown desc = error making mount request: 403"
            ),
            "secret-provider-failed",
        ),
        (
            'MountVolume.SetUp failed for volume "x" : rpc error: code = Internal desc = went wrong',
            "mount-failed",
        ),
        (
            (  # the driver's own secret, to which nothing in the pod refers
                'MountVolume.SetUp failed for volume "x" : rpc error: code = InvalidArgument desc = could not get '
                'account key from secret: secrets "azure-storage-account-a-secret" not found'
            ),
            "mount-failed",
        ),
        (
            (
                'MountVolume.SetUp failed for volume "x" : rpc error: code = Internal desc = mount failed: exit status 32\n'
                "Mounting arguments: -t efs -o tls fs-1:/ /m\nOutput: mount.nfs4: Connection reset by peer"
            ),
            "storage-server-unreachable",
        ),
        (
            'MountVolume.SetUp failed for volume "x" : rpc error: code = Internal desc = volume is attached on another node',
            "multi-attach",
        ),
        (
            (
                "Unable to attach or mount volumes: unmounted volumes=[data], unattached volumes=[], failed to process "
                "volumes=[data]: error processing PVC shop/data: PVC is being deleted"
            ),
            "claim-terminating",
        ),
    ],
)
def test_words_of_mounting(message: str, wanted: str) -> None:
    reason = "FailedAttachVolume" if "ttach" in message.partition(" ")[0] else "FailedMount"
    of = snapshot({CLAIM: Unknown("forbidden")}, events=[event(reason, message)], nodeName="n1")
    assert cause(of) == f"storage/{wanted}"


FAILS = 'for volume "pvc-1" : rpc error: code = Internal desc = '


@pytest.mark.parametrize(
    ("words", "title"),
    [
        ((f"AttachVolume.Attach failed {FAILS}volume pvc-1 failed to attach to node n1 with attachmentID csi-5: the "
         "volume is currently attached to different node n2"), "Volume pvc-1 is attached to node n2"),
        ((f"AttachVolume.Attach failed {FAILS}disk(/subscriptions/a/disks/pvc-1) already attached to node(/subscriptions/"
         "a/virtualMachines/aks-2), could not be attached to node(aks-1)"), "Volume pvc-1 is attached to node aks-2"),
        ((f"AttachVolume.Attach failed {FAILS}The volume pvc-1 cannot be attached to the node n1 since it is already "
         "attached to the node n2"), "Volume pvc-1 is attached to node n2"),
        (f"MountVolume.MountDevice failed {FAILS}rbd image pool/csi-vol-1 is still being used",
         "Volume pvc-1 is attached to another node"),
        ((f'AttachVolume.Attach failed {FAILS}failed to attach disk: "6" with node: "w" err ServerFaultCode: '
         "NoPermission"), "Attaching volume pvc-1 to n1 fails: failed to attach disk"),
        (f"AttachVolume.Attach failed {FAILS}volume pvc-1 is not ready for workloads",
         "Attaching volume pvc-1 to n1 fails: volume pvc-1 is not ready for workloads"),
        (f"MountVolume.MountDevice failed {FAILS}an operation with the given Volume ID 0001 already exists",
         "Mounting volume pvc-1 on n1 fails: its driver has not finished"),
        ((f"MountVolume.SetUp failed {FAILS}Could not mount: mount failed: exit status 1\nOutput: Failed to resolve "
         '"fs-1.efs.us-east-1.amazonaws.com"'), "n1 cannot reach fs-1.efs.us-east-1.amazonaws.com of volume pvc-1: its name does not"),
        (('MountVolume.SetUp failed for volume "kube-api-access-8x" : failed to fetch token: serviceaccounts "api" not '
         "found"), "Service account api was deleted after the pod was made"),
        (('MountVolume.SetUp failed for volume "kube-api-access-8x" : failed to fetch token: pods "web" is forbidden: '
         "node requested token bound to a pod"), "Mounting volume kube-api-access-8x on n1 fails: failed to fetch token"),
    ],
)  # fmt: skip
def test_words_of_drivers(words: str, title: str) -> None:
    reason = "FailedAttachVolume" if words.startswith("Attach") else "FailedMount"
    found = first(snapshot({CLAIM: Unknown("forbidden")}, events=[event(reason, words)], nodeName="n1"))
    assert found is not None
    assert found.title.startswith(title)


def test_a_slow_driver_is_told_only_when_nothing_else_is() -> None:
    said = [
        f"MountVolume.MountDevice failed {FAILS}mount error 110 = Connection timed out",
        f"MountVolume.MountDevice failed {FAILS}an operation with the given Volume ID 0001 already exists",
    ]
    of = snapshot(
        {CLAIM: Unknown("forbidden")}, events=[event("FailedMount", one) for one in said], nodeName="n1"
    )
    assert [one.cause.id for one in diagnose(of).findings if one.cause.family == "storage"] == [
        "storage/storage-server-unreachable"
    ]


@pytest.mark.parametrize(
    "message",
    [
        'MountVolume.SetUp failed for volume "c" : configmap "app" not found',
        'MountVolume.SetUp failed for volume "c" : secret "tls" not found',
        'MountVolume.SetUp failed for volume "c" : references non-existent secret key: tls.crt',
        'MountVolume.SetUp failed for volume "kube-api-access-x" : object "shop"/"kube-root-ca.crt" not registered',
        'MountVolume.SetUp failed for volume "c" : failed to sync configmap cache: timed out waiting for the condition',
        "Unable to attach or mount volumes: unmounted volumes=[c], unattached volumes=[c]: timed out waiting for the condition",
    ],
)
def test_what_belongs_to_the_configuration(message: str) -> None:
    of = snapshot({CLAIM: Unknown("forbidden")}, events=[event("FailedMount", message)], nodeName="n1")
    assert not cause(of).startswith("storage/")


def test_attached_elsewhere_without_any_event() -> None:
    volume = {"spec": {"accessModes": ["ReadWriteOnce"], "csi": {"driver": "ebs.csi.aws.com"}}}
    attachment = {
        "metadata": {"name": "csi-1"},
        "spec": {"attacher": "ebs.csi.aws.com", "nodeName": "n2", "source": {"persistentVolumeName": "pv-1"}},
        "status": {"attached": True},
    }
    down = {"metadata": {"name": "n2"}, "status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}
    answers: dict[Read, Answer] = {
        CLAIM: claim("Bound", volumeName="pv-1"),
        _claims.volume_read("pv-1"): Found(volume),
        _attached.attachments_read(): Found({"items": [attachment]}),
        _attached.csinode_read("n1"): Found({"spec": {"drivers": [{"name": "ebs.csi.aws.com"}]}}),
        _binding.pods_read(EMPTY): Found({"items": []}),
        node_read("n2"): Found(down),
    }
    found = first(snapshot(answers, nodeName="n1"))
    assert found is not None
    assert found.title == "Volume pv-1 is still attached to node n2, which is not ready"


def test_reads_of_a_running_pod_are_none() -> None:
    body = {
        "metadata": {"name": "web", "namespace": "shop", "uid": "u1"},
        "spec": {"nodeName": "n1", "containers": [{"name": "app"}], "volumes": [VOLUME]},
        "status": {
            "phase": "Running",
            "containerStatuses": [{"name": "app", "ready": True, "state": {"running": {}}}],
        },
    }
    of = Snapshot(EMPTY.target, {pod_read(EMPTY): Found(body)}, NOW)
    assert list(_binding.reads(of)) == []
    assert list(_mounting.reads(of)) == []


@pytest.mark.parametrize(
    ("said", "confidence"),
    [
        (
            (
                "Unable to attach or mount volumes: unmounted volumes=[share], unattached volumes=[share kube-api-x]: "
                "timed out waiting for the condition"
            ),
            "likely",
        ),
        ("", "possible"),
    ],
)
def test_mount_that_hangs(said: str, confidence: str) -> None:
    share = {"name": "share", "nfs": {"server": "10.0.0.5", "path": "/a"}}
    of = snapshot({}, events=[event("FailedMount", said)] if said else [], nodeName="n1", volumes=[share])
    pod = of.body(pod_read(EMPTY))
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-03-01T11:50:00Z"}
    waiting = {"name": "app", "state": {"waiting": {"reason": "ContainerCreating"}}}
    status = {"phase": "Pending", "conditions": [scheduled], "containerStatuses": [waiting]}
    of = Snapshot(of.target, {**of.answers, pod_read(EMPTY): Found({**pod, "status": status})}, NOW)
    found = next(one for one in diagnose(of).findings if one.cause.family == "storage")
    assert (found.cause.id, found.confidence) == ("storage/mount-overdue", confidence)
    assert "10.0.0.5" in found.title


@pytest.mark.parametrize(
    "said",
    [
        '0/3 nodes are available: persistentvolumeclaim "data" bound to non-existent persistentvolume "pv-1".',
        "0/3 nodes are available: 3 node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s).",
    ],
)
def test_bound_to_a_volume_that_is_gone(said: str) -> None:
    answers = {CLAIM: claim("Bound", volumeName="pv-1"), _claims.volume_read("pv-1"): Absent()}
    assert cause(snapshot(answers, said)) == "storage/volume-lost"


@pytest.mark.parametrize("answer", [Absent(), Unknown("forbidden")])
def test_events_of_a_claim_that_cannot_be_read(answer: Answer) -> None:
    text = 'storageclass.storage.k8s.io "fast" not found'
    events = Found({"items": [event("ProvisioningFailed", text, "PersistentVolumeClaim", "data", "c1")]})
    of = snapshot({CLAIM: answer, _claims.claim_events_read(EMPTY, "data"): events}, UNBOUND)
    assert _claims.claim_events_read(EMPTY, "data") in list(_binding.reads(of))
    assert cause(of) == "storage/storage-class-not-found"


def test_a_volume_that_is_being_attached_is_no_fault_yet() -> None:
    volume = {"spec": {"accessModes": ["ReadWriteOnce"], "csi": {"driver": "ebs.csi.aws.com"}}}
    for made, wanted in (
        ("2026-03-01T11:59:30Z", "attach-in-progress"),
        ("2026-03-01T11:55:00Z", "attach-failed"),
    ):
        attachment = {
            "metadata": {"name": "csi-1", "creationTimestamp": made},
            "spec": {
                "attacher": "ebs.csi.aws.com",
                "nodeName": "n1",
                "source": {"persistentVolumeName": "pv-1"},
            },
            "status": {"attached": False},
        }
        answers: dict[Read, Answer] = {
            CLAIM: claim("Bound", volumeName="pv-1"),
            _claims.volume_read("pv-1"): Found(volume),
            _attached.attachments_read(): Found({"items": [attachment]}),
            _attached.csinode_read("n1"): Found({"spec": {"drivers": [{"name": "ebs.csi.aws.com"}]}}),
        }
        found = [
            one
            for one in diagnose(snapshot(answers, nodeName="n1")).findings
            if one.cause.family == "storage"
        ]
        assert [one.cause.id for one in found] == [f"storage/{wanted}"]
        assert (found[0].standing == "waiting") == (wanted == "attach-in-progress")


def test_what_fsck_found_is_quoted() -> None:
    text = (
        'MountVolume.MountDevice failed for volume "pv-1" : rpc error: code = Internal desc = failed to mount: '
        "'fsck' found errors on device /dev/nvme1n1 but could not correct them: fsck from util-linux 2.38.1\n"
        "/dev/nvme1n1: Superblock checksum does not match superblock\n"
    )
    found = first(snapshot({CLAIM: Unknown("forbidden")}, events=[event("FailedMount", text)], nodeName="n1"))
    assert found is not None
    assert found.cause.id == "storage/filesystem-damaged"
    assert "/dev/nvme1n1: Superblock checksum does not match" in found.title
    assert "e2fsck -fy /dev/nvme1n1" in found.steps[0].run


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            (
                "rpc error: code = Internal desc = Could not create volume: operation error EC2: CreateVolume, https response "
                "error StatusCode: 403, RequestID: a, api error UnauthorizedOperation: You are not authorized"
            ),
            "UnauthorizedOperation: You are not authorized",
        ),
        (
            (
                "rpc error: code = ResourceExhausted desc = CreateVolume failed: operation o-1 failed (QUOTA_EXCEEDED): Quota "
                "'SSD_TOTAL_GB' exceeded.  Limit: 500.0"
            ),
            "QUOTA_EXCEEDED: Quota 'SSD_TOTAL_GB' exceeded. Limit: 500.0",
        ),
        (
            (
                "rpc error: code = Internal desc = PUT https://management.azure.com/disks/pvc-1\n---\nRESPONSE 403: 403 Forbidden"
                '\nERROR CODE: AuthorizationFailed\n---\n{\n  "error": {\n    "code": "AuthorizationFailed",\n    "message": "The '
                'client does not have authorization"'
            ),
            "AuthorizationFailed: The client does not have authorization",
        ),
        (
            "rpc error: code = DeadlineExceeded desc = context deadline exceeded",
            "its provisioner has not finished",
        ),
    ],
)
def test_the_clouds_own_sentence(text: str, told: str) -> None:
    said = event(
        "ProvisioningFailed",
        f'failed to provision volume with StorageClass "fast": {text}',
        "PersistentVolumeClaim",
        "data",
        "c1",
    )
    answers = {
        CLAIM: claim(storageClassName="fast"),
        _claims.claim_events_read(EMPTY, "data"): Found({"items": [said]}),
        _claims.class_read("fast"): Unknown("forbidden"),
    }
    found = first(snapshot(answers, UNBOUND))
    assert found is not None
    assert found.title.startswith(f"No volume could be made for claim data: {told}")


@pytest.mark.parametrize("answer", [Absent(), Unknown("forbidden")])
@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ('0/3 nodes are available: persistentvolumeclaim "data" is being deleted.', "claim-terminating"),
        (
            '0/3 nodes are available: persistentvolumeclaim "data" bound to non-existent persistentvolume "pv-1".',
            "volume-lost",
        ),
        (
            (
                "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 node(s) unavailable due to "
                "PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod."
            ),
            "access-mode-conflict",
        ),
        ('0/3 nodes are available: persistentvolumeclaim "other" is being deleted.', ""),
    ],
)
def test_the_words_alone_tell_of_a_claim_that_cannot_be_read(said: str, wanted: str, answer: Answer) -> None:
    found = [
        one.cause.id
        for one in diagnose(snapshot({CLAIM: answer}, said)).findings
        if one.cause.family == "storage"
    ]
    assert found == ([f"storage/{wanted}"] if wanted else [])


def test_the_events_of_an_ephemeral_claim_show_that_it_was_made() -> None:
    scratch = {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {}}}
    read = _claims.claim_read(EMPTY, "web-scratch")
    text = 'storageclass.storage.k8s.io "fast" not found'
    events = Found(
        {"items": [event("ProvisioningFailed", text, "PersistentVolumeClaim", "web-scratch", "c1")]}
    )
    answers: dict[Read, Answer] = {read: Absent(), _claims.claim_events_read(EMPTY, "web-scratch"): events}
    assert cause(snapshot(answers, UNBOUND, volumes=[scratch])) == "storage/storage-class-not-found"
    waiting = '0/3 nodes are available: waiting for ephemeral volume controller to create the persistentvolumeclaim "web-scratch".'
    assert cause(snapshot({read: Absent()}, waiting, volumes=[scratch])) == "storage/ephemeral-volume-pending"


@pytest.mark.parametrize(
    ("message", "title"),
    [
        (
            (
                'MountVolume.SetUp failed for volume "s" : mount failed: exit status 32\nMounting command: mount\nMounting '
                "arguments: -t cifs\nOutput: mount error(13): Permission denied"
            ),
            "The mount of volume s is refused: mount error(13): Permission denied",
        ),
        (
            (
                'MountVolume.MountDevice failed for volume "s" : rpc error: code = Internal desc = volume(rg#acct#share) mount '
                "//acct.file.core.windows.net/share on /var/lib/kubelet/x failed with mount failed: exit status 32\nMounting "
                "command: mount\nMounting arguments: -t cifs -o vers=3.0,<masked> //acct.file.core.windows.net/share /x\n"
                "Output: mount error(13): Permission denied"
            ),
            "The server refuses n1 the mount of //acct.file.core.windows.net/share",
        ),
        (
            (
                'MountVolume.SetUp failed for volume "g" : mount failed: exit status 32\nMounting command: mount\nMounting '
                "arguments: -t glusterfs\nOutput: mount: unknown filesystem type 'glusterfs'"
            ),
            "Node n1 lacks a program that is needed to mount volume g: mount: unknown filesystem type 'glusterfs'",
        ),
    ],
)
def test_the_output_of_mount_is_not_its_source(message: str, title: str) -> None:
    found = first(snapshot({}, events=[event("FailedMount", message)], nodeName="n1", volumes=[]))
    assert found is not None
    assert found.title == title


def test_kubelet_says_that_a_claim_is_being_deleted() -> None:
    text = (
        "Unable to attach or mount volumes: unmounted volumes=[data], unattached volumes=[], failed to process "
        "volumes=[data]: error processing PVC shop/data: PVC is being deleted"
    )
    of = snapshot({CLAIM: Unknown("forbidden")}, events=[event("FailedMount", text)], nodeName="n1")
    assert cause(of) == "storage/claim-terminating"


def test_the_claim_of_this_name_in_another_namespace() -> None:
    read = _binding._elsewhere_read("data")
    there = {"items": [{"metadata": {"name": "data", "namespace": "shop-prod"}}]}
    said = 'persistentvolumeclaim "data" not found'
    found = first(snapshot({CLAIM: Absent(), read: Found(there)}, said))
    assert found
    assert found.title.endswith("namespace shop-prod has one")
    alone = first(snapshot({CLAIM: Absent(), read: Found({"items": []})}, said))
    assert alone
    assert "has one" not in alone.title


@pytest.mark.parametrize(("started", "told"), [("11:59:30", False), ("11:50:00", True)])
def test_a_cache_that_is_late_at_the_start_is_no_fault(started: str, told: bool) -> None:
    text = 'MountVolume.SetUp failed for volume "c" : failed to sync configmap cache: timed out'
    of = snapshot({CLAIM: Unknown("forbidden")}, events=[event("FailedMount", text)], nodeName="n1")
    body = of.answers[pod_read(EMPTY)]
    assert isinstance(body, Found)
    status = {**body.body["status"], "startTime": f"2026-03-01T{started}Z"}
    answers = {**of.answers, pod_read(EMPTY): Found({**body.body, "status": status})}
    names = [one.name for one in _mounting.examine(Snapshot(of.target, answers, NOW))]
    assert ("storage.mount-late" in names) is told


def disk(options: list[str]) -> dict[Read, Answer]:
    volume = {"metadata": {"name": "pv-1"}, "spec": {"mountOptions": options, "local": {"path": "/mnt/a"}}}
    return {CLAIM: claim("Bound", volumeName="pv-1"), _claims.volume_read("pv-1"): Found(volume)}


REFUSED = (
    'MountVolume.MountDevice failed for volume "pv-1" : mount failed: exit status 32\nMounting command: mount\n'
    "Mounting arguments: -t ext4 -o OPTIONS,defaults /dev/vdb /mnt\nOutput: mount: /mnt: wrong fs type, bad option, "
    "bad superblock on /dev/vdb, missing codepage or helper program, or other error."
)


@pytest.mark.parametrize(
    ("options", "confidence", "title"),
    [
        (
            ["noatime", "vers=4.1"],
            "certain",
            "Volume pv-1 has mount option vers=4.1, which a disk with ext4 refuses",
        ),
        (["noatime"], "likely", "Mounting volume pv-1 (claim data) on n1 fails: wrong fs type"),
    ],
)
def test_a_mount_option_of_another_file_system(options: list[str], confidence: str, title: str) -> None:
    said = event("FailedMount", REFUSED.replace("OPTIONS", ",".join(options)))
    found = first(snapshot(disk(options), events=[said], nodeName="n1"))
    assert found is not None
    assert (found.cause.id, str(found.confidence)) == ("storage/mount-failed", confidence)
    assert found.title.startswith(title)
    assert not any("fsck" in step.run for step in found.steps)


UNREGISTERED = (
    'MountVolume.SetUp failed for volume "pv-1" : kubernetes.io/csi: mounter.SetUpAt failed to get CSI client: '
    "driver name disk.example.com not found in the list of registered CSI drivers"
)


def driver_world(
    pods: list[dict[str, Any]],
    labels: dict[str, str] | None = None,
    taints: list[dict[str, str]] | None = None,
    folder: str = "/var/lib/kubelet/plugins/disk.example.com/",
    registered: bool = False,
    **spec: Any,
) -> dict[Read, Answer]:
    template = {"volumes": [{"name": "s", "hostPath": {"path": folder}}], **spec}
    brings = {"metadata": {"name": "disk-node", "namespace": "csi"}, "spec": {"template": {"spec": template}}}
    other = {
        "metadata": {"name": "cni", "namespace": "csi"},
        "spec": {"template": {"spec": {"containers": []}}},
    }
    volume = {"metadata": {"name": "pv-1"}, "spec": {"csi": {"driver": "disk.example.com"}}}
    there = [{"name": "disk.example.com"}] if registered else [{"name": "other"}]
    return {
        CLAIM: claim("Bound", volumeName="pv-1"),
        _claims.volume_read("pv-1"): Found(volume),
        _attached.csinode_read("n1"): Found({"spec": {"drivers": there}}),
        _drivers.sets_read(): Found({"items": [other, brings]}),
        _drivers.node_pods_read("n1"): Found({"items": pods}),
        node_read("n1"): Found(
            {"metadata": {"name": "n1", "labels": labels or {}}, "spec": {"taints": taints}}
        ),
    }


def driver_pod(**status: Any) -> dict[str, Any]:
    owner = [{"kind": "DaemonSet", "name": "disk-node"}]
    meta = {"name": "disk-node-x", "namespace": "csi", "ownerReferences": owner}
    return {
        "metadata": meta,
        "spec": {"nodeName": "n1", "containers": [{"name": "driver"}]},
        "status": status,
    }


CRASHED = {
    "phase": "Running",
    "containerStatuses": [{"name": "driver", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}],
}
TAINT = {"key": "dedicated", "value": "db", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("world", "title", "command"),
    [
        (
            driver_world([], nodeSelector={"disk": "ssd"}),
            "CSI driver disk.example.com is not on node n1, which lacks label disk=ssd of daemonset/disk-node",
            "kubectl label node n1 disk=ssd",
        ),
        (
            driver_world([], taints=[TAINT], tolerations=[{"key": "x", "operator": "Exists"}]),
            "CSI driver disk.example.com is not on node n1: daemonset/disk-node does not tolerate taint dedicated=db:NoSchedule",
            "kubectl -n csi patch daemonset/disk-node --type=json",
        ),
        (
            driver_world([driver_pod(**CRASHED)]),
            "CSI driver disk.example.com is not on node n1: its pod disk-node-x there is CrashLoopBackOff",
            "poddoctor diagnose disk-node-x -n csi",
        ),
        (  # nobody brings it: no DaemonSet is blamed
            driver_world(
                [], folder="/var/lib/kubelet/plugins/disk.example.com.eu/x", nodeSelector={"disk": "ssd"}
            ),
            "CSI driver disk.example.com is not registered on node n1 (there: other)",
            "kubectl get pods -A",
        ),
    ],
)
def test_which_daemonset_should_bring_the_driver(world: dict[Read, Answer], title: str, command: str) -> None:
    found = first(snapshot(world, events=[event("FailedMount", UNREGISTERED)], nodeName="n1"))
    assert found is not None
    assert found.title == title
    assert found.steps[0].run.startswith(command)


def test_a_driver_that_came_late_gives_way_to_what_fails_now() -> None:
    early = {**event("FailedMount", UNREGISTERED), "lastTimestamp": "2026-03-01T11:51:00Z"}
    now = event(
        "FailedMount", 'MountVolume.SetUp failed for volume "pv-1" : rpc error: code = Internal desc = bad'
    )
    late = snapshot(driver_world([], registered=True), events=[early], nodeName="n1")
    both = snapshot(driver_world([], registered=True), events=[early, now], nodeName="n1")
    assert cause(late) == "storage/csi-driver-missing-on-node"
    assert cause(both) == "storage/mount-failed"


def test_what_a_later_event_has_overtaken() -> None:
    text = 'AttachVolume.Attach failed for volume "pv-1" : rpc error: code = Internal desc = no such disk'
    early = {**event("FailedAttachVolume", text), "lastTimestamp": "2026-03-01T11:51:00Z"}
    done = event("SuccessfulAttachVolume", 'AttachVolume.Attach succeeded for volume "pv-1" ')
    other = event("SuccessfulAttachVolume", 'AttachVolume.Attach succeeded for volume "pv-2" ')
    sandbox = event("FailedCreatePodSandBox", "Failed to create pod sandbox: no address is free")
    answers: dict[Read, Answer] = {CLAIM: Unknown("forbidden")}
    for later, wanted in ((done, False), (other, True), (sandbox, False)):
        found = diagnose(snapshot(answers, events=[early, later], nodeName="n1")).findings
        assert any(one.cause.id == "storage/attach-failed" for one in found) == wanted


LACKING = "x.example.io CSI driver is not installed on the node"


@pytest.mark.parametrize(
    ("said", "title"),
    [
        (
            f"0/3 nodes are available: 3 {LACKING}.",
            "3 of 3 nodes lack CSI driver x.example.io, which claim data needs",
        ),
        (
            f"0/4 nodes are available: 1 node(s) were unschedulable, 3 {LACKING}.",
            "3 of 4 nodes lack CSI driver",
        ),
        # Most nodes turn the pod away for another reason.
        (f"0/5 nodes are available: 1 {LACKING}, 4 Insufficient cpu.", ""),
    ],
)
def test_the_scheduler_misses_a_driver(said: str, title: str) -> None:
    causes = {one.cause.id: one for one in diagnose(snapshot({}, said)).findings}
    found = causes.get("storage/csi-driver-missing-on-node")
    assert (found.title if found else "").startswith(title)
    assert bool(found) is bool(title)
    assert not (found and "scheduling/unschedulable" in causes)


CHANGING = "Setting volume ownership for /var/lib/kubelet/pods/u1/volumes/kubernetes.io~csi/pv-7/mount, processed 81000 files."


@pytest.mark.parametrize(
    ("policy", "later", "told", "patched"),
    [
        (None, "", True, True),
        ("OnRootMismatch", "", True, False),
        (None, "Pulled", False, False),
    ],
)
def test_a_group_given_file_by_file(policy: str | None, later: str, told: bool, patched: bool) -> None:
    said = [event("VolumePermissionChangeInProgress", CHANGING)]
    if later:
        said.append({**event(later, "the image is there"), "lastTimestamp": "2026-03-01T11:59:00Z"})
    context = {"fsGroup": 2000, **({"fsGroupChangePolicy": policy} if policy else {})}
    owner = [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web", "controller": True}]
    of = snapshot(
        {CLAIM: claim("Bound", volumeName="pv-7")}, "", said, nodeName="n1", securityContext=context
    )
    of.answers[pod_read(EMPTY)].body["metadata"]["ownerReferences"] = owner  # type: ignore[union-attr, index]
    found = next(
        (one for one in diagnose(of).findings if one.cause.id == "storage/permission-change-slow"), None
    )
    assert bool(found) is told
    if found:
        assert (
            "the files of volume pv-7 (claim data) to group 2000, one by one: 81000 of them so far"
            in found.title
        )
        assert any("OnRootMismatch" in step.run for step in found.steps) is patched


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (
            "api error UnauthorizedOperation: not authorized to perform: ec2:CreateVolume in zone a",
            "permission",
        ),
        ("googleapi: Error 403: Quota 'SSD_TOTAL_GB' exceeded.  Limit: 500.0, QUOTA_EXCEEDED", "quota"),
        ("Volume capabilities MULTI_NODE_MULTI_WRITER not supported", "mode"),
        ("VolumeCapabilities is invalid: specified multi writer with mount access type", "mode"),
        ("error generating accessibility requirements: no topology key found", "zone"),
        ("not enough free space in pool fast", "space"),
        ("volume limit (10) has been reached", "quota"),
        ("ServerFaultCode: NoPermission", "permission"),
        ('volumesnapshots.snapshot.storage.k8s.io "nightly" not found', "source"),
        ("Mount options are not supported by the provisioner", ""),
        ("unknown parameter fsTyp", ""),
    ],
)
def test_why_a_driver_makes_no_volume(words: str, kind: str) -> None:
    assert refusal(words) == kind


@pytest.mark.parametrize(
    ("words", "modes", "first_step", "command"),
    [
        ("AccessDenied: no right to make disks", ["ReadWriteOnce"], "See as whom", "ACCOUNT"),
        (
            "Volume capabilities MULTI_NODE_MULTI_WRITER not supported",
            ["ReadWriteMany"],
            "Ask for a volume",
            "ReadWriteOnce",
        ),
        ("unknown parameter fsTyp", ["ReadWriteOnce"], "Replace the (empty) claim", "STORAGE_CLASS"),
    ],
)
def test_the_step_fits_the_refusal(words: str, modes: list[str], first_step: str, command: str) -> None:
    told = event(
        "ProvisioningFailed",
        f"rpc error: code = Internal desc = {words}",
        "PersistentVolumeClaim",
        "data",
        "c1",
    )
    answers: dict[Read, Answer] = {
        CLAIM: claim(storageClassName="fast", accessModes=modes),
        _claims.claim_events_read(EMPTY, "data"): Found({"items": [told]}),
        _claims.class_read("fast"): Found({"metadata": {"name": "fast"}, "provisioner": "x.example.io"}),
    }
    found = first(snapshot(answers, "pod has unbound immediate PersistentVolumeClaims"))
    assert found
    assert found.cause.id == "storage/provisioning-failed"
    assert found.steps[0].do.startswith(first_step)
    assert command in found.steps[0].run


def test_nothing_is_mounted_on_a_node_that_is_gone() -> None:
    said = [
        event(
            "FailedMount",
            'MountVolume.SetUp failed for volume "pv-7" : rpc error: code = Internal desc = broken',
        )
    ]
    answers: dict[Read, Answer] = {CLAIM: claim("Bound", volumeName="pv-7")}
    here = snapshot(
        {**answers, node_read("n1"): Found({"metadata": {"name": "n1"}})}, "", said, nodeName="n1"
    )
    assert cause(here) == "storage/mount-failed"
    lost: dict[Read, Answer] = {node_read("n1"): Absent(), nodes_read(): names("n2")}
    said[0]["lastTimestamp"] = "2026-03-01T11:50:30Z"
    gone = snapshot({**answers, **lost}, "", said, nodeName="n1")
    gone.answers[pod_read(EMPTY)].body["status"]["startTime"] = "2026-03-01T11:50:00Z"  # type: ignore[union-attr, index]
    assert [one.cause.id for one in diagnose(gone).findings] == ["node/node-gone"]


def test_the_object_and_the_provider_class_are_named() -> None:
    said = event(
        "FailedMount",
        'MountVolume.SetUp failed for volume "keys" : rpc error: code = Unknown desc = failed to mount secrets store'
        " objects for pod shop/web, err: failed to get objectType:secret, objectName:mail-key, objectVersion:: 403",
    )
    keys = {"driver": "secrets-store.csi.k8s.io", "volumeAttributes": {"secretProviderClass": "mail"}}
    found = first(snapshot({}, "", [said], nodeName="n1", volumes=[{"name": "keys", "csi": keys}]))
    assert found
    assert found.title.startswith("Object mail-key of SecretProviderClass mail cannot be fetched")


@pytest.mark.parametrize(("kind", "exports"), [("cifs", False), ("nfs", True)])
def test_a_share_has_no_exports(kind: str, exports: bool) -> None:
    source = "//files/media" if kind == "cifs" else "files:/media"
    text = f'MountVolume.SetUp failed for volume "pv-7" : mount failed: mount -t {kind} {source} /x\nOutput: mount error(13): Permission denied'
    answers: dict[Read, Answer] = {CLAIM: claim("Bound", volumeName="pv-7")}
    found = first(snapshot(answers, "", [event("FailedMount", text)], nodeName="n1"))
    assert found
    assert found.cause.id == "storage/mount-access-denied"
    assert any("exports" in step.do for step in found.steps) is exports


def by_hand(name: str = "pv-7", mode: str = "ReadWriteOnce", **more: Any) -> dict[str, Any]:
    """A volume of 10Gi that somebody made and nobody has."""
    labels = more.pop("labels", {})
    spec = {"capacity": {"storage": "10Gi"}, "accessModes": [mode], "storageClassName": "shelf", **more}
    return {"metadata": {"name": name, "labels": labels}, "spec": spec, "status": {"phase": "Available"}}


UNBOUND = "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims."


@pytest.mark.parametrize(
    ("volumes", "named"),
    [
        ([by_hand()], "pv-7"),
        ([by_hand(), by_hand("pv-8", storageClassName="rack")], ""),  # either may be meant
        ([by_hand(mode="ReadWriteMany")], ""),
        ([by_hand(capacity={"storage": "1Gi"})], ""),
    ],
)
def test_the_volume_that_a_claim_without_class_lacks_only_the_class_of(
    volumes: list[dict[str, Any]], named: str
) -> None:
    answers: dict[Read, Answer] = {
        CLAIM: claim(),
        _claims.classes_read(): names(),
        _claims.volumes_read(): Found({"items": volumes}),
    }
    found = first(snapshot(answers, UNBOUND))
    assert found
    assert found.cause.id == "storage/no-storage-class"
    assert found.attributes.get("fitting", "") == named
    fixes = [step.run for step in found.steps if step.fixes]
    assert any('"storageClassName":"shelf"' in one for one in fixes) is bool(named)


@pytest.mark.parametrize(
    ("volume", "asks", "words"),
    [
        (by_hand(labels={"tier": "web"}), {"selector": {"matchLabels": {"tier": "front"}}}, "kubectl label pv pv-7 tier=front"),
        (by_hand(mode="ReadWriteMany"), {}, 's/"ReadWriteOnce"/"ReadWriteMany"/'),
        (by_hand(capacity={"storage": "1Gi"}), {}, 's/"storage": "5Gi"/"storage": "1Gi"/'),
    ],
)  # fmt: skip
def test_the_first_step_for_a_volume_that_fits_but_for_one_thing(
    volume: dict[str, Any], asks: dict[str, Any], words: str
) -> None:
    answers: dict[Read, Answer] = {
        CLAIM: claim(storageClassName="shelf", **asks),
        _claims.class_read("shelf"): Absent(),
        _claims.volumes_read(): Found({"items": [volume]}),
    }
    found = first(snapshot(answers, UNBOUND))
    assert found
    assert found.cause.id == "storage/no-matching-volume"
    assert words in found.steps[0].run


@pytest.mark.parametrize(
    ("answer", "cause_id"),
    [(Unknown("forbidden", "no"), "storage/mount-overdue"), (claim("Bound", volumeName="pv-7"), "")],
)
def test_a_volume_is_late_in_the_words_of_the_kubelet_where_its_claim_may_not_be_read(
    answer: Answer, cause_id: str
) -> None:
    said = event(
        "FailedMount",
        "Unable to attach or mount volumes: unmounted volumes=[data], unattached volumes=[data]",
    )
    on_node: dict[Read, Answer] = {CLAIM: answer}
    of = snapshot(on_node, "", [said], nodeName="n1")
    body = of.answers[pod_read(EMPTY)].body  # type: ignore[union-attr]
    body["status"].update(
        conditions=[{"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-03-01T11:50:00Z"}],
        containerStatuses=[{"name": "app", "state": {"waiting": {"reason": "ContainerCreating"}}}],
    )
    assert cause(of) == cause_id


@pytest.mark.parametrize(
    ("said", "title"),
    [
        ('failed to get secretproviderclass shop/mail, error: SecretProviderClass.x "mail" not found',
         "SecretProviderClass mail, which volume keys names, does not exist in shop"),
        (("failed to mount secrets store objects for pod shop/web, err: error making mount request: couldn't read secret"
         ' "box": Error making API request.\n\nURL: GET http://v/1\nCode: 403. Errors:\n\n* 1 error occurred:\n\t* permission denied\n'),
         "Object box of SecretProviderClass mail cannot be fetched: 403: permission denied"),
        ("eu-1: Failed fetching secret a/b: ResourceNotFoundException: Secrets Manager can't find it",
         "Object a/b of SecretProviderClass mail cannot be fetched: ResourceNotFoundException: Secrets Manager can't find it"),
    ],
)  # fmt: skip
def test_what_the_keeper_of_secrets_says(said: str, title: str) -> None:
    prefix = 'MountVolume.SetUp failed for volume "keys" : rpc error: code = Unknown desc = '
    if "Failed fetching" in said:
        prefix += (
            "failed to mount secrets store objects for pod shop/web, err: rpc error: code = Unknown desc = "
        )
    keys = {"driver": "secrets-store.csi.k8s.io", "volumeAttributes": {"secretProviderClass": "mail"}}
    found = first(
        snapshot(
            {},
            "",
            [event("FailedMount", prefix + said)],
            nodeName="n1",
            volumes=[{"name": "keys", "csi": keys}],
        )
    )
    assert found
    assert found.title == title


def test_the_line_that_the_mount_is_judged_by() -> None:
    text = (
        'MountVolume.SetUp failed for volume "pv-7" : mount failed: mount -t efs fs-1:/ /x\n'
        "Output: Could not start a watchdog\nb'mount.nfs4: access denied by server while mounting 127.0.0.1:/'\n"
    )
    answers: dict[Read, Answer] = {CLAIM: claim("Bound", volumeName="pv-7")}
    found = first(snapshot(answers, "", [event("FailedMount", text)], nodeName="n1"))
    assert found
    assert found.title.endswith("mount.nfs4: access denied by server while mounting 127.0.0.1:/")


@pytest.mark.parametrize(
    ("existing", "akin"),
    [(["orders-pvc", "other"], "orders-pvc"), (["orders-a", "orders-b"], ""), (["ordersdb"], ""), ([], "")],
)
def test_the_one_claim_of_the_same_family_name(existing: list[str], akin: str) -> None:
    assert _binding._akin("orders-data", existing) == akin


@pytest.mark.parametrize(
    ("holder", "replicas", "ready", "words"),
    [
        ("shop-7d9c5b8f6d-abcde", 1, "True", '"type":"Recreate"'),
        ("shop-7d9c5b8f6d-abcde", 3, "True", '"replicas":1'),
        ("shop-backup-5b8f6d7c9d-abcde", 1, "True", "OWNER:"),
        ("shop-7d9c5b8f6d-abcde", 1, "Unknown", "out-of-service"),
    ],
)
def test_why_two_nodes_need_one_volume(holder: str, replicas: int, ready: str, words: str) -> None:
    other = {
        "metadata": {"name": holder},
        "spec": {"nodeName": "n2", "volumes": [VOLUME]},
        "status": {"phase": "Running"},
    }
    attachment = {
        "spec": {"nodeName": "n2", "source": {"persistentVolumeName": "pv-7"}},
        "status": {"attached": True},
    }
    volume = {
        "metadata": {"name": "pv-7"},
        "spec": {"accessModes": ["ReadWriteOnce"], "csi": {"driver": "d"}},
    }
    owner = {"kind": "ReplicaSet", "name": "shop-1", "controller": True, "apiVersion": "apps/v1"}
    above = {**owner, "kind": "Deployment", "name": "shop"}
    answers: dict[Read, Answer] = {
        CLAIM: claim("Bound", volumeName="pv-7"),
        _claims.volume_read("pv-7"): Found(volume),
        _attached.attachments_read(): Found({"items": [attachment]}),
        _binding.pods_read(EMPTY): Found({"items": [other]}),
        node_read("n2"): Found({"status": {"conditions": [{"type": "Ready", "status": ready}]}}),
        get("apps/v1", "replicasets", "shop", "shop-1"): Found({"metadata": {"ownerReferences": [above]}}),
        get("apps/v1", "deployments", "shop", "shop"): Found({"spec": {"replicas": replicas}}),
    }
    said = event(
        "FailedAttachVolume",
        f'Multi-Attach error for volume "pv-7" Volume is already used by pod(s) {holder}',
    )
    of = snapshot(answers, "", [said], nodeName="n1")
    of.answers[pod_read(EMPTY)].body["metadata"]["ownerReferences"] = [owner]  # type: ignore[union-attr]
    found = first(of)
    assert found
    assert found.cause.id == "storage/multi-attach"
    assert words in found.steps[0].run


@pytest.mark.parametrize(
    ("provisioner", "events", "confidence", "words"),
    [
        # No driver of that name is registered: nobody can answer.
        ("fast.csi.example.com", [], "certain", "Nothing answers"),
        # Not a driver of CSI, and what it answered may have expired.
        ("example.com/local-dirs", [], "likely", "what that said of it is not recorded"),
        ("example.com/local-dirs", ["Waiting for a volume to be created by the external provisioner"], "likely", "Nothing answers"),
    ],
)  # fmt: skip
def test_silence_is_no_answer_where_events_are_gone(
    provisioner: str, events: list[str], confidence: str, words: str
) -> None:
    rows = [event("ExternalProvisioning", one, "PersistentVolumeClaim", "data", "c1") for one in events]
    body = {"metadata": {"name": "fast"}, "provisioner": provisioner, "volumeBindingMode": "Immediate"}
    answers: dict[Read, Answer] = {
        CLAIM: claim(storageClassName="fast"),
        _claims.class_read("fast"): Found(body),
        _claims.classes_read(): Found({"items": [body]}),
        _claims.drivers_read(): names(),
        _claims.claim_events_read(EMPTY, "data"): Found({"items": rows}),
    }
    found = first(snapshot(answers, UNBOUND))
    assert found
    assert found.cause.id == "storage/provisioner-not-responding"
    assert found.confidence == confidence
    assert words in found.title


@pytest.mark.parametrize(
    ("named", "cause_id"), [("web-data", "storage/ephemeral-volume-pending"), ("web-other", "")]
)
def test_a_claim_of_another_that_may_not_be_read(named: str, cause_id: str) -> None:
    volumes = [{"name": "data", "ephemeral": {"volumeClaimTemplate": {}}}]
    said = f"0/3 nodes are available: PVC shop/{named} was not created for pod shop/web (pod is not owner)."
    read = _claims.Use("data", "web-data", True, CLAIM)
    answers: dict[Read, Answer] = {
        _claims.claim_read(EMPTY, read.claim): Unknown("forbidden", "no"),
    }
    found = [
        one
        for one in diagnose(snapshot(answers, said, volumes=volumes)).findings
        if one.cause.family == "storage"
    ]
    assert [one.cause.id for one in found[:1]] == ([cause_id] if cause_id else [])


@pytest.mark.parametrize(
    ("said", "title"),
    [
        ("iscsi: failed to sendtargets to portal 10.9.0.5:3260 output: iscsiadm: No route to host", "n1 cannot reach 10.9.0.5:3260 of"),
        ('Output: Failed to resolve "fs-1.efs.example.com" - check the id', "n1 cannot reach fs-1.efs.example.com of"),
        ("mount failed: Connection timed out", "n1 cannot reach the storage server of"),
    ],
)  # fmt: skip
def test_the_address_that_was_tried(said: str, title: str) -> None:
    answers: dict[Read, Answer] = {CLAIM: claim("Bound", volumeName="pv-7")}
    text = f'MountVolume.SetUp failed for volume "pv-7" : {said}'
    found = first(snapshot(answers, "", [event("FailedMount", text)], nodeName="n1"))
    assert found
    assert found.title.startswith(title)


def test_what_the_tool_of_a_driver_prints_is_told_without_its_command() -> None:
    text = (
        'MountVolume.MountDevice failed for volume "pv-7" : rpc error: code = Internal desc = rbd: map failed with error'
        " an error (exit status 1) occurred while running rbd args: [map x], rbd error output: rbd: no\nrbd: Operation not permitted"
    )
    answers: dict[Read, Answer] = {CLAIM: claim("Bound", volumeName="pv-7")}
    found = first(snapshot(answers, "", [event("FailedMount", text)], nodeName="n1"))
    assert found
    assert found.title.endswith("is refused: rbd: no rbd: Operation not permitted")
