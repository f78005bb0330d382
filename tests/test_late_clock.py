"""A server that shows a cluster of long ago with today's clock must not change the diagnosis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from poddoctor import collect, engine, recording
from poddoctor.model import Answer, Read

from .conftest import healthy, recorded, report_of


@dataclass(frozen=True)
class Late:
    """A recording whose server says that it is a year later."""

    inner: recording.Recording

    @property
    def clock(self) -> datetime:
        return self.inner.clock + timedelta(days=400)

    @property
    def version(self) -> str:
        return self.inner.version

    def ask(self, reads: Sequence[Read]) -> Mapping[Read, Answer]:
        return self.inner.ask(reads)


def late(path: object) -> list[tuple[str, str]]:
    loaded = recording.load(path)  # type: ignore[arg-type]
    report = engine.diagnose(collect.collect(loaded.snapshot.target, Late(loaded)))
    return [(one.cause.id, one.standing) for one in report.findings]


@pytest.mark.parametrize("name", recorded())
def test_the_first_finding_is_the_same(name: str) -> None:
    path = recorded()[name]
    assert late(path)[:1] == [(one.cause.id, one.standing) for one in report_of(path).findings][:1]


@pytest.mark.parametrize("name", healthy())
def test_healthy_stays_healthy(name: str) -> None:
    assert [one for one in late(healthy()[name]) if one[1] == "now"] == []
