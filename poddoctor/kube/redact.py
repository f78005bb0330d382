"""Taking values out of Secrets and ConfigMaps before anything else sees them."""

from __future__ import annotations

import base64
import json

from poddoctor.model import Json, Read

_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_DOCKER = {"kubernetes.io/dockerconfigjson": ".dockerconfigjson", "kubernetes.io/dockercfg": ".dockercfg"}


def cleaned(read: Read, body: Json) -> Json:
    """The body of a get or list without managed fields, and without the values of Secrets and ConfigMaps.

    A Secret with registry credentials gains ``registries``: the hosts that it holds credentials for, or
    ``malformed`` when its document cannot be read.
    """
    if not isinstance(body, dict):
        return body
    if read.verb == "list":
        return {**body, "items": [_object(read, one) for one in body.get("items") or []]}
    return _object(read, body)


def _object(read: Read, body: Json) -> Json:
    if not isinstance(body, dict):
        return body
    meta = body.get("metadata")
    if isinstance(meta, dict):
        meta.pop("managedFields", None)
    if read.resource not in ("secrets", "configmaps"):
        return body
    if isinstance(meta, dict) and isinstance(meta.get("annotations"), dict):
        meta["annotations"].pop(_APPLIED, None)
    if read.resource == "secrets":
        body.update(_registries(body))
    for key in ("data", "stringData", "binaryData"):
        if isinstance(body.get(key), dict):
            body[key] = dict.fromkeys(body[key], "")
    return body


def _registries(body: Json) -> dict[str, Json]:
    key = _DOCKER.get(str(body.get("type")))
    value = (body.get("data") or {}).get(key) if key else None
    if not value:
        return {}
    try:
        document = json.loads(base64.b64decode(value))
        hosts = document.get("auths") or {} if key == ".dockerconfigjson" else document
        return {"registries": sorted(map(str, hosts))}
    except (ValueError, AttributeError, TypeError):
        return {"malformed": True}
