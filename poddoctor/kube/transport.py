"""A wave of Reads over libcurl: one connection, HTTP/2 multiplexed, so a wave costs one round trip.

Servers and proxies that speak only HTTP/1.1 get a few connections instead of one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import quote, urlencode

import pycurl

from poddoctor.kube import trust
from poddoctor.kube.answers import answer, date
from poddoctor.kube.credentials import Credentials, obtain
from poddoctor.kube.errors import Unreachable
from poddoctor.kube.exchange import Exchange, request
from poddoctor.kube.kubeconfig import Connection, resolve
from poddoctor.kube.pages import PAGE, rest
from poddoctor.kube.wire import Wire
from poddoctor.model import Absent, Answer, Read

_METADATA = "application/json;as={kind};g=meta.k8s.io;v=v1,application/json"
_LOG_SHARE = 0.4
_PAGES_SHARE = 0.5
_LOG_TRIES = 2
_NOT_AGAIN = frozenset(
    {
        pycurl.E_PEER_FAILED_VERIFICATION,
        pycurl.E_SSL_CONNECT_ERROR,
        pycurl.E_SSL_CERTPROBLEM,
        pycurl.E_SSL_CACERT_BADFILE,
        pycurl.E_SSL_CIPHER,
        pycurl.E_COULDNT_RESOLVE_HOST,
        pycurl.E_COULDNT_RESOLVE_PROXY,
        pycurl.E_UNSUPPORTED_PROTOCOL,
        pycurl.E_URL_MALFORMAT,
        pycurl.E_BAD_FUNCTION_ARGUMENT,
        pycurl.E_WRITE_ERROR,
        # Only when its share of the time is used up: another try would use up what is left.
        pycurl.E_OPERATION_TIMEDOUT,
    }
)


class Cluster:
    """A connection to one API server, for the length of one command. Only GET is ever sent."""

    def __init__(self, connection: Connection, credentials: Credentials, timeout: float) -> None:
        self._connection = connection
        self._credentials = credentials
        self._timeout = timeout
        self._end = time.monotonic() + timeout
        self._wire = Wire(self._handle)
        self._files: dict[bytes, str] = {}
        self._greeting: Exchange | None = None
        self._early: dict[Read, Exchange] = {}
        self._version = ""
        self._clock: datetime | None = None
        self._reached = False

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
    def context(self) -> str:
        """The name of the context; empty inside a cluster."""
        return self._connection.context

    @property
    def clock(self) -> datetime:
        """The server's time by its first ``Date`` header, UTC; this machine's where it sends none."""
        return self._clock or datetime.now(timezone.utc)

    @property
    def version(self) -> str:
        """The server's version such as ``v1.34.4``; empty when unknown."""
        if self._greeting is not None:
            self._wire.finish([self._greeting])
            self._learn(self._greeting)
            greeting, self._greeting = self._greeting, None
            if greeting.status == 200:
                with suppress(ValueError, AttributeError, RecursionError):
                    self._version = str(json.loads(greeting.body.getvalue()).get("gitVersion") or "")
        return self._version

    def prewarm(self, reads: Sequence[Read] = ()) -> None:
        """Starts dialing, and asking these Reads, in the background: it overlaps with the imports.

        The answers are kept for the first ``ask`` that wants them.
        """
        if self._greeting is None:
            self._greeting = self._greet()
            self._early = {read: self._exchange(read) for read in reads if _is_sound(read)}
            self._wire.start([*self._early.values(), self._greeting])

    def close(self) -> None:
        """Closes the connections and deletes what was written. May be called twice."""
        self._wire.close()
        while self._files:
            Path(self._files.popitem()[1]).unlink(missing_ok=True)

    def ask(self, reads: Sequence[Read]) -> dict[Read, Answer]:
        """The answers to one wave, asked in parallel. Every Read gets one.

        Raises:
            Unreachable, CertificateFailed: when the server cannot be reached at all.
            Unauthorized: when it does not know who asks.
        """
        answers: dict[Read, Answer] = {read: Absent("no object can have such a name") for read in reads}
        answers.update(self._wave([read for read in answers if _is_sound(read)]))
        return {**answers, **rest(answers, self._wave, self._is_late)}

    def _is_late(self) -> bool:
        """Whether the pages of a long list have had their share of the time."""
        return self._end - time.monotonic() < self._timeout * (1 - _PAGES_SHARE)

    def _wave(self, reads: Sequence[Read]) -> dict[Read, Answer]:
        exchanges = {read: self._early_or_new(read) for read in reads}
        self._send(list(exchanges.values()))
        return {read: answer(read, exchange) for read, exchange in exchanges.items()}

    def _early_or_new(self, read: Read) -> Exchange:
        return self._early.pop(read) if read in self._early else self._exchange(read)

    def _exchange(self, read: Read) -> Exchange:
        query = list(read.query)
        if read.verb == "list" and not any(key == "limit" for key, _ in query):
            query.append(("limit", str(PAGE)))
        url = f"{self._connection.server}{quote(read.path, safe='/:@~')}"
        url += f"?{urlencode(query)}" if query else ""
        if read.verb == "log" or read.optional:
            # A kubelet or an add-on that may be gone: it must not use up the time of all that follows.
            return Exchange(url, _accept(read), _LOG_SHARE, _LOG_TRIES)
        return Exchange(url, _accept(read))

    def _greet(self) -> Exchange:
        return Exchange(f"{self._connection.server}/version", "application/json")

    def _handle(self, exchange: Exchange) -> pycurl.Curl:
        connection = self._connection
        headers = (*trust.host_header(connection), *self._credentials.headers)
        handle = request(exchange, headers, self._end)
        trust.route(handle, connection)
        if exchange.url.startswith("https"):
            trust.secure(handle, connection, self._credentials, self._keep)
            if connection.tls_server_name:
                trust.rename(handle, connection, exchange.url)
        return handle

    def _keep(self, data: bytes) -> str:
        if data not in self._files:
            from tempfile import NamedTemporaryFile  # noqa: PLC0415 - only for a libcurl without blobs

            with NamedTemporaryFile(prefix="poddoctor-", delete=False) as file:  # mode 0600
                self._files[data] = file.name
                file.write(data)
        return self._files[data]

    def _send(self, exchanges: Sequence[Exchange]) -> None:
        if not exchanges:
            return
        self._transfer(exchanges, [one for one in exchanges if not one.tries])
        if any(one.status == 401 for one in exchanges):
            self._log_in_again(exchanges)
        again = [one for one in exchanges if _may_retry(one, reached=self._reached)]
        if again and (self._reached or not self._is_expired()):
            self._retry(again)
        if self._greeting is not None and self._greeting.over:
            self._learn(self._greeting)
        if not self._reached:
            from poddoctor.kube.failures import unreachable  # noqa: PLC0415 - only for an error

            raise unreachable(self._connection, self._credentials, exchanges[0].error, self._timeout)

    def _is_expired(self) -> bool:
        from poddoctor.kube.failures import expired  # noqa: PLC0415 - only for an error

        return bool(expired(self._credentials))

    def _transfer(self, exchanges: Sequence[Exchange], unsent: Sequence[Exchange]) -> None:
        """Waits for the exchanges; those that are not under way yet (or are to be sent again) are sent."""
        if time.monotonic() >= self._end:
            for one in exchanges:
                one.error = (pycurl.E_OPERATION_TIMEDOUT, f"the time of {self._timeout:.3g} s is used up")
            return
        new = list(unsent)
        if self._greeting is None and not self._reached:
            # It travels with the first wave, and is waited for when somebody wants to know.
            self._greeting = self._greet()
            new.append(self._greeting)
        self._wire.finish(exchanges, new)
        for one in exchanges:
            self._learn(one)

    def _learn(self, exchange: Exchange) -> None:
        self._reached = self._reached or exchange.status > 0
        if self._clock is None and "date" in exchange.headers:
            self._clock = date(exchange.headers["date"])

    def _log_in_again(self, exchanges: Sequence[Exchange]) -> None:
        """A token that expired on the way is had anew, once; else the server does not know who asks."""
        refused = [one for one in exchanges if one.status == 401]
        if self._credentials.renewable:
            fresh = obtain(self._connection, max(0.1, self._end - time.monotonic()))
            self._credentials, changed = replace(fresh, renewable=False), fresh != self._credentials
            if changed:
                self._transfer(refused, refused)
        # A single 401 among answers is an API service of its own that has a quarrel with the server.
        if all(one.status in (0, 401) for one in exchanges):
            from poddoctor.kube.failures import unauthorized  # noqa: PLC0415 - only for an error

            raise unauthorized(self._connection, self._credentials)

    def _retry(self, exchanges: list[Exchange]) -> None:
        from poddoctor.kube.retry import attempts  # noqa: PLC0415 - tenacity is imported on the first failure

        for attempt in attempts(lambda: _asked_wait(exchanges), self._end):
            with attempt:
                self._transfer(exchanges, exchanges)
                exchanges[:] = [one for one in exchanges if _may_retry(one, reached=self._reached)]
                if exchanges:
                    raise Unreachable(f"{len(exchanges)} reads failed")


