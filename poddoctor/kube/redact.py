"""Taking values out of Secrets and ConfigMaps before anything else sees them."""

from __future__ import annotations

import base64
import json

from poddoctor.model import Json, Read

# Whole copies of the object, values included, that tools leave in an annotation.
_COPIES = (
    "kubectl.kubernetes.io/last-applied-configuration",
    "banzaicloud.com/last-applied",
    "kapp.k14s.io/original",
    "objectset.rio.cattle.io/applied",
)
_VALUES = ("data", "stringData", "binaryData")
_DOCKER = {"kubernetes.io/dockerconfigjson": ".dockerconfigjson", "kubernetes.io/dockercfg": ".dockercfg"}


def cleaned(read: Read, body: Json) -> Json:
    """The body of a get or list without managed fields, and without the values of Secrets and ConfigMaps.

    A Secret with registry credentials gains ``registries``: the hosts that it holds credentials for, or
    ``malformed`` when its document cannot be read.
    """
    if not isinstance(body, dict):
        return body
    if read.verb == "list" and isinstance(body.get("items"), list):
        return {**body, "items": [_object(read, one) for one in body["items"]]}
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
        for name in _COPIES:
            meta["annotations"].pop(name, None)
    if read.resource == "secrets" and not read.metadata_only:
        body.update(_registries(body))
    for key in _VALUES:
        if key in body:
            # Whatever stands there in place of a mapping is a value too.
            body[key] = dict.fromkeys(body[key], "") if isinstance(body[key], dict) else {}
    return body


def _registries(body: Json) -> dict[str, Json]:
    key = _DOCKER.get(str(body.get("type")))
    if key is None:
        return {}
    try:
        document = json.loads(base64.b64decode(body["data"][key], validate=True))
        hosts = document.get("auths") or {} if key == ".dockerconfigjson" else document
        return {"registries": sorted(_host(one) for one in dict(hosts))}
    except (ValueError, AttributeError, TypeError, KeyError, RecursionError):
        return {"malformed": True}


def _host(registry: str) -> str:
    """The registry as it is written, without ``user:password@``."""
    scheme, separator, rest = registry.rpartition("://")
    authority, slash, path = rest.partition("/")
    return scheme + separator + authority.rpartition("@")[2] + slash + path
