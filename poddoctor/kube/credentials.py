"""Who asks: headers and certificates for a connection. When they cannot be had, nothing is sent."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from poddoctor.kube.errors import CredentialsFailed
from poddoctor.kube.kubeconfig import Connection

_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Request headers, and a client certificate with its key in PEM (empty without one)."""

    headers: tuple[tuple[str, str], ...] = ()
    certificate: bytes = b""
    key: bytes = b""


def obtain(connection: Connection, timeout: float) -> Credentials:
    """The credentials of a connection; exec plugins get ``timeout`` seconds.

    Raises:
        CredentialsFailed: when a plugin or a file fails. Nothing may be sent then: an anonymous request
            would be answered with somebody else's rights.
    """
    certificate, key = connection.certificate, connection.key
    authorization = _basic(connection)
    # The order is kubectl's: a plain token wins over a plugin, a plugin over the old providers.
    if connection.token or connection.token_file:
        authorization = f"Bearer {_token(connection)}"
    elif connection.exec_spec:
        status = _run(connection.exec_spec, timeout)
        certificate = str(status.get("clientCertificateData") or "").encode() or certificate
        key = str(status.get("clientKeyData") or "").encode() or key
        authorization = f"Bearer {status['token']}" if status.get("token") else authorization
    elif connection.auth_provider:
        authorization = _provided(connection)
    headers = (("Authorization", authorization),) if authorization else ()
    return Credentials((*headers, *connection.impersonate), certificate, key)


def _basic(connection: Connection) -> str:
    if not connection.username:
        return ""
    pair = f"{connection.username}:{connection.password}".encode()
    return "Basic " + base64.b64encode(pair).decode()


def _token(connection: Connection) -> str:
    if not connection.token_file:
        return connection.token
    try:
        # Read anew each time: kubelet rotates it.
        return Path(connection.token_file).read_text(encoding="utf-8").strip()
    except OSError as error:
        if connection.token:
            return connection.token
        raise CredentialsFailed(
            f"cannot read the token file {connection.token_file}: {error.strerror}"
        ) from error


def _run(spec: Mapping[str, Any], timeout: float) -> Mapping[str, Any]:
    command = [str(spec["command"]), *map(str, spec.get("args") or [])]
    env = {**os.environ, **{str(one["name"]): str(one.get("value", "")) for one in spec.get("env") or []}}
    env["KUBERNETES_EXEC_INFO"] = json.dumps(_info(spec))
    try:
        done = subprocess.run(  # noqa: S603 - kubectl runs the same
            command, capture_output=True, env=env, timeout=timeout, check=False, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError as error:
        hint = " ".join(
            str(spec.get("installHint") or "install it, or fix the user's exec in the kubeconfig").split()
        )
        raise CredentialsFailed(f"the credential plugin {command[0]} is not there: {hint}") from error
    except subprocess.TimeoutExpired as error:
        raise CredentialsFailed(
            f"the credential plugin {command[0]} gave no answer in {timeout:g} s"
        ) from error
    except OSError as error:
        raise CredentialsFailed(
            f"the credential plugin {command[0]} cannot be run: {error.strerror}"
        ) from error
    if done.returncode:
        said = " ".join(done.stderr.decode(errors="replace").split())[-300:] or "it said nothing"
        raise CredentialsFailed(
            f"the credential plugin {command[0]} failed with exit code {done.returncode}: {said}"
        )
    return _status(command[0], done.stdout)


def _info(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    inner: dict[str, Any] = {"interactive": False}
    if spec.get("provideClusterInfo"):
        inner["cluster"] = spec.get("__cluster__") or {}
    return {"apiVersion": spec.get("apiVersion") or _VERSIONS[0], "kind": "ExecCredential", "spec": inner}


def _status(command: str, output: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(output)
        status = document["status"]
        version = document.get("apiVersion")
    except (ValueError, KeyError, TypeError) as error:
        raise CredentialsFailed(f"the credential plugin {command} printed no ExecCredential") from error
    if version not in _VERSIONS:
        raise CredentialsFailed(
            f"the credential plugin {command} answers in {version}: v1 or v1beta1 is needed"
        )
    if not isinstance(status, dict) or not (status.get("token") or status.get("clientCertificateData")):
        raise CredentialsFailed(f"the credential plugin {command} gave neither a token nor a certificate")
    return status


def _provided(connection: Connection) -> str:
    """The old auth-provider form, by the official client alone."""
    from kubernetes import config  # noqa: PLC0415 - slow to import, and rarely needed
    from kubernetes.client import Configuration  # noqa: PLC0415

    chosen = Configuration()
    try:
        config.load_kube_config(  # type: ignore[no-untyped-call]
            config_file=os.pathsep.join(connection.source),
            context=connection.context,
            client_configuration=chosen,
        )
    except Exception as error:
        raise CredentialsFailed(
            f"the auth-provider of context {connection.context} failed: {error}"
        ) from error
    token = chosen.api_key.get("authorization") or chosen.api_key.get("BearerToken")
    if not token:
        raise CredentialsFailed(f"the auth-provider of context {connection.context} gave no token")
    return str(token)
