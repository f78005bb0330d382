"""Joins what a log names with the cluster: a host with its Service and pods, a path with the pod's mounts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from poddoctor.model import Body, Read, Snapshot
from poddoctor.pod.containers import Container, containers, status_word
from poddoctor.pod.names import nearest
from poddoctor.pod.pattern import lazy
from poddoctor.pod.reads import get, list_of, pod_of

from ._awaits import ready_endpoints, services_read, slices_read
from ._selectors import labels_of, name_of, namespace_of

_LOOPBACK = lazy(r"^(?:localhost|127\.[\d.]+|::1|0:0:0:0:0:0:0:1|0\.0\.0\.0|ip6-localhost)$")
_ADDRESS = lazy(r"^(?:\d{1,3}\.){3}\d{1,3}$|^[0-9a-f:]*:[0-9a-f:]*$")
_USUAL = {
    "5432": "postgres",
    "3306": "mysql",
    "6379": "redis",
    "27017": "mongo",
    "5672": "rabbitmq",
    "9092": "kafka",
    "9200": "elasticsearch",
    "11211": "memcached",
}
PARTICULARS = (
    *(
        "endpoint",
        "state",
        "service",
        "service_namespace",
        "nearest",
        "nearest_host",
        "other_namespace",
        "other_host",
    ),
    *("unready_pod", "asleep", "env_name", "env_value"),
    *(
        "unready",
        "service_ports",
        "sibling",
        "sibling_host",
        "meant",
        "loopback_text",
        "service_selector",
        "missing_service",
    ),
)
"""The attributes that a join with the cluster may add."""


@dataclass(frozen=True, slots=True)
class Joined:
    """What the cluster knows of a host: attributes, evidence, and whether it shows why it cannot answer."""

    attributes: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[tuple[str, str], ...] = ()
    agrees: bool = False


def is_loopback(host: str) -> bool:
    """Whether this host is the pod itself."""
    return bool(_LOOPBACK.match(host.lower()))


def parsed(host: str, namespace: str) -> tuple[str, str]:
    """Service and namespace that a host name reads as; empty when it cannot be one."""
    name = host.rstrip(".").lower()
    parts = name.split(".")
    if not name or is_loopback(name) or _ADDRESS.match(name):
        return "", ""
    if len(parts) == 1:
        return parts[0], namespace
    if len(parts) >= 3 and parts[2] == "svc":
        return parts[0], parts[1]
    # pod.service.namespace.svc of a headless Service
    if len(parts) >= 4 and parts[3] == "svc":
        return parts[1], parts[2]
    return (
        (parts[0], parts[1])
        if len(parts) == 2 and parts[1] not in ("com", "io", "net", "org", "local")
        else ("", "")
    )


def host_reads(snapshot: Snapshot, host: str) -> Iterator[Read]:
    """What to ask about a host that a failing container named."""
    space = snapshot.target.namespace
    if not host:
        return
    service, namespace = parsed(host, space)
    if not service:
        if is_loopback(host) or _ADDRESS.match(host):
            yield services_read(space)
        if found := _by_address(snapshot, host):
            yield from _endpoint_reads(snapshot, found)
        return
    yield services_read(namespace)
    listed = snapshot.items(services_read(namespace))
    if listed is None:
        return
    body = next((one for one in listed if name_of(one) == service), None)
    if body is not None:
        yield from _endpoint_reads(snapshot, body)
    else:
        yield _elsewhere_read(service)
        if namespace != space:
            yield _namespace_read(namespace)


def _endpoint_reads(snapshot: Snapshot, body: Body) -> Iterator[Read]:
    name, space = name_of(body), namespace_of(body) or snapshot.target.namespace
    yield slices_read(space, name)
    selector = (body.get("spec") or {}).get("selector") or {}
    slices = snapshot.items(slices_read(space, name))
    if selector and slices is not None and not ready_endpoints(slices)[0]:
        yield _pods_read(space, selector)
        if snapshot.items(_pods_read(space, selector)) == []:
            yield from _workloads_reads(space)


def _elsewhere_read(service: str) -> Read:
    purpose = f"would show whether a Service {service} exists in another namespace"
    return list_of("v1", "services", "", purpose, fieldSelector=f"metadata.name={service}")


def _workloads_reads(namespace: str) -> tuple[Read, Read]:
    purpose = "would show which workload makes the pods of that Service"
    return (
        list_of("apps/v1", "deployments", namespace, purpose),
        list_of("apps/v1", "statefulsets", namespace, purpose),
    )


def _namespace_read(namespace: str) -> Read:
    return get(
        "v1",
        "namespaces",
        "",
        namespace,
        "would show whether the namespace of that host exists",
        metadata=True,
    )


def _pods_read(namespace: str, selector: Mapping[str, str]) -> Read:
    labels = ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
    return list_of(
        "v1", "pods", namespace, "would show why the Service has no ready pods", labelSelector=labels
    )


def _by_address(snapshot: Snapshot, host: str) -> Body | None:
    """The Service that has this address."""
    for one in snapshot.items(services_read(snapshot.target.namespace)) or []:
        spec = one.get("spec") or {}
        if host in (spec.get("clusterIPs") or [spec.get("clusterIP")]):
            return one
    return None


def join(snapshot: Snapshot, one: Container, host: str, port: str) -> Joined:
    """What the cluster says about host and port, and which variable of the container holds the wrong one."""
    joined = _join(snapshot, one, host, port)
    found = joined.attributes
    right = (
        found.get("other_host")
        or found.get("nearest_host")
        or found.get("meant")
        or ("127.0.0.1" if found.get("sibling_host") else "")
    )
    ports = found.get("service_ports", "")
    wrong, better = (port, ports) if found.get("state") == "no-port" and ports.isdigit() else (host, right)
    if not wrong or not better:
        return joined
    pattern = re.compile(rf"(?<![\w.-]){re.escape(wrong)}(?![\w-]|\.\w)")
    for each in one.spec.get("env") or []:
        value = str(each.get("value") or "")
        if pattern.search(value):
            row = (f"{each.get('name')}={_hidden(value)}", f"{one.spec_path}.env")
            extra = {"env_name": str(each.get("name")), "env_value": pattern.sub(better, value)}
            if "@" in value:
                extra.pop("env_value")
            return Joined({**found, **extra}, (*joined.notes, row), agrees=joined.agrees)
    return joined


def _hidden(value: str) -> str:
    """A value without the password that a URL may hold."""
    return re.sub(r"(//[^:/@\s]*:)[^@\s]*@", r"\1…@", value)


def _join(snapshot: Snapshot, one: Container, host: str, port: str) -> Joined:
    """What the cluster says about host and port, as one container's log names them."""
    if not host:
        return Joined()
    shown = f"[{host}]" if ":" in host else host
    base = {"endpoint": f"{shown}:{port}" if port else host}
    space = snapshot.target.namespace
    if is_loopback(host):
        return _loopback(snapshot, one, port, base)
    service, namespace = parsed(host, space)
    body = _by_address(snapshot, host)
    if not service and body is None:
        return Joined({**base, "state": "address" if _ADDRESS.match(host) else "external"})
    if body is None:
        listed = snapshot.items(services_read(namespace))
        if listed is None:
            return Joined({**base, "service": service, "service_namespace": namespace})
        body = next((each for each in listed if name_of(each) == service), None)
        if body is None:
            return _absent(snapshot, service, namespace, host, listed, base)
    return _present(snapshot, body, namespace or space, port, base)


