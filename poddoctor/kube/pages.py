"""Lists that come in pages: read to their end, side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from poddoctor.model import Absent, Answer, Found, Json, Read, Unknown

PAGE = 500
"""How many items a list is asked for at a time."""

Wave = Callable[[Sequence[Read]], Mapping[Read, Answer]]
"""Asks Reads in parallel; each gets an answer."""


def rest(first: Mapping[Read, Answer], wave: Wave) -> dict[Read, Answer]:
    """The whole lists in place of first pages that say ``continue``; one that the caller limited stays.

    Half a list is no list: where a page cannot be had, the answer is Unknown instead.
    """
    begun = {read: found for read, found in first.items() if _goes_on(read, found)}
    answers = _joined(begun, wave) if begun else {}
    # A list that changed on the way is read once more, and in one piece.
    expired = [
        read for read, found in answers.items() if isinstance(found, Unknown) and found.why == "expired"
    ]
    whole = {read: replace(read, query=(*read.query, ("limit", "0"))) for read in expired}
    again = wave(list(whole.values())) if whole else {}
    return {**answers, **{read: _present(again[one]) for read, one in whole.items()}}


def _joined(first: Mapping[Read, Answer], wave: Wave) -> dict[Read, Answer]:
    last = dict(first)
    items = {read: list(_items(found)) for read, found in first.items()}
    while waiting := {read: token for read, found in last.items() if (token := _token(found))}:
        pages = {
            read: replace(read, query=(*read.query, ("continue", token), ("limit", str(PAGE))))
            for read, token in waiting.items()
        }
        got = wave(list(pages.values()))
        for read, page in pages.items():
            last[read] = _present(got[page])
            items[read] += _items(last[read])
    return {read: _whole(first[read], found, items[read]) for read, found in last.items()}


def _whole(first: Answer, last: Answer, items: Sequence[Json]) -> Answer:
    if not isinstance(last, Found):
        return last
    return Found({**_body(first), "metadata": _body(last).get("metadata") or {}, "items": items})


def _present(page: Answer) -> Answer:
    """A list whose first page was there cannot be absent: it went away on the way."""
    return Unknown("expired", page.message) if isinstance(page, Absent) else page


def _goes_on(read: Read, found: Answer) -> bool:
    return read.verb == "list" and not read.parameter("limit") and bool(_token(found))


def _body(found: Answer) -> Mapping[str, Json]:
    return found.body if isinstance(found, Found) and isinstance(found.body, dict) else {}


def _items(found: Answer) -> Sequence[Json]:
    return _body(found).get("items") or []


def _token(found: Answer) -> str:
    return str((_body(found).get("metadata") or {}).get("continue") or "")
