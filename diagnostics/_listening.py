"""Where a program says that it listens: the address and port in its log."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from poddoctor.pod.pattern import lazy

_LINE = lazy(
    r"(?i)\blisten|\bserving|\brunning (?:on|at)|\bbound to|\bstarted (?:on|at|server)|"
    r"\bserver (?:is |has )?started|\bport\b"
)
_PLACE = lazy(
    r"(?i)(?:https?://|\btcp://|\bon |\bat |address |\bto |=|\s|\[)"
    r"(?P<host>\[?::1?\]?|\*|localhost|(?:\d{1,3}\.){3}\d{1,3})?:(?P<port>\d{2,5})\b"
)
_PORT = lazy(
    r"(?i)(?:listening|serving|running|started|bound)\b[^\n]{0,60}?\bport(?:\(s\))?\s*[:=]?\s*(?P<port>\d{2,5})\b"
)
_FAILED = lazy(r"(?i)refused|error|fail|cannot|can't|timed? ?out|connect(?:ing|ed)? to")


@dataclass(frozen=True, slots=True)
class Place:
    """One address that a program says it listens on; ``host`` is empty when it did not say."""

    host: str
    port: str

    @property
    def loopback(self) -> bool:
        """Whether only the pod itself can reach it."""
        return self.host in {"localhost", "::1"} or self.host.startswith("127.")

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if host else f"port {self.port}"


def listening(logs: Iterable[str]) -> list[Place]:
    """The places that the logs name, each once. Lines about clients and failures are passed over."""
    found: dict[Place, None] = {}
    for text in logs:
        for line in text.splitlines():
            if not _LINE.search(line) or _FAILED.search(line):
                continue
            for place in _PLACE.finditer(line):
                found[Place((place["host"] or "").strip("[]"), place["port"])] = None
            if not _PLACE.search(line) and (port := _PORT.search(line)):
                found[Place("", port["port"])] = None
    return list(found)