def _loopback(snapshot: Snapshot, one: Container, port: str, base: dict[str, str]) -> Joined:
    """The pod itself: which container was meant, or which Service has that port."""
    found = {**base, "state": "loopback", "loopback_text": "nothing in its own pod listens there"}
    notes = [("localhost is this pod: only its own containers can answer there", "pod.spec.containers")]
    for other in containers(pod_of(snapshot) or {}, "app", "sidecar"):
        declared = [str(each.get("containerPort")) for each in other.spec.get("ports") or []]
        if other.name != one.name and port and port in declared:
            state = "running" if other.is_running else str(other.waiting.get("reason") or "not running")
            found["sibling"] = other.name
            notes.append((f"container {other.name} declares port {port} and is {state}", other.spec_path))
            return Joined(found, tuple(notes), agrees=not other.ready)
    services = snapshot.items(services_read(snapshot.target.namespace)) or []
    if meant := _of_port(services, port):
        found["meant"] = meant
        notes.append((f"Service {meant} has port {port}", f"service {snapshot.target.namespace}/{meant}"))
    if port:
        notes.append((f"no other container of this pod declares port {port}", "pod.spec.containers"))
    return Joined(found, tuple(notes), agrees=True)


def _of_port(services: list[Body], port: str) -> str:
    """The only Service with this port, or the one that is named like what usually listens there."""
    having = [
        name_of(one)
        for one in services
        if any(str(each.get("port")) == port for each in (one.get("spec") or {}).get("ports") or [])
        and name_of(one) != "kubernetes"
    ]
    usual = [name for name in having if _USUAL.get(port, "\0") in name]
    return (usual or having)[0] if len(having) == 1 or usual else ""


