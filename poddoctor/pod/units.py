"""Quantities, times and durations: between Kubernetes' text, numbers and words for people."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation

_QUANTITY = re.compile(r"^([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$")
_SCALE = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "P": Decimal(10**15),
    "E": Decimal(10**18),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
    "Pi": Decimal(2**50),
    "Ei": Decimal(2**60),
}
_BINARY = ("Ei", "Pi", "Ti", "Gi", "Mi", "Ki")


def quantity(text: object) -> Decimal | None:
    """A Kubernetes quantity (``500m``, ``64Mi``, ``1e3``) in base units, or None when it is none."""
    found = _QUANTITY.match(str(text).strip())
    if not found:
        return None
    try:
        return Decimal(found[1]) * _SCALE.get(found[2] or "", Decimal(1))
    except InvalidOperation:
        return None


def show_cpu(cores: Decimal) -> str:
    """Cores as Kubernetes writes them: ``2`` or ``1500m``."""
    return str(int(cores)) if cores == int(cores) else f"{int((cores * 1000).to_integral_value())}m"


def show_bytes(amount: Decimal) -> str:
    """Bytes in the largest binary unit that shows them whole, else to one decimal in Mi or Gi."""
    for unit in _BINARY:
        if amount and amount % _SCALE[unit] == 0:
            return f"{int(amount / _SCALE[unit])}{unit}"
    for unit in ("Ti", "Gi", "Mi", "Ki"):
        if abs(amount) >= _SCALE[unit]:
            return f"{(amount / _SCALE[unit]).quantize(Decimal('0.1'))}{unit}"
    return str(int(amount))


def show_amount(resource: str, amount: Decimal) -> str:
    """An amount of ``cpu``, ``memory`` or any other resource, in that resource's usual unit."""
    if resource == "cpu":
        return show_cpu(amount)
    if resource.startswith(("memory", "ephemeral-storage", "hugepages-", "storage")):
        return show_bytes(amount)
    return f"{amount.normalize():f}"


def parse_time(text: object) -> datetime | None:
    """An RFC 3339 time as a UTC datetime. The zero time and Go's epoch for "never" are None."""
    if not isinstance(text, str) or not text or text.startswith(("0001-", "1970-01-01T00:00:00")):
        return None
    # fromisoformat of 3.10 knows neither Z nor nanoseconds.
    trimmed = re.sub(r"(\.\d{1,6})\d*", r"\1", text).replace("Z", "+00:00")
    trimmed = re.sub(r"\.(\d+)", lambda fraction: "." + fraction[1].ljust(6, "0"), trimmed)
    try:
        time = datetime.fromisoformat(trimmed)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)


def show_duration(duration: timedelta) -> str:
    """A duration in its two largest units at most, as kubectl does: ``9m``, ``4h12m``, ``6d``."""
    seconds = max(0, int(duration.total_seconds()))
    if seconds < 120:
        return f"{seconds}s"
    if seconds < 600:
        minutes, rest = divmod(seconds, 60)
        return f"{minutes}m{rest}s" if rest else f"{minutes}m"
    if seconds < 3 * 3600:
        return f"{seconds // 60}m"
    if seconds < 8 * 3600:
        hours, rest = divmod(seconds // 60, 60)
        return f"{hours}h{rest}m" if rest else f"{hours}h"
    if seconds < 48 * 3600:
        return f"{seconds // 3600}h"
    return f"{seconds // 86400}d"
