"""The report for programs: its own module and its own version, so that inner types may change freely."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from poddoctor.model import Finding, Json, Report, Step, Symptom
from poddoctor.pod.mask import mask

VERSION = 1


def document(report: Report, *, show_secrets: bool = False) -> dict[str, Json]:
    """One report as JSON (schema: docs/report.schema.json)."""
    about = report.identity
    body = {
        "version": VERSION,
        "target": {"kind": about.target.kind, "namespace": about.target.namespace, "name": about.target.name},
        "facts": list(about.facts),
        "context": list(about.context),
        "healthy": about.healthy,
        "findings": [_finding(one) for one in report.findings],
        "ruledOut": [
            {
                "cause": one.cause.id,
                "subject": str(one.subject),
                "because": one.symptom.text,
                "source": one.symptom.source,
            }
            for one in report.ruled_out
        ],
        "notSeen": [
            {
                "read": one.read.path,
                "query": dict(one.read.query),
                "why": one.answer.why,
                "message": one.answer.message,
                "wouldShow": one.read.purpose,
            }
            for one in report.not_seen
        ],
        "lookNext": list(report.look_next),
        "seen": [{"text": text, "source": source} for text, source in report.seen],
    }
    return body if show_secrets else _masked(body)


def documents(reports: Sequence[Report], *, show_secrets: bool = False) -> dict[str, Json]:
    """One report as itself, several under ``reports``."""
    if len(reports) == 1:
        return document(reports[0], show_secrets=show_secrets)
    return {"version": VERSION, "reports": [document(one, show_secrets=show_secrets) for one in reports]}


def _masked(value: Json) -> Json:
    if isinstance(value, Mapping):
        return {key: _masked(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_masked(one) for one in value]
    return mask(value) if isinstance(value, str) else value


def _finding(finding: Finding) -> dict[str, Json]:
    return {
        "cause": finding.cause.id,
        "standing": finding.standing,
        "confidence": finding.confidence,
        "severity": finding.cause.severity,
        "subject": str(finding.subjects[0]),
        "subjects": [str(subject) for subject in finding.subjects],
        "title": finding.title,
        "symptoms": [_symptom(one) for one in finding.symptoms],
        "steps": [_step(one) for one in finding.steps],
    }


def _symptom(symptom: Symptom) -> dict[str, Json]:
    return {
        "name": symptom.name,
        "subject": str(symptom.subject),
        "source": symptom.source,
        "text": symptom.text,
        "time": symptom.time.isoformat() if symptom.time else None,
        "attributes": dict(symptom.attributes),
        "notes": [{"text": text, "source": source} for text, source in symptom.notes],
        **({"table": [dict(row) for row in symptom.table]} if symptom.table else {}),
    }


def _step(step: Step) -> dict[str, Json]:
    return {
        "do": step.do,
        "run": step.run,
        "risk": step.risk,
        "fixes": step.fixes,
        "check": step.check,
        "undo": step.undo,
    }


def dumps(reports: Sequence[Report], form: str, *, show_secrets: bool = False) -> str:
    """The text of the document in ``json`` or ``yaml``."""
    body = documents(reports, show_secrets=show_secrets)
    if form == "yaml":
        import yaml  # noqa: PLC0415 - only for those who ask for it

        return yaml.safe_dump(body, sort_keys=False, allow_unicode=True).rstrip()
    import json  # noqa: PLC0415

    return json.dumps(body, indent=2, ensure_ascii=False)
