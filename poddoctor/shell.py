"""What makes the commands of playbooks safe to paste."""

from __future__ import annotations

import re

_NEEDED = re.compile(r"\$\{(\w+):\?((?:[^{}]|\{\w+\})*)\}")
LOOKS = re.compile(r" --(?:list|local|dry-run=\w+)\b")
"""What makes a command that could change an object only look, or only work on its text."""
_GOES_ON = ("|", "\\", "&&", "||", "<<EOF")


def open_quote(text: str) -> str:
    """The quote that is open at the end of this piece of shell: ``'``, ``"``, ``{`` for ``${…``, or none."""
    quote = ""
    position = 0
    while position < len(text):
        character = text[position]
        if quote == "'":
            quote = "" if character == "'" else quote
        elif character == "\\":
            position += 1
        elif character == '"':
            quote = "" if quote == '"' else '"'
        elif character == "'" and not quote:
            quote = "'"
        elif text.startswith("${", position) and not quote:
            quote = "{"
        elif character == "}" and quote == "{":
            quote = ""
        position += 1
    return quote


def dead_variable(text: str) -> str:
    """The first ``${…`` that stands between single quotes, where the shell does not fill it; or nothing."""
    found = (
        text[match.start() :]
        for match in re.finditer(r"\$\{", text)
        if open_quote(text[: match.start()]) == "'"
    )
    return next(found, "")[:40]


def chained(run: str) -> str:
    """Lines of commands as one list that ends at the first failure, also where somebody pastes it.

    At a prompt a missing ``${NAME:?…}`` ends its own command alone, and the next line runs all the same. So
    what a human has to give is asked for before the first command: when it is missing, nothing was changed.
    """
    head, here, text = run.partition("<<EOF")
    lines = (head + here).splitlines()
    last = len(lines) - 1
    joined = [
        line if number == last or line.rstrip().endswith(_GOES_ON) else f"{line} &&"
        for number, line in enumerate(lines)
    ]
    if not any(line.endswith(" &&") for line in joined):
        return run
    needed = dict(_NEEDED.findall(run))
    if needed and not run.startswith(": "):
        words = " ".join(f'"${{{name}:?{what}}}"' for name, what in needed.items())
        joined = [f": {words} &&", *(_NEEDED.sub(r"${\1}", line) for line in joined)]
    return "\n".join(joined) + text
