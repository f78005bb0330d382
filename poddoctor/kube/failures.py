"""Why no connection came about, in words: imported only when none did."""

from __future__ import annotations

from datetime import datetime, timezone

import pycurl

from poddoctor.kube.credentials import Credentials
from poddoctor.kube.errors import CertificateFailed, KubeError, Unauthorized, Unreachable
from poddoctor.kube.kubeconfig import Connection

TLS_ERRORS = frozenset(
    {
        pycurl.E_PEER_FAILED_VERIFICATION,
        pycurl.E_SSL_CONNECT_ERROR,
        pycurl.E_SSL_CERTPROBLEM,
        pycurl.E_SSL_CACERT_BADFILE,
        pycurl.E_SSL_CIPHER,
        pycurl.E_SSL_ISSUER_ERROR,
        pycurl.E_BAD_FUNCTION_ARGUMENT,
    }
)
# What OpenSSL says, and what it means. The first that occurs is taken.
_SAID = (
    (
        ("wrong version number", "packet length too long"),
        "{server} does not speak TLS",
        "it should begin with http://, or the port is wrong",
    ),
    (
        ("trust anchors", "CAfile"),
        "the certificate-authority for {server} cannot be read: it holds no PEM certificate",
        "fetch the kubeconfig anew",
    ),
    (
        ("client certificate", "private key"),
        "the client certificate or key for {server} cannot be read: they are no PEM, or no pair",
        "fetch the kubeconfig anew, or log in again",
    ),
    (
        ("alert", "certificate required"),
        "{server} refused the client certificate{because}",
        "renew the client certificate of the kubeconfig, or log in again",
    ),
    (
        ("certificate has expired",),
        "the certificate of {server} has expired",
        "renew it on the cluster (kubeadm certs renew all), and check this machine's clock",
    ),
    (
        ("not yet valid",),
        "the certificate of {server} is not valid yet",
        "check the clocks of this machine and of the cluster",
    ),
    (
        (
            "self-signed",
            "self signed",
            "issuer certificate",
            "unable to verify the first",
            "verify signature",
        ),
        "the certificate of {server} is from an authority that is not trusted here",
        "set certificate-authority-data in the kubeconfig to the cluster's CA, or fetch the kubeconfig anew",
    ),
    (
        ("subject name", "hostname mismatch", "IP address mismatch"),
        "the certificate of {server} is for another name",
        "use a name that it holds, or set tls-server-name in the kubeconfig",
    ),
)


def unreachable(
    connection: Connection, credentials: Credentials, error: tuple[int, str], timeout: float
) -> KubeError:
    """The error to raise when nothing was answered at all; ``error`` is libcurl's, ``timeout`` seconds."""
    code, message = error
    server = _shown(connection.server)
    since = expired(credentials)
    if code in TLS_ERRORS or "alert" in message:
        return _certificate(server, message, since)
    if code == pycurl.E_OPERATION_TIMEDOUT:
        return Unreachable(
            f"{server} gave no answer in {timeout:.3g} s", "is the cluster up, is a VPN or proxy needed?"
        )
    if since and code in (pycurl.E_SEND_ERROR, pycurl.E_RECV_ERROR, pycurl.E_GOT_NOTHING):
        # With TLS 1.3 a server refuses after the handshake, and the refusal may be lost in a reset.
        return _certificate(server, "alert", since)
    hint = "is the cluster up, is the context right?"
    if server.startswith("http:") and code in (pycurl.E_GOT_NOTHING, pycurl.E_RECV_ERROR):
        hint = "should the server begin with https://?"
    return Unreachable(f"cannot reach {server}: {message}", hint)


def _certificate(server: str, message: str, since: str) -> CertificateFailed:
    because = f": it expired {since}" if since else ""
    for words, says, hint in _SAID:
        if any(word in message for word in words):
            return CertificateFailed(says.format(server=server, because=because), hint)
    return CertificateFailed(
        f"no trusted connection to {server}: {message}", "check the kubeconfig's certificates"
    )


def unauthorized(connection: Connection, credentials: Credentials) -> Unauthorized:
    """The error to raise when the server does not know who asks."""
    who = f" of context {connection.context}" if connection.context else ""
    since = expired(credentials)
    if since:
        return Unauthorized(
            f"the client certificate{who} expired {since} (401)",
            "renew it (kubeadm certs renew admin.conf), or fetch the kubeconfig anew",
        )
    return Unauthorized(
        f"the API server refused the credentials{who} (401)", "log in again, or fix the kubeconfig"
    )


def expired(credentials: Credentials) -> str:
    """Since when the client certificate is no longer valid, or empty."""
    from poddoctor.kube.x509 import not_after  # noqa: PLC0415 - only for an error

    end = not_after(credentials.certificate)
    return f"{end:%Y-%m-%d %H:%M} UTC" if end and end < datetime.now(timezone.utc) else ""


def _shown(server: str) -> str:
    """The URL without ``user:password@``."""
    scheme, separator, rest = server.partition("://")
    return scheme + separator + rest.rpartition("@")[2]
