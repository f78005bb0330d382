"""A device plugin whose driver is out of order until the plugin is started a second time.

It speaks just as much gRPC over HTTP/2 as the kubelet needs: it registers, lists one healthy device, and
answers Allocate. ``FAULT`` says how it fails: ``hangs`` refuses to allocate, ``vanished`` names a device file
that is not there. It runs in a pod with /var/lib/kubelet/device-plugins at /plugins, and at /state a folder
that outlives the pod.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

RESOURCE = os.environ["RESOURCE"]
FAULT = os.environ["FAULT"]
SOCKET = Path("/plugins") / f"{os.environ['ID']}.sock"
STARTED = Path("/state") / f"started-{os.environ['ID']}"
DATA, HEADERS, SETTINGS, PING = 0, 1, 4, 6
END_STREAM, ACK, END_HEADERS = 1, 1, 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def field(number: int, value: bytes) -> bytes:
    """A field of a protocol buffer that holds bytes."""
    return bytes([number << 3 | 2, len(value)]) + value


def text(value: str) -> bytes:
    """A string of a header, without Huffman coding."""
    return bytes([len(value)]) + value.encode()


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def message(body: bytes) -> bytes:
    return b"\0" + struct.pack(">I", len(body)) + body


def trailers(status: int, words: str = "") -> bytes:
    said = b"\0" + text("grpc-status") + text(str(status))
    return said + (b"\0" + text("grpc-message") + text(words) if words else b"")


OK = b"\x88\x0f\x10" + text("application/grpc")  # :status 200, content-type
DEVICES = field(1, field(1, b"device-0") + field(2, b"Healthy"))


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


def answered(stream: int, body: bytes) -> bytes:
    begun = frame(HEADERS, END_HEADERS, stream, OK) + frame(DATA, 0, stream, message(body))
    return begun + frame(HEADERS, END_HEADERS | END_STREAM, stream, trailers(0))


def allocated(stream: int, fault: str) -> bytes:
    if fault == "hangs":
        words = OK + trailers(13, "device-0 does not answer")
        return frame(HEADERS, END_HEADERS | END_STREAM, stream, words)
    device = field(1, b"/dev/scanner0") + field(2, b"/dev/scanner0") + field(3, b"rw")
    return answered(stream, field(1, field(3, device) if fault == "vanished" else b""))


def serve(link: socket.socket, fault: str) -> None:
    """One connection of the kubelet: options, then the list (which stays open), then Allocate."""
    calls = 0
    try:
        read(link, len(PREFACE))
        link.sendall(frame(SETTINGS, 0, 0))
        for kind, _, stream, payload in frames(link):
            if kind != DATA:
                continue
            if len(payload) > 5:
                print(f"allocate: fault {fault or 'none'}", flush=True)
                link.sendall(allocated(stream, fault))
                continue
            calls += 1
            if calls == 1:
                link.sendall(answered(stream, b""))
            else:
                begun = frame(HEADERS, END_HEADERS, stream, OK)
                link.sendall(begun + frame(DATA, 0, stream, message(DEVICES)))
    except (EOFError, OSError):
        link.close()


def register() -> None:
    link = socket.socket(socket.AF_UNIX)
    link.connect("/plugins/kubelet.sock")
    ask = b"\x83\x86\x04" + text("/v1beta1.Registration/Register") + b"\x01" + text("localhost")
    ask += b"\x0f\x10" + text("application/grpc") + b"\0" + text("te") + text("trailers")
    body = field(1, b"v1beta1") + field(2, SOCKET.name.encode()) + field(3, RESOURCE.encode())
    link.sendall(PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, END_HEADERS, 1, ask))
    link.sendall(frame(DATA, END_STREAM, 1, message(body)))
    for kind, flags, _, _ in frames(link):
        if kind == HEADERS and flags & END_STREAM:
            print("registered", flush=True)
            return


def main() -> None:
    fault = "" if STARTED.exists() else FAULT
    STARTED.touch()
    SOCKET.unlink(missing_ok=True)
    door = socket.socket(socket.AF_UNIX)
    door.bind(str(SOCKET))
    door.listen()
    threading.Thread(target=register, daemon=True).start()
    while True:
        threading.Thread(target=serve, args=(door.accept()[0], fault), daemon=True).start()


main()
