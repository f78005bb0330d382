"""NetworkPolicies: which of them keeps this pod from a port it needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from poddoctor.model import Body, Read, Snapshot
from poddoctor.pod.reads import list_of

from ._awaits import services_read
from ._selectors import Labels, labels_of, name_of, namespace_of, selects

_SPACE_NAME = "kubernetes.io/metadata.name"
# OpenShift's DNS pods listen there, and a policy sees the pods' port.
_OPENSHIFT_DNS = "5353"
_OUTSIDE = frozenset({"com", "io", "net", "org", "dev", "local", "internal", "cloud"})
# A few that no namespace is called by: "redis.dev" may be Service redis of namespace dev.
_INTERNET = frozenset({"com", "net", "org", "io"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the pod tried to reach: a host (or ``dns``), a port when known, and the log line that says so."""

    host: str
    port: str
    line: str


@dataclass(frozen=True, slots=True)
class Denial:
    """The policy that allows none such, in which direction, and the pods' port that would have to be open."""

    policy: Body
    direction: str
    wanted: Wanted
    open_port: str = ""


def policies_read(namespace: str) -> Read:
    """All NetworkPolicies of a namespace."""
    return list_of(
        "networking.k8s.io/v1", "networkpolicies", namespace, "would show whether a policy drops the traffic"
    )


@dataclass(frozen=True, slots=True)
class _Peer:
    """One end of a connection, as far as it is known; ``whole`` when its labels are all known."""

    namespace: str = ""
    labels: Labels = field(default_factory=dict)
    whole: bool = False
    address: str = ""
    is_pod: bool = True


def denied_by(snapshot: Snapshot, pod: Body, wanted: Wanted) -> Denial | None:
    """The policy in the way: this pod's own egress first, then the ingress of the Service it asks for."""
    space = snapshot.target.namespace
    policies = snapshot.items(policies_read(space)) or []
    labels = labels_of(pod)
    mine = [one for one in policies if _applies(one, labels) and "Egress" in types_of(one)]
    rules = [(one, rule) for one in mine for rule in (one.get("spec") or {}).get("egress") or []]
    ports, there = _target_ports(snapshot, wanted), _there(snapshot, wanted)
    if mine and not any(
        _allows_port(rule, ports, wanted) and _allows_peer(rule.get("to"), there, space) for _, rule in rules
    ):
        return Denial(mine[0], "egress", wanted, _number(ports, wanted))
    if wanted.host == "dns" or there is None or not there.labels or not there.namespace:
        return None
    status = pod.get("status") or {}
    here = _Peer(space, labels, whole=True, address=str(status.get("podIP") or ""))
    shields = [
        one
        for one in snapshot.items(policies_read(there.namespace)) or []
        if _applies(one, there.labels) and "Ingress" in types_of(one)
    ]
    entries = [rule for one in shields for rule in (one.get("spec") or {}).get("ingress") or []]
    if shields and not any(
        _allows_port(rule, ports, wanted) and _allows_peer(rule.get("from"), here, there.namespace)
        for rule in entries
    ):
        return Denial(shields[0], "ingress", wanted, _number(ports, wanted))
    return None


def named_namespace(host: str, own: str) -> str:
    """The namespace that a host name of the cluster names, or the pod's own."""
    parts = host.rstrip(".").split(".")
    if len(parts) == 2 or (len(parts) > 2 and parts[2] == "svc"):
        return parts[1] if not parts[1].isdigit() and parts[1] not in _OUTSIDE else own
    return own


def _there(snapshot: Snapshot, wanted: Wanted) -> _Peer | None:
    """Who is at the other end: the pods of a Service, an address outside, or nobody that is known."""
    if wanted.host == "dns":
        return None
    service = _service(snapshot, wanted.host)
    if service is not None:
        selector = (service.get("spec") or {}).get("selector") or {}
        space = namespace_of(service) or named_namespace(wanted.host, snapshot.target.namespace)
        return _Peer(space, selector)
    try:
        address = ip_address(wanted.host)
    except ValueError:
        # A name of the internet is no pod; which address it stands for is not known.
        return _Peer(is_pod=False) if wanted.host.rpartition(".")[2] in _INTERNET else None
    return _Peer(address=wanted.host, is_pod=not address.is_global)


def _service(snapshot: Snapshot, host: str) -> Body | None:
    """The Service that this host is: by its name (with its namespace) or by its address."""
    own = snapshot.target.namespace
    space = named_namespace(host, own)
    for one in snapshot.items(services_read(space)) or []:
        name = name_of(one)
        if (
            host == name
            or f"{host.rstrip('.')}.".startswith(f"{name}.{space}.svc.")
            or host == f"{name}.{space}"
        ):
            return one
    for one in snapshot.items(services_read(own)) or []:
        spec = one.get("spec") or {}
        if host and host in (spec.get("clusterIPs") or [spec.get("clusterIP")]):
            return one
    return None


def _number(ports: set[str], wanted: Wanted) -> str:
    """The port behind the Service, when it is a number: policies see that one."""
    if wanted.host == "dns":
        return wanted.port
    behind = [port for port in ports if port.isdigit() and port != wanted.port]
    return behind[0] if behind else wanted.port


