"""The sandbox stage on the words of many runtimes and network plugins."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from poddoctor.diagnostics._sandbox_text import read_sandbox

from poddoctor.engine import diagnose
from poddoctor.model import Found, Snapshot, Target
from poddoctor.pod.reads import node_read, pod_events_read, pod_read

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)
SANDBOX = "0123456789abcdef" * 4


def snapshot(
    message: str = "", reason: str = "FailedCreatePodSandBox", *more: dict[str, Any], **pod: Any
) -> Snapshot:
    """A pod on a node that waits in ContainerCreating, with one event."""
    status = {
        "phase": "Pending",
        "containerStatuses": [waiting("ContainerCreating")],
        **pod.pop("status", {}),
    }
    body = {
        "metadata": {
            "name": "web",
            "namespace": "shop",
            "uid": "u1",
            "creationTimestamp": "2026-03-01T11:50:00Z",
        },
        "spec": {"nodeName": "n1", "containers": [{"name": "app", "image": "nginx"}], **pod},
        "status": status,
    }
    empty = Snapshot(Target("pod", "shop", "web"), {}, NOW, "v1.31.0")
    events = [event(reason, message, "2026-03-01T11:58:00Z"), *more] if message else list(more)
    answers = {pod_read(empty): Found(body), pod_events_read(empty): Found({"items": events})}
    return Snapshot(empty.target, answers, NOW, "v1.31.0")


def waiting(reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    return {"name": "app", "state": {"waiting": {"reason": reason, "message": message}}, **more}


def event(reason: str, message: str, time: str) -> dict[str, Any]:
    return {
        "metadata": {"name": f"web.{len(message)}"},
        "reason": reason,
        "type": "Warning",
        "message": message,
        "lastTimestamp": time,
        "count": 3,
        "involvedObject": {"kind": "Pod", "name": "web", "namespace": "shop", "uid": "u1"},
    }


def first(of: Snapshot) -> str:
    findings = diagnose(of).findings
    return findings[0].cause.id.removeprefix("sandbox/") if findings else ""


CONTAINERD = f'Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox "{SANDBOX}": '
CRIO = (
    "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to create pod network sandbox "
    f"k8s_web_shop_u1_0({SANDBOX}): error adding pod shop_web to CNI network "
)


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        (
            CONTAINERD + 'plugin type="calico" failed (add): error getting ClusterInformation: connection is '
            "unauthorized: Unauthorized",
            "cni-plugin-failed",
        ),
        (
            CONTAINERD + 'plugin type="aws-cni" name="aws-cni" failed (add): add cmd: failed to assign an IP '
            "address to container",
            "pod-ip-exhausted",
        ),
        (
            CONTAINERD + 'plugin type="flannel" failed (add): loadFlannelSubnetEnv failed: open '
            "/run/flannel/subnet.env: no such file or directory",
            "cni-plugin-failed",
        ),
        (
            CONTAINERD + 'plugin type="cilium-cni" failed (add): unable to create endpoint: Put '
            '"http:///var/run/cilium/cilium.sock/v1/endpoint/cni": context deadline exceeded',
            "cni-plugin-failed",
        ),
        (
            CONTAINERD
            + 'plugin type="cilium-cni" failed (add): unable to allocate IP via local cilium agent: '
            "[POST /ipam][502] postIpamFailure range is full",
            "pod-ip-exhausted",
        ),
        (
            CONTAINERD + 'plugin type="bridge" failed (add): failed to allocate for range 0: no IP addresses '
            "available in range set: 10.42.0.1-10.42.0.254",
            "pod-ip-exhausted",
        ),
        (
            CRIO + '"multus-cni-network": plugin type="multus-shim" name="multus-cni-network" failed (add): '
            'CmdAdd (shim): CNI request failed with status 400: \'ContainerID:"x" have you checked that your '
            "default network is ready? still waiting for readinessindicatorfile @ /host/run/multus/cni/net.d/"
            "10-ovn-kubernetes.conf. pollimmediate error: timed out waiting for the condition",
            "cni-not-ready",
        ),
        (
            CRIO + '"multus-cni-network": plugin type="multus" name="multus-cni-network" failed (add): '
            '[shop/web:ovn-kubernetes]: error adding container to network "ovn-kubernetes": CNI request failed '
            "with status 400: failed to configure pod interface: timed out waiting for OVS port binding",
            "cni-plugin-failed",
        ),
        (
            CRIO
            + '"multus-cni-network": plugin type="multus" failed (add): Multus: [shop/web]: error loading '
            "k8s delegates: cannot find a network-attachment-definition (macvlan-a) in namespace (shop): "
            'network-attachment-definitions.k8s.cni.cncf.io "macvlan-a" not found',
            "network-attachment-missing",
        ),
        (
            CONTAINERD
            + 'plugin type="istio-cni" name="istio-cni" failed (add): error getting pod: Unauthorized',
            "cni-plugin-failed",
        ),
        (CONTAINERD + 'failed to find plugin "loopback" in path [/opt/cni/bin]', "cni-plugin-missing"),
        (CONTAINERD + "cni plugin not initialized", "cni-not-ready"),
        (
            (
                "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to get sandbox runtime: no "
                'runtime for "kata" is configured'
            ),
            "runtime-class-handler-missing",
        ),
        (
            'Failed to create pod sandbox: rpc error: code = Unknown desc = RuntimeHandler "gvisor" not supported',
            "runtime-class-handler-missing",
        ),
        (
            (
                "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to find runtime handler kata "
                "from runtime list map[runc:0xc0001 crun:0xc0002]"
            ),
            "runtime-class-handler-missing",
        ),
        (
            (
                "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to get sandbox image "
                '"k8s.gcr.io/pause:3.6": failed to pull image "k8s.gcr.io/pause:3.6": dial tcp: i/o timeout'
            ),
            "pause-image-unavailable",
        ),
        (
            (
                'Failed to create pod sandbox: rpc error: code = Unknown desc = failed to start sandbox "x": failed to '
                'pull image "registry.k8s.io/pause:3.10.1": failed to resolve reference: 403 Forbidden'
            ),
            "pause-image-unavailable",
        ),
        (
            "Failed to create pod sandbox: rpc error: code = DeadlineExceeded desc = context deadline exceeded",
            "sandbox-timeouts",
        ),
        (
            (
                "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to reserve sandbox name "
                f'"web_shop_u1_0": name "web_shop_u1_0" is reserved for "{SANDBOX}"'
            ),
            "sandbox-timeouts",
        ),
        (
            (
                "Failed to create pod sandbox: rpc error: code = Unknown desc = Kubelet may be retrying requests that "
                "are timing out in CRI-O due to system load. Currently at stage sandbox network creation: context "
                "deadline exceeded: error reserving pod name"
            ),
            "sandbox-timeouts",
        ),
        (
            (
                "Failed to create pod sandbox: rpc error: code = Unknown desc = container create failed: write to "
                "/proc/self/attr/keycreate: Invalid argument"
            ),
            "sandbox-failed",
        ),
        (
            (
                "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to create containerd task: failed "
                "to create shim task: OCI runtime create failed: runc create failed: unable to apply cgroup "
                "configuration: no space left on device: unknown"
            ),
            "sandbox-failed",
        ),
        (
            (
                "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to create sandbox root "
                "directory: mkdir /var/lib/containerd/sandboxes/1: no space left on device"
            ),
            "node-disk-full",
        ),
    ],
)
def test_words_of_runtimes_and_plugins(message: str, cause: str) -> None:
    assert first(snapshot(message)) == cause
    assert first(snapshot("(combined from similar events): " + message)) == cause


def test_network_not_ready_event_and_node() -> None:
    text = (
        "network is not ready: container runtime network not ready: NetworkReady=false "
        "reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized"
    )
    assert first(snapshot(text, "NetworkNotReady")) == "cni-not-ready"
    silent = snapshot()
    ready = {"type": "Ready", "status": "False", "message": text.removeprefix("network is not ready: ")}
    node = {node_read("n1"): Found({"metadata": {"name": "n1"}, "status": {"conditions": [ready]}})}
    assert first(Snapshot(silent.target, {**silent.answers, **node}, NOW)) == "cni-not-ready"


def test_sandbox_that_was_made_after_all() -> None:
    failure = CONTAINERD + 'plugin type="calico" failed (add): i/o timeout'
    later = event("Pulling", 'Pulling image "nginx"', "2026-03-01T11:59:00Z")
    assert first(snapshot(failure, "FailedCreatePodSandBox", later)) == ""
    running = {"containerStatuses": [{"name": "app", "ready": True, "state": {"running": {}}}]}
    assert first(snapshot(failure, status={"phase": "Running", **running})) == ""
    past = {"conditions": [{"type": "PodReadyToStartContainers", "status": "True"}]}
    assert first(snapshot(failure, status=past)) == ""
    changed = "Pod sandbox changed, it will be killed and re-created."
    assert first(snapshot(changed, "SandboxChanged")) == ""


@pytest.mark.parametrize(
    "said",
    [
        "unable to allocate IP via local cilium agent: postIpamFailure No IPv4 addresses available to allocate",
        "request ip return 500 no available ip for subnet ovn-default: NoAvailableAddress",
        "error alloc ip rpc error: code = Internal desc = InvalidVSwitchId.IpNotEnough",
        "rpc error: code = Unknown desc = no free IP addresses",
    ],
)
def test_words_for_addresses_that_are_used_up(said: str) -> None:
    assert first(snapshot(CONTAINERD + f'plugin type="any" failed (add): {said}')) == "pod-ip-exhausted"


def test_a_warning_that_no_stage_knows_is_quoted_while_nothing_starts() -> None:
    odd = "error making pod data directories: mkdir /var/lib/kubelet/pods/u1: read-only file system"
    scheduled = {"conditions": [{"type": "PodScheduled", "lastTransitionTime": "2026-03-01T11:50:00Z"}]}
    found = diagnose(snapshot(odd, "Failed", status=scheduled)).findings
    assert [(one.cause.id, one.confidence) for one in found] == [("sandbox/start-unexplained", "possible")]
    assert "read-only file system" in found[0].title
    young = {"conditions": [{"type": "PodScheduled", "lastTransitionTime": "2026-03-01T11:59:00Z"}]}
    assert first(snapshot(odd, "Failed", status=young)) == ""
    known = 'MountVolume.SetUp failed for volume "x" : it went wrong'
    both = snapshot(known, "FailedMount", event("Odd", odd, "2026-03-01T11:58:00Z"), status=scheduled)
    assert first(both) == "storage/mount-failed"
    pulled = event("Pulling", 'Pulling image "nginx"', "2026-03-01T11:59:00Z")
    assert first(snapshot(odd, "Odd", pulled, status=scheduled)) == ""
    running = {"containerStatuses": [{"name": "app", "ready": True, "state": {"running": {}}}]}
    assert first(snapshot(odd, "Odd", status={"phase": "Running", **running, **scheduled})) == ""


@pytest.mark.parametrize(("ended", "cause"), [("11:50:00", "start-unexplained"), ("11:58:00", "")])
def test_nothing_follows_the_init_containers(ended: str, cause: str) -> None:
    end = {"exitCode": 0, "reason": "Completed", "finishedAt": f"2026-03-01T{ended}Z"}
    status = {
        "initContainerStatuses": [{"name": "migrate", "ready": True, "state": {"terminated": end}}],
        "containerStatuses": [waiting("PodInitializing")],
    }
    assert first(snapshot(status=status, initContainers=[{"name": "migrate", "image": "m"}])) == cause


@pytest.mark.parametrize(
    "status",
    [
        {
            "phase": "Failed",
            "reason": "SysctlForbidden",
            "message": 'Pod was rejected: forbidden sysctl: "kernel.msgmax" not allowlisted',
        },
        {
            "phase": "Failed",
            "reason": "SysctlForbidden",
            "message": 'Pod forbidden sysctl: "kernel.msgmax" not allowlisted',
        },
        {
            "phase": "Failed",
            "reason": "SysctlForbidden",
            "message": 'Pod was rejected: forbidden sysctl: "kernel.msgmax" not allowed with host net enabled',
        },
    ],
)
def test_forbidden_sysctl(status: dict[str, Any]) -> None:
    finding = diagnose(snapshot(status={**status, "containerStatuses": []})).findings[0]
    assert finding.cause.id == "sandbox/sysctl-forbidden"
    assert "kernel.msgmax" in finding.title


@pytest.mark.parametrize(
    "message",
    [
        'failed to create containerd container: cannot load seccomp profile "/var/lib/kubelet/seccomp/p.json": open /var/lib/kubelet/seccomp/p.json: no such file or directory',
        'setup seccomp: unable to load local profile "/var/lib/kubelet/seccomp/p.json": open /var/lib/kubelet/seccomp/p.json: no such file or directory',
        "failed to create containerd container: get apparmor_parser version: apparmor profile not found k8s-deny-write",
        "failed to create containerd container: apparmor profile not found k8s-deny-write",
    ],
)
def test_missing_profiles(message: str) -> None:
    assert (
        first(snapshot(status={"containerStatuses": [waiting("CreateContainerError", message)]}))
        == "security-profile-missing"
    )


ID = "0" * 64


@pytest.mark.parametrize(
    ("message", "problem", "why"),
    [
        ('failed to setup network for sandbox "ID": plugin type="azure-vnet" failed (add): IPAM Invoker Add failed with error: AllocateIPConfigs failed: not enough IPs available for 1e', "ip-exhausted", "IPAM Invoker Add failed with error: AllocateIPConfigs failed: not enough IPs available for 1e"),
        ('failed to set up sandbox container "ID" network for pod "api": networkPlugin cni failed to set up pod "api_shop" network: add cmd: failed to assign an IP address to container', "ip-exhausted", "add cmd: failed to assign an IP address to container"),
        ('[failed to set up sandbox container "ID" network for pod "api": networkPlugin cni failed to set up pod "api_shop" network: open /run/flannel/subnet.env: no such file or directory, failed to clean up sandbox container "ID" network for pod "api": networkPlugin cni failed to teardown pod "api_shop" network: x]', "cni", "open /run/flannel/subnet.env: no such file or directory"),
        ('failed to setup network for sandbox "ID": plugin type="antrea" failed (add): rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: dial unix /var/run/antrea/cni.sock: connect: connection refused"', "cni", "dial unix /var/run/antrea/cni.sock: connect: connection refused"),
        ('plugin type="multus-shim" failed (add): CNI request failed with status 400: \'[shop/api-1 00 network default NAD default] [shop/api-1 00] failed to get pod annotation: timed out\'', "cni", "failed to get pod annotation: timed out"),
    ],
)  # fmt: skip
def test_what_the_plugin_said(message: str, problem: str, why: str) -> None:
    text = "Failed to create pod sandbox: rpc error: code = Unknown desc = " + message.replace("ID", ID)
    found, details = read_sandbox(text)
    assert (found, details["why"]) == (problem, why)


@pytest.mark.parametrize("field", [True, False])
def test_the_profile_that_the_runtime_does_not_name(field: bool) -> None:
    said = "unable to apply apparmor profile: apparmor failed to apply profile: write /proc/self/attr: no such file"
    taken = snapshot(status={"containerStatuses": [waiting("CreateContainerError", said)]})
    body = taken.answers[pod_read(taken)].body  # type: ignore[union-attr]
    name = body["spec"]["containers"][0]["name"]
    if field:
        profile = {"type": "Localhost", "localhostProfile": "deny-write"}
        body["spec"]["containers"][0]["securityContext"] = {"appArmorProfile": profile}
    else:
        note = {f"container.apparmor.security.beta.kubernetes.io/{name}": "localhost/deny-write"}
        body["metadata"]["annotations"] = note
    owner = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "agent", "controller": True}
    body["metadata"]["ownerReferences"] = [owner]
    found = diagnose(taken).findings[0]
    assert "AppArmor profile deny-write does not exist" in found.title
    assert ("appArmorProfile" in found.steps[0].run) is field
    assert ('"annotations":' in found.steps[0].run) is not field
    assert not any("seccomp" in step.run for step in found.steps)


IDMAP = (
    'error mounting "/var/lib/kubelet/pods/u/volumes/kubernetes.io~nfs/share" to rootfs at "/srv": failed to set'
    " MOUNT_ATTR_IDMAP on /var/lib/kubelet/pods/u/volumes/kubernetes.io~nfs/share: invalid argument"
)


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        (IDMAP, "sandbox/user-namespaces-unsupported"),
        (IDMAP.replace("failed to set MOUNT_ATTR_IDMAP on", "mount"), "config/mount-target-conflict"),
    ],
)
def test_a_file_system_that_maps_no_users(said: str, cause: str) -> None:
    text = f"OCI runtime create failed: runc create failed: error during container init: {said}: unknown"
    of = snapshot(status={"containerStatuses": [waiting("RunContainerError", text)]})
    found = diagnose(of).findings
    assert [one.cause.id for one in found] == [cause]
    if cause.startswith("sandbox"):
        assert found[0].title.startswith(
            "Volume share (nfs) cannot be mounted at /srv: its file system maps no users"
        )
