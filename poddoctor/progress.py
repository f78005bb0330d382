"""A word on stderr for whoever waits at a terminal; a pipe and a quick answer get none."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_PATIENCE = 0.3  # seconds
_WORD = "reading from the cluster …"


@contextmanager
def shown() -> Iterator[None]:
    """Shows the word while the block takes longer than 0.3 s, and wipes it out again."""
    if not sys.stderr.isatty():
        yield
        return
    from threading import Timer  # noqa: PLC0415 - only at a terminal

    timer = Timer(_PATIENCE, lambda: _write(_WORD))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        _write("\r" + " " * len(_WORD) + "\r")


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
