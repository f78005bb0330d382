"""Regular expressions that are compiled when they are first used: most are not, and start-up time counts."""

from __future__ import annotations

import re


class Lazy:
    """A pattern with the methods of ``re.Pattern`` that are used here."""

    __slots__ = ("_compiled", "_flags", "_source")

    def __init__(self, source: str, flags: int = 0) -> None:
        self._source, self._flags = source, flags
        self._compiled: re.Pattern[str] | None = None

    @property
    def compiled(self) -> re.Pattern[str]:
        """The compiled pattern."""
        if self._compiled is None:
            self._compiled = re.compile(self._source, self._flags)
        return self._compiled

    def search(self, text: str) -> re.Match[str] | None:
        """The first match anywhere."""
        return self.compiled.search(text)

    def match(self, text: str) -> re.Match[str] | None:
        """A match at the beginning."""
        return self.compiled.match(text)

    def sub(self, replacement: str, text: str) -> str:
        """The text with its matches replaced."""
        return self.compiled.sub(replacement, text)
