"""Every scenario: broken for real, the first finding is right, the printed fix heals.

Scenarios that touch nodes or cluster-wide settings bear the mark ``exclusive``: ``make e2e`` runs them after
all others, so that a paused node does not break its neighbours. Two that break a node each, and not the same,
run at the same time; the rest take turns (``exclusive`` in scenario.yaml: the node's name, or true).
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from harness import Outcome, Scenario, run, scenarios

ALL = scenarios()
assert ALL, "no scenario was found"


def report(outcome: Outcome) -> str:
    """The row of the table, as text: it crosses from a worker process to the one that prints."""
    row = {
        "scenario": outcome.scenario.name,
        "broken_in": outcome.broken_in,
        "confidence": outcome.confidence,
        "fixed_in": outcome.fixed_in,
    }
    return json.dumps(row)


def marks(scenario: Scenario) -> Iterator[pytest.MarkDecorator]:
    """The marks by which ``make e2e`` and ``make e2e-core`` choose."""
    if scenario.exclusive:
        yield pytest.mark.exclusive
    if scenario.core:
        yield pytest.mark.core


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "scenario",
    [pytest.param(one, id=one.name, marks=list(marks(one))) for one in ALL],
)
def test_scenario(scenario: Scenario, record_property: pytest.RecordProperty) -> None:
    outcome = run(scenario)
    assert outcome.first == scenario.cause
    record_property("outcome", report(outcome))
