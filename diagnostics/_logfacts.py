"""What the pod and the cluster add to the meaning of a log line: attributes for commands, and evidence."""

from __future__ import annotations

from collections.abc import Iterator

from poddoctor.model import Body, Read, Snapshot
from poddoctor.pod.containers import Container, containers
from poddoctor.pod.pattern import lazy
from poddoctor.pod.reads import pod_of
from poddoctor.pod.units import quantity, show_bytes

from . import _logspec, _logworld
from ._given import Given, fitting
from ._logrules import Meaning
from ._resolver import is_decided, is_silent, resolver_of, resolver_reads

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
        "net_admin",
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
    *("own_resolver", "dns_policy", "unanswered", "perhaps", "nearest_from", "keepable"),
    *("near_volume", "near_mount", "near_directory", "heap_flag", "heap_at", "heap_size", "heap_options"),
    *("java_options", "node_options", "denied_path", "library", "c_library", "symbol", "verbs"),
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
# What an address of the pod itself, or a bare number, may be the object of.
_NUMBERED = frozenset({"dependency-refused", "dependency-timed-out", "dependency-unreachable"})
_JOIN_AGREES = frozenset(
    {"dependency-refused", "dependency-not-resolved", "dependency-timed-out", "dependency-unreachable"}
)
_ANSWERS = frozenset({"no-port", "wrong-target", "no-endpoints"})  # the name of such a Service resolves
_SCRATCH = frozenset({"tmp", "run", "var", "data", "cache", "logs", "mnt", "storage", "uploads"})
_KEPT = lazy(
    r"^/var/lib/(?:postgres\w*|pgsql|mysql|mariadb|mongo\w*|redis|valkey|cassandra|clickhouse\w*|elasticsearch|opensearch|kafka|"
    r"rabbitmq|etcd|influx\w*|neo4j|minio|grafana|prometheus|zookeeper|couchdb)(?:/|$)"
)
_MOST = 4
_FAILS_AS = {
    "dependency-refused": ("no-endpoints", "no-port", "wrong-target"),
    "dependency-timed-out": ("no-endpoints", "no-port"),
    "dependency-unreachable": ("no-endpoints", "no-port", "wrong-target", "absent"),
    "dependency-not-resolved": ("absent",),
}
# What only root may, and an entrypoint does before it becomes another user.
_ACTS = {
    "change its user": lazy(
        r"(?i)\b(?:setgroups|initgroups|set[re]*[ug]id|setres[ug]id|switching to|su-exec|gosu)\b"
        r".*operation not permitted"
    ),
    "change the owner of files": lazy(r"(?i)\bchown\b.*operation not permitted|changing ownership"),
    "change the packet filter of its pod": lazy(r"(?i)\b(?:ip6?tables|nft)\b"),
    "change its root directory": lazy(r"(?i)\bchroot\b.*operation not permitted"),
}
_C_LIBRARIES = ("GLIBC", "CXXABI", "OPENSSL")
_INFORMER = lazy(r"(?i)reflector|informer|failed to (?:list|watch)|client-go|controller-runtime|cache")
_LINK_NAME = lazy(
    r"(?:^|_)PORT_\d+_(?:TCP|UDP)(?:_(?:ADDR|PORT|PROTO))?$|_SERVICE_(?:HOST|PORT(?:_[A-Z\d_]+)?)$"
)
_LINK = lazy(r"^tcp://[\d.:a-f\[\]]+:\d+$")
_Facts = tuple[dict[str, str], list[tuple[str, str]], bool]
_OF_SOURCE = lazy(r"\.(?:rb|py|js|ts|go|php|java|rs|c|cc|cpp|ex|exs|pl)$")
_PATH_IN_LINE = lazy(r"(?:^|[\s'\"=(:])(/(?:[\w.@+-]+/)*[\w.@+-]+)")


def fact_reads(snapshot: Snapshot, one: Container, meaning: Meaning) -> Iterator[Read]:
    """What to ask about the things that a line names."""
    if meaning.what in _CONNECTS:
        yield from _logworld.host_reads(snapshot, meaning.attributes.get("host", ""))
    if meaning.what == "environment-variable-missing":
        yield from _logspec.from_reads(snapshot, one)
    if meaning.what == "dependency-not-resolved":
        yield from resolver_reads(snapshot, silent=is_silent(meaning.line.text))


