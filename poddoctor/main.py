"""The entry point: starts dialing the API server before the heavy imports, then hands over to the CLI."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Runs poddoctor with the arguments of this process."""
    # The process lives for a fraction of a second: looking for cycles costs time and frees nothing of note.
    gc.disable()
    if sys.argv[1:] in (["--version"], ["version"]):
        from poddoctor.version import version  # noqa: PLC0415 - the fast path imports nothing else

        sys.stdout.write(f"poddoctor {version()}\n")
        return
    if sys.argv[1:2] == ["diagnose"]:
        from poddoctor.kube.early import dial  # noqa: PLC0415 - libcurl is needed for a cluster alone

        dial(sys.argv[1:])
    from poddoctor.cli import run  # noqa: PLC0415

    run()
