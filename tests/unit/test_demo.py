"""The demo is made of recordings, unchanged, and gives their causes by the same code path."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from poddoctor import session

ROOT = Path(__file__).resolve().parent.parent.parent
DEMOS = session.demos()


@pytest.mark.parametrize("name", DEMOS)
def test_demo(name: str) -> None:
    text = DEMOS[name].read_text(encoding="utf-8")
    scenario = json.loads(text)["provenance"]["scenario"]
    assert (ROOT / "tests" / "recordings" / f"{scenario}.json").read_text(encoding="utf-8") == text
    command = [str(Path(sys.executable).parent / "poddoctor"), "demo", name, "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["findings"][0]["cause"] == scenario.partition("--")[0]


def test_there_are_demos() -> None:
    assert len(DEMOS) >= 5
