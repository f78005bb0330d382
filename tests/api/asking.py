"""One wave asked of a server, as the contract tests do it."""

from __future__ import annotations

from poddoctor.kube.transport import Cluster
from poddoctor.model import Answer, Read


def ask(config: str, *reads: Read, timeout: float = 5.0) -> list[Answer]:
    """The answers in the order of the Reads, over a connection of its own."""
    cluster = Cluster.open(config, None, timeout)
    try:
        answers = cluster.ask(reads)
        return [answers[read] for read in reads]
    finally:
        cluster.close()
