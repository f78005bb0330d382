"""Dialing before the command line is parsed: connecting overlaps with the imports of typer and rich."""

from __future__ import annotations

from collections.abc import Sequence

from poddoctor.kube.errors import KubeError
from poddoctor.kube.transport import Cluster

_dialed: dict[tuple[str | None, str | None], Cluster] = {}


def dial(arguments: Sequence[str]) -> None:
    """Starts connecting when these arguments will need a cluster. Errors are told later, by the command."""
    if arguments[:1] != ["diagnose"] or any(
        one in ("--help", "--from") or one.startswith("--from=") for one in arguments
    ):
        return
    key = _option(arguments, "--kubeconfig"), _option(arguments, "--context")
    try:
        timeout = float(_option(arguments, "--timeout") or 10.0)
        cluster = Cluster.open(*key, timeout)
    except (KubeError, ValueError):
        return
    cluster.prewarm()
    _dialed[key] = cluster


def open_cluster(kubeconfig: str | None, context: str | None, timeout: float) -> Cluster:
    """The cluster that is being dialed, or a new one.

    Raises:
        KubeError: as ``Cluster.open``.
    """
    return _dialed.pop((kubeconfig, context), None) or Cluster.open(kubeconfig, context, timeout)


def _option(arguments: Sequence[str], name: str) -> str | None:
    for position, one in enumerate(arguments):
        if one == name and position + 1 < len(arguments):
            return arguments[position + 1]
        if one.startswith(f"{name}="):
            return one.partition("=")[2]
    return None
