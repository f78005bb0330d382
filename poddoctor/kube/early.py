"""Dialing before the command line is parsed: connecting overlaps with the imports of typer and rich."""

from __future__ import annotations

import atexit
from collections.abc import Sequence

from poddoctor.kube.errors import KubeError
from poddoctor.kube.transport import Cluster

_dialed: dict[tuple[str | None, str | None], Cluster | KubeError] = {}


def dial(arguments: Sequence[str]) -> None:
    """Starts connecting when these arguments will need a cluster. Errors are told later, by the command."""
    if arguments[:1] != ["diagnose"] or any(
        one in ("--help", "--from") or one.startswith("--from=") for one in arguments
    ):
        return
    key = _option(arguments, "--kubeconfig"), _option(arguments, "--context")
    try:
        timeout = float(_option(arguments, "--timeout") or 10.0)
    except ValueError:
        return
    if not 0 < timeout < 86400:
        return
    try:
        cluster = Cluster.open(*key, timeout)
    except KubeError as error:
        # Kept, so that a plugin that failed is not run a second time.
        _dialed[key] = error
        return
    # A thread inside libcurl must have ended before the interpreter does.
    atexit.register(cluster.close)
    cluster.prewarm()
    _dialed[key] = cluster


def open_cluster(kubeconfig: str | None, context: str | None, timeout: float) -> Cluster:
    """The cluster that is being dialed, or a new one.

    Raises:
        KubeError: as ``Cluster.open``.
    """
    dialed = _dialed.pop((kubeconfig, context), None)
    if isinstance(dialed, KubeError):
        raise dialed
    return dialed or Cluster.open(kubeconfig, context, timeout)


def _option(arguments: Sequence[str], name: str) -> str | None:
    """The value of an option; the last one counts, as on the command line."""
    value = None
    for position, one in enumerate(arguments):
        if one == name and position + 1 < len(arguments):
            value = arguments[position + 1]
        elif one.startswith(f"{name}="):
            value = one.partition("=")[2]
    return value
