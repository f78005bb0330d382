"""Pods of one workload that fail alike take one screen, not one each."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from poddoctor import engine, recording
from poddoctor.model import Report
from poddoctor.render import text

RECORDINGS = Path(__file__).resolve().parents[1] / "recordings"


def report_of(name: str) -> Report:
    return engine.diagnose(recording.load(RECORDINGS / f"{name}.json").snapshot)


def sibling(report: Report) -> Report:
    about = report.identity
    return replace(report, identity=replace(about, target=replace(about.target, name="the-other-one")))


def printed(*reports: Report, verbose: bool = False) -> str:
    console = Console(file=io.StringIO(), width=100, highlight=False, emoji=False, markup=False)
    text.render_all(reports, console, verbose=verbose)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_steps_are_printed_once_and_each_pod_has_its_answer() -> None:
    first = report_of("logs/environment-variable-missing")
    shown = printed(first, sibling(first))
    title = first.findings[0].title
    assert shown.count(title) == 2
    assert shown.count("   Fix  ") == printed(first).count("   Fix  ")
    assert f"As with {first.identity.target.name} above" in shown.partition("the-other-one")[2]


def test_all_is_said_again_on_request() -> None:
    first = report_of("logs/environment-variable-missing")
    assert printed(first, sibling(first), verbose=True).count("   Fix  ") == 2 * printed(first).count(
        "   Fix  "
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("logs/environment-variable-missing", "logs/permission-denied"),
        ("crash/finishes-immediately--pod", "crash/finishes-immediately--pod"),
    ],
)
def test_another_cause_or_a_pod_of_its_own_has_its_own_steps(one: str, other: str) -> None:
    first, second = report_of(one), sibling(report_of(other))
    assert "above" not in printed(first, second)
