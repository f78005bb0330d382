"""Regular expressions that are compiled when they are first needed.

A diagnosis of one pod needs few of the hundreds that the diagnostics hold; compiling all of them when the
modules load would cost more than the diagnosis itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any


class Pattern:
    """The part of ``re.Pattern`` that the diagnostics use."""

    __slots__ = ("_compiled", "_flags", "_text")

    def __init__(self, text: str, flags: int = 0) -> None:
        self._text = text
        self._flags = flags
        self._compiled: re.Pattern[str] | None = None

    @property
    def pattern(self) -> str:
        """The text of the expression."""
        return self._text

    @property
    def compiled(self) -> re.Pattern[str]:
        """The compiled expression."""
        if self._compiled is None:
            self._compiled = re.compile(self._text, self._flags)
        return self._compiled

    def search(self, text: str, start: int = 0) -> re.Match[str] | None:
        """As ``re.Pattern.search``."""
        return self.compiled.search(text, start)

    def match(self, text: str, start: int = 0) -> re.Match[str] | None:
        """As ``re.Pattern.match``."""
        return self.compiled.match(text, start)

    def fullmatch(self, text: str) -> re.Match[str] | None:
        """As ``re.Pattern.fullmatch``."""
        return self.compiled.fullmatch(text)

    def finditer(self, text: str) -> Iterator[re.Match[str]]:
        """As ``re.Pattern.finditer``."""
        return self.compiled.finditer(text)

    def findall(self, text: str) -> list[Any]:
        """As ``re.Pattern.findall``."""
        return self.compiled.findall(text)

    def split(self, text: str, most: int = 0) -> list[str]:
        """As ``re.Pattern.split``, without groups."""
        return [part or "" for part in self.compiled.split(text, most)]

    def sub(self, by: str | Callable[[re.Match[str]], str], text: str, count: int = 0) -> str:
        """As ``re.Pattern.sub``."""
        return self.compiled.sub(by, text, count)


def lazy(text: str, flags: int = 0) -> Pattern:
    """A Pattern, compiled on its first use."""
    return Pattern(text, flags)
