"""Stage network: the pod runs, but Services, policies or names do not lead where they should."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from poddoctor.model import POD, Body, Found, Read, Snapshot, Symptom, SymptomKind
from poddoctor.pod.containers import Container, containers
from poddoctor.pod.names import nearest
from poddoctor.pod.pattern import lazy
from poddoctor.pod.reads import (
    condition,
    get,
    list_of,
    log_reads,
    log_text,
    pod_events,
    pod_of,
    recent_log_read,
)

from ._awaits import ready_endpoints, services_read, slices_read
from ._given import Given, asked_by, only
from ._policies import Wanted, denied_by, named_namespace, policies_read, rules_text
from ._process import is_over

SYMPTOMS: Mapping[str, SymptomKind] = {
    "network.service-selects-nothing": SymptomKind(
        "A Service without endpoints whose selector narrowly misses this pod",
        ("service", "key", "wanted", "actual", "nearest", "kind"),
    ),
    "network.service-port-mismatch": SymptomKind(
        "A Service selects this pod and sends to a port that it does not have",
        (
            "service",
            "service_port",
            "port_index",
            "target_port",
            "declared",
            "other_port",
            "other_name",
            "kind",
            "target",
            "undeclared_port",
        ),
    ),
    "network.policy-denies": SymptomKind(
        "The log says that connections time out, and a NetworkPolicy allows none such",
        (
            "policy",
            "policy_namespace",
            "elsewhere",
            "direction",
            "peer",
            "port",
            "open_port",
            "dns_port",
            "missing",
            "host",
            "has_rules",
            "rules",
            "entry",
            "own_policy",
            "own_policy_name",
        ),
    ),
    "network.dns-down": SymptomKind(
        "The log says that names cannot be resolved, and the cluster DNS has no endpoints",
        ("host", "service", "dns_namespace"),
    ),
    "network.host-port-taken": SymptomKind(
        "A pod on the host's network finds its port taken", ("port", "other", "node", "other_namespace")
    ),
}

# Numbers in these are no ports that the program may have been told.
_NO_SETTINGS = ("image", "resources", "ports", "name", "volumeMounts", "securityContext")
# Labels that tell one pod, or the pods of one rollout, from those of the next.
_OF_ONE_POD = lazy(r"hash$|pod-(?:name|index)$|generation$|controller-uid$|job-name$|completion-index$")
# Ports beside a program's own, which are often left undeclared.
_BESIDE = lazy(
    r"(?i)metric|monitor|prom|exporter|debug|pprof|admin|health|probe|live|ready|webhook|gossip|peer"
)
_OFTEN, _LAST = 3, 10
_DNS = (("kube-system", "kube-dns"), ("openshift-dns", "dns-default"))
_TIMEOUT = lazy(
    # Not the argument of a call, which a traceback shows: opener.open(url, data, timeout)
    r"(?i)timed ?-?out|(?:(?<!, )time ?-?out|time ?-?out(?!\)))(?! ?=)|deadline exceeded|"
    r"ETIMEDOUT|no servers could be reached|no route to host|EHOSTUNREACH|"
    r"after \d{4,} ms: (?:could ?n[o']t|unable to|failed to) connect"
)
_UNRESOLVED = lazy(
    r"(?i)EAI_AGAIN|name resolution|could not resolve|couldn't resolve|cannot resolve|can't resolve|"
    r"unable to resolve|no such host|bad address|server misbehaving|:53: |no servers could be reached|"
    r"SERVFAIL|UnknownHostException|getaddrinfo|name or service not known|nodename nor servname"
)
_PLACE = lazy(
    r"(?P<host>(?:\d{1,3}\.){3}\d{1,3}|[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?:\"? \([^)]*\))?"
    r"(?P<by>:|, port |, port=|:tcp:| port )"
    r"(?P<port>\d{2,5})\b"
)
_IN_USE = lazy(
    r"(?i)address already in use|EADDRINUSE|port (?:\d+ )?(?:is )?already (?:in use|allocated|bound)|"
    r"failed to bind|bind\(\) to"
)
_PORT = lazy(r":::?(\d{2,5})\b|:(\d{2,5})\b|\bport[ =:]+(\d{2,5})\b")
# A time of day, a place in a source file and an address of this pod's own have a colon and a number, too.
_NO_PORT = lazy(
    r"(?<!\d)(?:\d{4}-\d\d-\d\d[Tt ])?\d{1,2}:\d{2}(?::\d{2}|(?=[Zz\s,]|$))|"
    r"[\w-]+\.(?:go|py|js|mjs|cjs|ts|tsx|jsx|java|rs|c|cc|cpp|h|rb|kt|scala|cs|php|lua|ex|erl):\d+|"
    r"[\d.]+:\d+(?=->)"
)


def _place_in(line: str) -> re.Match[str] | None:
    """The host and port that a line names; no time of day, whose hour and minute look like them."""
    plain = _NO_PORT.sub(" ", line)
    return next((one for one in _PLACE.finditer(plain) if _is_host(one["host"], one["by"])), None)


def _is_host(host: str, by: str) -> bool:
    """Whether it is no number, and no mere word before "port"."""
    return not host.isdigit() and (by != " port " or "." in host)


def reads(snapshot: Snapshot) -> Iterable[Read]:
    """Services when the pod itself is well; policies, DNS or neighbours when a log gives the reason to."""
    pod = pod_of(snapshot)
    if pod is None or not _serves(pod):
        return
    space = snapshot.target.namespace
    troubled = _troubled(snapshot, pod)
    if condition(pod, "Ready").get("status") == "True" and not troubled:
        yield from _reads_of_ready(snapshot, pod)
        troubled = _complaining(snapshot, pod)
    else:
        for one in troubled:
            yield from log_reads(snapshot, one.name)
    lines = [line for one in troubled for line in _lines(snapshot, one)]
    lines += [probed[1] for one in troubled if (probed := _probed(snapshot, one))]
    if any(_TIMEOUT.search(line) or _UNRESOLVED.search(line) for line in lines):
        yield policies_read(space)
        yield services_read(space)
        for other in _namespaces(lines, space, _meant(snapshot, troubled)):
            yield policies_read(other)
            yield services_read(other)
    if any(_UNRESOLVED.search(line) for line in lines):
        for namespace, dns in _DNS:
            yield get("v1", "services", namespace, dns, "would show the cluster's DNS")
            yield slices_read(namespace, dns)
    if _on_host(pod) and any(_IN_USE.search(line) for line in lines):
        yield _neighbours_read(pod)


def _reads_of_ready(snapshot: Snapshot, pod: Body) -> Iterator[Read]:
    """Whether Services lead to it, and whom it asks in vain."""
    yield services_read(snapshot.target.namespace)
    for service in _narrow_misses(snapshot, pod):
        yield slices_read(snapshot.target.namespace, _name(service))
    for one in containers(pod, "sidecar", "app"):
        yield recent_log_read(snapshot, one.name)


def _namespaces(lines: list[str], own: str, meant: Iterable[str]) -> list[str]:
    """The other namespaces whose Services time out: their policies may shield them."""
    places = [_place_in(line) for line in lines if _TIMEOUT.search(line)]
    hosts = [*(one["host"] for one in places if one), *meant]
    return sorted({named_namespace(one, own) for one in hosts} - {own})[:2]


def _meant(snapshot: Snapshot, troubled: list[Container]) -> Iterator[str]:
    """The hosts that containers were given, where the line that tells of a time-out names none."""
    for one in troubled:
        if probed := _probed(snapshot, one):
            yield probed[0].host
        for line in _lines(snapshot, one):
            if _TIMEOUT.search(line) and not _place_in(line) and (given := only(one, line)):
                yield given.host


def _probed(snapshot: Snapshot, one: Container) -> tuple[Given, str, str] | None:
    """Whom the command of a probe asks in vain, the kubelet's word for it, and its source."""
    for event in reversed(pod_events(snapshot)):
        if event.reason != "Unhealthy" or event.container != one.name or not _TIMEOUT.search(event.message):
            continue
        kind = event.message.partition(" ")[0].lower()
        command = ((one.spec.get(f"{kind}Probe") or {}).get("exec") or {}).get("command") or []
        if given := asked_by(command, f"{one.spec_path}.{kind}Probe"):
            return given, event.message, event.source
    return None