def _absent(
    snapshot: Snapshot, service: str, namespace: str, host: str, listed: list[Body], base: dict[str, str]
) -> Joined:
    """No Service of that name: a container's name, another namespace, or a slip."""
    found = {**base, "state": "absent", "service": service, "service_namespace": namespace}
    source = f"services of namespace {namespace}"
    names = [name_of(each) for each in listed if name_of(each) != "kubernetes"]
    pod = pod_of(snapshot) or {}
    siblings = [each.name for each in containers(pod, "app", "sidecar")]
    if host in siblings:
        found["sibling_host"] = host
        row = (
            f"{host} is a container of this pod, not a host: its containers share 127.0.0.1",
            "pod.spec.containers",
        )
        return Joined(found, (row,), agrees=True)
    found["missing_service"] = service
    notes = [(f"no Service {service} in namespace {namespace}", source)]
    if namespace != snapshot.target.namespace and snapshot.absent(_namespace_read(namespace)):
        notes = [(f"namespace {namespace} does not exist", f"namespace {namespace}")]
    elsewhere = snapshot.items(_elsewhere_read(service)) or []
    spaces = sorted({namespace_of(each) for each in elsewhere if name_of(each) == service} - {namespace})
    close = nearest(service, names)
    if spaces:
        found["other_namespace"] = spaces[0]
        found["other_host"] = f"{service}.{spaces[0]}"
        notes.append(
            (f"Service {service} exists in namespace {', '.join(spaces)}", "services of all namespaces")
        )
    elif close:
        found["nearest"] = close[0]
        found["nearest_host"] = (
            close[0] if namespace == snapshot.target.namespace else f"{close[0]}.{namespace}"
        )
    if names:
        notes.append((f"Services there: {', '.join(sorted(names)[:8])}", source))
    return Joined(found, tuple(notes), agrees=True)


