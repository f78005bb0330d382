"""Playbooks: YAML files to Causes, validated; an error names file and line.

The grammar is closed (see CONTRIBUTING.md). What a playbook may say is checked here once, when it
loads, so that nothing can fail while a pod is being diagnosed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

from poddoctor import shell, variants
from poddoctor.model import CONFIDENCES, SEVERITIES, Cause, Clause, Step, SymptomKind

# The folder stands at the top of the repository and installs as poddoctor.playbooks: only import knows where.
BUNDLED = Path(next(iter(import_module("poddoctor.playbooks").__path__)))
CONTEXT = frozenset(
    {
        "namespace",
        "pod",
        "container",
        "workload",
        "workload_kind",
        "workload_name",
        "node",
        "image",
        "selector",
    }
)
"""Placeholders that every playbook may use, whatever its symptoms declare."""
PLACEHOLDER = re.compile(r"(?<!\$)\{([a-z][a-z0-9_]*)\}")
OWNERS = ("none", "workload", "job", "cronjob", "static", "custom")
_RISKS = ("read-only", "restarts-pods", "deletes-data")
_KEYS = {
    "title": (str, list),
    "severity": str,
    "status": str,
    "since": str,
    "base": str,
    "when": list,
    "confirms": list,
    "refutes": list,
    "outranks": list,
    "explain": str,
    "steps": list,
    "references": list,
    "waiting": bool,
}
_REQUIRED = ("title", "severity", "status", "since", "base", "when", "explain", "steps")
_STEP_KEYS = {
    "do": str,
    "run": str,
    "rewrite": str,
    "risk": str,
    "fixes": bool,
    "check": str,
    "undo": str,
    "only": dict,
}
_BY_HAND_KEYS = {"by_hand": str, "owners": list}
_CLAUSE_KEYS = {"symptom": str, "where": dict, "matches": str}
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # C: 15 times faster
_WHEN = re.compile(r"^when:[^\n]*\n((?:[ #-][^\n]*\n|\n)+)", re.MULTILINE)
_SYMPTOM = re.compile(r"^(?:  )?- symptom: ([\w.-]+)$", re.MULTILINE)


class PlaybookError(Exception):
    """A playbook that breaks the grammar; the message begins with ``file:line``."""


@dataclass(frozen=True)
class _Wrong(Exception):
    """What is wrong and where in the document, before the line is known."""

    message: str
    at: tuple[str | int, ...]


def load(path: Path, root: Path, kinds: Mapping[str, SymptomKind]) -> Cause:
    """The Cause of one file; its id is the file's path below ``root``.

    Raises:
        PlaybookError: with file and line, when the file breaks the grammar or names an unknown symptom.
    """
    text = path.read_text(encoding="utf-8")
    try:
        document = yaml.load(text, _Loader)  # noqa: S506 - CSafeLoader is safe
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "not YAML"
        raise PlaybookError(f"{path}:{mark.line + 1 if mark else 1}: {problem}") from error
    try:
        return _cause(document, path.relative_to(root).with_suffix("").as_posix(), kinds)
    except _Wrong as wrong:
        raise PlaybookError(f"{path}:{_line(text, wrong.at)}: {wrong.message}") from wrong


def files(root: Path, families: Iterable[str] | None = None) -> list[Path]:
    """The playbook files below ``root``, sorted; only those of some families when given."""
    patterns = ["*/*.yaml"] if families is None else [f"{family}/*.yaml" for family in sorted(families)]
    return sorted(path for pattern in patterns for path in root.glob(pattern))


def load_all(
    roots: Sequence[Path], kinds: Mapping[str, SymptomKind], seen: Collection[str] | None = None
) -> tuple[Cause, ...]:
    """The Causes of several folders; a later folder replaces a cause of the same id.

    With the names of the symptoms that were seen, a bundled playbook that can match none of them is not
    parsed: parsing all of a family costs more than the diagnosis. A team's own folder is read whole, so that
    a mistake in it is told at once.
    """
    causes: dict[str, Cause] = {}
    for root in roots:
        chosen = files(root) if seen is None or root != BUNDLED else _possible(root, frozenset(seen))
        for path in chosen:
            cause = load(path, root, kinds)
            causes[cause.id] = cause
    return tuple(causes.values())


def _possible(root: Path, seen: frozenset[str]) -> list[Path]:
    """The playbooks below ``root`` of which each symptom that ``when`` names was seen."""
    families = {name.partition(".")[0] for name in seen}
    return [path for path in files(root, families) if needed(path.read_text(encoding="utf-8")) <= seen]


def needed(text: str) -> frozenset[str]:
    """The symptoms that ``when`` names, by the layout of the file; too few do no harm, the file is parsed."""
    block = _WHEN.search(text)
    return frozenset(_SYMPTOM.findall(block[1]) if block else ())


def placeholders(text: str) -> list[str]:
    """The names that a template asks for. ``${NAME:?…}`` belongs to the shell and is none."""
    return PLACEHOLDER.findall(text)


def _line(text: str, at: tuple[str | int, ...]) -> int:
    node = yaml.compose(text, _Loader)
    line = 1
    for key in at:
        child = None
        if isinstance(node, yaml.MappingNode):
            pair = next(((k, v) for k, v in node.value if k.value == key), None)
            if pair:
                line, child = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            child = node.value[key]
            line = child.start_mark.line + 1
        if child is None:
            break
        node = child
    return line


def _check(document: Any, keys: Mapping[str, Any], at: tuple[str | int, ...]) -> None:
    if not isinstance(document, dict):
        raise _Wrong("a mapping is needed here", at)
    for key, value in document.items():
        if key not in keys:
            raise _Wrong(f"unknown key {key!r}: one of {', '.join(keys)}", (*at, key))
        if not isinstance(value, keys[key]):
            raise _Wrong(f"{key} has the wrong type ({type(value).__name__})", (*at, key))


def _one_of(document: Mapping[str, Any], key: str, values: Sequence[str], at: tuple[str | int, ...]) -> Any:
    value = document[key]
    if value not in values:
        raise _Wrong(f"{key} is {value!r}: one of {', '.join(values)}", (*at, key))
    return value


def _cause(document: Any, name: str, kinds: Mapping[str, SymptomKind]) -> Cause:
    _check(document, _KEYS, ())
    for key in _REQUIRED:
        if key not in document:
            raise _Wrong(f"{key} is missing", ())
    titles = document["title"]
    when = _clauses(document, "when", kinds)
    if not when:
        raise _Wrong("when needs at least one clause", ("when",))
    steps = [(index, step) for index, raw in enumerate(document["steps"]) for step in _steps(raw, index)]
    cause = Cause(
        id=name,
        titles=tuple(titles) if isinstance(titles, list) else (titles,),
        severity=_one_of(document, "severity", SEVERITIES, ()),
        status=_one_of(document, "status", ("preview", "stable"), ()),
        since=document["since"],
        base=_one_of(document, "base", CONFIDENCES, ()),
        when=when,
        confirms=_clauses(document, "confirms", kinds),
        refutes=_clauses(document, "refutes", kinds),
        outranks=tuple(document.get("outranks") or ()),
        explain=document["explain"].strip(),
        steps=tuple(step for _, step in steps),
        references=tuple(document.get("references") or ()),
        waiting=bool(document.get("waiting", False)),
    )
    _check_placeholders(cause, [index for index, _ in steps], kinds)
    return cause


def _clauses(document: Mapping[str, Any], key: str, kinds: Mapping[str, SymptomKind]) -> tuple[Clause, ...]:
    found = []
    for index, raw in enumerate(document.get(key) or []):
        at = (key, index)
        _check(raw, _CLAUSE_KEYS, at)
        kind = kinds.get(raw.get("symptom"))
        if kind is None:
            raise _Wrong(f"no diagnostic declares the symptom {raw.get('symptom')!r}", (*at, "symptom"))
        where = {name: _values(value) for name, value in (raw.get("where") or {}).items()}
        for name in where:
            if name not in kind.attributes:
                raise _Wrong(
                    f"{raw['symptom']} has no attribute {name!r}: {', '.join(kind.attributes)}",
                    (*at, "where"),
                )
        try:
            re.compile(raw.get("matches", ""))
        except re.error as error:
            raise _Wrong(f"matches is no regular expression: {error}", (*at, "matches")) from error
        found.append(Clause(raw["symptom"], where, raw.get("matches", "")))
    return tuple(found)


def _values(value: Any) -> tuple[str, ...]:
    if isinstance(value, list):
        return tuple(map(_text, value))
    return (_text(value),)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _steps(raw: Any, index: int) -> Iterable[Step]:
    """The steps that one entry stands for: see :mod:`poddoctor.variants` for ``by_hand`` and ``rewrite``."""
    at = ("steps", index)
    if isinstance(raw, dict) and "by_hand" in raw:
        _check(raw, _BY_HAND_KEYS, at)
        owners = raw.get("owners", variants.BY_HAND)
        for owner in owners:
            _one_of({"owners": owner}, "owners", variants.BY_HAND, at)
        return variants.by_hand(raw["by_hand"], owners)
    _check(raw, _STEP_KEYS, at)
    step = _step(raw, at)
    if "rewrite" not in raw:
        return (step,)
    if "owner" in step.only or any(key in raw for key in ("run", "check", "undo", "risk")):
        raise _Wrong("rewrite gives run, check and risk for a bare pod and for a Job: leave them out", at)
    return variants.rewritten(step, raw["rewrite"].strip())


def _step(raw: Mapping[str, Any], at: tuple[str | int, ...]) -> Step:
    if not raw.get("do"):
        raise _Wrong("a step needs do", at)
    if "risk" in raw:
        _one_of(raw, "risk", _RISKS, at)
    if raw.get("fixes") and not ("rewrite" in raw or (raw.get("run") and raw.get("check"))):
        raise _Wrong("a step that fixes needs run and check", at)
    only = {key: _values(value) for key, value in (raw.get("only") or {}).items()}
    for owner in only.get("owner", ()):
        if owner not in OWNERS:
            raise _Wrong(f"owner is {owner!r}: one of {', '.join(OWNERS)}", (*at, "only"))
    return Step(
        do=raw["do"],
        run=shell.chained(raw.get("run", "").strip()),
        risk=raw.get("risk", "read-only"),
        fixes=bool(raw.get("fixes", False)),
        check=raw.get("check", "").strip(),
        undo=raw.get("undo", "").strip(),
        only=only,
    )


def _check_placeholders(cause: Cause, indices: Sequence[int], kinds: Mapping[str, SymptomKind]) -> None:
    known = set(CONTEXT)
    for clause in cause.when:
        known.update(kinds[clause.symptom].attributes)
        known.update(re.compile(clause.matches).groupindex)
    for title in cause.titles:
        _check_template(title, known, ("title",))
    for index, step in zip(indices, cause.steps, strict=True):
        for key in ("do", "run", "check", "undo"):
            _check_template(getattr(step, key), known, ("steps", index, key))
            if dead := shell.dead_variable(getattr(step, key) if key != "do" else ""):
                raise _Wrong(f"the shell fills nothing between single quotes: {dead}", ("steps", index, key))
        for key in step.only:
            if key != "owner" and key not in known:
                raise _Wrong(
                    f"only names {key!r}, which no symptom in when carries", ("steps", index, "only")
                )


def _check_template(text: str, known: set[str], at: tuple[str | int, ...]) -> None:
    for name in placeholders(text):
        if name not in known:
            raise _Wrong(f"placeholder {{{name}}} is carried by no symptom in when", at)
