"""Joins what a log names with the cluster: a host with its Service and pods, a path with the pod's mounts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from poddoctor.model import Body, Found, Read, Snapshot
from poddoctor.pod.containers import Container, containers, status_word
from poddoctor.pod.names import nearest
from poddoctor.pod.pattern import lazy
from poddoctor.pod.reads import condition, get, list_of, pod_of
from poddoctor.pod.units import parse_time, show_duration

from ._awaits import ready_endpoints, services_read, slices_read
from ._selectors import labels_of, name_of, namespace_of

_LOOPBACK = lazy(r"^(?:localhost|127\.[\d.]+|::1|0:0:0:0:0:0:0:1|0\.0\.0\.0|ip6-localhost)$")
_ADDRESS = lazy(r"^(?:\d{1,3}\.){3}\d{1,3}$|^[0-9a-f:]*:[0-9a-f:]*$")
_LISTENS_BY = timedelta(seconds=10)
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
    *("api_endpoint", "target_port", "declared_ports", "declared_port", "port_index"),
    *("unready_pod", "asleep", "env_name", "env_value", "ready_for"),
    *(
        "unready",
        "service_ports",
        "sibling",
        "sibling_host",
        "meant",
        "loopback_text",
        "service_selector",
        "missing_service",
        "missing_namespace",
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
        if _ADDRESS.match(host) and not is_loopback(host):
            yield _service_read("default", "kubernetes")
        if found := _by_address(snapshot, host):
            yield from _endpoint_reads(snapshot, found)
        return
    # Most are there: the others of the namespace matter only when this one is not.
    yield _service_read(namespace, service)
    body = _service_body(snapshot, namespace, service)
    if body is not None:
        yield from _endpoint_reads(snapshot, body)
    elif not isinstance(snapshot.answers.get(_service_read(namespace, service)), Found):
        if snapshot.answers.get(_service_read(namespace, service)) is None:
            return
        yield services_read(namespace)
        yield _elsewhere_read(service)
        if namespace != space:
            yield _namespace_read(namespace)


def _service_read(namespace: str, name: str) -> Read:
    return get("v1", "services", namespace, name, f"would show whether Service {name} exists and its ports")


def _service_body(snapshot: Snapshot, namespace: str, name: str) -> Body | None:
    """That Service, from its own read or from the list."""
    answer = snapshot.answers.get(_service_read(namespace, name))
    if isinstance(answer, Found):
        body: Body = answer.body
        return body
    listed = snapshot.items(services_read(namespace)) or []
    return next((one for one in listed if name_of(one) == name), None)


def _endpoint_reads(snapshot: Snapshot, body: Body) -> Iterator[Read]:
    name, space = name_of(body), namespace_of(body) or snapshot.target.namespace
    yield slices_read(space, name)
    selector = (body.get("spec") or {}).get("selector") or {}
    slices = snapshot.items(slices_read(space, name))
    if selector and slices is not None:
        yield _pods_read(space, selector)
        if not ready_endpoints(slices)[0] and snapshot.items(_pods_read(space, selector)) == []:
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


def _is_api_server(snapshot: Snapshot, host: str) -> bool:
    """Whether this is the address at which pods find the API server."""
    answer = snapshot.answers.get(_service_read("default", "kubernetes"))
    spec = (answer.body.get("spec") or {}) if isinstance(answer, Found) else {}
    return bool(host) and host in (spec.get("clusterIPs") or [spec.get("clusterIP")])


def join(snapshot: Snapshot, one: Container, host: str, port: str) -> Joined:
    """What the cluster says about host and port, and which variable of the container holds the wrong one."""
    if _is_api_server(snapshot, host):
        endpoint = f"{host}:{port}" if port else host
        row = (f"{host} is the Service kubernetes: the API server", "service default/kubernetes")
        return Joined({"endpoint": endpoint, "state": "api-server", "api_endpoint": endpoint}, (row,))
    joined = _join(snapshot, one, host, port)
    found = joined.attributes
    right = (
        found.get("nearest_host") or found.get("meant") or ("127.0.0.1" if found.get("sibling_host") else "")
    )
    ports = found.get("service_ports", "")
    wrong, better = (port, ports) if found.get("state") == "no-port" and ports.isdigit() else (host, right)
    if not wrong or not (better or found.get("other_host")):
        return joined
    pattern = re.compile(rf"(?<![\w.-]){re.escape(wrong)}(?![\w-]|\.\w)")
    for each in one.spec.get("env") or []:
        value = str(each.get("value") or "")
        if pattern.search(value):
            row = (f"{each.get('name')}={_hidden(value)}", f"{one.spec_path}.env")
            extra = {"env_name": str(each.get("name"))}
            if better and "@" not in value:
                extra["env_value"] = pattern.sub(better, value)
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
        body = _service_body(snapshot, namespace, service)
    if body is None:
        listed = snapshot.items(services_read(namespace))
        if listed is None and not snapshot.absent(_service_read(namespace, service)):
            return Joined({**base, "service": service, "service_namespace": namespace})
        joined = _absent(snapshot, service, namespace, host, listed or [], base)
        # An API that cannot even list the Services has not said that this one is absent.
        return joined if listed is not None else replace(joined, agrees=False)
    return _present(snapshot, one, body, namespace or space, port, base)


def _loopback(snapshot: Snapshot, one: Container, port: str, base: dict[str, str]) -> Joined:
    """The pod itself: which container was meant, or which Service has that port."""
    found = {**base, "state": "loopback", "loopback_text": "nothing in its own pod listens there"}
    if ((pod_of(snapshot) or {}).get("spec") or {}).get("hostNetwork"):
        row = ("localhost is the node, for the pod uses its network", "pod.spec.hostNetwork")
        return Joined({**found, "loopback_text": "nothing on its node listens there"}, (row,))
    notes = [("localhost is this pod: only its own containers can answer there", "pod.spec.containers")]
    for other in containers(pod_of(snapshot) or {}, "app", "sidecar"):
        declared = [str(each.get("containerPort")) for each in other.spec.get("ports") or []]
        if other.name != one.name and port and port in declared:
            state = "running" if other.is_running else str(other.waiting.get("reason") or "not running")
            found["sibling"] = other.name
            notes.append((f"container {other.name} declares port {port} and is {state}", other.spec_path))
            if not other.is_running:
                # That one has a reason of its own, of which this is a consequence.
                found["sibling_down"] = "yes"
            return Joined(found, tuple(notes), agrees=other.is_running and not other.ready)
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
    own = snapshot.target.namespace
    notes = [(f"no Service {service} in namespace {namespace}", source)]
    if namespace != own and snapshot.absent(_namespace_read(namespace)):
        found["missing_namespace"] = namespace
        notes = [(f"namespace {namespace} does not exist", f"namespace {namespace}")]
    elsewhere = snapshot.items(_elsewhere_read(service)) or []
    spaces = sorted({namespace_of(each) for each in elsewhere if name_of(each) == service} - {namespace})
    close = nearest(service, names)
    other = _other_space(spaces, own)
    if close:
        found["nearest"] = close[0]
        found["nearest_host"] = close[0] if namespace == own else f"{close[0]}.{namespace}"
    elif other:
        found |= {"other_namespace": other, "other_host": service if other == own else f"{service}.{other}"}
    if names:
        notes.append((f"Services there: {', '.join(sorted(names)[:8])}", source))
    if spaces:
        # Whose namespace that is, nobody knows: another team's Service of the same name is no proof.
        shown = f"{', '.join(spaces[:3])}{f' and {len(spaces) - 3} more' if spaces[3:] else ''}"
        notes.append((f"Service {service} exists in namespace {shown}", "services of all namespaces"))
    return Joined(found, tuple(notes), agrees="other_host" not in found)


def _other_space(spaces: list[str], own: str) -> str:
    """The namespace in which a Service was probably meant: the pod's own, one of its kin, or the only one."""
    kin = [one for one in spaces if one.partition("-")[0] == own.partition("-")[0]]
    if own in spaces:
        return own
    best = spaces if len(spaces) == 1 else kin if len(kin) == 1 else []
    return best[0] if best else ""


