"""One run of a command: joins the cluster or a recording with collection and engine."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from poddoctor import collect, engine, playbook, recording, targets
from poddoctor.model import STAGES, Answer, Cause, Read, Report, Snapshot, Step, Subject
from poddoctor.pod.containers import containers
from poddoctor.pod.reads import pod_of
from poddoctor.stages import diagnostics, symptom_kinds

if TYPE_CHECKING:
    from datetime import datetime

    from poddoctor.kube.transport import Cluster

_KUBECTL = re.compile(r"(?m)(?:^|(?<=[|;&(]) *)kubectl\b")
_DEMO = Path(__file__).parent / "demo"


@dataclass(frozen=True, slots=True)
class Request:
    """What the options say; ``timeout`` in seconds, ``tail`` in log lines."""

    namespace: str | None = None
    context: str | None = None
    kubeconfig: str | None = None
    timeout: float = 10.0
    tail: int = 200
    roots: tuple[Path, ...] = (playbook.BUNDLED,)


class _Tail:
    """A source that reads as many log lines as were asked for on the command line."""

    def __init__(self, cluster: Cluster, lines: int) -> None:
        self._cluster = cluster
        self._lines = str(lines)
        self._known: dict[Read, Answer] = {}

    @property
    def clock(self) -> datetime:
        return self._cluster.clock

    @property
    def version(self) -> str:
        return self._cluster.version

    def ask(self, reads: Sequence[Read]) -> Mapping[Read, Answer]:
        asked = {read: self._tailed(read) for read in reads}
        fresh = [read for read in asked.values() if read not in self._known]
        answers = self._cluster.ask(fresh) if fresh else {}
        self._known.update({read: collect.normal(read, answer) for read, answer in answers.items()})
        return {read: self._known[tailed] for read, tailed in asked.items()}

    def _tailed(self, read: Read) -> Read:
        if read.verb != "log":
            return read
        query = tuple((key, self._lines if key == "tailLines" else value) for key, value in read.query)
        return replace(read, query=query)


def diagnose(name: str | None, selector: str | None, request: Request, container: str | None) -> list[Report]:
    """The reports on what the user named, from the cluster."""
    cluster, source = _open(request)
    try:
        namespace = request.namespace or cluster.namespace
        if selector is not None:
            chosen = targets.select(selector, namespace, source)
        else:
            chosen = targets.resolve(targets.parse(name or "", namespace), source)
        reports = [_report(collect.collect(target, source), request, container) for target in chosen.targets]
        return _remarked(reports, chosen.remark)
    finally:
        cluster.close()


def replay(path: Path, request: Request, container: str | None) -> Report:
    """The report on a recording, by the same loop as on a cluster."""
    recorded = recording.load(path)
    return _report(collect.collect(recorded.snapshot.target, recorded), request, container)


def snapshots(name: str, request: Request) -> list[Snapshot]:
    """The snapshots of the targets that the name means, from the cluster."""
    cluster, source = _open(request)
    try:
        chosen = targets.resolve(targets.parse(name, request.namespace or cluster.namespace), source)
        return [collect.collect(target, source) for target in chosen.targets]
    finally:
        cluster.close()


def capture(name: str, request: Request) -> str:
    """The recording of the first target that the name means, as the text of its file."""
    snapshot = snapshots(name, request)[0]
    provenance = {"kubernetes": snapshot.version, "recorded": snapshot.clock.isoformat(), "synthetic": False}
    return recording.dump(snapshot, provenance)


def causes(extra: Sequence[Path]) -> list[Cause]:
    """All causes, in the order of a pod's life."""
    found = playbook.load_all(roots(extra), symptom_kinds())
    return sorted(
        found, key=lambda cause: (STAGES.index(cause.family) if cause.family in STAGES else 99, cause.id)
    )


def lint(directory: Path) -> list[str]:
    """What is wrong with a folder of playbooks: one line for each file that breaks the grammar."""
    wrong = []
    for path in playbook.files(directory):
        try:
            playbook.load(path, directory, symptom_kinds())
        except playbook.PlaybookError as error:
            wrong.append(str(error))
    return wrong


def demos() -> dict[str, Path]:
    """The recorded pods that ship with the package, by name."""
    return {path.stem: path for path in sorted(_DEMO.glob("*.json"))}


def roots(extra: Sequence[Path]) -> list[Path]:
    """The playbook folders: bundled, the user's own, and those of the command line."""
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "poddoctor" / "playbooks"
    for path in extra:
        if not path.is_dir():
            raise playbook.PlaybookError(f"{path}:1: no such folder of playbooks")
    return [playbook.BUNDLED, *([home] if home.is_dir() else []), *extra]


def _open(request: Request) -> tuple[Cluster, _Tail]:
    from poddoctor.kube.early import open_cluster  # noqa: PLC0415 - libcurl is needed for a cluster alone

    cluster = open_cluster(request.kubeconfig, request.context, request.timeout)
    diagnostics()  # imported while the first answers are on their way
    return cluster, _Tail(cluster, request.tail)


def _report(snapshot: Snapshot, request: Request, container: str | None) -> Report:
    report = _addressed(engine.diagnose(snapshot, request.roots), request)
    return report if container is None else _narrowed(report, snapshot, container)


def _remarked(reports: Sequence[Report], remark: str) -> list[Report]:
    """The reports, the first with a remark on all of them."""
    if not remark:
        return list(reports)
    first, *rest = reports
    about = first.identity
    return [replace(first, identity=replace(about, context=(*about.context, remark))), *rest]


def _narrowed(report: Report, snapshot: Snapshot, name: str) -> Report:
    """The report on one container alone, with a remark when that leaves something out.

    Raises:
        BadTarget: when the pod has no such container.
    """
    known = containers(pod_of(snapshot) or {})
    mine = next((one for one in known if one.name == name), None)
    if known and mine is None:
        names = ", ".join(one.name for one in known)
        raise targets.BadTarget(f"pod {snapshot.target.name} has no container {name}: it has {names}")
    kept = tuple(
        one
        for one in report.findings
        if one.subjects[0].kind != "container" or Subject("container", name) in one.subjects
    )
    if len(kept) == len(report.findings):
        return report
    others = {
        subject.name for one in report.findings for subject in one.subjects if subject.kind == "container"
    }
    remark = (
        f"only container {name} was looked at: there are findings on {', '.join(sorted(others - {name}))}"
    )
    works = bool(mine and mine.is_running and mine.ready)
    about = report.identity
    return replace(
        report,
        identity=replace(about, healthy=about.healthy or works, context=(*about.context, remark)),
        findings=kept,
    )


def _addressed(report: Report, request: Request) -> Report:
    """The commands with the context and kubeconfig that the user gave: they must reach the same cluster."""
    options = {"--kubeconfig": request.kubeconfig, "--context": request.context}
    flags = "".join(f" {name} {shlex.quote(value)}" for name, value in options.items() if value)
    if not flags:
        return report

    def address(command: str) -> str:
        return _KUBECTL.sub(lambda found: found[0] + flags, command)

    def step(one: Step) -> Step:
        return replace(one, run=address(one.run), check=address(one.check), undo=address(one.undo))

    findings = tuple(replace(one, steps=tuple(map(step, one.steps))) for one in report.findings)
    return replace(report, findings=findings, look_next=tuple(map(address, report.look_next)))
