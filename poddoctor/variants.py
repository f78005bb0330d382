"""Steps that differ by who owns the pod alone, written once.

A Deployment's template is patched in place. A bare pod and a Job are not: they are saved, changed and made
anew. A static pod is a file on its node, and an operator's pods are changed in the operator's own object.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from poddoctor.model import Step
from poddoctor.shell import chained

BY_HAND = ("none", "job", "cronjob", "static", "custom")
"""The owners whose pods cannot be changed by the command that changes a workload's template."""

# The API server sets these when it creates a Job, and refuses them from a client.
_RECREATABLE = (
    'kubectl patch --local -f - --type=merge -p \'{"spec":{"selector":null,"template":{"metadata":{"labels":{'
    '"controller-uid":null,"batch.kubernetes.io/controller-uid":null,'
    '"job-name":null,"batch.kubernetes.io/job-name":null}}}}}\' -o yaml'
)
_GET = {
    "none": "kubectl -n {namespace} get pod {pod} -o yaml",
    "job": f"kubectl -n {{namespace}} get {{workload}} -o yaml |\n  {_RECREATABLE}",
}
_MERGE = re.compile(r'(?<=-p \')\{"spec":(.*)\}(?=\' -o yaml$)')
_CHECK = {
    "none": "kubectl -n {namespace} wait --for=condition=Ready pod/{pod} --timeout=120s",
    "job": "kubectl -n {namespace} wait --for=condition=Complete {workload} --timeout=300s",
}
_WHY = {
    "none": "the pod has no owner: it is replaced",
    "job": "the Job is recreated, as its template cannot be changed",
}


def by_hand(change: str, owners: Iterable[str] = BY_HAND) -> Iterator[Step]:
    """The steps in which somebody makes ``change`` in an editor, one for each owner."""
    made = {
        "none": _edited(
            "none", f"A pod without owner cannot be changed in place: save it, {change}, replace it"
        ),
        "job": _edited("job", f"A Job's template cannot be changed: save it, {change}, recreate it"),
        "cronjob": Step(
            do=f"The next run takes its template from {{workload}}: {change} there",
            run="kubectl -n {namespace} edit {workload}",
            risk="restarts-pods",
        ),
        "static": Step(
            do=f"A static pod is a file on its node: on {{node}} {change} in its manifest "
            "(usually in /etc/kubernetes/manifests); kubelet restarts it by itself"
        ),
        "custom": Step(
            do=f"The pods belong to {{workload}}, whose operator sets their template: {change} in that object"
        ),
    }
    for owner in owners:
        yield _only(made[owner], {}, owner)


def rewritten(step: Step, command: str) -> Iterator[Step]:
    """The step for a bare pod and for a Job: saved, passed through ``command``, and made anew.

    ``command`` changes a Pod on standard input; a patch in it is moved into the template for a Job.
    """
    commands = {"none": command, "job": _in_template(command)}
    for owner, get in _GET.items():
        run = f"{get} |\n  {commands[owner]} |\n  kubectl -n {{namespace}} replace --force -f -"
        whole = Step(
            do=f"{step.do} ({_WHY[owner]})",
            run=run,
            risk="restarts-pods",
            fixes=step.fixes,
            check=_CHECK[owner],
        )
        yield _only(whole, step.only, owner)


def _in_template(command: str) -> str:
    """The command with its JSON or merge patch of a Pod made one of a Job's template.

    A patch that a diagnostic made comes as two attributes, ``pod_patch`` and ``template_patch``.
    """
    moved = command.replace('"/spec/', '"/spec/template/spec/').replace("{pod_patch}", "{template_patch}")
    return _MERGE.sub(r'{"spec":{"template":{"spec":\1}}}', moved)


def _edited(owner: str, do: str) -> Step:
    file = {"none": "{pod}.yaml", "job": "{workload_name}.yaml"}[owner]
    lines = (
        f"{_GET[owner]} > {file}",
        f'"${{EDITOR:-vi}}" {file}',
        f"kubectl -n {{namespace}} replace --force -f {file}",
    )
    return Step(do=do, run=chained("\n".join(lines)), risk="restarts-pods", check=_CHECK[owner])


def _only(step: Step, only: Mapping[str, tuple[str, ...]], owner: str) -> Step:
    return Step(step.do, step.run, step.risk, step.fixes, step.check, step.undo, {**only, "owner": (owner,)})
