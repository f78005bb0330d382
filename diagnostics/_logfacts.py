"""What the pod and the cluster add to the meaning of a log line: attributes for commands, and evidence."""

from __future__ import annotations

from collections.abc import Iterator

from poddoctor.model import Body, Read, Snapshot
from poddoctor.pod.containers import Container, containers
from poddoctor.pod.names import nearest
from poddoctor.pod.pattern import lazy
from poddoctor.pod.reads import pod_of
from poddoctor.pod.units import quantity, show_bytes

from . import _logworld
from ._logrules import Meaning

PARTICULARS = (
    *_logworld.PARTICULARS,
    *(
        "volume",
        "mount",
        "volume_kind",
        "mount_read_only",
        "nearest_variable",
        "user_id",
        "group_id",
        "sibling_port",
    ),
    *(
        "memory_limit",
        "suggested_heap",
        "suggested_limit",
        "cluster_scope",
        "same_namespace",
        "group_arg",
        "read_only_root",
    ),
    *(
        "java_wanted",
        "java_have",
        "non_root",
        "arguments",
        "owner_group",
        "binding",
        "absolute",
        "directory",
        "words_in",
        "configmap",
    ),
    *(
        "service_link",
        "not_empty_path",
        "owner_path",
        "locked_path",
        "untrusted_endpoint",
        "plain_endpoint",
        "name_endpoint",
    ),
)
_CONNECTS = frozenset(
    {
        "dependency-refused",
        "dependency-not-resolved",
        "dependency-timed-out",
        "dependency-rejected-credentials",
        "dependency-tls-failed",
        "dependency-unreachable",
        "certificate-expired",
    }
)
_JOIN_AGREES = frozenset(
    {"dependency-refused", "dependency-not-resolved", "dependency-timed-out", "dependency-unreachable"}
)
_ANSWERS = frozenset({"no-port", "wrong-target", "no-endpoints"})  # the name of such a Service resolves
_SCRATCH = frozenset({"tmp", "run", "var", "data", "cache", "logs", "mnt", "storage", "uploads"})
_ADDRESS = lazy(
    r"(?:^|[\s=\"'])(?:\w[\w+.:]*://(?:[^@/\s]*@)?(?=[A-Za-z\d])(?P<host>[\w.-]+)(?::(?P<port>\d{2,5}))?"
    r"|(?=[A-Za-z\d])(?P<host2>[\w-]+(?:\.[\w-]+)*):(?P<port2>\d{2,5})$)"
)
# What only root may, and an entrypoint does before it becomes another user.
_ACTS = {
    "change its user": lazy(
        r"(?i)\b(?:setgroups|initgroups|set[re]*[ug]id|setres[ug]id|switching to|su-exec|gosu)\b"
        r".*operation not permitted"
    ),
    "change the owner of files": lazy(r"(?i)\bchown\b.*operation not permitted|changing ownership"),
    "change its root directory": lazy(r"(?i)\bchroot\b.*operation not permitted"),
}
_LINK = lazy(r"^tcp://[\d.:a-f\[\]]+:\d+$")
_Facts = tuple[dict[str, str], list[tuple[str, str]], bool]
_PATH_IN_LINE = lazy(r"(?:^|[\s'\"=(:])(/(?:[\w.@+-]+/)*[\w.@+-]+)")


def fact_reads(snapshot: Snapshot, meaning: Meaning) -> Iterator[Read]:
    """What to ask about the things that a line names."""
    if meaning.what in _CONNECTS:
        yield from _logworld.host_reads(snapshot, meaning.attributes.get("host", ""))


def addressed(one: Container, meaning: Meaning) -> Meaning:
    """The meaning with the only address that the container was given, when the log names none."""
    if meaning.what not in _CONNECTS or meaning.attributes.get("host") or meaning.attributes.get("socket"):
        return meaning
    texts = [str(each.get("value") or "") for each in one.spec.get("env") or []]
    texts += [str(word) for word in [*(one.spec.get("command") or ()), *(one.spec.get("args") or ())]]
    places = {
        (found["host"] or found["host2"], found["port"] or found["port2"] or "")
        for text in texts
        for found in _ADDRESS.compiled.finditer(text)
    }
    places = {(host, port) for host, port in places if not host.startswith(("0.", "127."))}
    if len(places) != 1:
        return meaning
    host, port = places.pop()
    extra = {"host": host, **({"port": port} if port else {})}
    return Meaning(meaning.what, meaning.line, {**meaning.attributes, **extra, "only_address": "yes"})


