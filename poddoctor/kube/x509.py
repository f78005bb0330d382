"""Until when a certificate is valid: the one field that explains most failures."""

from __future__ import annotations

import base64
import re
from datetime import datetime, timezone

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
_VERSION = 0xA0


def not_after(pem: bytes) -> datetime | None:
    """When the first certificate of the PEM data ends, UTC; None when it cannot be told."""
    block = _PEM.search(pem)
    if block is None:
        return None
    try:
        outer = _parts(base64.b64decode(block[1]))
        fields = _parts(_parts(outer[0][1])[0][1])
        # The version is optional; then serial, signature, issuer, validity.
        validity = fields[4 if fields[0][0] == _VERSION else 3]
        return _time(*_parts(validity[1])[1])
    except (ValueError, IndexError):
        return None


def _parts(data: bytes) -> list[tuple[int, bytes]]:
    """The DER elements that stand one after another: tag and content."""
    parts = []
    while data:
        length, start = data[1], 2
        if length >= 0x80:
            start += length & 0x7F
            length = int.from_bytes(data[2:start], "big")
        parts.append((data[0], data[start : start + length]))
        data = data[start + length :]
    return parts


def _time(tag: int, text: bytes) -> datetime:
    digits = text.decode("ascii")
    if tag == _UTC_TIME:
        digits = ("19" if digits >= "5" else "20") + digits
    elif tag != _GENERALIZED_TIME:
        raise ValueError(tag)
    return datetime.strptime(digits, "%Y%m%d%H%M%SZ").replace(tzinfo=timezone.utc)