def addressed(snapshot: Snapshot, one: Container, meaning: Meaning, entry: str) -> Meaning:
    """The meaning with the address that the container was given, if the log names none and only one fits.

    Of several it is the one of which the cluster shows that it fails in just this way.
    """
    found = _candidates(one, meaning, entry)
    said, left_open = "", ""
    if len(found) > 1:
        states = {each: _state(snapshot, one, each) for each in found}
        broken = [each for each in found if states[each] in _FAILS_AS.get(meaning.what, ())]
        # Of the others it must be known that they answer, or it may be one of them.
        left_open = "yes" if any(states[each] != "there" for each in found if each not in broken) else ""
        if broken:
            said = f"of its {len(found)} addresses only that of {broken[0].name or 'its command'} fails so"
        found = broken
    if len(found) != 1 or not found[0].host:
        return meaning
    host, port = found[0].host, found[0].port
    if port and meaning.attributes.get("port", port) != port:
        return meaning
    values = {"host": host, **({"port": port} if port else {})}
    values["only_address"] = said or f"{found[0].name or 'its command'} names it"
    values |= {"left_open": left_open} if left_open else {}
    return Meaning(meaning.what, meaning.line, {**meaning.attributes, **values, "given_at": found[0].source})


def candidate_reads(snapshot: Snapshot, one: Container, meaning: Meaning, entry: str) -> Iterator[Read]:
    """What tells several addresses apart, of which the log does not say which it means."""
    found = _candidates(one, meaning, entry)
    if meaning.what in _JOIN_AGREES and 1 < len(found) <= _MOST:
        for each in found:
            yield from _logworld.host_reads(snapshot, each.host)


def _candidates(one: Container, meaning: Meaning, entry: str) -> list[Given]:
    if meaning.what not in _CONNECTS or meaning.attributes.get("host") or meaning.attributes.get("socket"):
        return []
    return fitting(one, entry, named=meaning.what not in _NUMBERED)


def _state(snapshot: Snapshot, one: Container, each: Given) -> str:
    """What the cluster knows of an address, as one word; empty when that is nothing."""
    if not each.host:
        return ""
    return _logworld.join(snapshot, one, each.host, each.port).attributes.get("state", "")


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
        return _connection(snapshot, one, meaning)
    table = {
        "environment-variable-missing": _variable,
        "file-missing": _missing,
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
        "module-missing": _module,
        "kubernetes-api-forbidden": _forbidden,
        "runtime-version-mismatch": _runtime,
        "kubernetes-api-unreachable": _api,
        "dns-loop": _corefile,
        "leader-election-lost": _cpu,
    }
    handler = table.get(meaning.what)
    return handler(snapshot, one, meaning) if handler else ({}, [], False)


def _connection(snapshot: Snapshot, one: Container, meaning: Meaning) -> _Facts:
    """What the cluster knows of the other side; ``guessed`` when who it is, or why, was not seen."""
    values = meaning.attributes
    joined = _logworld.join(snapshot, one, values.get("host", ""), values.get("port", ""))
    found, notes = dict(joined.attributes), list(joined.notes)
    agrees = joined.agrees and meaning.what in _JOIN_AGREES and not values.get("left_open")
    if meaning.what == "dependency-not-resolved" and found.get("state") in _ANSWERS:
        agrees = False
    if meaning.what == "dependency-tls-failed" and found.get("endpoint"):
        found[f"{values.get('problem')}_endpoint"] = found["endpoint"]
    # What fails is said; to whom it happens is a detail of TLS, and the point of a connection.
    unproven = meaning.what in _JOIN_AGREES and not agrees
    if values.get("node_role"):
        spec = (pod_of(snapshot) or {}).get("spec") or {}
        account = str(spec.get("serviceAccountName") or "default")
        found |= {"account": account} if account != "default" else {}
        row = f"it asks as {values['node_role']}, the role of its node, not as one of its service account"
        notes.append((row, "pod.spec.serviceAccountName"))
    guessed = bool(found.get("other_host") or found.get("sibling_down")) or bool(
        values.get("only_address") and unproven
    )
    if said := values.get("only_address"):
        row = f"the log names no address; {said}: {found.get('endpoint')}"
        notes.insert(0, (row, values.get("given_at", one.spec_path)))
    if meaning.what == "dependency-not-resolved":
        silent = is_silent(meaning.line.text)
        if odd := resolver_of(snapshot, values.get("host", ""), found):
            found |= {"own_resolver": odd.odd, "dns_policy": odd.wanted}
            notes.append(odd.row)
            guessed, agrees = guessed or not odd.sure, agrees or odd.sure
        elif silent:
            if values.get("host") and not found.get("missing_service"):
                found["unanswered"] = values["host"]
            guessed = guessed or not is_decided(snapshot)
    if guessed:
        found["guessed"] = "yes"
        found["perhaps"] = found.get("endpoint", "")
    return found, notes, agrees


