"""A device plugin whose driver is out of order until the plugin is started a second time.

It registers, lists one healthy device, and
answers Allocate. ``FAULT`` says how it fails: ``hangs`` refuses to allocate, ``vanished`` names a device file
that is not there. It runs in a pod with /var/lib/kubelet/device-plugins at /plugins, and at /state a folder
that outlives the pod.
"""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

from grpc_stub import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    OK,
    PREFACE,
    SETTINGS,
    answered,
    field,
    frame,
    frames,
    message,
    read,
    refused,
    text,
)

RESOURCE = os.environ["RESOURCE"]
FAULT = os.environ["FAULT"]
SOCKET = Path("/plugins") / f"{os.environ['ID']}.sock"
STARTED = Path("/state") / f"started-{os.environ['ID']}"


DEVICES = field(1, field(1, b"device-0") + field(2, b"Healthy"))


def allocated(stream: int, fault: str) -> bytes:
    if fault == "hangs":
        return refused(stream, 13, "device-0 does not answer")
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
