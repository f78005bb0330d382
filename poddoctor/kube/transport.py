"""A wave of Reads over libcurl: one connection, HTTP/2 multiplexed, so a wave costs one round trip.

Servers and proxies that speak only HTTP/1.1 get a few connections instead of one.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from io import BytesIO
from threading import Thread
from urllib.parse import urlencode, urlsplit

import pycurl

from poddoctor.kube.credentials import Credentials, obtain
from poddoctor.kube.errors import CertificateFailed, KubeError, Unauthorized, Unreachable, status_message
from poddoctor.kube.kubeconfig import Connection, resolve
from poddoctor.kube.redact import cleaned
from poddoctor.model import Absent, Answer, Body, Found, Read, Unknown

MAX_BODY = 64 * 2**20
PAGE = 500
_CONNECTIONS = 6
_JSON = "application/json"
_METADATA = "application/json;as={kind};g=meta.k8s.io;v=v1,application/json"
_TLS_ERRORS = {
    pycurl.E_PEER_FAILED_VERIFICATION,
    pycurl.E_SSL_CONNECT_ERROR,
    pycurl.E_SSL_CERTPROBLEM,
    pycurl.E_SSL_CACERT_BADFILE,
    pycurl.E_SSL_CIPHER,
}
_NOT_AGAIN = {
    *_TLS_ERRORS,
    pycurl.E_COULDNT_RESOLVE_HOST,
    pycurl.E_COULDNT_CONNECT,
    pycurl.E_UNSUPPORTED_PROTOCOL,
}


@dataclass
class _Exchange:
    """One request under way: where its answer is gathered."""

    read: Read
    url: str
    body: BytesIO = field(default_factory=BytesIO)
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 0
    error: tuple[int, str] = (0, "")
    too_large: bool = False

    def write(self, data: bytes) -> int:
        """Takes a piece of the body; a body over MAX_BODY ends the transfer."""
        if self.body.tell() + len(data) > MAX_BODY:
            self.too_large = True
            return -1
        return self.body.write(data)

    def header(self, line: bytes) -> None:
        """Takes one header line."""
        name, colon, value = line.decode("latin-1").partition(":")
        if colon:
            self.headers[name.strip().lower()] = value.strip()


class Cluster:
    """A connection to one API server, for the length of one command. Only GET is ever sent."""

    def __init__(self, connection: Connection, credentials: Credentials, timeout: float) -> None:
        self._connection = connection
        self._credentials = credentials
        self._end = time.monotonic() + timeout
        self._timeout = timeout
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_MULTIPLEX)
        self._multi.setopt(pycurl.M_MAX_HOST_CONNECTIONS, _CONNECTIONS)
        self._clock: datetime | None = None
        self._warm: Thread | None = None
        self.version = ""

    @classmethod
    def open(cls, kubeconfig: str | None, context: str | None, timeout: float) -> Cluster:
        """The cluster that kubectl would talk to; ``timeout`` in seconds is for everything together.

        Raises:
            KubeError: no kubeconfig, no such context, or no credentials.
        """
        connection = resolve(kubeconfig, context)
        start = time.monotonic()
        credentials = obtain(connection, timeout)
        return cls(connection, credentials, max(0.1, timeout - (time.monotonic() - start)))

    @property
    def namespace(self) -> str:
        """The context's namespace."""
        return self._connection.namespace

    @property
    def clock(self) -> datetime:
        """The server's time by its last ``Date`` header, UTC; this machine's where it sends none."""
        return self._clock or datetime.now(timezone.utc)

    def prewarm(self) -> None:
        """Starts dialing in the background: connecting overlaps with whatever is imported next."""
        self._warm = Thread(target=self._dial, daemon=True)
        self._warm.start()

    def close(self) -> None:
        """Closes the connection."""
        self._join()
        self._multi.close()

    def ask(self, reads: Sequence[Read]) -> dict[Read, Answer]:
        """The answers to one wave, asked in parallel. Every Read gets one.

        Raises:
            Unreachable, CertificateFailed: when the server cannot be reached at all.
            Unauthorized: when it does not know who asks.
        """
        self._join()
        exchanges = [_Exchange(read, self._url(read)) for read in reads]
        self._transfer(exchanges)
        again = [one for one in exchanges if _may_retry(one)]
        if again:
            self._retry(again)
        return {one.read: self._answer(one) for one in exchanges}

    def _join(self) -> None:
        if self._warm is not None:
            self._warm.join()
            self._warm = None

    def _dial(self) -> None:
        read = Read("get", "", "version")
        exchange = _Exchange(read, f"{self._connection.server}/version")
        self._perform([exchange])
        if exchange.status == 200:
            try:
                self.version = str(json.loads(exchange.body.getvalue()).get("gitVersion") or "")
            except (ValueError, AttributeError):
                self.version = ""

    def _url(self, read: Read) -> str:
        query = list(read.query)
        if read.verb == "list" and not read.parameter("limit"):
            query.append(("limit", str(PAGE)))
        return f"{self._connection.server}{read.path}" + (f"?{urlencode(query)}" if query else "")

    def _transfer(self, exchanges: Sequence[_Exchange]) -> None:
        self._perform(exchanges)
        failed = [one for one in exchanges if one.error[0]]
        if failed and len(failed) == len(exchanges) and self._clock is None:
            raise self._unreachable(*failed[0].error)
        if any(one.status == 401 for one in exchanges):
            who = f" of context {self._connection.context}" if self._connection.context else ""
            raise Unauthorized(
                f"the API server refused the credentials{who} (401): log in again, or fix the kubeconfig"
            )

    def _perform(self, exchanges: Sequence[_Exchange]) -> None:
        handles = {self._handle(one): one for one in exchanges}
        for handle in handles:
            self._multi.add_handle(handle)
        active = 1
        while active:
            _, active = self._multi.perform()
            self._gather(handles)
            if active:
                self._multi.select(0.2)
        self._gather(handles)
        for handle in handles:
            self._multi.remove_handle(handle)
            handle.close()
        for one in exchanges:
            if "date" in one.headers:
                self._clock = _date(one.headers["date"]) or self._clock

    def _gather(self, handles: dict[pycurl.Curl, _Exchange]) -> None:
        queued = 1
        while queued:
            queued, done, failed = self._multi.info_read()
            for handle in done:
                handles[handle].status = handle.getinfo(pycurl.RESPONSE_CODE)
            for handle, code, message in failed:
                handles[handle].error = (code, message)

    def _handle(self, exchange: _Exchange) -> pycurl.Curl:
        handle = pycurl.Curl()
        handle.setopt(pycurl.URL, exchange.url)
        handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2TLS)
        handle.setopt(pycurl.PIPEWAIT, 1)
        handle.setopt(pycurl.NOSIGNAL, 1)
        handle.setopt(pycurl.ACCEPT_ENCODING, "")
        handle.setopt(pycurl.TIMEOUT_MS, max(1, int((self._end - time.monotonic()) * 1000)))
        handle.setopt(pycurl.WRITEFUNCTION, exchange.write)
        handle.setopt(pycurl.HEADERFUNCTION, exchange.header)
        headers = [f"Accept: {_accept(exchange.read)}", "User-Agent: poddoctor"]
        headers += [f"{name}: {value}" for name, value in self._credentials.headers]
        handle.setopt(pycurl.HTTPHEADER, headers)
        if self._connection.proxy_url:
            handle.setopt(pycurl.PROXY, self._connection.proxy_url)
        if exchange.url.startswith("https"):
            self._secure(handle)
        return handle

    def _secure(self, handle: pycurl.Curl) -> None:
        connection = self._connection
        if connection.insecure:
            handle.setopt(pycurl.SSL_VERIFYPEER, 0)
            handle.setopt(pycurl.SSL_VERIFYHOST, 0)
        elif connection.ca:
            handle.setopt(pycurl.CAINFO_BLOB, connection.ca)
        else:
            _trust_system(handle)
        if self._credentials.certificate:
            handle.setopt(pycurl.SSLCERT_BLOB, self._credentials.certificate)
            handle.setopt(pycurl.SSLKEY_BLOB, self._credentials.key)
        if connection.tls_server_name:
            # libcurl verifies against the URL's host: the name goes there, and the address is pinned to it.
            parts = urlsplit(connection.server)
            port = parts.port or 443
            handle.setopt(pycurl.CONNECT_TO, [f"{connection.tls_server_name}:{port}:{parts.hostname}:{port}"])
            url = handle.getinfo(pycurl.EFFECTIVE_URL)
            handle.setopt(
                pycurl.URL, url.replace(f"//{parts.netloc}", f"//{connection.tls_server_name}:{port}", 1)
            )

    def _unreachable(self, code: int, message: str) -> KubeError:
        server = self._connection.server
        if code in _TLS_ERRORS:
            return CertificateFailed(
                f"no trusted connection to {server}: {message}: check the kubeconfig's certificates"
            )
        if code == pycurl.E_OPERATION_TIMEDOUT:
            return Unreachable(
                f"{server} gave no answer in {round(self._timeout, 1):g} s: is the cluster up?"
            )
        return Unreachable(f"cannot reach {server}: {message}: is the cluster up, is the context right?")

    def _retry(self, exchanges: list[_Exchange]) -> None:
        from poddoctor.kube.retry import attempts  # noqa: PLC0415 - tenacity is imported on the first failure

        for attempt in attempts(lambda: _longest_wait(exchanges), self._end - time.monotonic()):
            with attempt:
                for one in exchanges:
                    one.body, one.headers, one.status, one.error = BytesIO(), {}, 0, (0, "")
                self._transfer(exchanges)
                exchanges[:] = [one for one in exchanges if _may_retry(one)]
                if exchanges:
                    raise Unreachable(f"{len(exchanges)} reads failed")

    def _answer(self, exchange: _Exchange) -> Answer:
        if exchange.too_large:
            return Unknown("cut", f"the answer is larger than {MAX_BODY // 2**20} MiB")
        if exchange.error[0]:
            return self._failure(exchange)
        raw, read = exchange.body.getvalue(), exchange.read
        if exchange.status in (200, 204):
            if read.verb == "log":
                return Found(raw.decode(errors="replace"))
            return self._parsed(read, raw)
        return _refused(exchange.status, status_message(raw) or f"HTTP {exchange.status}")

    @staticmethod
    def _failure(exchange: _Exchange) -> Unknown:
        code, message = exchange.error
        return Unknown("timed-out" if code == pycurl.E_OPERATION_TIMEDOUT else "unreachable", message)

    def _parsed(self, read: Read, raw: bytes) -> Answer:
        try:
            body = json.loads(raw)
        except ValueError:
            return Unknown(
                "error", "the answer is not JSON: something stands between here and the API server"
            )
        if not isinstance(body, dict):
            return Unknown("error", "the answer is no JSON object")
        if read.verb == "list" and not read.parameter("limit"):
            return self._all_pages(read, body)
        return Found(cleaned(read, body))

    def _all_pages(self, read: Read, first: Body) -> Answer:
        """Follows ``continue``; a list that expired on the way is Unknown, for half a list is no list."""
        items = list(first.get("items") or [])
        token = (first.get("metadata") or {}).get("continue")
        while token:
            query = (*read.query, ("continue", token), ("limit", str(PAGE)))
            page = Read("list", read.api, read.resource, read.namespace, "", query, read.metadata_only)
            answer = self.ask([page])[page]
            if not isinstance(answer, Found):
                return (
                    answer
                    if isinstance(answer, Unknown)
                    else Unknown("expired", "the list changed while it was read")
                )
            items += answer.body.get("items") or []
            token = (answer.body.get("metadata") or {}).get("continue")
        return Found(cleaned(read, {**first, "items": items}))


