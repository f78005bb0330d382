"""Options of the e2e tests, and one table of what was seen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


def pytest_sessionstart(session: pytest.Session) -> None:
    """Refuses any cluster but kind's: scenarios break nodes."""
    if hasattr(session.config, "workerinput"):
        return
    names = subprocess.run(
        ["kubectl", "get", "nodes", "-o", "jsonpath={.items[*].spec.providerID}"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ,
    )
    if "kind://" not in names.stdout:
        said = (names.stdout or names.stderr).strip().splitlines()
        why = said[-1] if said else "it has no node"
        pytest.exit(f"the current context is not a kind cluster: {why}", returncode=3)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    rows = [
        json.loads(value)
        for report in terminalreporter.stats.get("passed", [])
        for key, value in report.user_properties
        if key == "outcome"
    ]
    if not rows:
        return
    terminalreporter.write_line(f"\n{'scenario':<52} {'broken':>7} {'confidence':<10} {'fixed':>6}")
    for row in sorted(rows, key=lambda one: one["scenario"]):
        fixed = "-" if row["fixed_in"] is None else f"{row['fixed_in']:.0f}s"
        broken = f"{row['broken_in']:.0f}s"
        terminalreporter.write_line(f"{row['scenario']:<52} {broken:>7} {row['confidence']:<10} {fixed:>6}")
