"""The wheel: one top-level name, every playbook and every demo inside."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.timeout(300)
def test_wheel(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path), str(ROOT)],
        check=True,
        capture_output=True,
    )
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {"poddoctor"}
    for folder in ("playbooks", "diagnostics"):
        for path in [*(ROOT / folder).rglob("*.yaml"), *(ROOT / folder).rglob("*.py")]:
            assert f"poddoctor/{path.relative_to(ROOT).as_posix()}" in names
    for path in (ROOT / "poddoctor" / "demo").glob("*.json"):
        assert f"poddoctor/demo/{path.name}" in names
