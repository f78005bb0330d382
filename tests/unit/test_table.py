"""The table of all nodes: for those who ask for it, and for programs."""

from __future__ import annotations

import io
import json
from pathlib import Path

import jsonschema
import pytest
from rich.console import Console

from poddoctor import engine, recording
from poddoctor.render import json as document
from poddoctor.render import text

ROOT = Path(__file__).resolve().parents[2]
SHOT = recording.load(ROOT / "tests" / "recordings" / "scheduling" / "insufficient-resources.json").snapshot


def printed(*, verbose: bool) -> str:
    console = Console(file=io.StringIO(), width=80, highlight=False, emoji=False, markup=False)
    text.render(engine.diagnose(SHOT), console, verbose=verbose)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_each_node_has_its_rows_when_they_are_asked_for() -> None:
    lines = [line.split() for line in printed(verbose=True).splitlines()]
    head = next(line for line in lines if line[:2] == ["NODE", "PREDICATE"])
    assert head == [
        "NODE",
        "PREDICATE",
        "RESOURCE",
        "REQUESTED",
        "ALLOCATABLE",
        "FREE",
        "SHORT",
        "BY",
        "DETAIL",
    ]
    worker = next(line for line in lines if line[:2] == ["poddoctor-worker", "NodeResourcesFit"])
    assert worker[2:4] == ["memory", "12Gi"]
    asked, allocatable, free, short = (float(cell.removesuffix("Gi")) for cell in worker[3:7])
    assert asked <= allocatable
    assert short == pytest.approx(asked - free, abs=0.1)
    assert ["poddoctor-control-plane", "TaintToleration"] in [line[:2] for line in lines]
    assert "PREDICATE" not in printed(verbose=False)


def test_programs_get_the_table_always() -> None:
    body = json.loads(document.dumps([engine.diagnose(SHOT)], "json"))
    jsonschema.validate(body, json.loads((ROOT / "docs" / "report.schema.json").read_text()))
    rows = [row for one in body["findings"][0]["symptoms"] for row in one.get("table", [])]
    assert {row["node"] for row in rows} == {
        "poddoctor-control-plane",
        "poddoctor-worker",
        "poddoctor-worker2",
    }
    assert {"predicate", "requested", "allocatable", "free", "short_by", "detail"} <= set(rows[0])