def given(one: Container | None, meaning: Meaning) -> str:
    """By what the container was given the value that it cannot read: a variable, or a word of its command."""
    value = meaning.attributes.get("value")
    if one is None or value is None:
        return ""
    env = one.spec.get("env") or []
    names = [
        str(each.get("name"))
        for each in env
        if not each.get("valueFrom") and (each.get("value") or "") == value
    ]
    if names and (value or len(names) == 1):
        return names[0]
    words = [str(word) for word in [*(one.spec.get("command") or ()), *(one.spec.get("args") or ())]]
    return (
        "its command line"
        if value and any(word == value or word.endswith(f"={value}") for word in words)
        else ""
    )


def facts(snapshot: Snapshot, one: Container, meaning: Meaning) -> _Facts:
    """Attributes, evidence rows, and whether the cluster shows why it fails."""
    if meaning.what in _CONNECTS:
        joined = _logworld.join(
            snapshot, one, meaning.attributes.get("host", ""), meaning.attributes.get("port", "")
        )
        agrees = joined.agrees and meaning.what in _JOIN_AGREES
        if meaning.what == "dependency-not-resolved" and joined.attributes.get("state") in _ANSWERS:
            agrees = False
        found = dict(joined.attributes)
        if meaning.what == "dependency-tls-failed" and found.get("endpoint"):
            found[f"{meaning.attributes.get('problem')}_endpoint"] = found["endpoint"]
        notes = list(joined.notes)
        if meaning.attributes.get("only_address"):
            notes.insert(0, (f"{found.get('endpoint')} is the only address that it was given", one.spec_path))
        return found, notes, agrees
    table = {
        "environment-variable-missing": _variable,
        "file-missing": _path,
        "permission-denied": _permission,
        "file-too-open": _path,
        "read-only-filesystem": _path,
        "disk-full": _path,
        "data-directory-incompatible": _path,
        "configuration-invalid": _configuration,
        "port-in-use": _port,
        "privileged-port-denied": _privileged,
        "bad-arguments": _arguments,
        "heap-exhausted": _heap,
        "kubernetes-api-forbidden": _forbidden,
        "runtime-version-mismatch": _runtime,
        "kubernetes-api-unreachable": _api,
        "dns-loop": _corefile,
        "leader-election-lost": _cpu,
    }
    handler = table.get(meaning.what)
    return handler(snapshot, one, meaning) if handler else ({}, [], False)


def _variable(snapshot: Snapshot, one: Container, meaning: Meaning) -> _Facts:
    """Whether the container's own list has that variable, or one that is nearly called so."""
    del snapshot
    wanted = meaning.attributes.get("variable", "")
    names = [str(each.get("name")) for each in one.spec.get("env") or []]
    if not wanted or wanted in names:
        row = f"{wanted} is given to the container, but may be empty" if wanted else ""
        return {}, [(row, f"{one.spec_path}.env")] if row else [], False
    found: dict[str, str] = {}
    sources = one.spec.get("envFrom") or []
    more = ", apart from envFrom" if sources else ""
    rows = [(f"{wanted} is not among the container's env ({len(names)} set{more})", f"{one.spec_path}.env")]
    if close := nearest(wanted, names, 1):
        found["nearest_variable"] = close[0]
        rows.append((f"{close[0]} is set", f"{one.spec_path}.env"))
    return found, rows, not sources


def _cpu(snapshot: Snapshot, one: Container, meaning: Meaning) -> _Facts:
    """The CPU limit of a program that did not renew its lease in time: throttled, it comes too late."""
    del snapshot, meaning
    limit = str(((one.spec.get("resources") or {}).get("limits") or {}).get("cpu") or "")
    where = f"{one.spec_path}.resources.limits.cpu"
    return ({"cpu_limit": limit}, [(f"its CPU limit is {limit}", where)], False) if limit else ({}, [], False)


def _named_path(one: Container, meaning: Meaning) -> tuple[str, dict[str, str]]:
    """The path that the line speaks of, in full if the container is told where ``~`` is."""
    known = path = meaning.attributes.get("path", "")
    if not path and (seen := _PATH_IN_LINE.search(meaning.line.text)):
        path = seen[1]
    if path.startswith("~/"):
        home = next(
            (env.get("value") for env in one.spec.get("env") or [] if env.get("name") == "HOME"), None
        )
        path = f"{home}{path[1:]}" if home else path
    return path, {"path": path} if path != known else {}


