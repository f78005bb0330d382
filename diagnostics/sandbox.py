"""Stage sandbox."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from poddoctor.model import Read, Snapshot, Symptom, SymptomKind

SYMPTOMS: Mapping[str, SymptomKind] = {}


def reads(snapshot: Snapshot) -> Iterable[Read]:
    """What this stage needs to know."""
    del snapshot
    return ()


def examine(snapshot: Snapshot) -> Iterable[Symptom]:
    """What this stage sees."""
    del snapshot
    return ()
