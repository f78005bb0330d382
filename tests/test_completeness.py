"""No cause without a real failure behind it: one red line for each gap.

Gates are functions that yield ``(id, what is missing)``. An exemption lives in tests/exemptions.yaml with its
reason, and one that is no longer needed is a gap itself.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator
from functools import cache
from types import ModuleType

import yaml

from poddoctor import engine, session
from poddoctor.model import STAGES, Cause, Clause, Symptom
from poddoctor.stages import symptom_kinds

from .conftest import ROOT, healthy, recorded, report_of, snapshot_of

Gap = tuple[str, str]
CAUSES = {cause.id: cause for cause in session.causes([])}
STABLE = [cause for cause in CAUSES.values() if cause.status == "stable"]
EXEMPTIONS: dict[str, dict[str, str]] = yaml.safe_load((ROOT / "tests" / "exemptions.yaml").read_text()) or {}


@cache
def symptoms(name: str) -> tuple[Symptom, ...]:
    path = recorded().get(name) or healthy()[name.removeprefix("healthy/")]
    found, broken = engine.examine(snapshot_of(path))
    assert not broken, broken
    return tuple(found)


def everything() -> list[str]:
    return [*recorded(), *(f"healthy/{name}" for name in healthy())]


def real(name: str) -> bool:
    return not json.loads(recorded()[name].read_text())["provenance"].get("synthetic")


def scenario_names() -> set[str]:
    root = ROOT / "e2e" / "scenarios"
    return {path.parent.relative_to(root).as_posix() for path in root.glob("*/*/scenario.yaml")}


def docs_tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_tool", ROOT / "tools" / "docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def explained() -> Iterator[Gap]:
    for cause in CAUSES.values():
        if len(cause.explain.split()) < 25:
            yield cause.id, "explain says too little"


def referenced() -> Iterator[Gap]:
    for cause in CAUSES.values():
        if not cause.references:
            yield cause.id, "no reference"


def steps() -> Iterator[Gap]:
    for cause in CAUSES.values():
        if not any(step.run for step in cause.steps):
            yield cause.id, "no step has a command"


def really_recorded() -> Iterator[Gap]:
    for cause in STABLE:
        names = [name for name in recorded() if name.partition("--")[0] == cause.id and real(name)]
        if not any(
            report_of(recorded()[name]).findings[:1]
            and report_of(recorded()[name]).findings[0].cause.id == cause.id
            for name in names
        ):
            yield cause.id, "stable, but no real recording has it as its first finding"


def staged() -> Iterator[Gap]:
    for cause in STABLE:
        if not any(name.partition("--")[0] == cause.id for name in scenario_names()):
            yield cause.id, "stable, but no scenario breaks it"


def clauses() -> Iterator[Gap]:
    for cause in STABLE:
        for clause in (*cause.when, *cause.confirms, *cause.refutes):
            yield from clause_gap(cause, clause)


def clause_gap(cause: Cause, clause: Clause) -> Iterator[Gap]:
    held = {name: any(engine.holds(clause, one) for one in symptoms(name)) for name in everything()}
    label = f"{clause.symptom} {dict(clause.where) or ''} {clause.matches}".strip()
    if not any(held.values()):
        yield f"{cause.id}: {label}", "true in no recording"
    if all(held.values()):
        yield f"{cause.id}: {label}", "false in no recording"


def outranks() -> Iterator[Gap]:
    known = {*CAUSES, *(f"{stage}/*" for stage in STAGES)}
    for cause in CAUSES.values():
        for other in cause.outranks:
            if other not in known:
                yield cause.id, f"outranks {other}, which does not exist"


def orphans() -> Iterator[Gap]:
    for name in recorded():
        if name.partition("--")[0] not in CAUSES:
            yield name, "a recording of no cause"
        elif real(name) and name not in scenario_names():
            yield name, "a recording of no scenario"
    for name in scenario_names():
        if name.partition("--")[0] not in CAUSES:
            yield name, "a scenario of no cause"


def declared() -> Iterator[Gap]:
    for name in everything():
        for one in symptoms(name):
            kind = symptom_kinds().get(one.name)
            if kind is None:
                yield one.name, "emitted, but declared by no diagnostic"
            elif extra := set(one.attributes) - set(kind.attributes):
                yield one.name, f"carries undeclared attributes {sorted(extra)}"


def pages() -> Iterator[Gap]:
    tool = docs_tool()
    made = tool.pages()
    for path, text in made.items():
        name = path.relative_to(ROOT).as_posix()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            yield name, "the page is not what make docs writes"
    for path in (ROOT / "docs" / "causes").rglob("*.md"):
        if path not in made:
            yield path.relative_to(ROOT).as_posix(), "a page of no cause"


GATES: list[Callable[[], Iterator[Gap]]] = [
    explained, referenced, steps, really_recorded, staged, clauses, outranks, orphans, declared,
]  # fmt: skip


def owner(name: str) -> str:
    """The cause that a gap is about: recordings, scenarios and clauses begin with its id."""
    return name.partition(":")[0].partition("--")[0]


def gaps_of(gate: Callable[[], Iterator[Gap]]) -> Iterator[Gap]:
    """The gaps of one gate but for the exempt ones, and the exemptions that nothing needs."""
    found = sorted(set(gate()))
    exempt = EXEMPTIONS.get(gate.__name__, {})
    yield from (gap for gap in found if gap[0] not in exempt)
    for name in sorted(set(exempt) - {name for name, _ in found}):
        yield name, f"exempt from {gate.__name__}, but no longer in need of it"


@cache
def gaps() -> dict[str, list[str]]:
    """What each cause lacks: one line a cause, since one thing taken away is missed by several gates."""
    lacking: dict[str, list[str]] = {}
    for gate in GATES:
        for name, what in gaps_of(gate):
            lacking.setdefault(owner(name), []).append(
                f"{name.removeprefix(owner(name))} {what}".lstrip(": ")
            )
    return lacking


def red(lacking: dict[str, list[str]]) -> str:
    return "".join(f"\n{cause}: {'; '.join(what)}" for cause, what in sorted(lacking.items()))


def test_every_cause_is_proven() -> None:
    assert not gaps(), red(gaps())


def test_pages_are_what_make_docs_writes() -> None:
    # The pages are made from causes and recordings: where one is lacking the line above says so.
    lines = [] if gaps() else [f"{name}: {what}" for name, what in gaps_of(pages)]
    assert not lines, "\n" + "\n".join(lines)


def test_exemptions_name_gates() -> None:
    assert set(EXEMPTIONS) <= {gate.__name__ for gate in (*GATES, pages)}
