"""Whom a pod asks for names: the cluster's DNS, servers of its own choice, or the node's resolver."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from poddoctor.model import Body, Found, Read, Snapshot
from poddoctor.pod.pattern import lazy
from poddoctor.pod.reads import get, pod_of

from ._awaits import slices_read
from ._policies import policies_read

_SERVICES = (("kube-system", "kube-dns"), ("openshift-dns", "dns-default"))
# The server did not answer, as against an answer that there is no such name.
_SILENT = lazy(
    r"(?i)i/o timeout|read udp|temporary failure in name resolution|EAI_AGAIN|\[Errno -3\]|Error -3\b|"
    r"server misbehaving|SERVFAIL|no servers could be reached|\btry again\b"
)
_LINK_LOCAL = "169.254."


@dataclass(frozen=True, slots=True)
class Resolver:
    """What is odd in whom the pod asks: a clause for titles, the policy that asks the cluster, evidence."""

    odd: str
    wanted: str
    row: tuple[str, str]
    sure: bool


def is_silent(text: str) -> bool:
    """Whether the line says that nobody answered, rather than that the name does not exist."""
    return bool(_SILENT.search(text))


def resolver_reads(snapshot: Snapshot, *, silent: bool) -> Iterator[Read]:
    """What decides whether the cluster's DNS can be the reason."""
    spec = (pod_of(snapshot) or {}).get("spec") or {}
    if silent or spec.get("dnsPolicy") == "None":
        for namespace, name in _SERVICES:
            yield _service_read(namespace, name)
            yield slices_read(namespace, name)
    if silent:
        yield policies_read(snapshot.target.namespace)


def _service_read(namespace: str, name: str) -> Read:
    return get("v1", "services", namespace, name, "would show the cluster's DNS")


def is_decided(snapshot: Snapshot) -> bool:
    """Whether the policies of the pod and the servers of the cluster's DNS could be seen."""
    if snapshot.items(policies_read(snapshot.target.namespace)) is None:
        return False
    return any(snapshot.items(slices_read(*each)) is not None for each in _SERVICES)


def resolver_of(snapshot: Snapshot, host: str, joined: Mapping[str, str]) -> Resolver | None:
    """Why this pod does not ask the cluster's DNS, if that explains why it cannot resolve this host."""
    spec = (pod_of(snapshot) or {}).get("spec") or {}
    policy, on_host = str(spec.get("dnsPolicy") or "ClusterFirst"), bool(spec.get("hostNetwork"))
    wanted = "ClusterFirstWithHostNet" if on_host else "ClusterFirst"
    if policy == "None":
        return _own_servers(snapshot, spec, wanted)
    inside = ".svc" in f"{host}." or (joined.get("service") and not joined.get("missing_service"))
    if not inside or not (policy == "Default" or (policy == "ClusterFirst" and on_host)):
        return None
    if policy == "Default":
        odd = "dnsPolicy Default asks the node's resolver, which knows no Services"
        return Resolver(odd, wanted, ("dnsPolicy: Default", "pod.spec.dnsPolicy"), sure=True)
    odd = "with hostNetwork, dnsPolicy ClusterFirst asks the node's resolver, which knows no Services"
    row = ("hostNetwork: true, dnsPolicy: ClusterFirst", "pod.spec")
    return Resolver(odd, wanted, row, sure=True)


def _own_servers(snapshot: Snapshot, spec: Body, wanted: str) -> Resolver | None:
    servers = [str(each) for each in (spec.get("dnsConfig") or {}).get("nameservers") or []]
    known: set[str] = set()
    for each in _SERVICES:
        answer = snapshot.answers.get(_service_read(*each))
        if isinstance(answer, Found):
            found = answer.body.get("spec") or {}
            known.update(map(str, found.get("clusterIPs") or [found.get("clusterIP")]))
    if not servers or any(one in known or one.startswith(_LINK_LOCAL) for one in servers):
        return None
    if not known and any(one.endswith(".10") for one in servers):  # where most clusters have their DNS
        return None
    listed = ", ".join(servers)
    row = (f"dnsPolicy: None, nameservers: {listed}", "pod.spec.dnsConfig")
    if known:
        row = (f"{row[0]}; the cluster's DNS is {', '.join(sorted(known))}", row[1])
    return Resolver(f"its dnsPolicy None asks {listed}", wanted, row, sure=bool(known))
