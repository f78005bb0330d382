"""Dialing before the command line is parsed: connecting overlaps with the imports of typer and rich."""

from __future__ import annotations

import atexit
import re
from collections.abc import Sequence
from itertools import pairwise

from poddoctor.kube.errors import KubeError
from poddoctor.kube.transport import Cluster
from poddoctor.model import Read
from poddoctor.pod.reads import events_read, get

_POD = re.compile(r"(?:pod/)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
# The options of diagnose that take a value: what follows them is no pod.
_VALUED = (
    "--namespace", "-n", "--container", "-c", "--selector", "-l", "--output", "-o", "--context",
    "--kubeconfig", "--tail", "--timeout", "--playbooks",
)  # fmt: skip
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
    cluster.prewarm(_first_reads(arguments, cluster.namespace))
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


def hang_up() -> None:
    """Closes what was dialed and never used, as when the command line turned out to be wrong."""
    for dialed in _dialed.values():
        if isinstance(dialed, Cluster):
            dialed.close()
    _dialed.clear()


def _first_reads(arguments: Sequence[str], namespace: str) -> tuple[Read, ...]:
    """The pod and its events, when the arguments name a pod. A wrong guess costs two reads."""
    names = [one for before, one in pairwise(arguments) if not one.startswith("-") and before not in _VALUED]
    if len(names) != 1 or not _POD.fullmatch(names[0]):
        return ()
    space = _option(arguments, "--namespace") or _option(arguments, "-n") or namespace
    pod = names[0].removeprefix("pod/")
    return get("v1", "pods", space, pod), events_read(space, "Pod", pod)


def _option(arguments: Sequence[str], name: str) -> str | None:
    """The value of an option; the last one counts, as on the command line."""
    value = None
    for position, one in enumerate(arguments):
        if one == name and position + 1 < len(arguments):
            value = arguments[position + 1]
        elif one.startswith(f"{name}="):
            value = one.partition("=")[2]
    return value
