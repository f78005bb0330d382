"""Writes the generated pages: docs/causes/**, and the indexes by STATUS word and by message."""

from __future__ import annotations

import sys
from pathlib import Path

from poddoctor import engine, recording, session
from poddoctor.model import STAGES, Answer, Cause, Read, Snapshot, Unknown
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
    made[ROOT / "docs" / "evidence.md"] = evidence()
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


def kind(read: Read) -> str:
    """To which part of the evidence a Read belongs."""
    if read.verb == "log":
        return "logs"
    if read.resource == "events":
        return "events"
    return "pod" if read.resource == "pods" and read.verb == "get" else "other objects"


def seen_only(snapshot: Snapshot, parts: set[str]) -> Snapshot:
    """The snapshot as somebody sees it who may read these parts alone."""
    forbidden = Unknown("forbidden", "may not be read")
    answers: dict[Read, Answer] = {
        read: answer if kind(read) in parts else forbidden for read, answer in snapshot.answers.items()
    }
    return Snapshot(snapshot.target, answers, snapshot.clock, snapshot.version)


def needed(snapshot: Snapshot, cause: str) -> str:
    """The least evidence with which the first finding is still this cause."""
    ladders: tuple[list[str], ...] = (
        [],
        ["events"],
        ["logs"],
        ["other objects"],
        ["events", "other objects"],
        ["logs", "other objects"],
    )
    for more in ladders:
        report = engine.diagnose(seen_only(snapshot, {"pod", *more}))
        if report.findings and report.findings[0].cause.id == cause:
            return " + ".join(["pod", *more])
    return "everything"


def evidence() -> str:
    """Recording by what is needed to find its cause."""
    lines = [
        "# What is needed to find a cause",
        "",
        "The least that must be readable for the first finding to be the same, for each recording of a pod.",
        "The pod object alone is one read; what else would help is named in each report under *Not seen*.",
        "",
        "| recording | needs |",
        "| --- | --- |",
    ]
    for path in sorted(RECORDINGS.glob("*/*.json")):
        snapshot = recording.load(path).snapshot
        name = path.relative_to(RECORDINGS).with_suffix("").as_posix()
        cause = name.partition("--")[0]
        if pod_of(snapshot) is not None and not name.startswith("healthy/"):
            lines.append(f"| {name} | {needed(snapshot, cause)} |")
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
