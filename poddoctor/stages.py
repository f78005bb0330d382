"""Finding the diagnostics: one module per stage of a pod's life, loaded by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib import import_module
from typing import Protocol, cast

from poddoctor.model import STAGES, Read, Snapshot, Symptom, SymptomKind


class Diagnostic(Protocol):
    """What each module of ``poddoctor.diagnostics`` offers."""

    SYMPTOMS: Mapping[str, SymptomKind]

    def reads(self, snapshot: Snapshot) -> Iterable[Read]:
        """Given what is known so far, what else is needed."""

    def examine(self, snapshot: Snapshot) -> Iterable[Symptom]:
        """What was observed. Never names a cause."""


@lru_cache(maxsize=1)
def diagnostics() -> Mapping[str, Diagnostic]:
    """All diagnostics by stage, in the order of a pod's life."""
    return {stage: cast("Diagnostic", import_module(f"poddoctor.diagnostics.{stage}")) for stage in STAGES}


@lru_cache(maxsize=1)
def symptom_kinds() -> Mapping[str, SymptomKind]:
    """Every declared symptom by name."""
    return {name: kind for module in diagnostics().values() for name, kind in module.SYMPTOMS.items()}