def _serves(pod: Body) -> bool:
    """Whether the pod was started, is not to end, and was not ended by the kubelet."""
    status = pod.get("status") or {}
    if status.get("phase") == "Succeeded" or (status.get("phase") == "Failed" and status.get("reason")):
        return False
    ending = (pod.get("metadata") or {}).get("deletionTimestamp")
    return not ending and bool(status.get("podIP") or status.get("phase") == "Running")


def _troubled(snapshot: Snapshot, pod: Body) -> list[Container]:
    """Containers that run without being ready, or keep ending: their logs may name the network."""
    return [
        one
        for one in containers(pod, "init", "sidecar", "app")
        if one.status and _suffers(one, snapshot.clock)
    ]


def _suffers(one: Container, clock: datetime) -> bool:
    if one.kind == "init" and one.terminated and one.terminated.get("exitCode") == 0:
        return False
    if one.ready:
        # Ready at this instant, as a program without a readiness probe is until it ends again.
        return bool(one.last_terminated) and one.restarts > 0 and not is_over(one, clock)
    return bool(one.is_running or one.terminated or one.last_terminated)


def _complaining(snapshot: Snapshot, pod: Body) -> list[Container]:
    """Containers that are ready, and say again and again that they reach nobody."""
    return [one for one in containers(pod, "sidecar", "app") if one.ready and _complains(_now(snapshot, one))]