def _present(snapshot: Snapshot, body: Body, namespace: str, port: str, base: dict[str, str]) -> Joined:
    """The Service exists: has it this port, and pods that answer?"""
    name, space = name_of(body), namespace_of(body) or namespace
    spec = body.get("spec") or {}
    found = {**base, "service": name, "service_namespace": space}
    source = f"service {space}/{name}"
    ports = [str(each.get("port")) for each in spec.get("ports") or []]
    headless = spec.get("clusterIP") == "None"
    if spec.get("type") == "ExternalName":
        row = (f"Service {name} stands for {spec.get('externalName')}", source)
        return Joined({**found, "state": "external"}, (row,))
    if port and ports and port not in ports and not headless:
        found |= {"state": "no-port", "service_ports": ", ".join(ports)}
        return Joined(
            found, ((f"Service {name} has port {', '.join(ports)}, not {port}", source),), agrees=True
        )
    slices = snapshot.items(slices_read(space, name))
    if slices is None:
        return Joined(found)
    ready, total = ready_endpoints(slices)
    if ready:
        row = (
            f"Service {name} has {ready} ready endpoint{'s' if ready != 1 else ''}",
            f"endpointslices of {source}",
        )
        return Joined({**found, "state": "there"}, (row,))
    return _unready(snapshot, name, space, spec.get("selector") or {}, total, found)


def _unready(
    snapshot: Snapshot, name: str, space: str, selector: Mapping[str, str], total: int, found: dict[str, str]
) -> Joined:
    labels = ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
    found |= {"state": "no-endpoints", "service_selector": labels}
    notes = [
        (f"Service {name} has no ready endpoint (of {total})", f"endpointslices of service {space}/{name}")
    ]
    pods = snapshot.items(_pods_read(space, selector)) if selector else None
    if pods is not None:
        matching = [
            one for one in pods if all(labels_of(one).get(key) == value for key, value in selector.items())
        ]
        rows = [f"{name_of(one)} is {_word(one)}" for one in matching[:3]]
        found["unready"] = rows[0] if rows else f"no pod has {labels}"
        if rows:
            found["unready_pod"] = name_of(matching[0])
        elif asleep := _asleep(snapshot, space, selector):
            found["asleep"] = asleep
            found["unready"] = f"{asleep} has 0 replicas"
            rows = [found["unready"]]
        notes += [(row, f"pods with {labels}") for row in rows or [f"no pod has the labels {labels}"]]
    return Joined(found, tuple(notes), agrees=True)


def _asleep(snapshot: Snapshot, space: str, selector: Mapping[str, str]) -> str:
    """The workload that would make pods for these labels, had it not been scaled to none."""
    for kind, request in zip(("deployment", "statefulset"), _workloads_reads(space), strict=True):
        for one in snapshot.items(request) or []:
            spec = one.get("spec") or {}
            labels = labels_of(spec.get("template"))
            if spec.get("replicas") == 0 and all(labels.get(key) == value for key, value in selector.items()):
                return f"{kind}/{name_of(one)}"
    return ""


def _word(pod: Body) -> str:
    word = status_word(pod)
    return "Running, but not ready" if word == "Running" else word


def mounted(one: Container, pod: Body, path: str) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """The mount that a path is under: its volume, kind and whether it is read-only."""
    if not path.startswith("/"):
        return {}, []
    best: Body | None = None
    for mount in one.spec.get("volumeMounts") or []:
        at = str(mount.get("mountPath") or "").rstrip("/")
        if (path == at or path.startswith(f"{at}/")) and len(at) >= len(
            str((best or {}).get("mountPath") or "").rstrip("/")
        ):
            best = mount
    if best is None:
        return {}, []
    name, at = str(best.get("name")), str(best.get("mountPath"))
    volume: Body = next(
        (each for each in (pod.get("spec") or {}).get("volumes") or [] if each.get("name") == name), {}
    )
    kind = next((key for key in volume if key != "name"), "")
    found = {"volume": name, "mount": at, "volume_kind": kind}
    if kind == "configMap":
        found["configmap"] = str((volume.get(kind) or {}).get("name") or "")
    if best.get("readOnly"):
        found["mount_read_only"] = "yes"
    mode = ", read-only" if best.get("readOnly") else ""
    row = f"{path} is in volume {name} ({kind or 'unknown'}), mounted at {at}{mode}"
    return found, [(row, f"{one.spec_path}.volumeMounts")]
