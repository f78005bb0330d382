"""What a runtime or a network plugin said when it could not make a pod's sandbox.

The texts of containerd, CRI-O and cri-dockerd, and of the usual network plugins: each pattern keeps to the
words that did not change between versions.
"""

from __future__ import annotations

import re

from poddoctor.pod.clip import clip
from poddoctor.pod.pattern import lazy

# In this order: the first that matches says what the problem is.
_PROBLEMS: tuple[tuple[str, str], ...] = (
    ("runtime-handler", r"no runtime for \\*[\"'](?P<handler>[^\"'\\]+)\\*[\"'] is configured"),
    ("runtime-handler", r"failed to find runtime handler (?P<handler>\S+)"),
    ("runtime-handler", r"runtime handler \\*[\"'](?P<handler>[^\"'\\]+)\\*[\"'] (?:not|is not) "),
    ("runtime-handler", r"RuntimeHandler \\*[\"']?(?P<handler>[^\"'\\\s]+)\\*[\"']? not supported"),
    ("runtime-handler", r"unknown runtime(?: specified| handler)?:? \\*[\"']?(?P<handler>[\w.-]+)"),
    ("runtime-class", r"RuntimeClass(?:\.node\.k8s\.io)? \\*[\"'](?P<handler>[^\"'\\]+)\\*[\"'] not found"),
    ("runtime-binary", r"runtime \\*\"[^\"]*\" binary not installed \\*\"(?P<handler>[^\"\\]+)"),
    ("runtime-binary", r"exec: \\*\"(?P<handler>containerd-shim-[^\"\\]+)\\*\": executable file not found"),
    ("pause-image", r"failed to get sandbox image \\*[\"'](?P<image_ref>[^\"'\\]+)"),
    ("pause-image", r"failed pulling image \\*[\"'](?P<image_ref>[^\"'\\]+)"),
    (
        "pause-image",
        (
            r"(?:failed to pull|unable to pull|error pulling)(?: and unpack)? image "
            r"\\*[\"']?(?P<image_ref>[^\"'\\\s:]+(?::[\w.-]+)?)"
        ),
    ),
    ("pause-image", r"(?:pull\w*|create) (?:the )?(?:pod )?(?:infra|pause|sandbox) (?:container )?image"),
    ("pause-image", r"initializing source docker://(?P<image_ref>[^\s]*pause[^\s:]*(?::[\w.-]+)?)"),
    (
        "user-namespaces",
        r"can't set `?spec\.hostUsers|does not support user namespaces|user namespaces are not supported",
    ),
    ("user-namespaces", r"idmap mounts? (?:is|are) not supported|failed to set MOUNT_ATTR_IDMAP"),
    (
        "attachment-missing",
        (
            r"(?:cannot find a network-attachment-definition|could not find network attachment"
            r"|network-attachment-definitions\.k8s\.cni\.cncf\.io) "
            r"\\*[\"'(]*(?P<attachment>[\w.-]+)[^\n]{0,40}(?:not found|in namespace)"
        ),
    ),
    (
        "plugin-missing",
        (
            r"failed to find plugin \\*[\"'](?P<plugin>[^\"'\\]+)\\*[\"'] in path "
            r"\[?(?P<path>[^\]\s\"\\]*)"
        ),
    ),
    (
        "plugin-missing",
        (
            r"exec: \\*[\"'](?P<plugin>/opt/cni/bin/[^\"'\\]+)\\*[\"'].*"
            r"(?:not found|no such file)"
        ),
    ),
    ("plugin-missing", r"fork/exec (?P<path>/opt/cni/bin/\S+): (?:no such file|exec format|permission)"),
    (
        "ip-exhausted",
        r"no IP addresses available in (?:range set: (?P<range>\S+)|network)|no available IP addresses",
    ),
    ("ip-exhausted", r"[Nn]o more IPs available|no more free IP|range is full|IP pool exhausted"),
    ("ip-exhausted", r"ran out of IP"),
    ("ip-exhausted", r"failed to assign an IP address to container|failed to assign IP"),
    ("ip-exhausted", r"InsufficientFreeAddressesInSubnet|InsufficientCidrBlocks"),
    ("ip-exhausted", r"not enough (?:free )?(?:ip|IP)|SubnetFull|[Ss]ubnet \S+ is full"),
    ("ip-exhausted", r"IPAM allocated only 0|no configured Calico pools"),
    ("ip-exhausted", r"[Ff]ailed to request (?:1 )?IPv[46] addresses|Could not allocate IP in range"),
    ("ip-exhausted", r"no available (?:addresses|IPs?)\b|No available addresses"),
    ("ip-exhausted", r"[Ff]ailed to allocate address|AllocateIPConfigFailed"),
    ("ip-exhausted", r"(?i)no (?:free |more )?ip(?:v[46])?(?: address(?:es)?)? (?:is |are )?available"),
    ("ip-exhausted", r"(?i)no (?:free|available) ip(?:v[46])?(?: address(?:es)?)?\b"),
    ("ip-exhausted", r"NoAvailableAddress|IpNotEnough|IPNotEnough|NoAvailableIP"),
    ("not-ready", r"cni (?:plugin|config) (?:not initialized|uninitialized)|NetworkPluginNotReady"),
    ("not-ready", r"NetworkReady=false|network is not ready"),
    ("not-ready", r"[Nn]o CNI configuration file|no networks? (?:config|configuration)s? found in"),
    ("not-ready", r"no valid networks? found in"),
    ("not-ready", r"CNI is not ready|have you checked that .* is running|have you started"),
    ("not-ready", r"PollImmediate error waiting for ReadinessIndicatorFile|readinessindicatorfile"),
    ("not-ready", r"still waiting for readinessindicatorfile"),
    (
        "sysctl",
        (
            r"(?:write sysctl key|sysctl) \\*[\"']?(?P<sysctl>[a-z][\w./-]+)\\*[\"']?:? "
            r"(?:open|is not|write|can't|not allowed|cannot)"
        ),
    ),
    ("sysctl", r"write /proc/sys/(?P<sysctl>[\w/.-]+):"),
    ("sysctl", r"open /proc/sys/(?P<sysctl2>[\w/.-]+): no such file"),
    ("security-profile", r"apparmor profile (?:not found|is not found)? ?\\*[\"']?(?P<profile>[\w./-]+)"),
    ("security-profile", r"AppArmor profile \\*[\"']?(?P<profile2>[\w./-]+)\\*[\"']? (?:not|is not)"),
    ("security-profile", r"[Ss]eccomp.{0,160}no such file or directory"),
    ("timeout", r"failed to reserve sandbox name|name \\*[\"']?k8s_\S+ is reserved|name is reserved"),
    ("timeout", r"Sandbox name .* is reserved"),
    ("timeout", r"kubelet may be retrying requests that are timing out in CRI-O|DeadlineExceeded"),
    ("timeout", r"context deadline exceeded|stream terminated by RST_STREAM|operation timed out"),
    ("timeout", r"timed out waiting for"),
    ("runtime-down", r"connection refused.*(?:containerd|crio|cri-dockerd)\.sock"),
    ("runtime-down", r"dial unix \S*(?:containerd|crio|cri-dockerd)\.sock|transport is closing"),
    ("runtime-down", r"code = Unavailable"),
    # The limit of cgroups or of inotify watches has the same words.
    ("disk-full", r"^(?!.*(?:cgroup|inotify|fsnotify)).*no space left on device"),
    ("cgroup", r"cgroup|systemd|dbus|slice"),
)
_PLUGIN = lazy(
    r"plugin type=\\*\"(?P<plugin>[^\"\\]+)\\*\"(?: name=\\*\"(?P<network>[^\"\\]+)\\*\")? (?:failed|error)"
)
_DELEGATE = lazy(
    r"error adding pod \S+ to CNI network \\*\"(?P<network>[^\"\\]+)|networkPlugin cni failed"
    r"|failed to setup network for sandbox|failed to create pod network sandbox"
    r"|failed to (?:set ?up|configure) (?:pod|network)"
)
_IDS = lazy(r"\\*\"?[0-9a-f]{64}\\*\"?|\([0-9a-f]{64}\)")
_TAGS = lazy(r"^(?:\[[^\]]*\] )+")
_DOCKER = lazy(
    r"networkPlugin cni failed to set up pod \S+ network: (?P<why>.*?)(?:, failed to clean up sandbox.*)?\]?$"
)
_WRAPPERS = lazy(
    r"failed \(add\)[^:]*:\s*|failed to setup network for sandbox\s*:\s*|to CNI network \\*\"[^\"]*\":\s*"
    r"|desc = |Failed to create pod sandbox: |CNI request failed with status \d+: '?"
    r"|error adding container to network \\*\"[^\"]*\": "
    r"|(?:failed to create containerd task|failed to create shim task|OCI runtime (?:create|start) failed"
    r"|runc create failed|unable to start container process|error during container init): "
)