def _complains(lines: list[str]) -> bool:
    hits = [at for at, line in enumerate(lines) if _TIMEOUT.search(line) or _UNRESOLVED.search(line)]
    return len(hits) >= _OFTEN and hits[-1] >= len(lines) - _LAST


def _now(snapshot: Snapshot, one: Container) -> list[str]:
    return (log_text(snapshot, recent_log_read(snapshot, one.name)) or "").splitlines()


def _lines(snapshot: Snapshot, one: Container) -> list[str]:
    lines = _now(snapshot, one)[-60:]
    for read in log_reads(snapshot, one.name):
        lines += (log_text(snapshot, read) or "").splitlines()[-60:]
    return lines


def _on_host(pod: Body) -> bool:
    return bool((pod.get("spec") or {}).get("hostNetwork"))


def _neighbours_read(pod: Body) -> Read:
    node = str((pod.get("spec") or {}).get("nodeName") or "")
    purpose = "would show which pod on the node holds the port"
    return list_of("v1", "pods", "", purpose, fieldSelector=f"spec.nodeName={node}")


def examine(snapshot: Snapshot) -> Iterable[Symptom]:
    """What stands between this pod and those it talks to."""
    pod = pod_of(snapshot)
    if pod is None or not _serves(pod):
        return
    troubled = _troubled(snapshot, pod)
    if condition(pod, "Ready").get("status") == "True" and not troubled:
        yield from _port_mismatches(snapshot, pod)
        yield from _selects_nothing(snapshot, pod)
        troubled = _complaining(snapshot, pod)
    for one in troubled:
        yield from _log_symptoms(snapshot, pod, one)


# --- Services ----------------------------------------------------------------------------------------------


def _name(body: Body) -> str:
    return str((body.get("metadata") or {}).get("name") or "")


def _selector(service: Body) -> Mapping[str, str]:
    selector: Mapping[str, str] = (service.get("spec") or {}).get("selector") or {}
    return selector


def _labels(pod: Body) -> Mapping[str, str]:
    labels: Mapping[str, str] = (pod.get("metadata") or {}).get("labels") or {}
    return labels


def _selects(service: Body, pod: Body) -> bool:
    labels = _labels(pod)
    return bool(_selector(service)) and all(
        labels.get(key) == value for key, value in _selector(service).items()
    )


def _port_mismatches(snapshot: Snapshot, pod: Body) -> Iterator[Symptom]:
    """A named targetPort that nobody names is proven wrong; a number only when all speaks against it."""
    ports = _declared(containers(pod, "app", "sidecar"))
    names = {str(port["name"]) for port in ports if port.get("name")}
    services = snapshot.items(services_read(snapshot.target.namespace)) or []
    mine = [one for one in services if _selects(one, pod)]
    for service in mine:
        for index, port in enumerate((service.get("spec") or {}).get("ports") or []):
            target = str(port.get("targetPort") or "")
            if target and not target.isdigit() and target not in names:
                yield _port_mismatch(service, index, port, ports)
    leads = any(_leads_to(one, ports) for one in mine)
    for service in [] if leads or not _tells_its_ports(pod) else mine:
        for index, port in enumerate((service.get("spec") or {}).get("ports") or []):
            target = str(port.get("targetPort") or "")
            beside = _BESIDE.search(f"{_name(service)} {port.get('name') or ''}")
            if target.isdigit() and _routes(service) and not beside and not _mentions(pod, target):
                yield _port_mismatch(service, index, port, ports)


def _declared(several: Iterable[Container]) -> list[Body]:
    return [port for one in several for port in one.spec.get("ports") or []]