def _present(
    snapshot: Snapshot, one: Container, body: Body, namespace: str, port: str, base: dict[str, str]
) -> Joined:
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
        if wrong := _wrong_target(snapshot, body, port):
            return Joined({**found, **wrong[0]}, wrong[1], agrees=True)
        row = (
            f"Service {name} has {ready} ready endpoint{'s' if ready != 1 else ''}",
            f"endpointslices of {source}",
        )
        return Joined({**found, "state": "there", **_since(snapshot, one, body)}, (row,))
    return _unready(snapshot, name, space, spec.get("selector") or {}, total, found)


def _since(snapshot: Snapshot, one: Container, body: Body) -> dict[str, str]:
    """For how long the Service has had a ready pod again, if it had none when the container ended.

    A pod without a readiness probe is ready a moment before its program listens.
    """
    end = parse_time((one.terminated or one.last_terminated).get("finishedAt"))
    space = namespace_of(body) or snapshot.target.namespace
    selector = (body.get("spec") or {}).get("selector") or {}
    pods = snapshot.items(_pods_read(space, selector)) if selector else None
    ready = [condition(each, "Ready") for each in pods or []]
    times = [parse_time(each.get("lastTransitionTime")) for each in ready if each.get("status") == "True"]
    known = [each for each in times if each is not None]
    if end is None or not known or min(known) < end - _LISTENS_BY:
        return {}
    return {"ready_for": show_duration(snapshot.clock - min(known))}


