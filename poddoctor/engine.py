"""Snapshot to Report. Pure: no I/O but reading playbooks, no clock, no knowledge of any single cause.

Confidence is the playbook's ``base``, one level up when any ``confirms`` holds. The order is total:
confidence, stage of the pod's life, severity, number of symptoms, id, subject.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from poddoctor import identity, playbook, replicas, template
from poddoctor.model import (
    CONFIDENCES,
    POD,
    SEVERITIES,
    STAGES,
    Cause,
    Clause,
    Finding,
    NotSeen,
    Read,
    Report,
    RuledOut,
    Snapshot,
    Standing,
    Step,
    Subject,
    Symptom,
    Unknown,
)
from poddoctor.seen import seen
from poddoctor.shell import LOOKS, chained
from poddoctor.stages import diagnostics, symptom_kinds

_MAX_TITLE = 240
_GOES_BACK = re.compile(r"\brollout undo\b")
_CHANGES = re.compile(r"\bkubectl [^\n|]*\b(?:patch|edit|set|rollout (?:undo|restart)) [^\n|]*\bstatefulset/")
_SETS = re.compile(r"\bkubectl [^\n|]*\b(?:patch|set) ")
_ADDED = (
    "The template of {workload} has no container {container}: an injector added it when the pod was made. "
    "Change it in the injector's settings, or by its annotations on the template"
)


def diagnose(snapshot: Snapshot, roots: Sequence[Path] = (playbook.BUNDLED,)) -> Report:
    """The Report on one pod or workload: equal snapshots give equal reports."""
    symptoms, broken = examine(snapshot)
    causes = playbook.load_all(roots, symptom_kinds(), {symptom.name for symptom in symptoms})
    context = identity.context_values(snapshot)
    matched: list[Finding] = []
    ruled_out: list[RuledOut] = []
    for cause in causes:
        for finding in _match(cause, symptoms, context):
            veto = _first(cause.refutes, symptoms, finding.subjects[0])
            if veto is None:
                matched.append(finding)
            else:
                ruled_out.append(RuledOut(cause, finding.subjects[0], veto))
    findings = tuple(sorted(_merged(_outranked(_present(matched))), key=_rank))
    about = identity.identify(snapshot)
    return Report(
        identity=about,
        findings=findings,
        ruled_out=tuple(ruled_out),
        not_seen=(*_not_seen(snapshot), *broken),
        look_next=() if findings or about.healthy else identity.look_next(snapshot),
        seen=() if about.healthy or _explained(findings) else seen(snapshot),
    )


def _explained(findings: Sequence[Finding]) -> bool:
    return any(one.standing != "past" for one in findings)


def examine(snapshot: Snapshot) -> tuple[list[Symptom], list[NotSeen]]:
    """The symptoms that all diagnostics see, and the diagnostics that broke on this snapshot.

    One object of a shape that nobody foresaw must not cost the engineer every other diagnosis, so a
    diagnostic that raises is reported as not seen. The tests call the diagnostics directly and let it raise.
    """
    symptoms: list[Symptom] = []
    broken: list[NotSeen] = []
    for stage, module in diagnostics().items():
        try:
            symptoms.extend(module.examine(snapshot))
        except Exception as error:  # noqa: BLE001 - see the docstring: it is reported, never swallowed
            read = Read("get", "v1", f"diagnostic {stage}", purpose=f"would show causes of the stage {stage}")
            broken.append(
                NotSeen(read, Unknown("error", f"a bug in poddoctor: {type(error).__name__}: {error}"))
            )
    return symptoms, broken


def _holds(clause: Clause, symptom: Symptom) -> Mapping[str, str] | None:
    """The named groups when the clause is true of the symptom, else None."""
    if symptom.name != clause.symptom:
        return None
    for key, values in clause.where.items():
        if symptom.attributes.get(key) not in values:
            return None
    if not clause.matches:
        return {}
    found = re.search(clause.matches, symptom.text)
    return None if found is None else {key: value for key, value in found.groupdict().items() if value}


def holds(clause: Clause, symptom: Symptom) -> bool:
    """Whether the clause is true of the symptom; the completeness tests ask it of every recording."""
    return _holds(clause, symptom) is not None


def _reaches(symptom: Symptom, subject: Subject) -> bool:
    """What holds for the pod or its workload holds for each container in it."""
    return symptom.subject == subject or symptom.subject.kind != "container"


def _first(clauses: Iterable[Clause], symptoms: Iterable[Symptom], subject: Subject) -> Symptom | None:
    pool = list(symptoms)
    for clause in clauses:
        for symptom in pool:
            if _reaches(symptom, subject) and _holds(clause, symptom) is not None:
                return symptom
    return None


def _match(cause: Cause, symptoms: Sequence[Symptom], context: Mapping[str, str]) -> Iterable[Finding]:
    """One finding for each symptom that the first clause holds for, when the other clauses hold too."""
    head, *rest = cause.when
    for symptom in symptoms:
        groups = _holds(head, symptom)
        if groups is None:
            continue
        values = {**symptom.attributes, **groups}
        evidence = [symptom]
        for clause in rest:
            other = next(
                (
                    one
                    for one in symptoms
                    if _reaches(one, symptom.subject) and _holds(clause, one) is not None
                ),
                None,
            )
            if other is None:
                break
            values = {**other.attributes, **(_holds(clause, other) or {}), **values}
            evidence.append(other)
        else:
            yield _finding(
                cause, symptom.subject, evidence, symptoms, {**context, **_own(symptom, context), **values}
            )


def _own(symptom: Symptom, context: Mapping[str, str]) -> Mapping[str, str]:
    """Context values of the subject: the container's name and image."""
    if symptom.subject.kind != "container":
        return {}
    name = symptom.subject.name
    added = context.get(f"template lacks {name}", "")
    return {"container": name, "image": context.get(f"image of {name}", ""), "added_later": added}


