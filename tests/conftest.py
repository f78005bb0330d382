"""What the tests share: the recordings, and the reports on them (each made once)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from poddoctor import collect, engine, recording
from poddoctor.model import Report, Snapshot

ROOT = Path(__file__).resolve().parent.parent
RECORDINGS = ROOT / "tests" / "recordings"


def recorded() -> dict[str, Path]:
    """All recordings of broken pods by name: family/cause[--variant]."""
    return {
        path.relative_to(RECORDINGS).with_suffix("").as_posix(): path
        for path in sorted(RECORDINGS.glob("*/*.json"))
        if path.parent.name not in ("healthy", "lookalikes")
    }


def healthy() -> dict[str, Path]:
    """All recordings of healthy situations by name."""
    return {path.stem: path for path in sorted((RECORDINGS / "healthy").glob("*.json"))}


@cache
def snapshot_of(path: Path) -> Snapshot:
    """The snapshot that the collect loop makes of a recording."""
    loaded = recording.load(path)
    return collect.collect(loaded.snapshot.target, loaded)


@cache
def report_of(path: Path) -> Report:
    """The report on a recording."""
    return engine.diagnose(snapshot_of(path))
