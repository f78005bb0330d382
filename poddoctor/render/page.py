"""The page that explains a cause: the same text in the terminal and in docs/causes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markdown import Markdown

if TYPE_CHECKING:
    from rich.console import Console

    from poddoctor.model import Cause, Clause, Step


def show(cause: Cause, console: Console) -> None:
    """Prints the page."""
    console.print(Markdown(markdown(cause)))


def markdown(cause: Cause) -> str:
    """The page as Markdown."""
    parts = [
        f"# {cause.id}",
        f"*{cause.titles[0]}*",
        f"Severity {cause.severity}, {cause.status} since {cause.since}, {cause.base} when it holds."
        + (" It is told as waiting, not as a fault." if cause.waiting else ""),
        "## What happened",
        cause.explain,
        "## How it is told",
        "\n".join(f"- {_clause(clause)}" for clause in cause.when),
    ]
    for title, clauses in (("More certain when", cause.confirms), ("Ruled out when", cause.refutes)):
        if clauses:
            parts += [f"{title}:", "\n".join(f"- {_clause(clause)}" for clause in clauses)]
    if cause.outranks:
        parts.append("More precise than: " + ", ".join(f"`{one}`" for one in cause.outranks))
    parts.append("## What to do")
    parts += [_step(step) for step in cause.steps]
    if cause.references:
        parts += ["## References", "\n".join(f"- <{link}>" for link in cause.references)]
    return "\n\n".join(parts) + "\n"


def _clause(clause: Clause) -> str:
    text = f"`{clause.symptom}`"
    if clause.where:
        text += " where " + ", ".join(
            f"{key} is {' or '.join(values)}" for key, values in clause.where.items()
        )
    return text + (f", text matches `{clause.matches}`" if clause.matches else "")


def _step(step: Step) -> str:
    lines = [f"**{step.do}**" + (" (fixes it)" if step.fixes else "")]
    if step.only:
        lines[0] += " — when " + ", ".join(
            f"{key} is {' or '.join(values)}" for key, values in step.only.items()
        )
    for title, command in (("", step.run), ("Check", step.check), ("Undo", step.undo)):
        if command:
            lines += ["", *([f"{title}:", ""] if title else []), "```sh", command, "```"]
    return "\n".join(lines)