def _finding(
    cause: Cause,
    subject: Subject,
    evidence: list[Symptom],
    symptoms: Sequence[Symptom],
    values: Mapping[str, str],
) -> Finding:
    confirming = [
        symptom
        for clause in cause.confirms
        for symptom in symptoms
        if _reaches(symptom, subject) and _holds(clause, symptom) is not None
    ]
    level = CONFIDENCES.index(cause.base) + bool(confirming)
    standing: Standing = "now"
    if any(symptom.past for symptom in evidence):
        standing = "past"
    elif any(symptom.ahead for symptom in evidence):
        standing = "next"
    elif cause.waiting:
        standing = "waiting"
    title = next((one for one in cause.titles if not template.missing(one, values)), cause.titles[-1])
    return Finding(
        cause=cause,
        subjects=(subject,),
        standing=standing,
        confidence=CONFIDENCES[min(level, len(CONFIDENCES) - 1)],
        title=_headline(template.fill(title, values)),
        symptoms=_unique((*evidence, *confirming)),
        steps=tuple(_steps(cause, values)),
        attributes=values,
    )


def _headline(text: str) -> str:
    """One line: some admission webhooks answer with pages."""
    line = " ".join(text.split())
    return line if len(line) <= _MAX_TITLE else line[: _MAX_TITLE - 1].rstrip() + "…"


def _steps(cause: Cause, values: Mapping[str, str]) -> Iterable[Step]:
    """The steps that fit this pod, filled in: a step whose placeholder has no value cannot be typed."""
    told = False
    for step in cause.steps:
        if any(not _allowed(values.get(key, ""), allowed) for key, allowed in step.only.items()):
            continue
        if any(template.missing(text, values) for text in (step.do, step.run)):
            continue
        if values.get("first_revision") and _GOES_BACK.search(step.run):
            continue  # kubectl would answer: no rollout history found
        if values.get("added_later") and _changes_container(step):
            # Kubernetes would take the change for a new container, and ask for its image.
            if not told:
                yield Step(do=template.fill(_ADDED, values))
            told = True
            continue
        shown = _unblocked(
            replace(
                step,
                do=template.fill(step.do, values),
                run=template.fill_command(step.run, values),
                check=""
                if template.missing(step.check, values)
                else template.fill_command(step.check, values),
                undo="" if template.missing(step.undo, values) else template.fill_command(step.undo, values),
            ),
            values,
        )
        if fitted := replicas.fitted(shown, values):
            yield fitted


def _changes_container(step: Step) -> bool:
    """Whether the step changes one container in the template of the pod's owner."""
    return all(name in step.run for name in ("{workload}", "{container}")) and bool(_SETS.search(step.run))


