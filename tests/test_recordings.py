"""Every recording is diagnosed without a cluster: the first finding, the whole matrix, and the text."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest
from rich.console import Console

from poddoctor import recording
from poddoctor.render import text

from .conftest import ROOT, healthy, recorded, report_of

GOLDEN = ROOT / "tests" / "golden"
UPDATE = bool(os.environ.get("UPDATE_GOLDEN"))
RECORDED = recorded()


def rendered(path: Path, width: int) -> str:
    out = io.StringIO()
    text.render(report_of(path), Console(file=out, width=width, highlight=False, emoji=False, markup=False))
    return out.getvalue()


@pytest.mark.parametrize("name", RECORDED)
def test_first_finding(name: str) -> None:
    report = report_of(RECORDED[name])
    found = [(one.cause.id, one.standing, one.confidence) for one in report.findings]
    assert found, "nothing was found"
    assert found[0][0] == name.partition("--")[0], found
    assert found[0][1] != "past"


@pytest.mark.parametrize("name", RECORDED)
def test_text(name: str) -> None:
    golden = GOLDEN / f"{name}.txt"
    shown = rendered(RECORDED[name], 120)
    if UPDATE:
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(shown, encoding="utf-8")
    assert golden.exists(), "make golden writes it: read it then"
    assert golden.read_text(encoding="utf-8") == shown, (
        "make golden writes it anew; read the difference first"
    )


def test_matrix() -> None:
    """Recording by cause: what else fires shows in review."""
    rows = {
        name: [f"{one.cause.id} {one.standing} {one.confidence}" for one in report_of(path).findings]
        for name, path in RECORDED.items()
    }
    golden = GOLDEN / "matrix.json"
    shown = json.dumps(rows, indent=1, sort_keys=True) + "\n"
    if UPDATE:
        golden.write_text(shown, encoding="utf-8")
    assert golden.read_text(encoding="utf-8") == shown, (
        "make golden writes it anew; read the difference first"
    )


@pytest.mark.parametrize("name", healthy())
def test_healthy_gives_nothing(name: str) -> None:
    report = report_of(healthy()[name])
    assert [one.cause.id for one in report.findings if one.standing in ("now", "next")] == []


@pytest.mark.parametrize("name", [*RECORDED, *(f"healthy/{one}" for one in healthy())])
def test_provenance(name: str) -> None:
    path = ROOT / "tests" / "recordings" / f"{name}.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    origin = document["provenance"]
    if origin.get("synthetic"):
        assert origin.get("source"), "a synthetic recording names the source of its texts"
    elif recording.edited(document):
        assert origin.get("edited"), "an edited recording says why"
    else:
        assert origin["kubernetes"].startswith("v1.")
