"""The report for an engineer at 3 a.m.: the first line under the identity is the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from rich.console import Console
from rich.text import Text

from poddoctor.model import Finding, NotSeen, Read, Report, Step, Symptom
from poddoctor.pod.clip import clip_middle
from poddoctor.pod.mask import mask
from poddoctor.render.escape import visible

_COLOURS = {"certain": "bold red", "likely": "bold yellow", "possible": "bold cyan"}
_RISKS = {"restarts-pods": "restarts pods", "deletes-data": "deletes data", "read-only": ""}
_MAX_EVIDENCE = 6
_MAX_TEXT = 400
_MAX_STEPS = 3


def render_all(
    reports: Iterable[Report], console: Console, *, show_secrets: bool = False, verbose: bool = False
) -> None:
    """Prints the reports; of pods of one workload that fail alike, the steps are printed once."""
    told: dict[object, Report] = {}
    for number, report in enumerate(reports):
        if number:
            console.print()
        answer = None if verbose else _answer(report)
        if answer and answer in told:
            clean = visible if show_secrets else lambda text: visible(mask(text))
            _Page(console, clean).again(report, told[answer])
        else:
            render(report, console, show_secrets=show_secrets, verbose=verbose)
            told[answer] = report


def _answer(report: Report) -> object:
    """What two pods share that fail alike; None where what is to be done names the pod itself."""
    shown = report.standing("now", "waiting", "next")
    names = shown[0].attributes if shown else {}
    pod, workload = names.get("pod", ""), names.get("workload", "")
    fixes = [step.run for finding in shown for step in finding.steps if step.fixes]
    if not pod or names.get("owner", "none") in ("none", "static") or any(pod in run for run in fixes):
        return None
    return workload, tuple((one.cause.id, one.subjects, one.standing) for one in shown)


def render(report: Report, console: Console, *, show_secrets: bool = False, verbose: bool = False) -> None:
    """Prints the report; width and colour are the console's. ``verbose`` shows all evidence, tables too."""
    clean = visible if show_secrets else lambda text: visible(mask(text))
    page = _Page(console, clean, verbose=verbose)
    page.identity(report)
    shown, past = report.standing("now", "waiting", "next"), report.standing("past")
    for number, finding in enumerate(shown, 1):
        page.finding(number, finding)
    if not report.standing("now", "waiting"):
        page.line(_nothing(report))
        for text, source in report.seen[:_MAX_EVIDENCE]:
            page.evidence(clip_middle(clean(text), _MAX_TEXT), clean(source))
    if past:
        page.blank()
        page.rows(
            "Earlier", [f"{clean(one.title)}{_when(one)}" for one in past], [one.cause.id for one in past]
        )
    page.blank()
    page.rows("Ruled out", [f"{one.cause.id}: {clean(one.symptom.text)}" for one in report.ruled_out])
    page.rows("Not seen", [_unseen(one, clean) for one in _grouped(report.not_seen)])
    page.rows("Look next", [clean(line) for line in report.look_next])


def _nothing(report: Report) -> str:
    if report.identity.healthy:
        return "Nothing is wrong now."
    return "No cause could be established."


def _when(finding: Finding) -> str:
    time = next((one.time for one in finding.symptoms if one.time), None)
    return f" (at {time:%Y-%m-%d %H:%M:%S} UTC)" if time else ""


def _grouped(not_seen: Iterable[NotSeen]) -> list[NotSeen]:
    """One row for each resource, place and reason: ten forbidden nodes are one fact."""
    return list(
        {
            (one.read.resource, one.read.verb, one.read.namespace, one.answer.why): one for one in not_seen
        }.values()
    )


def _unseen(one: NotSeen, clean: Callable[[str], str]) -> str:
    read, why = one.read, _why(one, clean)
    what = read.resource
    if read.verb == "log":
        what = f"log of {read.parameter('container')}" + (" (previous)" if read.parameter("previous") else "")
    elif read.name:
        what = f"{read.resource}/{read.name}"
    return f"{what}: {why}" + (f": {read.purpose}" if read.purpose else "")


def _why(one: NotSeen, clean: Callable[[str], str]) -> str:
    if one.answer.why == "forbidden":
        return f"forbidden (needs {_permission(one.read)})"
    if one.read.verb == "log" and one.answer.why == "expired":
        return "the node has removed it"  # the kubelet's own words name the container by its id
    return f"{one.answer.why} ({clean(one.answer.message)[:160]})" if one.answer.message else one.answer.why


def _permission(read: Read) -> str:
    resource = "pods/log" if read.verb == "log" else read.resource
    verb = "get" if read.verb == "log" else read.verb
    return f"{verb} on {resource}" + (f" in {read.namespace}" if read.namespace else "")