def _leads_to(service: Body, ports: list[Body]) -> bool:
    """Whether one of the Service's ports is one that the pod declares."""
    known = {str(port.get(key)) for port in ports for key in ("name", "containerPort")}
    return any(
        str(one.get("targetPort") or one.get("port")) in known
        for one in (service.get("spec") or {}).get("ports") or []
    )


def _routes(service: Body) -> bool:
    """Whether its targetPort counts: a headless Service gives addresses alone."""
    return (service.get("spec") or {}).get("clusterIP") != "None"


def _tells_its_ports(pod: Body) -> bool:
    """Whether each container declares ports: one that declares none may listen anywhere.

    Nor does a program tell all its ports that declares one for its health or its metrics alone.
    """
    several = containers(pod, "app", "sidecar")
    if _on_host(pod) or not all(one.spec.get("ports") for one in several):
        return False
    return any(not _BESIDE.search(str(port.get("name") or "")) for port in _declared(several))


def _mentions(pod: Body, port: str) -> bool:
    """Whether anything in a container's spec names the port: its command, a variable, or a probe."""
    number = re.compile(rf"(?<!\d){port}(?!\d)")
    return any(
        number.search(str({key: value for key, value in one.spec.items() if key not in _NO_SETTINGS}))
        for one in containers(pod, "app", "sidecar")
    )


def _port_mismatch(service: Body, index: int, port: Body, ports: list[Body]) -> Symptom:
    target, name = str(port.get("targetPort")), _name(service)
    listed = ", ".join(f"{one.get('containerPort')} ({one.get('name') or 'no name'})" for one in ports)
    named = [str(one["name"]) for one in ports if one.get("name")]
    close = nearest(target, named)
    same = [one for one in ports if one.get("containerPort") == port.get("port")]
    only = ports[0] if len(ports) == 1 else same[0] if same else None
    values = {
        "service": name,
        "service_port": str(port.get("port")),
        "port_index": str(index),
        "target_port": target,
        "declared": listed,
        "other_name": close[0] if close else (named[0] if len(named) == 1 else ""),
        "other_port": str(only.get("containerPort")) if only else "",
    }
    values["target"] = "number" if target.isdigit() else "name"
    if target.isdigit():
        values["undeclared_port"] = target
        values["kind"] = "undeclared" if values["other_port"] else ""
    else:
        values["kind"] = "name" if values["other_name"] else "number" if values["other_port"] else ""
    kept = {key: value for key, value in values.items() if value}
    shown = target if target.isdigit() else f'"{target}"'
    text = f"targetPort {shown} of port {port.get('port')}; the pod declares: {listed or 'no ports'}"
    return Symptom("network.service-port-mismatch", POD, f"service {name} .spec.ports[{index}]", text, kept)


def _narrow_misses(snapshot: Snapshot, pod: Body) -> list[Body]:
    """Services that select no label set of this pod by one pair, while no Service selects the pod at all."""
    services = snapshot.items(services_read(snapshot.target.namespace)) or []
    if not _labels(pod) or any(_selects(one, pod) for one in services):
        return []
    return [one for one in services if _missed(one, pod)]


def _missed(service: Body, pod: Body) -> tuple[str, str, str] | None:
    """The one pair of the selector that keeps this pod out: key, wanted value, the pod's value."""
    labels, selector = _labels(pod), _selector(service)
    wrong = [(key, str(value)) for key, value in selector.items() if labels.get(key) != value]
    if len(wrong) != 1:
        return None
    key, wanted = wrong[0]
    actual = labels.get(key, "")
    # A Service whose own name says what it selects is meant for others, who are merely not there.
    if _name(service) in {wanted, wanted.replace("_", "-").lower()}:
        return None
    named = _name(service) in {*labels.values(), _stem(pod)}
    slipped = bool(actual) and _is_slip(wanted, actual)
    moved = not actual and wanted in labels.values()
    return (key, wanted, actual) if named or slipped or moved else None


def _is_slip(wanted: str, actual: str) -> bool:
    """Whether one is the other with a letter wrong: not a longer name that holds it, nor another number."""
    plain, other = wanted.lower(), actual.lower()
    if plain == other or plain.replace("_", "-") == other.replace("_", "-"):
        return True
    if plain in other or other in plain or re.sub(r"\d", "", plain) == re.sub(r"\d", "", other):
        return False
    return (
        min(len(plain), len(other)) > 2
        and abs(len(plain) - len(other)) <= 1
        and bool(nearest(wanted, [actual]))
    )