def _path(snapshot: Snapshot, one: Container, meaning: Meaning) -> _Facts:
    pod = pod_of(snapshot) or {}
    path, found = _named_path(one, meaning)
    mount, rows = _logworld.mounted(one, pod, path)
    found |= mount
    if path.startswith("/"):
        found["absolute"] = "yes"
        if not mount and path.split("/")[1] in _SCRATCH:
            # Mounting over any other directory could hide what the image has there.
            found["directory"] = path.rpartition("/")[0] if path.count("/") > 1 else path
    if (problem := meaning.attributes.get("problem", "")) in ("not-empty", "owner", "locked") and path:
        found[f"{problem.replace('-', '_')}_path"] = path
    if path.startswith("/var/run/secrets/kubernetes.io/") and not mount:
        rows.append(_no_token(pod))
    security = one.spec.get("securityContext") or {}
    whole = (pod.get("spec") or {}).get("securityContext") or {}
    agrees = False
    if security.get("readOnlyRootFilesystem") and not mount:
        found["read_only_root"] = "yes"
        rows.append(("readOnlyRootFilesystem: true", f"{one.spec_path}.securityContext"))
        agrees = meaning.what == "read-only-filesystem"
    if mount.get("mount_read_only") or mount.get("volume_kind") in ("configMap", "secret", "projected"):
        agrees = agrees or meaning.what == "read-only-filesystem"
    user = security.get("runAsUser", whole.get("runAsUser"))
    group = security.get("runAsGroup", whole.get("runAsGroup"))
    if user is not None:
        found["user_id"] = str(user)
        rows.append((f"runs as user {user}", f"{one.spec_path}.securityContext"))
        found["owner_group"] = str(whole.get("fsGroup") or group or user)
    elif security.get("runAsNonRoot") or whole.get("runAsNonRoot"):
        found["non_root"] = "yes"
    return found, rows, agrees


def _permission(snapshot: Snapshot, one: Container, meaning: Meaning) -> _Facts:
    """A path that is denied, or a right of root that the process does not have."""
    found, rows, agrees = _path(snapshot, one, meaning)
    text = meaning.line.text
    act = next((act for act, pattern in _ACTS.items() if pattern.search(text)), "")
    if not act:
        return found, rows, agrees
    found["act"] = act
    security = one.spec.get("securityContext") or {}
    capabilities = security.get("capabilities") or {}
    dropped = [str(each).upper() for each in capabilities.get("drop") or []]
    if dropped and not capabilities.get("add"):
        found["dropped"] = ", ".join(dropped)
        found["why"] = f"its capabilities are dropped ({found['dropped']})"
        rows.append((f"capabilities dropped: {found['dropped']}", f"{one.spec_path}.securityContext"))
    elif found.get("user_id", "0") != "0":
        found["why"] = f"it runs as user {found['user_id']}, not as root"
    return found, rows, bool(found.get("why"))


def _configuration(snapshot: Snapshot, one: Container, meaning: Meaning) -> _Facts:
    """A path, or a value that Kubernetes itself put into the environment: the address of a Service."""
    found, rows, agrees = _path(snapshot, one, meaning)
    value = meaning.attributes.get("value", "")
    if value and (name := given(one, meaning)):
        found["given_by"] = name
        rows.append((f"{name} gives it {value}", one.spec_path))
    if _LINK.match(value):
        found["service_link"] = value
        row = f"{value} is what Kubernetes sets as <NAME>_PORT for a Service called name"
        rows.append((row, "pod.spec.enableServiceLinks"))
    return found, rows, agrees


def _no_token(pod: Body) -> tuple[str, str]:
    """Why a pod has no service account token."""
    if (pod.get("spec") or {}).get("automountServiceAccountToken") is False:
        return "automountServiceAccountToken: false, so no token is mounted", "pod.spec"
    return "no service account token is mounted", "pod.spec.volumes"


def _port(snapshot: Snapshot, one: Container, meaning: Meaning) -> _Facts:
    """Another container of the same pod that declares, or complains about, the same port."""
    port = meaning.attributes.get("port", "")
    for other in containers(pod_of(snapshot) or {}, "app", "sidecar"):
        declared = [str(each.get("containerPort")) for each in other.spec.get("ports") or []]
        if other.name != one.name and port and port in declared:
            row = f"container {other.name} declares port {port}: containers of a pod share its ports"
            return {"sibling_port": other.name}, [(row, other.spec_path)], True
    return {}, [], False


