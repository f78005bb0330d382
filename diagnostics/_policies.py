"""NetworkPolicies: which of them keeps this pod from a port it needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from poddoctor.model import Body, Read, Snapshot
from poddoctor.pod.reads import list_of

from ._awaits import services_read


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


def denied_by(snapshot: Snapshot, pod: Body, wanted: Wanted) -> Denial | None:
    """The policy in the way: this pod's own egress first, then the ingress of the Service it asks for."""
    policies = snapshot.items(policies_read(snapshot.target.namespace)) or []
    labels = (pod.get("metadata") or {}).get("labels") or {}
    mine = [one for one in policies if _applies(one, labels) and "Egress" in types_of(one)]
    rules = [rule for one in mine for rule in (one.get("spec") or {}).get("egress") or []]
    ports = _target_ports(snapshot, wanted)
    if mine and not any(_allows_port(rule, ports) for rule in rules):
        return Denial(mine[0], "egress", wanted, _number(ports, wanted))
    if wanted.host == "dns":
        return None
    return _denied_there(snapshot, labels, policies, wanted, ports)


def _denied_there(
    snapshot: Snapshot, labels: Mapping[str, str], policies: list[Body], wanted: Wanted, ports: set[str]
) -> Denial | None:
    """A policy in this namespace that shields the pods behind the Service from this pod."""
    service = _service(snapshot, wanted.host)
    selector = ((service or {}).get("spec") or {}).get("selector") or {}
    if not selector:
        return None
    shields = [one for one in policies if _applies(one, selector) and "Ingress" in types_of(one)]
    rules = [rule for one in shields for rule in (one.get("spec") or {}).get("ingress") or []]
    if shields and not any(_allows_port(rule, ports) and _allows_peer(rule, labels) for rule in rules):
        return Denial(shields[0], "ingress", wanted, _number(ports, wanted))
    return None


def _service(snapshot: Snapshot, host: str) -> Body | None:
    for one in snapshot.items(services_read(snapshot.target.namespace)) or []:
        spec = one.get("spec") or {}
        if host and host in {(one.get("metadata") or {}).get("name"), spec.get("clusterIP")}:
            return one
        name, _, rest = host.partition(".")
        if (
            rest
            and name == (one.get("metadata") or {}).get("name")
            and rest.startswith(snapshot.target.namespace)
        ):
            return one
    return None


def _number(ports: set[str], wanted: Wanted) -> str:
    """The port behind the Service, when it is a number: policies see that one."""
    behind = [port for port in ports if port.isdigit() and port != wanted.port]
    return behind[0] if behind else wanted.port


def _target_ports(snapshot: Snapshot, wanted: Wanted) -> set[str]:
    """The port, and the pods' port behind a Service's port: policies see the latter."""
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


def _applies(policy: Body, labels: Mapping[str, str]) -> bool:
    return selects((policy.get("spec") or {}).get("podSelector") or {}, labels)


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector selects these labels; an empty one selects all."""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_expression(one, labels) for one in selector.get("matchExpressions") or [])


def _expression(one: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value, values = labels.get(str(one.get("key"))), one.get("values") or []
    results = {
        "In": value in values,
        "NotIn": value not in values,
        "Exists": value is not None,
        "DoesNotExist": value is None,
    }
    return results.get(str(one.get("operator")), False)


def _allows_port(rule: Body, ports: set[str]) -> bool:
    """Whether the rule may allow one of the ports. A named port may be any: it has the benefit of doubt."""
    listed = rule.get("ports") or []
    if not listed or not ports:
        return not listed or not ports
    for one in listed:
        low = one.get("port")
        if low is None or str(low) in ports or not str(low).isdigit():
            return True
        if one.get("endPort") and any(
            port.isdigit() and int(low) <= int(port) <= int(one["endPort"]) for port in ports
        ):
            return True
    return False


def _allows_peer(rule: Body, labels: Mapping[str, str]) -> bool:
    peers = rule.get("from") or []
    if not peers:
        return True
    for one in peers:
        if one.get("ipBlock") is not None or one.get("namespaceSelector") is not None:
            return True  # not judged here: it may well let the pod in
        if selects(one.get("podSelector") or {}, labels):
            return True
    return False


def rules_text(denial: Denial) -> str:
    """What the policy allows, for reading."""
    spec = denial.policy.get("spec") or {}
    rules = list(_described(spec.get(denial.direction) or []))
    what = denial.wanted
    aim = "DNS (port 53)" if what.host == "dns" else f"port {what.port}" if what.port else "this connection"
    allowed = f"allows only {'; '.join(rules)}" if rules else "allows nothing"
    return f"{denial.direction} {allowed}: not {aim}"


def _described(rules: list[Body]) -> Iterator[str]:
    for rule in rules:
        ports = ", ".join(
            f"{one.get('port', 'all')}/{one.get('protocol') or 'TCP'}" for one in rule.get("ports") or []
        )
        yield f"ports {ports}" if ports else "all ports to some peers"
