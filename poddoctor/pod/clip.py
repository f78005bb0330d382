"""Long texts made short, so that one sees that they were cut, and never in the middle of a word."""

from __future__ import annotations

import re

_RULE = re.compile(r"([-=_*#])\1{9,}")
_WORD = 24
_PATH = 130


def clip(text: str, most: int) -> str:
    """The beginning of a text, for titles."""
    return text if len(text) <= most else f"{_whole(text[: most - 1])}…"


def clip_middle(text: str, most: int) -> str:
    """Beginning and end of a text, for evidence: what decides often stands last, behind all wrappers."""
    if len(text) <= most:
        return text
    text = _RULE.sub(r"\1\1\1", text)  # a line that was drawn
    if len(text) <= most:
        return text
    tail = most * 2 // 5
    return f"{_whole(text[: most - tail - 3], _PATH)} … {_whole(text[-tail:][::-1], _PATH)[::-1]}"


def _whole(text: str, longest: int = _WORD) -> str:
    """The text without a word that was cut at its end; one that is longer stays cut."""
    head, blank, rest = text.rpartition(" ")
    return head.rstrip(" ,;:") if blank and head.strip() and len(rest) <= longest else text