def _unblocked(step: Step, values: Mapping[str, str]) -> Step:
    """A change of a StatefulSet's template reaches the broken pod only when somebody deletes that pod.

    Its controller waits for the pod to become ready before it replaces any:
    https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#forced-rollback
    """
    pod, changes = values.get("pod"), _CHANGES.search(step.run) and not LOOKS.search(step.run)
    if not (pod and values.get("waits_for_pod") and changes) or "delete pod" in step.run:
        return step
    delete = template.fill_command("kubectl -n {namespace} delete pod {pod}", values)
    return replace(
        step,
        do=f"{step.do}; and delete the broken pod, for which the StatefulSet waits",
        run=chained(f"{step.run}\n{delete}"),
    )


def _allowed(value: str, allowed: tuple[str, ...]) -> bool:
    """Whether a value is allowed; ``any`` stands for every value, ``none`` for no value at all."""
    return value in allowed or ("any" if value else "none") in allowed


def _present(findings: Sequence[Finding]) -> Sequence[Finding]:
    """What lies ahead is what is wrong now when nothing else is known that holds the pod up."""
    if any(one.standing in ("now", "waiting") for one in findings):
        return findings
    return [replace(one, standing="now") if one.standing == "next" else one for one in findings]


def _outranked(findings: Sequence[Finding]) -> list[Finding]:
    """The findings that no more precise cause on the same subject hides."""
    return [one for one in findings if not any(_hides(other, one) for other in findings)]


def _hides(precise: Finding, general: Finding) -> bool:
    outranked = {general.cause.id, f"{general.cause.family}/*"} & {*precise.cause.outranks}
    if not outranked or precise.standing != general.standing:
        return False
    mine, theirs = precise.subjects[0], general.subjects[0]
    return mine == theirs or "container" not in (mine.kind, theirs.kind) or POD in (mine, theirs)


def _merged(findings: Iterable[Finding]) -> list[Finding]:
    """The same cause with the same words and the same sort of subject becomes one finding."""
    groups: dict[tuple[str, str, str], list[Finding]] = {}
    for one in findings:
        words = _without(one.subjects[0].name, one.title)
        groups.setdefault((one.cause.id, one.standing, words), []).append(one)
    return [_merge(group) for group in groups.values()]


def _without(name: str, title: str) -> str:
    """The title without a container's name, which may also be part of an image's."""
    return re.sub(rf"(?<![\w/.:-]){re.escape(name)}(?![\w/.:-])", "\0", title) if name else title


def _merge(group: Sequence[Finding]) -> Finding:
    subjects = tuple(dict.fromkeys(subject for one in group for subject in one.subjects))
    if len(group) == 1:
        return group[0]
    first = group[0]
    title, others = first.title, [subject.name for subject in subjects[1:] if subject.name]
    if others:
        # Not put into the sentence: its verb is singular, and the name may also be part of an image's.
        title += f" (also container {', '.join(others)})"
    return replace(
        first,
        subjects=subjects,
        title=title,
        confidence=max((one.confidence for one in group), key=CONFIDENCES.index),
        symptoms=_unique(symptom for one in group for symptom in one.symptoms),
        steps=tuple({(step.do, step.run): step for one in group for step in one.steps}.values()),
    )


def _unique(symptoms: Iterable[Symptom]) -> tuple[Symptom, ...]:
    return tuple({(one.name, one.subject, one.source, one.text): one for one in symptoms}.values())


def _rank(finding: Finding) -> tuple[object, ...]:
    standings: tuple[Standing, ...] = ("now", "waiting", "next", "past")
    family = finding.cause.family
    return (
        standings.index(finding.standing),
        -CONFIDENCES.index(finding.confidence),
        STAGES.index(family) if family in STAGES else len(STAGES),
        -SEVERITIES.index(finding.cause.severity),
        -len(finding.symptoms),
        finding.cause.id,
        finding.subjects,
    )


def _not_seen(snapshot: Snapshot) -> list[NotSeen]:
    unknown = [
        NotSeen(read, answer)
        for read, answer in snapshot.answers.items()
        if isinstance(answer, Unknown)
        and not read.optional
        and not (read.elsewhere and answer.why == "forbidden")
    ]
    return sorted(unknown, key=lambda one: (one.read.path, one.read.query))
