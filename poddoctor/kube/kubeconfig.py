"""Resolving what kubectl resolves: which server, as whom, trusting what."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from poddoctor.kube.errors import ContextNotFound, NoKubeconfig

_POD_SECRETS = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_SECTIONS = (("contexts", "context"), ("clusters", "cluster"), ("users", "user"))
# What a header name may hold (RFC 9110); client-go percent-encodes the rest of an extra's name.
_TOKEN = "!#$&'*+-.^_`|~"  # noqa: S105 - no password: the characters of a token in a header


@dataclass(frozen=True, slots=True)
class Connection:
    """Everything that a connection needs; bytes are PEM, empty where the kubeconfig says nothing.

    Attributes:
        server: base URL without a trailing slash.
        namespace: the context's, ``default`` when it names none.
        context: the name of the context, empty inside a cluster.
        exec_spec: the ``exec`` mapping of the user, empty without one; its command is resolved.
        exec_cluster: what a plugin with ``provideClusterInfo`` is told, in the form of ExecCredential.
        auth_provider: whether the user has the old ``auth-provider`` form.
        impersonate: headers, each ``(name, value)``.
        source: the kubeconfig paths, for the official client.
    """

    server: str
    namespace: str = "default"
    context: str = ""
    ca: bytes = b""
    certificate: bytes = b""
    key: bytes = field(default=b"", repr=False)
    token: str = field(default="", repr=False)
    token_file: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    insecure: bool = False
    tls_server_name: str = ""
    proxy_url: str = field(default="", repr=False)
    exec_spec: Mapping[str, Any] = field(default_factory=dict, repr=False)
    exec_cluster: Mapping[str, Any] = field(default_factory=dict, repr=False)
    auth_provider: bool = False
    impersonate: tuple[tuple[str, str], ...] = ()
    source: tuple[str, ...] = ()


def resolve(kubeconfig: str | None, context: str | None) -> Connection:
    """The connection that kubectl would use.

    ``--kubeconfig``, else ``KUBECONFIG`` (several files, merged), else ``~/.kube/config``, else the
    service account of the pod that this process runs in.

    Raises:
        NoKubeconfig: when there is none, or it cannot be read.
        ContextNotFound: when it does not hold the context, or what the context names.
    """
    paths = _paths(kubeconfig)
    # Not is_file(): a shell's <(command) is a pipe.
    existing = [path for path in paths if path.exists()]
    if kubeconfig and not existing:
        raise NoKubeconfig(f"the kubeconfig {kubeconfig} does not exist", "check --kubeconfig")
    merged = _merged(existing)
    if not any(merged.values()):
        inside = None if context else _in_cluster()
        if inside:
            return inside
    if not existing:
        tried = ", ".join(map(str, paths)) or "no home directory"
        raise NoKubeconfig(f"no kubeconfig (tried {tried})", "set KUBECONFIG or give --kubeconfig")
    return _from_config(merged, context, existing)


def _paths(kubeconfig: str | None) -> list[Path]:
    try:
        if kubeconfig:
            return [Path(kubeconfig).expanduser()]
        named = [part for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
        return [Path(part).expanduser() for part in named] or [Path.home() / ".kube" / "config"]
    except RuntimeError:  # a user without a home, as containers have
        return [Path(kubeconfig)] if kubeconfig else []


def _in_cluster() -> Connection | None:
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host or not (_POD_SECRETS / "token").is_file():
        return None
    bracketed = f"[{host}]" if ":" in host else host
    space, authority = _POD_SECRETS / "namespace", _POD_SECRETS / "ca.crt"
    own = space.read_text(encoding="utf-8").strip() if space.is_file() else ""
    return Connection(
        server=f"https://{bracketed}:{port}",
        namespace=os.environ.get("POD_NAMESPACE") or own or "default",
        ca=authority.read_bytes() if authority.is_file() else b"",
        token_file=str(_POD_SECRETS / "token"),
    )


def _merged(paths: Iterable[Path]) -> dict[str, Any]:
    """The files as one: the first to name a context, cluster or user wins."""
    merged: dict[str, Any] = {"contexts": {}, "clusters": {}, "users": {}, "current-context": ""}
    for path in paths:
        document = _parsed(path)
        merged["current-context"] = merged["current-context"] or str(document.get("current-context") or "")
        for section, inner in _SECTIONS:
            for name, entry in _entries(document.get(section), section, inner, path):
                merged[section].setdefault(name, {**entry, "__dir__": path.parent})
    return merged


def _entries(section: Any, name: str, inner: str, path: Path) -> Iterable[tuple[str, Mapping[str, Any]]]:
    for one in section or []:
        entry = (one.get(inner) or {}) if isinstance(one, dict) else None
        if not isinstance(entry, dict):
            raise NoKubeconfig(f"the kubeconfig {path} is not a kubeconfig: {name} holds no {inner}")
        yield str(one.get("name") or ""), entry


def _parsed(path: Path) -> Mapping[str, Any]:
    import yaml  # noqa: PLC0415 - in-cluster needs none

    try:
        document = yaml.load(path.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except OSError as error:
        raise NoKubeconfig(f"cannot read the kubeconfig {path}: {error.strerror}") from error
    # RecursionError: an alias may name itself; ValueError: a date that there is not.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        said = (str(error).splitlines() or ["it nests too deep"])[0]
        raise NoKubeconfig(f"the kubeconfig {path} is not YAML: {said}") from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise NoKubeconfig(f"the kubeconfig {path} is not a kubeconfig: it holds no mapping")
    for section, _ in _SECTIONS:
        if not isinstance(document.get(section) or [], list):
            raise NoKubeconfig(f"the kubeconfig {path} is not a kubeconfig: {section} is no list")
    return document


def _from_config(config: Mapping[str, Any], context: str | None, paths: list[Path]) -> Connection:
    name = context or config["current-context"]
    chosen, cluster, user = _chosen(config, name)
    return Connection(
        server=_server(cluster),
        namespace=str(chosen.get("namespace") or "default"),
        context=name,
        ca=_pem(cluster, "certificate-authority"),
        certificate=_pem(user, "client-certificate"),
        key=_pem(user, "client-key"),
        token=str(user.get("token") or ""),
        token_file=str(_path(user, "tokenFile") or ""),
        username=str(user.get("username") or ""),
        password=str(user.get("password") or ""),
        # Only true itself: the word "false" in quotes must not turn the verification off.
        insecure=cluster.get("insecure-skip-tls-verify") is True,
        tls_server_name=str(cluster.get("tls-server-name") or ""),
        proxy_url=str(cluster.get("proxy-url") or ""),
        exec_spec=_exec(user),
        exec_cluster=_exec_cluster(cluster) if user.get("exec") else {},
        auth_provider=bool(user.get("auth-provider")),
        impersonate=tuple(_impersonation(user)),
        source=tuple(map(str, paths)),
    )


def _chosen(config: Mapping[str, Any], name: str) -> tuple[Mapping[str, Any], ...]:
    """The context with its cluster and user."""
    contexts = config["contexts"]
    if not name:
        raise ContextNotFound(
            "the kubeconfig has no current context", f"give --context, one of {_some(contexts)}"
        )
    if name not in contexts:
        raise ContextNotFound(f"the kubeconfig has no context {name!r}", _alternatives(name, contexts))
    chosen = contexts[name]
    cluster = config["clusters"].get(str(chosen.get("cluster") or ""))
    if cluster is None or not cluster.get("server"):
        raise ContextNotFound(
            f"context {name!r} names the cluster {chosen.get('cluster')!r}, which has no server",
            "add it to the kubeconfig, or give another --context",
        )
    user = config["users"].get(str(chosen.get("user") or ""))
    if user is None and chosen.get("user"):
        raise ContextNotFound(
            f"context {name!r} names the user {chosen['user']!r}, which is not in the kubeconfig",
            "add it to the kubeconfig, or give another --context",
        )
    return chosen, cluster, user or {}


def _some(names: Mapping[str, Any]) -> str:
    return ", ".join(sorted(names)[:8]) or "none"


def _alternatives(name: str, contexts: Mapping[str, Any]) -> str:
    import difflib  # noqa: PLC0415 - only for an error

    near = difflib.get_close_matches(name, contexts, n=3)
    return f"nearest {', '.join(near)}" if near else f"there are {_some(contexts)}"


def _server(cluster: Mapping[str, Any]) -> str:
    """The server's URL; without a scheme it is https when anything in the cluster speaks of TLS."""
    server = str(cluster["server"]).rstrip("/")
    if "://" in server:
        return server
    about_tls = ("certificate-authority", "certificate-authority-data", "insecure-skip-tls-verify")
    return f"{'https' if any(cluster.get(key) for key in about_tls) else 'http'}://{server}"