def _stem(pod: Body) -> str:
    """The name of the workload, as the pod's name shows it."""
    meta = pod.get("metadata") or {}
    digest = (meta.get("labels") or {}).get("pod-template-hash")
    generated = str(meta.get("generateName") or "").rstrip("-")
    return generated.removesuffix(f"-{digest}") if digest else generated


def _selects_nothing(snapshot: Snapshot, pod: Body) -> Iterator[Symptom]:
    space = snapshot.target.namespace
    for service in _narrow_misses(snapshot, pod):
        slices = snapshot.items(slices_read(space, _name(service)))
        missed = _missed(service, pod)
        if slices is None or missed is None or ready_endpoints(slices)[1]:
            continue
        key, wanted, actual = missed
        name = _name(service)
        values = {"service": name, "key": key, "wanted": wanted, "actual": actual}
        values["kind"] = "value" if actual else "key"
        if not actual:
            close = [other for other, value in _labels(pod).items() if value == wanted]
            values["nearest"] = close[0] if close else ""
        has = f"{key}={actual}" if actual else f"no label {key}"
        notes = [
            (f"this pod has {has}", "pod.metadata.labels"),
            ("no endpoints", f"endpointslices of service {name}"),
        ]
        kept = {k: value for k, value in values.items() if value}
        yield Symptom(
            "network.service-selects-nothing",
            POD,
            f"service {name} .spec.selector",
            ", ".join(f"{k}={value}" for k, value in sorted(_selector(service).items())),
            kept,
            notes=tuple(notes),
        )


# --- what the log gives away -------------------------------------------------------------------------------


def _log_symptoms(snapshot: Snapshot, pod: Body, one: Container) -> Iterator[Symptom]:
    lines = _lines(snapshot, one)
    unresolved = next((line for line in reversed(lines) if _UNRESOLVED.search(line)), "")
    timed_out = next((line for line in reversed(lines) if _TIMEOUT.search(line)), "")
    in_use = next((line for line in reversed(lines) if _IN_USE.search(line)), "")
    if unresolved:
        yield from _dns_down(snapshot, one, unresolved)
        yield from _policy(snapshot, pod, one, Wanted("dns", "53", unresolved.strip()))
    if timed_out and timed_out != unresolved:
        place = _place_in(timed_out)
        given = None if place else only(one, timed_out)
        if place:
            wanted = Wanted(place["host"], place["port"], timed_out.strip())
        else:
            wanted = Wanted(given.host if given else "", given.port if given else "", timed_out.strip())
        yield from _policy(snapshot, pod, one, wanted, given=given)
    elif not unresolved and (probed := _probed(snapshot, one)):
        wanted = Wanted(probed[0].host, probed[0].port, probed[1])
        yield from _policy(snapshot, pod, one, wanted, given=probed[0], source=probed[2])
    if in_use and _on_host(pod):
        yield from _host_port(snapshot, pod, one, in_use)


def _dns_down(snapshot: Snapshot, one: Container, line: str) -> Iterator[Symptom]:
    for namespace, service in _DNS:
        read = get("v1", "services", namespace, service)
        slices = snapshot.items(slices_read(namespace, service))
        # Without endpoints a Service has an EndpointSlice all the same: none at all was not recorded.
        if not isinstance(snapshot.answers.get(read), Found) or not slices:
            continue
        ready, total = ready_endpoints(slices)
        if ready:
            continue
        source = f"endpointslices of service {namespace}/{service}"
        text = f"Service {service} has no ready endpoints" + (f" ({total} not ready)" if total else "")
        values = {"service": service, "dns_namespace": namespace}
        notes = ((line.strip()[:200], f"log {one.name}"),)
        yield Symptom("network.dns-down", one.subject, source, text, values, notes=notes)


