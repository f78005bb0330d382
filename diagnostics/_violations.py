"""What PodSecurity objects to, and the patch of the template that satisfies it."""

from __future__ import annotations

import json
import re
from typing import Any

from poddoctor.model import Body

# Violations that a securityContext can mend, by the words of pod-security-admission.
_CONTAINER: dict[str, dict[str, Any]] = {
    "allowPrivilegeEscalation != false": {"allowPrivilegeEscalation": False},
    "unrestricted capabilities": {"capabilities": {"drop": ["ALL"], "add": None}},
    "privileged": {"privileged": False, "allowPrivilegeEscalation": False},
    "non-default capabilities": {"capabilities": {"add": None}},
    "procMount": {"procMount": None},
}
_OTHER_USER = 65532  # "nonroot" of distroless images: any number above 0 will do


def violations(text: str) -> list[str]:
    """The violated fields, as ``reason`` of each ``reason (detail)``."""
    detail = text.partition("violates PodSecurity")[2].partition(": ")[2]
    return [part.strip(" ,") for part in re.findall(r"([A-Za-z][^(),]*(?:!= \w+)?) \(", detail)]


def patch(text: str, template: Body, depth: tuple[str, ...] = ()) -> str:
    """A strategic merge patch of a workload with this pod template, as JSON; empty when no patch can help.

    ``depth`` names the fields between the workload's spec and the template: a CronJob has a Job in between.

    Host namespaces, host paths and host ports are left alone: only a human knows how to do without them.
    """
    named = violations(text)
    spec = template.get("spec") or {}
    pod: dict[str, Any] = {}
    each: dict[str, Any] = {}
    for words in named:
        if words in _CONTAINER:
            each.update(_CONTAINER[words])
        elif words.startswith(("runAsNonRoot", "runAsUser=0")):
            pod["runAsNonRoot"] = True
            pod["runAsUser"] = _OTHER_USER
            each.update({"runAsNonRoot": True, "runAsUser": _OTHER_USER} if _says_root(spec) else {})
        elif words.startswith("seccompProfile"):
            pod["seccompProfile"] = {"type": "RuntimeDefault"}
            each.update({"seccompProfile": {"type": "RuntimeDefault"}} if _says_unconfined(spec) else {})
    if not pod and not each:
        return ""
    change: dict[str, Any] = {"securityContext": pod} if pod else {}
    if each:
        for field in ("initContainers", "containers"):
            if spec.get(field):
                change[field] = [{"name": one.get("name"), "securityContext": each} for one in spec[field]]
    change = {"template": {"spec": change}}
    for field in reversed(depth):
        change = {field: change}
    return json.dumps({"spec": change}, separators=(",", ":"))


def _contexts(spec: Body) -> list[Body]:
    both = [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]
    return [one.get("securityContext") or {} for one in both]


def _says_root(spec: Body) -> bool:
    """Whether a container itself asks for root: then the pod's word is not enough."""
    return any(one.get("runAsUser") == 0 or one.get("runAsNonRoot") is False for one in _contexts(spec))


def _says_unconfined(spec: Body) -> bool:
    return any((one.get("seccompProfile") or {}).get("type") == "Unconfined" for one in _contexts(spec))