def _target_ports(snapshot: Snapshot, wanted: Wanted) -> set[str]:
    """The port, and the pods' port behind a Service's port: policies see the latter."""
    if wanted.host == "dns":
        return {"53", _OPENSHIFT_DNS}
    ports = {wanted.port} if wanted.port else set()
    for one in ((_service(snapshot, wanted.host) or {}).get("spec") or {}).get("ports") or []:
        if str(one.get("port")) == wanted.port:
            ports.add(str(one.get("targetPort") or wanted.port))
    return ports


def types_of(policy: Body) -> tuple[str, ...]:
    """The directions that a policy rules; Egress by default only when it has egress rules."""
    spec = policy.get("spec") or {}
    if spec.get("policyTypes"):
        return tuple(spec["policyTypes"])
    return ("Ingress", "Egress") if spec.get("egress") else ("Ingress",)


def _applies(policy: Body, labels: Labels) -> bool:
    return selects((policy.get("spec") or {}).get("podSelector") or {}, labels)


def _allows_port(rule: Body, ports: set[str], wanted: Wanted) -> bool:
    """Whether the rule may allow one of the ports; a named one that cannot be resolved is given the doubt."""
    listed = rule.get("ports") or []
    if not listed or not ports:
        return not listed or not ports
    protocol = "UDP" if wanted.host == "dns" else "TCP"
    return any(_is_open(one, ports) for one in listed if (one.get("protocol") or "TCP") == protocol)


def _is_open(one: Body, ports: set[str]) -> bool:
    low, high = one.get("port"), one.get("endPort")
    if low is None or str(low) in ports:
        return True
    if not str(low).isdigit():
        # Service and policy may call the pods' port by different names only if the pods do not say.
        return not any(not port.isdigit() for port in ports)
    return bool(high) and any(port.isdigit() and int(low) <= int(port) <= int(str(high)) for port in ports)


def _allows_peer(peers: Sequence[Body] | None, other: _Peer | None, own: str) -> bool:
    """Whether one of the peers may be the other end; ``own`` is the namespace of the policy."""
    if not peers or other is None:
        return True
    return any(_is_peer(one, other, own) for one in peers)


def _is_peer(one: Body, other: _Peer, own: str) -> bool:
    block = one.get("ipBlock")
    if block is not None:
        return _in_block(block, other)
    if not other.is_pod:
        return False
    spaces, pods = one.get("namespaceSelector"), one.get("podSelector")
    if spaces is None:
        if other.namespace and other.namespace != own:
            return False
    elif other.namespace and not _may_select(spaces, {_SPACE_NAME: other.namespace}, whole=False):
        return False
    return pods is None or _may_select(pods, other.labels, whole=other.whole)


def _in_block(block: Body, other: _Peer) -> bool:
    """Whether the address is in the block; that of a Service's pods is not known."""
    try:
        wide, narrow = ip_network(str(block.get("cidr")), strict=False), block.get("except") or []
        if not other.address:
            return True
        address = ip_address(other.address)
        return address in wide and not any(address in ip_network(str(one), strict=False) for one in narrow)
    except ValueError:
        return True


def _may_select(selector: Body, labels: Labels, *, whole: bool) -> bool:
    """Whether a selector can match labels of which, unless ``whole``, there may be more."""
    known = {
        key: value for key, value in (selector.get("matchLabels") or {}).items() if whole or key in labels
    }
    expressions = [one for one in selector.get("matchExpressions") or [] if whole or one.get("key") in labels]
    return selects({"matchLabels": known, "matchExpressions": expressions}, labels)


def rules_text(denial: Denial) -> str:
    """What the policy allows, for reading."""
    spec = denial.policy.get("spec") or {}
    rules = [_described(rule, denial) for rule in spec.get(denial.direction) or []]
    what = denial.wanted
    aim = "DNS (port 53)" if what.host == "dns" else f"port {what.port}" if what.port else "this connection"
    if denial.direction == "ingress":
        aim += " from this pod"
    allowed = f"only {'; '.join(rules)}" if rules else "nothing"
    return f"{denial.direction} allows {allowed}: not {aim}"


def _described(rule: Body, denial: Denial) -> str:
    ports = ", ".join(
        f"{one.get('port', 'all')}/{one.get('protocol') or 'TCP'}" for one in rule.get("ports") or []
    )
    side = "from" if denial.direction == "ingress" else "to"
    peers = " or ".join(_peer_text(one, denial.policy) for one in rule.get(side) or []) or "anybody"
    return f"{f'ports {ports}' if ports else 'all ports'} {side} {peers}"


def _peer_text(one: Body, policy: Body) -> str:
    if block := one.get("ipBlock"):
        return str(block.get("cidr"))
    pods, spaces = one.get("podSelector"), one.get("namespaceSelector")
    whose = f"pods {_selector_text(pods)}" if pods else "all pods"
    if spaces is None:
        return f"{whose} of namespace {namespace_of(policy) or 'its own'}"
    return f"{whose} of namespaces {_selector_text(spaces)}" if spaces else f"{whose} of all namespaces"


def _selector_text(selector: Body) -> str:
    pairs = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    pairs += [
        f"{one.get('key')} {one.get('operator')} {','.join(map(str, one.get('values') or []))}".strip()
        for one in selector.get("matchExpressions") or []
    ]
    return ",".join(pairs)