def _wrong_target(
    snapshot: Snapshot, body: Body, port: str
) -> tuple[dict[str, str], tuple[tuple[str, str], ...]] | None:
    """Whether the Service sends to a port that none of its pods declares, though they declare others."""
    spec = body.get("spec") or {}
    name, space = name_of(body), namespace_of(body) or snapshot.target.namespace
    pods = snapshot.items(_pods_read(space, spec.get("selector") or {})) if spec.get("selector") else None
    ports = spec.get("ports") or []
    index, entry = next(
        ((at, each) for at, each in enumerate(ports) if str(each.get("port")) == port), (0, None)
    )
    target = str((entry or {}).get("targetPort") or port)
    if not pods or entry is None or not target.isdigit():
        return None
    declared = sorted(
        {
            str(each.get("containerPort"))
            for one in pods
            for container in containers(one, "app", "sidecar")
            for each in container.spec.get("ports") or []
        }
    )
    if not declared or target in declared:
        return None
    found = {"state": "wrong-target", "target_port": target, "declared_ports": ", ".join(declared)}
    if len(declared) == 1:
        found |= {"declared_port": declared[0], "port_index": str(index)}
    source = f"service {space}/{name} .spec.ports[{index}]"
    return found, (
        (f"Service {name} sends port {port} on to port {target}", source),
        (f"its pods declare port {', '.join(declared)}", f"pods of service {space}/{name}"),
    )


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
    """The state of a pod that does not answer, with what the pod itself says of the reason."""
    word = status_word(pod)
    said = " ".join(_said(pod).split())
    shown = "Running, but not ready" if word == "Running" else word
    return f"{shown}: {said[:90]}{'…' if len(said) > 90 else ''}" if said else shown


def _said(pod: Body) -> str:
    """Why a pod is not ready, one level deep: what the scheduler, the kubelet or the last end says."""
    status = pod.get("status") or {}
    for each in status.get("conditions") or []:
        if each.get("type") == "PodScheduled" and each.get("status") == "False":
            return str(each.get("message") or "")
    for one in containers(pod, "init", "sidecar", "app"):
        last = one.terminated or one.last_terminated or {}
        if not one.ready and last and last.get("exitCode"):
            reason = str(last.get("reason") or "Error")
            return f"{one.name} ended with exit code {last['exitCode']}" + (
                f" ({reason})" if reason != "Error" else ""
            )
        if one.waiting and one.waiting.get("message"):
            return str(one.waiting["message"])
    return ""


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
