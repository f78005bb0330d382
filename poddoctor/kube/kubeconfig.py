"""Resolving what kubectl resolves: which server, as whom, trusting what."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from poddoctor.kube.errors import ContextNotFound, NoKubeconfig

_POD_SECRETS = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True, slots=True)
class Connection:
    """Everything that a connection needs; bytes are PEM, empty where the kubeconfig says nothing.

    Attributes:
        server: base URL without a trailing slash.
        namespace: the context's, ``default`` when it names none.
        exec_spec: the ``exec`` mapping of the user, empty without one.
        auth_provider: whether the user has the old ``auth-provider`` form.
        impersonate: header name to values.
        source: the kubeconfig paths, for the official client.
    """

    server: str
    namespace: str = "default"
    context: str = ""
    ca: bytes = b""
    certificate: bytes = b""
    key: bytes = b""
    token: str = ""
    token_file: str = ""
    username: str = ""
    password: str = ""
    insecure: bool = False
    tls_server_name: str = ""
    proxy_url: str = ""
    exec_spec: Mapping[str, Any] = field(default_factory=dict)
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
    existing = [path for path in paths if path.is_file()]
    if kubeconfig and not existing:
        raise NoKubeconfig(f"the kubeconfig {kubeconfig} does not exist: check --kubeconfig")
    if not existing:
        inside = _in_cluster()
        if inside:
            return inside
        tried = ", ".join(map(str, paths))
        raise NoKubeconfig(f"no kubeconfig (tried {tried}): set KUBECONFIG or give --kubeconfig")
    return _from_config(_merged(existing), context, existing)


def _paths(kubeconfig: str | None) -> list[Path]:
    if kubeconfig:
        return [Path(kubeconfig).expanduser()]
    named = [part for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    return [Path(part).expanduser() for part in named] or [Path.home() / ".kube" / "config"]


def _in_cluster() -> Connection | None:
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host or not (_POD_SECRETS / "token").is_file():
        return None
    bracketed = f"[{host}]" if ":" in host else host
    space = _POD_SECRETS / "namespace"
    return Connection(
        server=f"https://{bracketed}:{port}",
        namespace=space.read_text().strip() if space.is_file() else "default",
        ca=(_POD_SECRETS / "ca.crt").read_bytes(),
        token_file=str(_POD_SECRETS / "token"),
    )


def _merged(paths: list[Path]) -> dict[str, Any]:
    """The files as one: the first to name a context, cluster or user wins."""
    merged: dict[str, Any] = {"contexts": {}, "clusters": {}, "users": {}, "current-context": ""}
    for path in paths:
        document = _parsed(path)
        merged["current-context"] = merged["current-context"] or document.get("current-context") or ""
        for section, inner in (("contexts", "context"), ("clusters", "cluster"), ("users", "user")):
            for one in document.get(section) or []:
                entry = {**(one.get(inner) or {}), "__dir__": path.parent}
                merged[section].setdefault(one.get("name"), entry)
    return merged


def _parsed(path: Path) -> Mapping[str, Any]:
    import yaml  # noqa: PLC0415 - in-cluster needs none

    try:
        document = yaml.load(path.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except OSError as error:
        raise NoKubeconfig(f"cannot read the kubeconfig {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise NoKubeconfig(f"the kubeconfig {path} is not YAML: {str(error).splitlines()[0]}") from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise NoKubeconfig(f"the kubeconfig {path} is not a kubeconfig: it holds no mapping")
    return document


def _from_config(config: Mapping[str, Any], context: str | None, paths: list[Path]) -> Connection:
    name = context or config["current-context"]
    contexts = config["contexts"]
    if not name:
        raise ContextNotFound(
            f"the kubeconfig has no current context: give --context, one of {_some(contexts)}"
        )
    if name not in contexts:
        raise ContextNotFound(f"the kubeconfig has no context {name!r}: there are {_some(contexts)}")
    chosen = contexts[name]
    cluster = config["clusters"].get(chosen.get("cluster"))
    if cluster is None or not cluster.get("server"):
        raise ContextNotFound(
            f"context {name!r} names the cluster {chosen.get('cluster')!r}, which has no server"
        )
    user = config["users"].get(chosen.get("user"))
    if user is None and chosen.get("user"):
        raise ContextNotFound(
            f"context {name!r} names the user {chosen['user']!r}, which is not in the kubeconfig"
        )
    user = user or {}
    return Connection(
        server=str(cluster["server"]).rstrip("/"),
        namespace=str(chosen.get("namespace") or "default"),
        context=name,
        ca=_pem(cluster, "certificate-authority"),
        certificate=_pem(user, "client-certificate"),
        key=_pem(user, "client-key"),
        token=str(user.get("token") or ""),
        token_file=str(_path(user, "tokenFile") or ""),
        username=str(user.get("username") or ""),
        password=str(user.get("password") or ""),
        insecure=bool(cluster.get("insecure-skip-tls-verify")),
        tls_server_name=str(cluster.get("tls-server-name") or ""),
        proxy_url=str(cluster.get("proxy-url") or ""),
        exec_spec=_exec(user, cluster),
        auth_provider=bool(user.get("auth-provider")),
        impersonate=tuple(_impersonation(user)),
        source=tuple(map(str, paths)),
    )


def _some(names: Mapping[str, Any]) -> str:
    return ", ".join(sorted(map(str, names))[:8]) or "none"


def _path(entry: Mapping[str, Any], key: str) -> Path | None:
    """A path in a kubeconfig is relative to the file that holds it."""
    value = entry.get(key)
    return Path(entry["__dir__"], Path(str(value)).expanduser()) if value else None


def _pem(entry: Mapping[str, Any], key: str) -> bytes:
    data = entry.get(f"{key}-data")
    if data:
        try:
            return base64.b64decode(str(data), validate=True)
        except (binascii.Error, ValueError) as error:
            raise NoKubeconfig(f"{key}-data in the kubeconfig is not base64: {error}") from error
    path = _path(entry, key)
    if path is None:
        return b""
    try:
        return path.read_bytes()
    except OSError as error:
        raise NoKubeconfig(f"cannot read the {key} {path}: {error.strerror}") from error


def _exec(user: Mapping[str, Any], cluster: Mapping[str, Any]) -> Mapping[str, Any]:
    spec = user.get("exec")
    if not spec:
        return {}
    command = str(spec.get("command") or "")
    # A command with a slash is relative to its kubeconfig, like every other path in it.
    if "/" in command:
        command = str(Path(user["__dir__"], command))
    shown = {key: value for key, value in cluster.items() if key != "__dir__"}
    return {**spec, "command": command, "__cluster__": shown}


def _impersonation(user: Mapping[str, Any]) -> list[tuple[str, str]]:
    headers = [("Impersonate-User", str(user["as"]))] if user.get("as") else []
    if user.get("as-uid"):
        headers.append(("Impersonate-Uid", str(user["as-uid"])))
    headers += [("Impersonate-Group", str(group)) for group in user.get("as-groups") or []]
    for key, values in (user.get("as-user-extra") or {}).items():
        headers += [(f"Impersonate-Extra-{key}", str(value)) for value in values]
    return headers