def _path(entry: Mapping[str, Any], key: str) -> Path | None:
    """A path in a kubeconfig is relative to the file that holds it."""
    value = entry.get(key)
    return Path(entry["__dir__"], str(value)) if value else None


def _pem(entry: Mapping[str, Any], key: str) -> bytes:
    data = entry.get(f"{key}-data")
    if data:
        try:
            return base64.b64decode("".join(str(data).split()), validate=True)
        except (binascii.Error, ValueError) as error:
            raise NoKubeconfig(f"{key}-data in the kubeconfig is not base64: {error}") from error
    path = _path(entry, key)
    if path is None:
        return b""
    try:
        return path.read_bytes()
    except OSError as error:
        raise NoKubeconfig(f"cannot read the {key} {path}: {error.strerror}") from error


def _exec(user: Mapping[str, Any]) -> Mapping[str, Any]:
    spec = user.get("exec")
    if not spec:
        return {}
    if not isinstance(spec, dict) or not spec.get("command"):
        raise NoKubeconfig("the exec of the user in the kubeconfig names no command")
    command = str(spec["command"])
    # A command with a slash is relative to its kubeconfig, like every other path in it.
    return {**spec, "command": str(Path(user["__dir__"], command)) if "/" in command else command}


def _exec_cluster(cluster: Mapping[str, Any]) -> Mapping[str, Any]:
    told: dict[str, Any] = {"server": cluster["server"]}
    for key in ("tls-server-name", "insecure-skip-tls-verify", "proxy-url", "disable-compression"):
        if cluster.get(key):
            told[key] = cluster[key]
    authority = _pem(cluster, "certificate-authority")
    if authority:
        told["certificate-authority-data"] = base64.b64encode(authority).decode()
    for one in cluster.get("extensions") or []:
        if isinstance(one, dict) and one.get("name") == "client.authentication.k8s.io/exec":
            told["config"] = one.get("extension")
    return told


def _impersonation(user: Mapping[str, Any]) -> list[tuple[str, str]]:
    headers = [("Impersonate-User", str(user["as"]))] if user.get("as") else []
    if user.get("as-uid"):
        headers.append(("Impersonate-Uid", str(user["as-uid"])))
    headers += [("Impersonate-Group", str(group)) for group in user.get("as-groups") or []]
    for key, values in (user.get("as-user-extra") or {}).items():
        from urllib.parse import quote  # noqa: PLC0415 - few impersonate

        headers += [(f"Impersonate-Extra-{quote(str(key), safe=_TOKEN)}", str(one)) for one in values or []]
    if headers and not user.get("as"):
        # kubectl refuses it as well: groups without a user would be dropped, and more be seen than was meant.
        raise NoKubeconfig("the kubeconfig impersonates a group, UID or extra without a user", "set as")
    return headers