def _is_sound(read: Read) -> bool:
    """Whether each part of the path is one segment: a name must not lead to another object."""
    parts = (read.namespace, read.name, read.resource, *read.api.split("/"))
    return not any(part in (".", "..") or "/" in part or "%" in part for part in parts) and (
        read.verb == "list" or bool(read.name)
    )


def _accept(read: Read) -> str:
    if read.verb == "log":
        return "*/*"
    if read.metadata_only:
        return _METADATA.format(kind="PartialObjectMetadata" + ("List" if read.verb == "list" else ""))
    return "application/json"


def _may_retry(exchange: Exchange, *, reached: bool) -> bool:
    """Whether asking again may help: throttling, server errors, resets. Never 401, 403 or 404."""
    if exchange.error[0] == pycurl.E_COULDNT_CONNECT:
        # A server that was there a moment ago is being restarted.
        return reached
    if exchange.error[0]:
        return exchange.error[0] not in _NOT_AGAIN
    return exchange.status == 429 or (exchange.status >= 500 and exchange.tries < exchange.most)


def _asked_wait(exchanges: Sequence[Exchange]) -> float:
    """Seconds that a server asked to wait (Retry-After)."""
    asked = [one.headers.get("retry-after", "") for one in exchanges]
    return max((float(value) for value in asked if value.isascii() and value.isdigit()), default=0.0)
