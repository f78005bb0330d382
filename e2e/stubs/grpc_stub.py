"""As much gRPC over HTTP/2 as the kubelet and a stub need to talk: no library is in the image."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from urllib.parse import quote

DATA, HEADERS, SETTINGS, PING = 0, 1, 4, 6
END_STREAM, ACK, END_HEADERS = 1, 1, 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def field(number: int, value: bytes) -> bytes:
    """A field of a protocol buffer that holds bytes."""
    return bytes([number << 3 | 2, len(value)]) + value


def text(value: str) -> bytes:
    """A string of a header, without Huffman coding; up to 16383 bytes."""
    raw = value.encode()
    if len(raw) < 127:
        return bytes([len(raw)]) + raw
    rest = len(raw) - 127
    return bytes([127, rest & 127 | 128, rest >> 7]) + raw if rest > 127 else bytes([127, rest]) + raw


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def message(body: bytes) -> bytes:
    return b"\0" + struct.pack(">I", len(body)) + body


def trailers(status: int, words: str = "") -> bytes:
    said = b"\0" + text("grpc-status") + text(str(status))
    return said + (b"\0" + text("grpc-message") + text(quote(words)) if words else b"")


def read(link: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        part = link.recv(size - len(got))
        if not part:
            raise EOFError
        got += part
    return got


def frames(link: socket.socket) -> Iterator[tuple[int, int, int, bytes]]:
    """The frames of the other side; settings and pings are answered on the way."""
    while True:
        head = read(link, 9)
        payload = read(link, int.from_bytes(head[:3], "big"))
        kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
        if kind in (SETTINGS, PING) and not flags & ACK:
            link.sendall(frame(kind, ACK, 0, payload if kind == PING else b""))
        yield kind, flags, stream, payload


OK = b"\x88\x0f\x10" + text("application/grpc")  # :status 200, content-type


def answered(stream: int, body: bytes) -> bytes:
    """A message, and that all is well."""
    begun = frame(HEADERS, END_HEADERS, stream, OK) + frame(DATA, 0, stream, message(body))
    return begun + frame(HEADERS, END_HEADERS | END_STREAM, stream, trailers(0))


def refused(stream: int, code: int, words: str) -> bytes:
    """A status other than OK, with its words."""
    return frame(HEADERS, END_HEADERS | END_STREAM, stream, OK + trailers(code, words))