def _policy(
    snapshot: Snapshot,
    pod: Body,
    one: Container,
    wanted: Wanted,
    *,
    given: Given | None = None,
    source: str = "",
) -> Iterator[Symptom]:
    denial = denied_by(snapshot, pod, wanted)
    if denial is None:
        return
    name = _name(denial.policy)
    space = str((denial.policy.get("metadata") or {}).get("namespace") or snapshot.target.namespace)
    values = {
        "policy": name,
        "policy_namespace": space,
        "elsewhere": space if space != snapshot.target.namespace else "",
        "dns_port": _dns_port(snapshot),
        "direction": denial.direction,
        "port": wanted.port,
        "peer": wanted.host if wanted.host != "dns" else "the cluster DNS",
        "missing": "dns" if wanted.host == "dns" else "port" if wanted.port else "",
        "host": wanted.host if wanted.host != "dns" else "",
        "open_port": denial.open_port,
    }
    rules = (denial.policy.get("spec") or {}).get(denial.direction)
    values |= {"has_rules": "yes" if rules else "no", "rules": str(len(rules or []))}
    whom = (denial.policy.get("spec") or {}).get("podSelector") or {}
    if denial.direction == "egress" and denial.open_port.isdigit() and wanted.host != "dns" and not whom:
        values |= _own_policy(pod, denial.open_port)
    if denial.direction == "ingress" and denial.open_port.isdigit():
        values["entry"] = _entry(pod, denial.open_port, snapshot.target.namespace, space, more=bool(rules))
    kept = {key: value for key, value in values.items() if value}
    notes = [(wanted.line[:200], source or f"log {one.name}")]
    if given:
        notes.append((f"{given.name or 'its command'} names {given.host}", given.source))
    source = f"networkpolicy {space}/{name} .spec.{denial.direction}"
    yield Symptom("network.policy-denies", one.subject, source, rules_text(denial), kept, notes=tuple(notes))


def _entry(pod: Body, port: str, space: str, shielded: str, *, more: bool) -> str:
    """The patch that lets this workload's pods in, and nobody else."""
    labels = {key: value for key, value in _labels(pod).items() if not _OF_ONE_POD.search(key)}
    if not labels:
        return ""
    peer: dict[str, object] = {"podSelector": {"matchLabels": labels}}
    if space != shielded:
        peer["namespaceSelector"] = {"matchLabels": {"kubernetes.io/metadata.name": space}}
    rule = {"from": [peer], "ports": [{"port": int(port), "protocol": "TCP"}]}
    change = {
        "op": "add",
        "path": "/spec/ingress" + ("/-" if more else ""),
        "value": rule if more else [rule],
    }
    return json.dumps([change], separators=(",", ":"))


def _own_policy(pod: Body, port: str) -> dict[str, str]:
    """A policy that lets this workload's pods out, where the one in the way is about all pods.

    Policies add up: what one of them allows is allowed.
    """
    labels = {key: value for key, value in _labels(pod).items() if not _OF_ONE_POD.search(key)}
    stem = _stem(pod)
    if not labels or not stem:
        return {}
    name = f"{stem[:40].rstrip('-.')}-to-{port}"
    rule = {"ports": [{"port": int(port), "protocol": "TCP"}]}
    body = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name},
        "spec": {"podSelector": {"matchLabels": labels}, "policyTypes": ["Egress"], "egress": [rule]},
    }
    return {"own_policy": json.dumps(body, separators=(",", ":")), "own_policy_name": name}


def _dns_port(snapshot: Snapshot) -> str:
    """The port of the DNS pods, which is what a policy has to open: OpenShift's listen on another."""
    read = get("v1", "services", "openshift-dns", "dns-default")
    return "5353" if isinstance(snapshot.answers.get(read), Found) else "53"


def _host_port(snapshot: Snapshot, pod: Body, one: Container, line: str) -> Iterator[Symptom]:
    found = _PORT.search(_NO_PORT.sub(" ", line))
    port = next((group for group in found.groups() if group), "") if found else ""
    values = {"port": port, "node": str((pod.get("spec") or {}).get("nodeName") or "")}
    notes = [("hostNetwork: true, so its ports are the node's ports", "pod.spec.hostNetwork")]
    for other in snapshot.items(_neighbours_read(pod)) or []:
        if (other.get("metadata") or {}).get("uid") == (pod.get("metadata") or {}).get("uid"):
            continue
        if port and _holds(other, port):
            space = str((other.get("metadata") or {}).get("namespace"))
            values |= {"other": _name(other), "other_namespace": space}
            notes.append(
                (
                    f"port {port} is declared by pod {space}/{_name(other)} on the same node",
                    "pods of the node",
                )
            )
            break
    kept = {key: value for key, value in values.items() if value}
    source = f"log {one.name}"
    yield Symptom(
        "network.host-port-taken", one.subject, source, line.strip()[:200], kept, notes=tuple(notes)
    )


def _holds(other: Body, port: str) -> bool:
    if (other.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return False
    for one in containers(other):
        for each in one.spec.get("ports") or []:
            held = each.get("containerPort") if _on_host(other) else each.get("hostPort")
            if str(held or "") == port:
                return True
    return False
