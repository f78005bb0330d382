"""The entry point: starts dialing the API server before the heavy imports, then hands over to the CLI."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import suppress


def main() -> None:
    """Runs poddoctor with the arguments of this process."""
    # The process lives for a fraction of a second: looking for cycles costs time and frees nothing of note.
    gc.disable()
    if sys.argv[1:] in (["--version"], ["version"]):
        from poddoctor.version import version  # noqa: PLC0415 - the fast path imports nothing else

        sys.stdout.write(f"poddoctor {version()}\n")
        return
    if sys.argv[1:2] == ["diagnose"]:
        _diagnose()
    else:
        _run()


def _diagnose() -> None:
    from poddoctor.kube.early import dial, hang_up  # noqa: PLC0415 - libcurl is needed for a cluster alone

    dial(sys.argv[1:])
    try:
        _run()
    except SystemExit as left:
        hang_up()
        _leave(left)


def _run() -> None:
    from poddoctor.cli import run  # noqa: PLC0415

    run()


def _leave(left: SystemExit) -> None:
    """Ends the process without taking the interpreter down piece by piece: that takes as long as a diagnosis.

    All connections are closed and all files deleted by now. What cannot be written is told.
    """
    if not isinstance(left.code, (int, type(None))):
        raise left
    code = left.code or 0
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        pass  # the reader has seen enough
    except OSError as error:
        code = code or 3
        sys.stderr.write(f"poddoctor: the report could not be written: {error.strerror}\n")
    with suppress(OSError):
        sys.stderr.flush()
    os._exit(code)
