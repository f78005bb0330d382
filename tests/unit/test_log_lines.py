"""Overlong lines and blobs of a log are cut, and nothing else is."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from poddoctor.model import Found, Snapshot, Target
from poddoctor.pod.reads import log_read, log_text

READ = log_read("shop", "web", "app")


def read(text: str) -> str:
    clock = datetime(2026, 5, 4, tzinfo=timezone.utc)
    got = log_text(Snapshot(Target("pod", "shop", "web"), {READ: Found(text)}, clock), READ)
    assert got is not None
    return got


@pytest.mark.parametrize(
    "text",
    ["", "one\ntwo\n", "word " * 2000, '{"level":"error","stack":"' + "at x.y(Z.java:1) " * 300 + '"}'],
)
def test_usual_lines_stay(text: str) -> None:
    assert read(text) == text


def test_a_blob_is_cut() -> None:
    assert read(f"cert {'A' * 5000} refused") == f"cert {'A' * 300}… refused"


def test_an_overlong_line_keeps_both_ends_and_the_count_of_lines() -> None:
    lines = read(f"first\nstart {'a b ' * 10_000}end\nlast").split("\n")
    assert len(lines) == 3
    assert lines[1].startswith("start a b")
    assert lines[1].endswith("a b end")
    assert len(lines[1]) < 12_100
