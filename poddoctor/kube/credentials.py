"""Who asks: headers and certificates for a connection. When they cannot be had, nothing is sent."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass, field
from pathlib import Path

from poddoctor.kube.errors import CredentialsFailed
from poddoctor.kube.kubeconfig import Connection


@dataclass(frozen=True, slots=True)
class Credentials:
    """Request headers, and a client certificate with its key in PEM (empty without one).

    They are kept in memory alone, for the length of one command: a file would serve a token to whoever
    the user has become since, and would be one more place to steal it from.

    Attributes:
        renewable: whether asking again may give other ones (a plugin's token that has expired).
    """

    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    certificate: bytes = b""
    key: bytes = field(default=b"", repr=False)
    renewable: bool = False


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
    elif authorization:
        pass
    elif connection.exec_spec:
        from poddoctor.kube.plugin import run  # noqa: PLC0415 - subprocess is slow to import

        status = run(connection.exec_spec, connection.exec_cluster, timeout)
        certificate, key = status.certificate or certificate, status.key or key
        authorization = f"Bearer {status.token}" if status.token else ""
    elif connection.auth_provider:
        authorization = _provided(connection)
    if bool(certificate) != bool(key):
        missing = "client key" if certificate else "client certificate"
        raise CredentialsFailed(f"the {missing} is missing", "fix the user in the kubeconfig")
    if b"ENCRYPTED" in key:
        raise CredentialsFailed("the client key is encrypted", "decrypt it: kubectl cannot ask for it either")
    headers = (*((("Authorization", authorization),) if authorization else ()), *connection.impersonate)
    if any(not part.isprintable() for header in headers for part in header):
        raise CredentialsFailed("a token or an impersonated name holds a line break or control character")
    return Credentials(headers, certificate, key, bool(connection.exec_spec or connection.token_file))


def _basic(connection: Connection) -> str:
    if not connection.username and not connection.password:
        return ""
    pair = f"{connection.username}:{connection.password}".encode()
    return "Basic " + base64.b64encode(pair).decode()


def _token(connection: Connection) -> str:
    if not connection.token_file:
        return connection.token
    try:
        # Read anew each time: kubelet rotates it.
        token = Path(connection.token_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        if connection.token:
            return connection.token
        said = getattr(error, "strerror", None) or "it is not text"
        raise CredentialsFailed(f"cannot read the token file {connection.token_file}: {said}") from error
    if not token and not connection.token:
        raise CredentialsFailed(f"the token file {connection.token_file} is empty")
    return token or connection.token


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
