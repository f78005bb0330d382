"""Steps for a ReplicaSet or ReplicationController that no Deployment owns.

``kubectl rollout`` knows neither of them, and a change of their template reaches only the pods that are made
after it: https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#isolating-pods-from-a-replicaset
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from poddoctor import template
from poddoctor.model import Step
from poddoctor.shell import LOOKS, chained

KINDS = frozenset({"replicaset", "replicationcontroller"})
_KIND = r"(?:replicaset|replicationcontroller)/"
_RESTARTS = re.compile(rf"kubectl [^\n|]*\brollout restart [^\n|]*{_KIND}\S+")
_STATUS = re.compile(rf"\brollout status [^\n|]*{_KIND}")
_UNDOES = re.compile(rf"\brollout undo [^\n|]*{_KIND}")
_CHANGES = re.compile(rf"\bkubectl [^\n|]*\b(?:edit|set|patch) [^\n|]*{_KIND}")
_OF_TEMPLATE = re.compile(r'\bedit |\bset \w+ |"template"|/template/')


def fitted(step: Step, values: Mapping[str, str]) -> Step | None:
    """The filled step without rollouts: pods are deleted to be made anew; None where it goes back."""
    if values.get("workload_kind") not in KINDS:
        return step
    if _UNDOES.search(step.run):
        return None
    which = "-l {selector}" if values.get("selector") else "{pod}"
    known = bool(values.get("selector") or values.get("pod"))
    delete = template.fill_command(f"kubectl -n {{namespace}} delete pod {which}", values) if known else ""
    ready = "kubectl -n {namespace} wait --for=condition=Ready pod -l {selector} --timeout=120s"
    run, do = _RESTARTS.sub(lambda _: delete, step.run), step.do
    if delete and _changes(run) and "delete pod" not in run:
        run = chained(f"{run}\n{delete}")
        do = f"{do}; and delete its pods, for only new ones take the change"
    check = step.check
    if _STATUS.search(check):
        check = template.fill_command(ready, values) if values.get("selector") else ""
    return replace(step, do=do, run=run, check=check, undo="" if _UNDOES.search(step.undo) else step.undo)


def _changes(run: str) -> bool:
    """Whether the command changes the template of the pods."""
    return bool(_CHANGES.search(run) and _OF_TEMPLATE.search(run)) and not LOOKS.search(run)