def _privileged(snapshot: Snapshot, one: Container, meaning: Meaning) -> _Facts:
    found, rows, _ = _path(snapshot, one, meaning)
    found.pop("path", None)
    drop = ((one.spec.get("securityContext") or {}).get("capabilities") or {}).get("drop") or []
    if drop:
        rows.append(
            (f"capabilities dropped: {', '.join(map(str, drop))}", f"{one.spec_path}.securityContext")
        )
    return (
        {key: found[key] for key in ("user_id", "non_root") if key in found},
        rows,
        bool(drop or found.get("user_id")),
    )


def _arguments(snapshot: Snapshot, one: Container, meaning: Meaning) -> _Facts:
    del snapshot
    words = [str(word) for word in [*(one.spec.get("command") or ()), *(one.spec.get("args") or ())]]
    wrong = meaning.attributes.get("argument", "")
    if not words:
        return {}, [], False
    line = " ".join(words)[:160]
    words_in = "args" if one.spec.get("args") else "command"
    return (
        {"arguments": line, "words_in": words_in},
        [(line, one.spec_path)],
        bool(wrong) and any(wrong.strip("-") in word for word in words),
    )


def _heap(snapshot: Snapshot, one: Container, meaning: Meaning) -> _Facts:
    """The heap against the container's limit: three quarters of it are usually safe."""
    del snapshot, meaning
    limit = ((one.spec.get("resources") or {}).get("limits") or {}).get("memory")
    amount = quantity(limit) if limit else None
    if amount is None:
        return (
            {},
            [
                (
                    "no memory limit is set: the runtime takes its heap from the node's memory",
                    f"{one.spec_path}.resources",
                )
            ],
            False,
        )
    mebibytes = int(amount) // (1 << 20)
    found = {
        "memory_limit": str(limit),
        "suggested_heap": str(max(1, mebibytes * 3 // 4)),
        "suggested_limit": show_bytes(amount * 2),
    }
    return found, [(f"memory limit {limit}", f"{one.spec_path}.resources")], False


def _forbidden(snapshot: Snapshot, one: Container, meaning: Meaning) -> _Facts:
    del one
    values = meaning.attributes
    space = values.get("scope_namespace", "")
    group, resource = values.get("api_group", ""), values.get("resource", "")
    plain, _, sub = resource.partition("/")
    named = f"{plain}.{group}" if group else plain
    found = {
        "group_arg": f"{named}/{sub}" if sub else named,
        "cluster_scope": "" if space else "yes",
        "same_namespace": "yes" if space else "",
        "binding": f"{values.get('service_account', 'reader')}-{values.get('verb', 'read')}-{plain}",
    }
    account = ((pod_of(snapshot) or {}).get("spec") or {}).get("serviceAccountName") or "default"
    rows = [(f"the pod runs as service account {account}", "pod.spec.serviceAccountName")]
    return (
        {key: value for key, value in found.items() if value},
        rows,
        account == values.get("service_account"),
    )


def _api(snapshot: Snapshot, one: Container, meaning: Meaning) -> _Facts:
    """Whether the pod's own env says where the API server is, instead of the kubelet's."""
    del snapshot
    host = meaning.attributes.get("host", "")
    for each in one.spec.get("env") or []:
        name, value = str(each.get("name")), str(each.get("value") or "")
        if name == "KUBERNETES_SERVICE_HOST" and value and host in ("", value):
            return {"api_env": name}, [(f"{name}={value}", f"{one.spec_path}.env")], True
    return {}, [], False


def _corefile(snapshot: Snapshot, one: Container, meaning: Meaning) -> _Facts:
    """The ConfigMap that CoreDNS reads."""
    del meaning
    pod = pod_of(snapshot) or {}
    for volume in (pod.get("spec") or {}).get("volumes") or []:
        name = (volume.get("configMap") or {}).get("name")
        if name and any(
            each.get("name") == volume.get("name") for each in one.spec.get("volumeMounts") or []
        ):
            return {"configmap": str(name)}, [], False
    return {}, [], False


def _runtime(snapshot: Snapshot, one: Container, meaning: Meaning) -> _Facts:
    """Java class file versions as Java versions."""
    del snapshot
    values = meaning.attributes
    row = [(f"image {one.spec.get('image')}", one.spec_path)]
    if values.get("class_files") and values.get("wanted", "").isdigit() and values.get("have", "").isdigit():
        wanted, have = str(int(values["wanted"]) - 44), str(int(values["have"]) - 44)
        return {"java_wanted": wanted, "java_have": have, "wanted": wanted, "have": have}, row, False
    return {}, row, False
