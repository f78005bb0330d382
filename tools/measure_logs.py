"""How often the line that poddoctor shows is the right one: ``python tools/measure_logs.py [--wrong]``.

tests/logs holds what real programs printed when they failed, with the line and the cause that a person would
name. Rules may be written from the one half; the other is held out, and shows how they do on what is new.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import yaml
from poddoctor.diagnostics import logs

ROOT = Path(__file__).resolve().parent.parent / "tests" / "logs"


def measured() -> Iterator[tuple[Mapping[str, Any], str, str | None]]:
    """Each entry of the index with the line shown and the cause that poddoctor names."""
    for entry in yaml.safe_load((ROOT / "index.yaml").read_text(encoding="utf-8")):
        text = (ROOT / f"{entry['log']}.log").read_text(encoding="utf-8")
        line, what = logs.said(text)
        yield entry, line, f"logs/{what}" if what else None


def shows(entry: Mapping[str, Any], line: str) -> bool:
    """Whether the line is one of those that a person would name."""
    wanted = entry["line"] if isinstance(entry["line"], list) else [entry["line"]]
    return any(one.lower() in line.lower() for one in wanted)


def main() -> int:
    """Prints the shares for both halves."""
    halves: dict[tuple[int, bool], list[tuple[bool, bool]]] = {}
    started = perf_counter()
    for entry, line, cause in measured():
        right_line, right_cause = shows(entry, line), cause == entry["cause"]
        part = (entry.get("round", 1), entry["held_out"])
        halves.setdefault(part, []).append((right_line, right_cause))
        if "--wrong" in sys.argv and not entry["held_out"] and not (right_line and right_cause):
            print(f"{entry['log']}: {line[:90]!r} {cause}, not {entry['line']!r} {entry['cause']}")
    spent = perf_counter() - started
    for (round_, held_out), results in sorted(halves.items()):
        name, count = f"round {round_} {'held out' if held_out else 'seen'}", len(results)
        lines, causes = (sum(pair[which] for pair in results) for which in (0, 1))
        print(f"{name:16} {count:3} logs  right line {lines / count:.0%}  right cause {causes / count:.0%}")
    total = sum(map(len, halves.values()))
    print(f"{1000 * spent / total:.1f} ms for each log")
    return 0


if __name__ == "__main__":
    sys.exit(main())
