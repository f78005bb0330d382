"""Cron schedules: whether one names days of which none ever comes."""

from __future__ import annotations

import re

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
)  # fmt: skip
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_PART = re.compile(r"(?P<low>\w+|\*|\?)(?:-(?P<high>\w+))?(?:/(?P<step>\d+))?")
_ANY = ("*", "?")


def never_comes(schedule: str) -> str:
    """The day that a schedule names and no calendar has, such as 31 February; empty when it has its days.

    A day of the week makes other days count as well, so such a schedule always comes.
    """
    fields = [one for one in schedule.split() if not one.startswith(("TZ=", "CRON_TZ="))]
    if len(fields) != 5 or fields[4] not in _ANY or fields[2] in _ANY:
        return ""
    days, months = _values(fields[2], 31), _values(fields[3], 12)
    if not days or not months or any(day <= _LONGEST[month - 1] for day in days for month in months):
        return ""
    return f"{min(days)} {' or '.join(_MONTHS[month - 1] for month in sorted(months))}"


def minutes_between(schedule: str) -> int:
    """How many minutes lie between two starts of a schedule that starts every few minutes; else 0."""
    fields = [one for one in schedule.split() if not one.startswith(("TZ=", "CRON_TZ="))]
    match = re.fullmatch(r"\*(?:/(\d+))?", fields[0]) if len(fields) == 5 and fields[1] == "*" else None
    return int(match[1] or 1) if match else 0


def _values(field: str, most: int) -> set[int]:
    """The numbers of a field; empty when it cannot be read."""
    found: set[int] = set()
    for part in field.split(","):
        match = _PART.fullmatch(part)
        low = match and (1 if match["low"] in _ANY else _number(match["low"]))
        if not match or not low:
            return set()
        if match["high"]:
            high = _number(match["high"])
        else:
            high = most if match["low"] in _ANY or match["step"] else low
        if not low <= high <= most:
            return set()
        found |= set(range(low, high + 1, int(match["step"] or 1) or 1))
    return found


def _number(word: str) -> int:
    """A number, or the number of a month; 0 when it is neither."""
    if word.isdigit():
        return int(word)
    short = [month[:3].lower() for month in _MONTHS]
    return short.index(word.lower()) + 1 if word.lower() in short else 0
