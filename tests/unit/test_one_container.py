"""-c: the report on one container alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from poddoctor import session
from poddoctor.targets import BadTarget

ROOT = Path(__file__).resolve().parent.parent.parent
REPLAYED = ROOT / "tests" / "recordings" / "image" / "tag-not-found.json"


def two_containers(tmp_path: Path) -> Path:
    """The recorded pod with a second container that works."""
    document = json.loads(REPLAYED.read_text(encoding="utf-8"))
    row = next(
        one for one in document["snapshot"]["answers"] if one["read"]["resource"] == "pods" and "found" in one
    )
    row["found"]["spec"]["containers"].append({"name": "proxy", "image": "envoy:1"})
    row["found"]["status"]["containerStatuses"].append(
        {
            "name": "proxy",
            "ready": True,
            "started": True,
            "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
        }
    )
    path = tmp_path / "two.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_a_container_that_the_pod_lacks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadTarget, match="has no container porxy: it has .*proxy"):
        session.replay(two_containers(tmp_path), session.Request(), "porxy")


def test_what_other_containers_lack_is_left_out_and_that_is_said(tmp_path: Path) -> None:
    report = session.replay(two_containers(tmp_path), session.Request(), "proxy")
    assert report.findings == ()
    assert report.identity.healthy
    assert "only container proxy was looked at" in report.identity.context[-1]
