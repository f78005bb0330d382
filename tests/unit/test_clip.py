"""Texts that are cut, and show it."""

from __future__ import annotations

import pytest

from poddoctor.pod.clip import clip, clip_middle


@pytest.mark.parametrize(
    ("text", "most", "shown"),
    [
        ("all of it", 20, "all of it"),
        ("the server is not authorized to perform", 27, "the server is not…"),
        ("x" * 40, 10, "xxxxxxxxx…"),
    ],
)
def test_the_beginning(text: str, most: int, shown: str) -> None:
    assert clip(text, most) == shown


def test_the_end_is_kept() -> None:
    text = "mounting failed with " + "some more words " * 20 + "and the reason: permission denied"
    shown = clip_middle(text, 80)
    assert shown.startswith("mounting failed with")
    assert shown.endswith("permission denied")
    assert " … " in shown
    assert len(shown) <= 80
