"""Whether a container is told to listen on the loopback alone: by an option of its command, or a variable."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from poddoctor.pod.containers import Container

_LOOPBACK = r"(?P<host>localhost|127(?:\.\d+){3}|\[?::1\]?)(?::(?P<port>\d{2,5}))?(?![\w.:])"
# Options of servers. A bare -h or -H, and --db-host and its like, name what a client asks.
_OPTION = re.compile(
    r"(?i)(?<![\w-])--?(?:bind(?:[-_]?(?:addr(?:ess)?|ip|host))?|b|host|ip|"
    r"(?:(?:web|http|server|api|rest)[-_.])?(?:listen(?:[-_.](?:addr(?:ess)?|host|ip|on))?|addr(?:ess)?))"
    rf"(?:=|\s+)['\"]?{_LOOPBACK}"
)
# A second address: next to the first, or anywhere one that stands for all.
_OPEN = re.compile(r"(?<![\w.])(?:0\.0\.0\.0|\[::\]|\*)(?=[:\s'\"]|$)")
_NEXT = re.compile(r"\s+-?(?:\d{1,3}\.){3}\d|\s+-?[0-9a-f]*::")
_VARIABLES = frozenset(
    {"HOST", "BIND", "BIND_ADDR", "BIND_ADDRESS", "BIND_HOST", "BIND_IP", "LISTEN", "LISTEN_ADDR"}
    | {"LISTEN_ADDRESS", "LISTEN_HOST", "SERVER_ADDRESS", "FLASK_RUN_HOST", "HTTP_ADDR", "HTTP_ADDRESS"}
    | {"ADDR", "ADDRESS"}
)
_ANY = "0.0.0.0"  # noqa: S104 - what the program is told, not what we listen on


def loopback(one: Container, port: str) -> Mapping[str, str]:
    """What tells the program so (``bound_by``), and its cure: ``bound_patch`` or ``bound_env``."""
    for field in ("command", "args"):
        found = _in_words([str(word) for word in one.spec.get(field) or []], port)
        if found:
            told, change = found
            return {"bound_by": told, "bound_patch": _patch(one, {field: change})}
    for each in one.spec.get("env") or []:
        name, value = str(each.get("name")), str(each.get("value") or "")
        match = re.fullmatch(_LOOPBACK, value) if name in _VARIABLES else None
        if match and match["port"] in (None, port):
            meant = value.replace(match["host"], _ANY)
            return {"bound_by": f"{name}={value}", "bound_env": f"{name}={meant}"}
    return {}


def _in_words(line: list[str], port: str) -> tuple[str, list[str]] | None:
    """The option that says so, and the words with every address in its place; options may be two words."""
    joined = "\0".join(line)
    plain = joined.replace("\0", " ")
    match = _OPTION.search(plain)
    if match is None or match["port"] not in (None, port):
        return None
    if _OPEN.search(plain) or _NEXT.match(plain, match.end()):
        return None
    start, end = match.span("host")
    changed = joined[:start] + _ANY + joined[end:]
    return match[0].replace("\n", " "), changed.split("\0")


def _patch(one: Container, change: Mapping[str, Any]) -> str:
    listed = "initContainers" if one.kind == "sidecar" else "containers"
    spec = {listed: [{"name": one.name, **change}]}
    return json.dumps({"spec": {"template": {"spec": spec}}}, separators=(",", ":"))
