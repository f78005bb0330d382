"""Whom libcurl trusts, what it shows of itself, and by which way it goes."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from urllib.parse import urlsplit

import pycurl

from poddoctor.kube.credentials import Credentials
from poddoctor.kube.kubeconfig import Connection

Keep = Callable[[bytes], str]
"""Writes bytes to a private file that lasts as long as the connection, and gives its path."""


def secure(handle: pycurl.Curl, connection: Connection, credentials: Credentials, keep: Keep) -> None:
    """Sets certificates: the authority, the client's own, and the name that the server must show."""
    if connection.insecure:
        handle.setopt(pycurl.SSL_VERIFYPEER, 0)
        handle.setopt(pycurl.SSL_VERIFYHOST, 0)
    elif connection.ca:
        _pem(handle, "CAINFO", connection.ca, keep)
    else:
        _trust_system(handle, pycurl.CAINFO, pycurl.CAPATH)
    if credentials.certificate:
        _pem(handle, "SSLCERT", credentials.certificate, keep)
        _pem(handle, "SSLKEY", credentials.key, keep)
        # Without it OpenSSL would ask the terminal for the passphrase of an encrypted key.
        handle.setopt(pycurl.KEYPASSWD, "")


def route(handle: pycurl.Curl, connection: Connection) -> None:
    """Sets the proxy as kubectl would: the kubeconfig's, else the environment's, none to this machine."""
    if connection.proxy_url:
        # socks5 means to kubectl what socks5h means to libcurl: the proxy resolves the name.
        handle.setopt(pycurl.PROXY, connection.proxy_url.replace("socks5://", "socks5h://", 1))
        handle.setopt(pycurl.NOPROXY, "")
        if connection.proxy_url.startswith("https:"):
            _trust_system(handle, pycurl.PROXY_CAINFO, pycurl.PROXY_CAPATH)
    elif _is_loopback(urlsplit(connection.server).hostname or ""):
        handle.setopt(pycurl.PROXY, "")


def rename(handle: pycurl.Curl, connection: Connection, url: str) -> None:
    """Goes to the same address under the name of ``tls-server-name``.

    libcurl verifies against the URL's host: so the name stands there, and is led to the address.
    """
    parts, name = urlsplit(connection.server), connection.tls_server_name
    port = parts.port or 443
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    handle.setopt(pycurl.CONNECT_TO, [f"{name}:{port}:{host}:{port}"])
    handle.setopt(pycurl.URL, url.replace(f"//{parts.netloc}", f"//{name}:{port}", 1).encode())


def host_header(connection: Connection) -> tuple[tuple[str, str], ...]:
    """The header that keeps the server's own name where ``rename`` puts another into the URL."""
    if not connection.tls_server_name:
        return ()
    return (("Host", urlsplit(connection.server).netloc.rpartition("@")[2]),)


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


def _pem(handle: pycurl.Curl, option: str, data: bytes, keep: Keep) -> None:
    """PEM data from memory; by a file where this libcurl cannot."""
    with suppress(AttributeError, pycurl.error):
        handle.setopt(getattr(pycurl, f"{option}_BLOB"), data)
        return
    handle.setopt(getattr(pycurl, option), keep(data))


def _trust_system(handle: pycurl.Curl, file_option: int, folder_option: int) -> None:
    """The system's trust store: pycurl's wheels carry an OpenSSL that knows another one."""
    file, folder = _system()
    if file:
        handle.setopt(file_option, file)
    if folder:
        handle.setopt(folder_option, folder)


@cache
def _system() -> tuple[str | None, str | None]:
    import ssl  # noqa: PLC0415 - only for a kubeconfig without a certificate authority

    # It honours SSL_CERT_FILE and SSL_CERT_DIR, and gives None for what is not there.
    paths = ssl.get_default_verify_paths()
    if not paths.cafile and os.path.isfile("/etc/ssl/certs/ca-certificates.crt"):  # noqa: PTH113 - as ssl has it
        return "/etc/ssl/certs/ca-certificates.crt", paths.capath
    return paths.cafile, paths.capath