class _Page:
    """Lines onto a console, wrapped to its width with a hanging indent."""

    def __init__(self, console: Console, clean: Callable[[str], str], *, verbose: bool = False) -> None:
        self._console = console
        self._verbose = verbose
        self._clean = clean
        self._blank = True

    def line(self, text: str | Text, indent: int = 0, hanging: int = 0) -> None:
        body = text if isinstance(text, Text) else Text(text)
        width = max(20, self._console.width - indent - hanging)
        for number, part in enumerate(body.wrap(self._console, width)):
            part.rstrip()
            self._console.print(Text(" " * (indent + (hanging if number else 0))) + part, soft_wrap=True)
        self._blank = False

    def blank(self) -> None:
        if not self._blank:
            self._console.print()
        self._blank = True

    def identity(self, report: Report) -> None:
        about = report.identity
        self.line(
            Text.assemble((self._clean(str(about.target)), "bold"), "  ", self._clean(", ".join(about.facts)))
        )
        for remark in about.context:
            self.line(Text(self._clean(remark), style="yellow"), indent=2)

    def again(self, report: Report, before: Report) -> None:
        """A pod that fails as an earlier one does: its causes, and where the rest stands."""
        self.identity(report)
        self.blank()
        for number, finding in enumerate(report.standing("now", "waiting", "next"), 1):
            self.headline(number, finding)
        name = self._clean(before.identity.target.name)
        self.line(f"As with {name} above: the steps are the same", indent=3)

    def finding(self, number: int, finding: Finding) -> None:
        self.blank()
        self.headline(number, finding)
        rows = [row for symptom in finding.symptoms for row in _evidence(symptom)]
        most = None if self._verbose else _MAX_EVIDENCE
        for text, source in list(dict.fromkeys(rows))[:most]:
            self.evidence(clip_middle(self._clean(text), _MAX_TEXT), self._clean(source))
        for symptom in finding.symptoms if self._verbose else ():
            self.table(symptom.table)
        before: Step | None = None
        shown = finding.steps if self._verbose else finding.steps[:_MAX_STEPS]
        for step in shown:
            self.step(step, finding, before)
            before = step
        if left := len(finding.steps) - len(shown):
            self.line(f"{left} more step{'s' if left > 1 else ''}: -v", indent=3)

    def headline(self, number: int, finding: Finding) -> None:
        word = "WAITING" if finding.standing == "waiting" else finding.confidence.upper()
        then = "Then also: " if finding.standing == "next" else ""
        title = f"{number}. {then}{self._clean(finding.title)}"
        tag = Text.assemble((word, _COLOURS[finding.confidence]), "  ", (finding.cause.id, "dim"))
        gap = self._console.width - len(title) - len(tag)
        if gap >= 2:
            self._console.print(Text.assemble((title, "bold"), " " * gap, tag), soft_wrap=True)
        else:
            self.line(Text(title, style="bold"), hanging=3)
            self.line(tag, indent=3)

    def evidence(self, text: str, source: str) -> None:
        gap = self._console.width - len(text) - len(source) - 5
        if gap >= 2:
            self._console.print(Text.assemble("   · ", text, " " * gap, (source, "dim")), soft_wrap=True)
        else:
            self.line(Text.assemble("· ", text, "  ", (source, "dim")), indent=3, hanging=2)

    def step(self, step: Step, finding: Finding, before: Step | None) -> None:
        label = "Fix  " if step.fixes else "Else " if before and before.fixes else "Do   "
        risk = self._clean(_risk(step, finding.attributes))
        do = self._clean(step.do)
        if not label.startswith("Fix"):
            do = do.removeprefix("Or ")  # what it is an alternative to may not fit this pod
        head = f"{label}{do[:1].upper()}{do[1:]}" + (f" ({risk})" if risk else "")
        self.line(Text(head, style="green" if step.fixes else ""), indent=3, hanging=5)
        # A command is never wrapped: a line that was broken cannot be pasted. The end of a here-document
        # must stand at the beginning of its line.
        lead = "" if "<<" in step.run else "     "
        for command in step.run.splitlines():
            self._console.print(Text(lead + visible_command(command), style="bold"), soft_wrap=True)
        # Alternatives mostly share their check and undo: once is enough on one screen.
        seen = {before.check, before.undo} if before else set()
        for name, command in (("Check ", step.check), ("Undo  ", step.undo)):
            if command and command not in seen:
                self._console.print(Text(f"   {name} {visible_command(command)}"), soft_wrap=True)

    def table(self, rows: Sequence[Mapping[str, str]]) -> None:
        """Rows in columns, never wrapped: they are for wide screens and for grep."""
        names = list(dict.fromkeys(name for row in rows for name in row))
        lines = [[name.upper().replace("_", " ") for name in names]]
        lines += [[self._clean(row.get(name, "")) or "-" for name in names] for row in rows]
        widths = [max(len(line[place]) for line in lines) for place in range(len(names))]
        for number, line in enumerate(lines if rows else ()):
            cells = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            self._console.print(Text(f"     {cells}", style="" if number else "bold"), soft_wrap=True)

    def rows(self, title: str, rows: list[str], tags: list[str] | None = None) -> None:
        for number, row in enumerate(rows):
            text = Text.assemble((f"{title if number == 0 else '':<12}", "bold"), row)
            if tags:
                text.append(f"  {tags[number]}", style="dim")
            self.line(text, hanging=12)


def _evidence(symptom: Symptom) -> Iterable[tuple[str, str]]:
    yield symptom.text, symptom.source
    yield from symptom.notes


def _risk(step: Step, names: Mapping[str, str]) -> str:
    workload = names.get("workload", "")
    if step.risk != "restarts-pods" or not workload:
        return _RISKS[step.risk]
    # A backend is scaled up, or the pod that holds a volume is ended: this one's own pods stay as they are.
    own = (names.get(key) for key in ("workload", "workload_name", "pod"))
    if not any(name in step.run for name in own if name):
        return "acts on other pods"
    return "restarts the pod" if workload.startswith("pod/") else f"restarts the pods of {workload}"


def visible_command(command: str) -> str:
    """A command with hostile characters made visible; leading blanks of a here-document stay."""
    lead = command[: len(command) - len(command.lstrip(" "))]
    return lead + visible(command)
