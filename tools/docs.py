"""Writes the generated pages: docs/causes/**, and the indexes by STATUS word and by message."""

from __future__ import annotations

import sys
from pathlib import Path

from poddoctor import engine, recording, session
from poddoctor.model import STAGES, Cause
from poddoctor.pod.containers import status_word
from poddoctor.pod.reads import pod_of
from poddoctor.render.page import markdown

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs" / "causes"
RECORDINGS = ROOT / "tests" / "recordings"


def pages() -> dict[Path, str]:
    """All generated pages, by path."""
    causes = session.causes([])
    made = {DOCS / f"{cause.id}.md": markdown(cause) for cause in causes}
    made[DOCS / "README.md"] = index(causes)
    made[DOCS / "by-status.md"] = by_status()
    made[DOCS / "by-message.md"] = by_message(causes)
    return made


def index(causes: list[Cause]) -> str:
    """All causes by stage."""
    lines = ["# Causes", "", "In the order of a pod's life: an earlier stage hides the later ones.", ""]
    for stage in STAGES:
        lines += [f"## {stage}", ""]
        lines += [
            f"- [{one.id}]({one.id}.md) {one.titles[-1]} ({one.status})"
            for one in causes
            if one.family == stage
        ]
        lines.append("")
    return "\n".join(lines)


def by_status() -> str:
    """What each STATUS word of kubectl turned out to be, in the recordings."""
    words: dict[str, set[str]] = {}
    for path in sorted(RECORDINGS.glob("*/*.json")):
        snapshot = recording.load(path).snapshot
        pod = pod_of(snapshot)
        report = engine.diagnose(snapshot)
        if pod is not None and report.standing("now", "waiting"):
            words.setdefault(status_word(pod), set()).add(report.findings[0].cause.id)
    lines = [
        "# By the STATUS that kubectl shows",
        "",
        "The first findings of the recordings with that STATUS.",
        "",
    ]
    for word in sorted(words):
        lines += [f"## {word}", "", *(f"- [{cause}]({cause}.md)" for cause in sorted(words[word])), ""]
    return "\n".join(lines)


def by_message(causes: list[Cause]) -> str:
    """The patterns by which a message leads to its cause."""
    lines = ["# By message", "", "| a message that matches | means |", "| --- | --- |"]
    for cause in causes:
        for clause in cause.when:
            if clause.matches:
                pattern = clause.matches.replace("|", "\\|")
                lines.append(f"| `{pattern}` | [{cause.id}]({cause.id}.md) |")
    return "\n".join([*lines, ""])


def main() -> int:
    made = pages()
    for path in DOCS.rglob("*.md"):
        if path not in made:
            path.unlink()
    for path, text in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
