"""The controller half of a CSI driver: says of each volume that it is attached, or refuses in given words.

It does to VolumeAttachment objects what external-attacher does, and stands in for a cloud: the words of
``FAULT`` are a real driver's.
"""

from __future__ import annotations

import json
import os
import ssl
import time
import urllib.request
from pathlib import Path
from typing import Any

DRIVER, FAULT = os.environ["DRIVER"], os.environ.get("FAULT", "")
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
URL = f"https://{os.environ['KUBERNETES_SERVICE_HOST']}:{os.environ['KUBERNETES_SERVICE_PORT']}"
ATTACHMENTS = "/apis/storage.k8s.io/v1/volumeattachments"
TRUST = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))


def call(method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """One request to the API server."""
    request = urllib.request.Request(URL + path, json.dumps(body).encode() if body else None, method=method)
    request.add_header("Authorization", "Bearer " + (ACCOUNT / "token").read_text())
    request.add_header("Content-Type", "application/merge-patch+json")
    with urllib.request.urlopen(request, context=TRUST, timeout=10) as answer:
        return json.load(answer)


def look() -> None:
    """Sees to every attachment that is not what it should be."""
    for one in call("GET", ATTACHMENTS)["items"]:
        status = one.get("status") or {}
        if one["spec"]["attacher"] != DRIVER or status.get("attached"):
            continue
        if FAULT and (status.get("attachError") or {}).get("message") == FAULT:
            continue
        said = {"attached": False, "attachError": {"message": FAULT}}
        done = {"attached": True, "attachError": None}
        path = f"{ATTACHMENTS}/{one['metadata']['name']}/status"
        call("PATCH", path, {"status": said if FAULT else done})
        print(f"{one['spec']['nodeName']}: {FAULT or 'attached'}", flush=True)


while True:
    try:
        look()
    except OSError as error:
        print(error, flush=True)
    time.sleep(0.5)
