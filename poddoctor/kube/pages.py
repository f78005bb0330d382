"""Lists that come in pages: read to their end, side by side.

A Read whose own limit is a page's size wants the whole list too, but is served by a part of it: what could
not be had is told by the ``continue`` that stays in its metadata. A smaller limit is the caller's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from poddoctor.model import Absent, Answer, Found, Json, Read, Unknown

PAGE = 500
"""How many items a list is asked for at a time."""
MOST = 40
"""How many pages a list that is served by a part of it may have."""

Wave = Callable[[Sequence[Read]], Mapping[Read, Answer]]
"""Asks Reads in parallel; each gets an answer."""


def rest(
    first: Mapping[Read, Answer], wave: Wave, late: Callable[[], bool] = lambda: False
) -> dict[Read, Answer]:
    """The whole lists in place of first pages that say ``continue``; one that the caller limited stays.

    Half a list is no list: where a page cannot be had, the answer is Unknown instead, but for those Reads
    that a part serves. These also end when it is ``late``: others want some of the time as well.
    """
    begun = {read: found for read, found in first.items() if _goes_on(read, found)}
    answers = _joined(begun, wave, late) if begun else {}
    # A list that changed on the way is read once more, and in one piece.
    expired = [
        read for read, found in answers.items() if isinstance(found, Unknown) and found.why == "expired"
    ]
    whole = {read: replace(read, query=(*read.query, ("limit", "0"))) for read in expired}
    again = wave(list(whole.values())) if whole else {}
    return {**answers, **{read: _present(again[one]) for read, one in whole.items()}}


def _joined(first: Mapping[Read, Answer], wave: Wave, late: Callable[[], bool]) -> dict[Read, Answer]:
    lists = {read: _List(read, found) for read, found in first.items()}
    read_pages = 1
    while waiting := {
        one: replace(read, query=(*_unlimited(read), ("continue", one.token), ("limit", str(PAGE))))
        for read, one in lists.items()
        if one.token and not (one.in_part and (one.stuck or read_pages >= MOST or late()))
    }:
        got = wave(list(waiting.values()))
        read_pages += 1
        for one, page in waiting.items():
            one.take(_present(got[page]))
    return {read: one.answer() for read, one in lists.items()}


class _List:
    """One list as far as its pages were read."""

    def __init__(self, read: Read, first: Answer) -> None:
        self.in_part = _in_part(read)
        self.stuck = False
        self._first = _body(first)
        self._lost: Answer | None = None
        self._meta = self._first.get("metadata") or {}
        self._items = list(self._first.get("items") or [])

    @property
    def token(self) -> str:
        """Where the next page begins; empty at the end."""
        return "" if self._lost is not None else str(self._meta.get("continue") or "")

    def take(self, page: Answer) -> None:
        """Adds a page. Where none can be had, the list is lost, unless a part of it serves."""
        if isinstance(page, Found):
            self._meta = _body(page).get("metadata") or {}
            self._items += _body(page).get("items") or []
        elif self.in_part:
            self.stuck = True
        else:
            self._lost = page

    def answer(self) -> Answer:
        """The whole list, or the part of it that still says ``continue``."""
        return self._lost or Found({**self._first, "metadata": self._meta, "items": self._items})


def _present(page: Answer) -> Answer:
    """A list whose first page was there cannot be absent: it went away on the way."""
    return Unknown("expired", page.message) if isinstance(page, Absent) else page


def _goes_on(read: Read, found: Answer) -> bool:
    limited = read.parameter("limit") and not _in_part(read)
    return read.verb == "list" and not limited and bool((_body(found).get("metadata") or {}).get("continue"))


def _in_part(read: Read) -> bool:
    """Whether a part of the list serves as well."""
    return read.parameter("limit") == str(PAGE)


def _unlimited(read: Read) -> list[tuple[str, str]]:
    return [(key, value) for key, value in read.query if key != "limit"]


def _body(found: Answer) -> Mapping[str, Json]:
    return found.body if isinstance(found, Found) and isinstance(found.body, dict) else {}
