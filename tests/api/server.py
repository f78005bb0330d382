"""A fake API server over TLS: HTTP/2 and HTTP/1.1, with replies, delays and faults by path.

Also serves the benchmark: ``FakeServer(replies, delay=0.05)`` answers a dict of path to JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path
from typing import Any, ClassVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypercorn.asyncio import serve
from hypercorn.config import Config

_NAMES = ("localhost", "kube.internal")


@dataclass
class Reply:
    """One answer: ``body`` is JSON, text or bytes; ``then`` answers from the second request on."""

    body: Any = field(default_factory=dict)
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    then: Reply | None = None


@dataclass(frozen=True)
class Request:
    """One request as it arrived."""

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    http_version: str

    def header(self, name: str) -> str:
        return dict(self.headers).get(name, "")

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]


class Authority:
    """A certificate authority of the tests' own."""

    def __init__(self, folder: Path, name: str = "fake-ca") -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.now(timezone.utc)
        self._certificate = (
            x509.CertificateBuilder()
            .subject_name(self._name)
            .issuer_name(self._name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=10))
            .not_valid_after(now + timedelta(days=10))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.path = folder / f"{name}.crt"
        self.path.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def issue(
        self, name: str, *, days: int = 5, server: bool = False, names: Sequence[str] = _NAMES
    ) -> tuple[Path, Path]:
        """A certificate and its key, as paths; ``days`` below zero make one that has expired.

        One for a server is for 127.0.0.1 and ``names``; for ``names`` alone when they are given.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(timezone.utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=9))
            .not_valid_after(now + timedelta(days=days))
        )
        if server:
            alternatives: list[x509.GeneralName] = [x509.DNSName(one) for one in names]
            if names is _NAMES:
                alternatives.append(x509.IPAddress(ip_address("127.0.0.1")))
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        paths = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        paths[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return paths


class FakeServer:
    """The server, in a thread of its own; use it as a context manager.

    ``delay`` and ``late`` are seconds: before each answer, and before it listens at all.
    ``methods`` gathers the HTTP methods that any of them ever saw.
    """

    methods: ClassVar[set[str]] = set()

    def __init__(
        self,
        replies: Mapping[str, Reply | Any],
        tls: tuple[Path, Path] | None = None,
        *,
        client_ca: Path | None = None,
        delay: float = 0.0,
        http2: bool = True,
        port: int = 0,
        late: float = 0.0,
    ) -> None:
        self._replies = {path: one if isinstance(one, Reply) else Reply(one) for path, one in replies.items()}
        self._delay = delay
        self.requests: list[Request] = []
        self._config = Config()
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", port))
        self.port = self._socket.getsockname()[1]
        self._late = late
        self._config.graceful_timeout = 0.1
        self._config.loglevel = "CRITICAL"
        if tls:
            self._config.certfile, self._config.keyfile = map(str, tls)
        if client_ca:
            self._config.ca_certs = str(client_ca)
            self._config.verify_mode = ssl.CERT_REQUIRED
        self._config.alpn_protocols = ["h2", "http/1.1"] if http2 else ["http/1.1"]
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def asked(self) -> list[Request]:
        """The requests but for that of the version, which travels with the first wave."""
        return [one for one in self.requests if one.path != "/version"]

    def find(self, request: Request) -> Reply | None:
        """The reply to a request: by its path alone."""
        return self._replies.get(request.path)

    def _listen(self) -> None:
        if self._socket.fileno() >= 0:
            self._socket.listen(64)
            # The server closes the descriptor itself.
            self._config.bind = [f"fd://{self._socket.detach()}"]

    def __enter__(self) -> FakeServer:
        if not self._late:
            self._listen()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(5)

    def _run(self) -> None:
        time.sleep(self._late)
        self._listen()
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(serve(self._app, self._config, shutdown_trigger=self._stop.wait))

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        headers = tuple((key.decode(), value.decode()) for key, value in scope["headers"])
        path = re.sub(r"^http://[^/]+", "", scope["path"])  # a proxy is asked for the whole URL
        request = Request(
            scope["method"], path, scope["query_string"].decode(), headers, scope["http_version"]
        )
        self.requests.append(request)
        FakeServer.methods.add(request.method)
        reply = self.find(request) or Reply(
            {"kind": "Status", "status": "Failure", "message": f"{request.path} not found"}, 404
        )
        if reply.then is not None:
            self._replies[request.path] = reply.then
        await asyncio.sleep(self._delay + reply.delay)
        body = reply.body if isinstance(reply.body, bytes) else None
        if body is None:
            body = reply.body.encode() if isinstance(reply.body, str) else json.dumps(reply.body).encode()
        kind = "text/plain" if isinstance(reply.body, str) else "application/json"
        head = [
            (key.encode(), value.encode()) for key, value in {"content-type": kind, **reply.headers}.items()
        ]
        await send({"type": "http.response.start", "status": reply.status, "headers": head})
        await send({"type": "http.response.body", "body": body})


@contextlib.contextmanager
def raw_server(script: bytes, *, pause: float = 0.0, hang: bool = False) -> Iterator[str]:
    """A server of plain bytes: sends the script (in pieces, with pauses) and closes, or hangs."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def run() -> None:
        listener.settimeout(0.1)
        while not over.is_set():
            with contextlib.suppress(OSError):
                client, _ = listener.accept()
                threading.Thread(target=answer, args=(client,), daemon=True).start()

    def answer(client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            client.recv(65536)
            pieces = [script[at : at + 1] for at in range(len(script))] if pause else [script]
            for piece in pieces:
                client.sendall(piece)
                if over.wait(pause):
                    return
            if hang:
                over.wait(30)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        over.set()
        thread.join(2)
        listener.close()


@contextlib.contextmanager
def tunnel(port: int) -> Iterator[tuple[str, list[bytes]]]:
    """A proxy that leads every CONNECT to ``port`` on this machine; gives its URL and the heads it saw."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.1)
    heads: list[bytes] = []
    over = threading.Event()

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def serve_one(client: socket.socket) -> None:
        with contextlib.suppress(OSError), client, socket.create_connection(("127.0.0.1", port)) as there:
            heads.append(client.recv(65536))
            client.sendall(
                b"HTTP/1.1 200 Connection established\r\nDate: Mon, 01 Jan 2001 00:00:00 GMT\r\n\r\n"
            )
            back = threading.Thread(target=pump, args=(there, client), daemon=True)
            back.start()
            pump(client, there)
            back.join(2)

    def run() -> None:
        while not over.is_set():
            with contextlib.suppress(OSError):
                client, _ = listener.accept()
                client.settimeout(None)
                threading.Thread(target=serve_one, args=(client,), daemon=True).start()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", heads
    finally:
        over.set()
        thread.join(2)
        listener.close()