def _variable(snapshot: Snapshot, one: Container, meaning: Meaning) -> _Facts:
    """Whether the container has that variable, or one that is nearly called so, and whence."""
    wanted = meaning.attributes.get("variable", "")
    names = [str(each.get("name")) for each in one.spec.get("env") or []]
    given_too, complete = _logspec.variables_from(snapshot, one)
    if not wanted or wanted in names or wanted in given_too:
        whence = f" by {given_too[wanted]}" if wanted in given_too else ""
        row = f"{wanted} is given to the container{whence}, but may be empty" if wanted else ""
        return {}, [(row, f"{one.spec_path}.env")] if row else [], False
    found: dict[str, str] = {}
    sources = one.spec.get("envFrom") or []
    whole = sorted(set(given_too.values()))
    more = f", and {len(given_too)} from {', '.join(whole)}" if whole else ""
    more += ", apart from envFrom" if sources and not complete else ""
    rows = [(f"{wanted} is not among the container's env ({len(names)} set{more})", f"{one.spec_path}.env")]
    if close := _logspec.near_variable(wanted, [*names, *given_too]):
        found["nearest_variable"] = close
        if close in given_too:
            found["nearest_from"] = given_too[close]
            rows.append((f"{given_too[close]} has {close}", f"{one.spec_path}.envFrom"))
        else:
            rows.append((f"{close} is set", f"{one.spec_path}.env"))
    return found, rows, complete


def _cpu(snapshot: Snapshot, one: Container, meaning: Meaning) -> _Facts:
    """The CPU limit of a program that did not renew its lease in time: throttled, it comes too late."""
    del snapshot, meaning
    limit = str(((one.spec.get("resources") or {}).get("limits") or {}).get("cpu") or "")
    where = f"{one.spec_path}.resources.limits.cpu"
    return ({"cpu_limit": limit}, [(f"its CPU limit is {limit}", where)], False) if limit else ({}, [], False)


def _named_path(one: Container, meaning: Meaning) -> tuple[str, dict[str, str]]:
    """The path that the line speaks of, in full if the container is told where ``~`` is."""
    known = path = meaning.attributes.get("path", "")
    if not path:
        # Of several none is known to be the one, and where in its source a program was is none of them.
        seen = set(_PATH_IN_LINE.compiled.findall(meaning.line.text))
        seen = {one for one in seen if not _OF_SOURCE.search(one)}
        path = seen.pop() if len(seen) == 1 else ""
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
        if not mount and path.split("/")[1] in _SCRATCH and not _KEPT.search(path):
            # Mounting over any other directory could hide what the image has there, and data has to stay.
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


def _missing(snapshot: Snapshot, one: Container, meaning: Meaning) -> _Facts:
    """A file that is not there: a volume that is mounted beside its place, or what a ConfigMap can hold."""
    found, rows, agrees = _path(snapshot, one, meaning)
    path = found.get("path") or meaning.attributes.get("path", "")
    if path.startswith("/") and "mount" not in found:
        volume, at, wanted = _logspec.near_mount(one, path)
        if volume:
            row = f"volume {volume} is mounted at {at}, not at {wanted}"
            rows.append((row, f"{one.spec_path}.volumeMounts"))
            return {**found, "near_volume": volume, "near_mount": at, "near_directory": wanted}, rows, agrees
    return {**found, **({"keepable": "yes"} if _logspec.can_be_written(path) else {})}, rows, agrees


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
    # A volume would not help: it is a right that is missing, not a place to write.
    found = {key: value for key, value in found.items() if key not in ("directory", "volume_kind")}
    if found.get("path") or meaning.attributes.get("path"):
        found["denied_path"] = found.get("path") or meaning.attributes["path"]
    if dropped and not capabilities.get("add"):
        found["dropped"] = ", ".join(dropped)
        found["why"] = f"its capabilities are dropped ({found['dropped']})"
        rows.append((f"capabilities dropped: {found['dropped']}", f"{one.spec_path}.securityContext"))
    elif found.get("user_id", "0") != "0":
        found["why"] = f"it runs as user {found['user_id']}, not as root"
    elif "packet" in act and "NET_ADMIN" not in map(str, capabilities.get("add") or []):
        found["why"] = "it has not the capability NET_ADMIN"
        if not security.get("privileged"):
            found["net_admin"] = "NET_ADMIN"
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
    spec = (pod_of(snapshot) or {}).get("spec") or {}
    setting = meaning.attributes.get("setting", "")
    if _LINK_NAME.search(setting) and spec.get("enableServiceLinks") is not False:
        found["service_link"] = setting
        row = f"{setting} is of the form that Kubernetes sets for each Service of the namespace"
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
    # A program may quote an option without its dashes.
    whole = {word for word in words if wrong and word.startswith("-") and wrong in word.partition("=")[0]}
    full = {"argument": whole.pop()} if len(whole) == 1 and not wrong.startswith("-") else {}
    line = " ".join(words)[:160]
    words_in = "args" if one.spec.get("args") else "command"
    return (
        {"arguments": line, "words_in": words_in, **full},
        [(line, one.spec_path)],
        bool(wrong) and any(wrong.strip("-") in word for word in words),
    )


