"""What a step says of its risk is at least what its command does."""

from __future__ import annotations

import re

import pytest

from poddoctor import session
from poddoctor.model import Step

RISKS = ("read-only", "restarts-pods", "deletes-data")
CAUSES = {cause.id: cause for cause in session.causes([])}
# What ends pods, or replaces them by others. A CronJob's template is read by its next run alone.
_ENDS_PODS = re.compile(
    r"replace --force|rollout (?:restart|undo)|(?<!for=)\bdelete pods?\b|\bdrain\b|"
    r"\bset (?:image|resources|serviceaccount|env) (?!.*--list)|--replicas=0\b|"
    r"\bpatch \{workload\}.*\"template\"|\bpatch \{workload\}.*\{template_patch\}|\bedit \{workload\}"
)
_ENDED_ALREADY = re.compile(r"--field-selector=\S*status\.phase(?:=(?:Failed|Succeeded)|!=Running)")
_LOSES = re.compile(
    r"(?<!for=)\bdelete (?:pvc|persistentvolumeclaim|pv|persistentvolume|secret|configmap|namespace|volumeattachment)\b|"
    r"\bget (?:pvc|persistentvolumeclaim|pv)\b.*replace --force"
)
_LOCAL = re.compile(r"kubectl (?:patch|set \w+) --local\b[^|]*")


def least_risk(step: Step) -> str:
    command = _LOCAL.sub("", " ".join(step.run.split()))
    if _LOSES.search(command):
        return "deletes-data"
    if step.only.get("owner") == ("cronjob",) or _ENDED_ALREADY.search(command):
        return "read-only"
    return "restarts-pods" if _ENDS_PODS.search(command) else "read-only"


@pytest.mark.parametrize("name", CAUSES)
def test_risk_of_steps(name: str) -> None:
    for step in CAUSES[name].steps:
        assert RISKS.index(step.risk) >= RISKS.index(least_risk(step)), step.run
