"""A saved Job cannot be created as it is: replace --force would delete it and then fail."""

from __future__ import annotations

import pytest

from poddoctor import session
from poddoctor.model import Step

STEPS = [
    pytest.param(step, id=f"{cause.id}-{number}")
    for cause in session.causes([])
    for number, step in enumerate(cause.steps)
    if "get {workload}" in step.run and "replace --force" in step.run
]


@pytest.mark.parametrize("step", STEPS)
def test_what_the_server_set_is_taken_out(step: Step) -> None:
    assert step.only["owner"] == ("job",)
    assert '"selector":null' in step.run or "del(.spec.selector" in step.run


def test_there_are_such_steps() -> None:
    assert len(STEPS) > 50
