"""What an HTTP answer says about a Read."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pycurl

from poddoctor.kube.errors import plain, status_message
from poddoctor.kube.exchange import MAX_BODY, Exchange
from poddoctor.kube.redact import cleaned
from poddoctor.kube.trim import lean, trimmed
from poddoctor.model import Absent, Answer, Found, Read, Unknown, Why

_GARBAGE = "something stands between here and the API server"
_WHY: dict[int, Why] = {401: "unauthorized", 403: "forbidden", 410: "expired", 504: "timed-out"}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def answer(read: Read, exchange: Exchange) -> Answer:
    """The Answer to a Read, with what must not be seen taken out."""
    if exchange.too_large:
        return Unknown("cut", f"the answer is larger than {MAX_BODY // 2**20} MiB")
    if exchange.error[0]:
        return _failure(*exchange.error)
    raw = exchange.body.getvalue()
    if exchange.status in (200, 204):
        return Found(raw.decode(errors="replace")) if read.verb == "log" else _parsed(read, raw)
    message = status_message(raw) or f"HTTP {exchange.status}"
    if exchange.status == 404:
        return Absent(message)
    return Unknown(_WHY.get(exchange.status, "error"), message)


def _failure(code: int, message: str) -> Unknown:
    if code == pycurl.E_OPERATION_TIMEDOUT:
        return Unknown("timed-out", plain(message))
    if code == pycurl.E_PARTIAL_FILE:
        return Unknown("error", f"the answer is not whole JSON or text: {plain(message)}")
    return Unknown("unreachable", plain(message))


def _parsed(read: Read, raw: bytes) -> Answer:
    try:
        body = json.loads(lean(read, raw))
    except (ValueError, RecursionError):
        return Unknown("error", f"the answer is not JSON: {_GARBAGE}")
    if not isinstance(body, dict):
        return Unknown("error", "the answer is no JSON object")
    if not isinstance(body.get("metadata") or {}, dict) or not (
        read.verb != "list" or isinstance(body.get("items") or [], list)
    ):
        return Unknown("error", f"the answer is no Kubernetes object: {_GARBAGE}")
    return Found(trimmed(read, cleaned(read, body)))


def date(text: str) -> datetime | None:
    """The time of a ``Date`` header, UTC: ``Tue, 24 Nov 2026 10:00:00 GMT``. By hand: email.utils is slow."""
    try:
        _, day, month, year, clock, zone = text.split()
        hour, minute, second = map(int, clock.split(":"))
        if zone != "GMT":
            return None
        number = _MONTHS.index(month) + 1
        return datetime(int(year), number, int(day), hour, minute, min(second, 59), tzinfo=timezone.utc)
    except ValueError:
        return None
