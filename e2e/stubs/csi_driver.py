"""The node half of a CSI driver: registers with the kubelet, and mounts folders, or refuses in given words.

It stands in for a real driver: the words of
``FAULT`` are a real driver's, what the kubelet makes of them is real. It runs in a pod with /var/lib/kubelet
at the same place. ``LIMIT``: how many volumes a node may have.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path

from grpc_stub import DATA, HEADERS, PREFACE, SETTINGS, answered, field, frame, frames, read, refused

DRIVER, NODE = os.environ["DRIVER"], os.environ["NODE"]
FAULT, CODE = os.environ.get("FAULT", ""), int(os.environ.get("CODE", "13"))
LIMIT = int(os.environ.get("LIMIT", "0"))
KUBELET = Path("/var/lib/kubelet")
REGISTRATION = KUBELET / "plugins_registry" / f"{DRIVER}-reg.sock"
ENDPOINT = KUBELET / "plugins" / DRIVER / "csi.sock"
# The Huffman code of HTTP/2 headers (RFC 7541, appendix B), for the characters of method names.
SHORT = {5: "012aceiost", 6: " %-./3456789=A_bdfghlmnpru", 7: ":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz"}


def huffman(name: str) -> bytes:
    """The name as a Go client writes it in a header."""
    codes, code, before = {}, 0, 5
    for length, letters in SHORT.items():
        code <<= length - before
        before = length
        for letter in letters:
            codes[letter] = f"{code:0{length}b}"
            code += 1
    bits = "".join(codes[letter] for letter in name)
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def strings(body: bytes) -> dict[int, bytes]:
    """The fields of a protocol buffer that hold bytes; the last of each number."""
    found, at = {}, 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = body[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(body):
        key = number()
        size = number()
        if key & 7 == 2:
            found[key >> 3] = body[at : at + size]
            at += size
    return found


Reply = Callable[[bytes], "bytes | tuple[int, str]"]


def info(_: bytes) -> bytes:
    limit = bytes([16, LIMIT]) if LIMIT else b""
    return field(1, NODE.encode()) + limit


def publish(body: bytes) -> bytes | tuple[int, str]:
    if FAULT:
        print(f"refused: {FAULT}", flush=True)
        return CODE, FAULT
    Path(strings(body)[4].decode()).mkdir(parents=True, exist_ok=True)
    return b""


def unpublish(body: bytes) -> bytes:
    shutil.rmtree(strings(body)[2].decode(), ignore_errors=True)
    return b""


def about(_: bytes) -> bytes:
    return (
        field(1, b"CSIPlugin")
        + field(2, DRIVER.encode())
        + field(3, str(ENDPOINT).encode())
        + field(4, b"1.0.0")
    )


METHODS: dict[bytes, Reply] = {
    huffman("/pluginregistration.Registration/GetInfo"): about,
    huffman("/csi.v1.Node/NodeGetInfo"): info,
    huffman("/csi.v1.Node/NodePublishVolume"): publish,
    huffman("/csi.v1.Node/NodeUnpublishVolume"): unpublish,
}


def serve(link: socket.socket) -> None:
    """One connection of the kubelet; a method that is not known here has an empty answer."""
    asked: dict[int, Reply] = {}
    try:
        read(link, len(PREFACE))
        link.sendall(frame(SETTINGS, 0, 0))
        for kind, _, stream, payload in frames(link):
            if kind == HEADERS:
                asked[stream] = next(
                    (reply for path, reply in METHODS.items() if path in payload), lambda _: b""
                )
            elif kind == DATA and len(payload) >= 5:
                body = asked[stream](payload[5:])
                done = refused(stream, *body) if isinstance(body, tuple) else answered(stream, body)
                link.sendall(done)
    except (EOFError, OSError):
        link.close()


def listen(place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    door = socket.socket(socket.AF_UNIX)
    door.bind(str(place))
    door.listen()
    while True:
        threading.Thread(target=serve, args=(door.accept()[0],), daemon=True).start()


def leave(*_: object) -> None:
    """The kubelet forgets a driver whose socket is gone."""
    REGISTRATION.unlink(missing_ok=True)
    os._exit(0)


signal.signal(signal.SIGTERM, leave)
threading.Thread(target=listen, args=(ENDPOINT,), daemon=True).start()
listen(REGISTRATION)