def _refused(status: int, message: str) -> Answer:
    if status == 404:
        return Absent(message)
    return Unknown("forbidden" if status == 403 else "expired" if status == 410 else "error", message)


def _accept(read: Read) -> str:
    if read.verb == "log":
        return "*/*"
    if read.metadata_only:
        return _METADATA.format(kind="PartialObjectMetadata" + ("List" if read.verb == "list" else ""))
    return _JSON


def _may_retry(exchange: _Exchange) -> bool:
    """Whether asking again may help: throttling, server errors, resets. Never 401, 403 or 404."""
    if exchange.too_large:
        return False
    if exchange.error[0]:
        return exchange.error[0] not in _NOT_AGAIN and exchange.error[0] != pycurl.E_OPERATION_TIMEDOUT
    # A log answered with 500 is kubelet out of reach: that does not pass within a budget of seconds.
    return exchange.status == 429 or (exchange.status >= 500 and exchange.read.verb != "log")


def _longest_wait(exchanges: Sequence[_Exchange]) -> float:
    """Seconds that a server asked to wait (Retry-After)."""
    asked = [one.headers.get("retry-after", "") for one in exchanges]
    return max((float(value) for value in asked if value.isdigit()), default=0.0)


def _date(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text).astimezone(timezone.utc)
    except (TypeError, ValueError):
        return None


def _trust_system(handle: pycurl.Curl) -> None:
    """The system's trust store: pycurl's wheels carry an OpenSSL that knows another one."""
    import ssl  # noqa: PLC0415 - only for a kubeconfig without a certificate authority

    paths = ssl.get_default_verify_paths()
    file = os.environ.get("SSL_CERT_FILE") or paths.cafile
    if file and os.path.isfile(file):  # noqa: PTH113 - it is a string from ssl
        handle.setopt(pycurl.CAINFO, file)
    if paths.capath and os.path.isdir(paths.capath):  # noqa: PTH112
        handle.setopt(pycurl.CAPATH, paths.capath)
