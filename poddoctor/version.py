"""The version of the installed package."""

from __future__ import annotations


def version() -> str:
    """The version, from the package's own metadata."""
    from importlib.metadata import PackageNotFoundError  # noqa: PLC0415 - slow to import, rarely needed
    from importlib.metadata import version as installed  # noqa: PLC0415

    try:
        return installed("poddoctor")
    except PackageNotFoundError:
        return "not installed"
