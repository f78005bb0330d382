"""The JSON report is what its schema says, for every recording; YAML says the same."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import yaml

from poddoctor import collect, engine, recording
from poddoctor.render import json as document

ROOT = Path(__file__).resolve().parent.parent.parent


def test_every_report_fits_the_schema() -> None:
    schema = json.loads((ROOT / "docs" / "report.schema.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    reports = []
    for path in sorted((ROOT / "tests" / "recordings").glob("*/*.json")):
        loaded = recording.load(path)
        reports.append(engine.diagnose(collect.collect(loaded.snapshot.target, loaded)))
        validator.validate(document.documents(reports[-1:]))
    assert reports
    validator.validate(document.documents(reports[:2]))
    assert yaml.safe_load(document.dumps(reports[:1], "yaml")) == json.loads(
        document.dumps(reports[:1], "json")
    )
