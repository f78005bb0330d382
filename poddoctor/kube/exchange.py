"""One HTTP request and its answer, as raw as it came."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO

import pycurl

MAX_BODY = 64 * 2**20
"""Bytes of one answer, after decompression; what is larger is cut."""


@dataclass(slots=True)
class Exchange:
    """One request under way: where its answer is gathered.

    Attributes:
        url: the whole URL.
        accept: the ``Accept`` header.
        share: the part of the time left, 0 to 1, that this request may use up alone.
        most: how many times it is sent at the most while the server answers with errors of its own.
        tries: how many times it was sent.
        status: the HTTP status, 0 before there is one.
        error: libcurl's code and message, ``(0, "")`` without one.
    """

    url: str
    accept: str
    share: float = 1.0
    most: int = 9
    tries: int = 0
    body: BytesIO = field(default_factory=BytesIO)
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 0
    error: tuple[int, str] = (0, "")
    too_large: bool = False
    over: bool = False

    def renew(self) -> None:
        """Forgets the answer: it is about to be sent (again)."""
        self.body, self.headers, self.status, self.error = BytesIO(), {}, 0, (0, "")
        self.too_large = self.over = False
        self.tries += 1

    def write(self, data: bytes) -> int:
        """Takes a piece of the body; a body over MAX_BODY ends the transfer."""
        if self.body.tell() + len(data) > MAX_BODY:
            self.too_large = True
            return -1
        return self.body.write(data)

    def header(self, line: bytes) -> None:
        """Takes one header line; a status line begins them anew (a proxy's come first)."""
        if line.startswith(b"HTTP/"):
            self.headers.clear()
        name, colon, value = line.decode("latin-1").partition(":")
        if colon:
            self.headers[name.strip().lower()] = value.strip()

    def end(self, handle: pycurl.Curl, code: int = 0, message: str = "") -> None:
        """The transfer is over; ``code`` and ``message`` are libcurl's when it failed."""
        self.status = handle.getinfo(pycurl.RESPONSE_CODE)
        self.error = (code, message)
        self.over = True


def request(exchange: Exchange, headers: Sequence[tuple[str, str]], end: float) -> pycurl.Curl:
    """A handle that will GET it; ``end`` is the time (monotonic, seconds) when all must be over."""
    handle = pycurl.Curl()
    handle.setopt(pycurl.HTTPGET, 1)
    handle.setopt(pycurl.URL, exchange.url.encode())
    handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2TLS)
    handle.setopt(pycurl.PIPEWAIT, 1)
    handle.setopt(pycurl.NOSIGNAL, 1)
    handle.setopt(pycurl.PATH_AS_IS, 1)
    handle.setopt(pycurl.ACCEPT_ENCODING, "")
    left = max(0.0, end - time.monotonic()) * exchange.share
    handle.setopt(pycurl.TIMEOUT_MS, max(1, int(left * 1000)))
    handle.setopt(pycurl.WRITEFUNCTION, exchange.write)
    handle.setopt(pycurl.HEADERFUNCTION, exchange.header)
    lines = [("Accept", exchange.accept), ("User-Agent", "poddoctor"), *headers]
    handle.setopt(pycurl.HTTPHEADER, [f"{name}: {value}".encode() for name, value in lines])
    return handle
