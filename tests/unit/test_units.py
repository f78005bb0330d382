"""Quantities, times and durations against what Kubernetes means by them."""

from datetime import timedelta
from decimal import Decimal

import pytest

from poddoctor.pod import units


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("500m", "0.5"),
        ("2", "2"),
        ("64Mi", str(64 * 2**20)),
        ("1e3", "1000"),
        ("1.5Gi", str(3 * 2**29)),
        ("1k", "1000"),
    ],
)
def test_quantity(text: str, value: str) -> None:
    assert units.quantity(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "abc", "1 Gi", None, "1..2", "Mi"])
def test_no_quantity(text: object) -> None:
    assert units.quantity(text) is None


@pytest.mark.parametrize(
    ("resource", "amount", "text"),
    [
        ("cpu", "1.5", "1500m"),
        ("cpu", "2", "2"),
        ("memory", str(2**30), "1Gi"),
        ("pods", "110", "110"),
        ("memory", "0", "0"),
    ],
)
def test_show_amount(resource: str, amount: str, text: str) -> None:
    assert units.show_amount(resource, Decimal(amount)) == text


def test_time_with_nanoseconds_is_utc() -> None:
    time = units.parse_time("2026-11-24T09:00:01.123456789Z")
    assert time is not None
    assert (time.microsecond, time.utcoffset()) == (123456, timedelta(0))


@pytest.mark.parametrize("text", ["1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "", None, "yesterday"])
def test_no_time(text: object) -> None:
    assert units.parse_time(text) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(59, "59s"), (119, "119s"), (125, "2m5s"), (3000, "50m"), (15120, "4h12m"), (600000, "6d"), (-5, "0s")],
)
def test_duration(seconds: int, text: str) -> None:
    assert units.show_duration(timedelta(seconds=seconds)) == text