def read_sandbox(message: str) -> tuple[str, dict[str, str]]:
    """The problem and its details; the problem is empty when the text says nothing known."""
    found: dict[str, str] = {}
    plugins = list(_PLUGIN.finditer(message))
    if plugins:
        found["plugin"] = plugins[0]["plugin"]
        if plugins[-1]["plugin"] != plugins[0]["plugin"]:
            found["delegate"] = plugins[-1]["plugin"]
        if plugins[0]["network"]:
            found["network"] = plugins[0]["network"]
    elif (match := _DELEGATE.search(message)) and match["network"]:
        found["network"] = match["network"]
    problem = "cni" if plugins or _DELEGATE.search(message) else ""
    for name, pattern in _PROBLEMS:
        # A network plugin that names a timeout or a cgroup is still the plugin's failure.
        if problem == "cni" and name in (
            "cgroup",
            "timeout",
            "runtime-down",
            "pause-image",
            "disk-full",
            "sysctl",
        ):
            continue
        if match := re.search(pattern, message):
            found.update({key.rstrip("2"): value for key, value in match.groupdict().items() if value})
            problem = name
            break
    if why := tell(message):
        found["why"] = why
    return problem or "other", found


def tell(message: str) -> str:
    """The last words in the chain of wrappers: what the plugin or the runtime itself said."""
    if pair := _DOCKER.search(message):
        message = pair["why"]
    text = _WRAPPERS.split(_IDS.sub("", message))[-1]
    line = (text.strip(" :").splitlines() or [""])[0]
    line = _TAGS.sub("", line.strip()).removesuffix(": unknown")
    line = " ".join(line.replace('"transport: Error while dialing: ', "").split()).strip(" :'")
    return clip(line.removesuffix('"') if line.count('"') % 2 else line, 180)