def _heap(snapshot: Snapshot, one: Container, meaning: Meaning) -> _Facts:
    """The heap against the container's limit: three quarters of it are usually safe."""
    del snapshot
    runtime = meaning.attributes.get("runtime", "")
    limit = ((one.spec.get("resources") or {}).get("limits") or {}).get("memory")
    amount = quantity(limit) if limit else None
    where = f"{one.spec_path}.resources"
    if meaning.attributes.get("device"):
        return {}, [], False
    found, rows = {}, [("no memory limit is set: the runtime takes its heap from the node's memory", where)]
    if amount is not None:
        rows = [(f"memory limit {limit}", where)]
        found = {
            "memory_limit": str(limit),
            "suggested_heap": str(max(1, (int(amount) >> 20) * 3 // 4)),
            "suggested_limit": show_bytes(amount * 2),
        }
    option = _logspec.heap_option(one, runtime) if runtime in ("Java", "Node.js") else {}
    if not option:
        found["java_options"] = _logspec.options_with(one, "JAVA_TOOL_OPTIONS", "-XX:MaxRAMPercentage=75")
        if found.get("suggested_heap"):
            node = f"--max-old-space-size={found['suggested_heap']}"
            found["node_options"] = _logspec.options_with(one, "NODE_OPTIONS", node)
        return found, rows, False
    rows.append((f"{option['heap_flag']} in {option['heap_at']} bounds the heap", one.spec_path))
    found |= {key: option[key] for key in ("heap_flag", "heap_at", "heap_size")}
    now = _logspec.mebibytes(option["heap_size"], runtime)
    best = int(found.get("suggested_heap") or now * 2)
    if best > now and option.get("heap_words"):
        flag = f"-Xmx{best}m" if runtime == "Java" else f"--max-old-space-size={best}"
        found["heap_options"] = option["heap_words"].replace(option["heap_flag"], flag)
    return found, rows, False


def _module(snapshot: Snapshot, one: Container, meaning: Meaning) -> _Facts:
    """What kind of thing is missing, for the title: a library, a newer C library, or one symbol of it."""
    del snapshot, one
    module, language = meaning.attributes.get("module", ""), meaning.attributes.get("language", "")
    if language == "shared library":
        return {"library": module}, [], False
    if language == "C library":
        return {("c_library" if module.startswith(_C_LIBRARIES) else "symbol"): module}, [], False
    return {}, [], False


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
        "verbs": _verbs(meaning),
        "binding": f"{values.get('service_account', 'reader')}-{values.get('verb', 'read')}-{plain}",
    }
    account = ((pod_of(snapshot) or {}).get("spec") or {}).get("serviceAccountName") or "default"
    rows = [(f"the pod runs as service account {account}", "pod.spec.serviceAccountName")]
    return (
        {key: value for key, value in found.items() if value},
        rows,
        account == values.get("service_account"),
    )


def _verbs(meaning: Meaning) -> str:
    """What to allow: who keeps a list up to date has to watch as well, and fails at that next."""
    verb = meaning.attributes.get("verb", "")
    return "get,list,watch" if verb in ("list", "watch") and _INFORMER.search(meaning.line.text) else verb


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
