"""Options in, exit code out. No logic: the work is done by collect, engine and render."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from poddoctor import playbook, progress, recording, session, targets
from poddoctor.kube.errors import KubeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from poddoctor.model import Report

app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Tells why a Kubernetes pod does not work, and what to type now. Only ever reads.",
)

NOTHING, FOUND, USAGE, UNSEEN = 0, 1, 2, 3


class Output(str, Enum):
    """The forms of a report."""

    text = "text"
    json = "json"
    yaml = "yaml"


Namespace = Annotated[
    str | None, typer.Option("--namespace", "-n", help="Namespace; the context's by default.")
]
Context = Annotated[str | None, typer.Option("--context", help="Context of the kubeconfig.")]
Kubeconfig = Annotated[str | None, typer.Option("--kubeconfig", help="Path of the kubeconfig.")]
Timeout = Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds for everything together.")]
Playbooks = Annotated[list[Path] | None, typer.Option("--playbooks", help="A folder of your own playbooks.")]


@app.command()
def diagnose(
    pod: Annotated[str | None, typer.Argument(help="POD, pod/NAME, deployment/NAME, job/NAME …")] = None,
    namespace: Namespace = None,
    container: Annotated[
        str | None, typer.Option("--container", "-c", help="Report this container alone.")
    ] = None,
    selector: Annotated[
        str | None, typer.Option("--selector", "-l", help="The failing pods with these labels.")
    ] = None,
    output: Annotated[Output, typer.Option("--output", "-o", help="text, json or yaml.")] = Output.text,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    tail: Annotated[int, typer.Option("--tail", min=1, max=10000, help="Log lines to read.")] = 200,
    timeout: Timeout = 10.0,
    show_secrets: Annotated[
        bool, typer.Option("--show-secrets", help="Do not mask secrets in log lines.")
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose", "-v", help="All evidence and steps; of a Pending pod, a table of all nodes."
        ),
    ] = False,
    from_file: Annotated[
        Path | None, typer.Option("--from", help="A recording in the cluster's place.")
    ] = None,
    playbooks: Playbooks = None,
) -> None:
    """Why does this pod not work, and what do I type now?"""
    if (pod is None) + (selector is None) + (from_file is None) != 2 and not (pod and from_file):
        _fail("give one POD (or KIND/NAME), or -l SELECTOR, or --from FILE", USAGE)
    request = session.Request(
        namespace, context, kubeconfig, timeout, tail, tuple(session.roots(playbooks or []))
    )
    show = _printer(output, show_secrets=show_secrets, verbose=verbose)
    if from_file is not None:
        reports = [session.replay(from_file, request, container)]
    else:
        with progress.shown():
            reports = session.diagnose(pod, selector, request, container)
    show(reports)
    raise typer.Exit(_exit_code(reports))


@app.command()
def explain(cause: str, playbooks: Playbooks = None) -> None:
    """What a cause means, how it is told from its look-alikes, and how to mend it."""
    from poddoctor.render import page  # noqa: PLC0415

    causes = {one.id: one for one in session.causes(playbooks or [])}
    if cause not in causes:
        from poddoctor.pod.names import nearest  # noqa: PLC0415

        near = nearest(cause, causes) or nearest(cause, [one.partition("/")[2] for one in causes])
        _fail(
            f"no cause {cause}"
            + (f": nearest {', '.join(near)}" if near else "; poddoctor causes lists all"),
            USAGE,
        )
    page.show(causes[cause], _console())


@app.command()
def causes(playbooks: Playbooks = None) -> None:
    """All causes, in the order of a pod's life."""
    for one in session.causes(playbooks or []):
        typer.echo(f"{one.id:<42} {one.status:<8} {one.titles[-1]}")


@app.command()
def capture(
    pod: Annotated[str, typer.Argument(help="POD or KIND/NAME.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")],
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    timeout: Timeout = 10.0,
) -> None:
    """Writes what a diagnosis would read to a file, masked, for --from."""
    request = session.Request(namespace, context, kubeconfig, timeout, 200, ())
    text = session.capture(pod, request)
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        _fail(f"cannot write {output}: {error.strerror}", USAGE)
    typer.echo(f"wrote {output}; try: poddoctor diagnose --from {output}", err=True)


@app.command()
def demo(
    name: Annotated[
        str | None, typer.Argument(help="One of the recorded pods; without it, they are listed.")
    ] = None,
    output: Annotated[Output, typer.Option("--output", "-o", help="text, json or yaml.")] = Output.text,
) -> None:
    """Diagnoses recorded broken pods: no cluster needed."""
    recordings = session.demos()
    if name is None:
        for one in recordings:
            typer.echo(one)
        typer.echo("\nDiagnose one: poddoctor demo NAME", err=True)
        return
    if name not in recordings:
        _fail(f"no demo {name}: one of {', '.join(recordings)}", USAGE)
    _printer(output, show_secrets=False)([session.replay(recordings[name], session.Request(), None)])


@app.command()
def lint(
    directory: Annotated[Path, typer.Argument(help="A folder of playbooks: FAMILY/CAUSE.yaml.")],
) -> None:
    """Checks your own playbooks."""
    if not directory.is_dir():
        _fail(f"{directory} is no folder", USAGE)
    wrong = session.lint(directory)
    for message in wrong:
        typer.echo(message, err=True)
    if wrong:
        raise typer.Exit(USAGE)
    typer.echo(f"{len(playbook.files(directory))} playbooks are well")


@app.command(name="version")
def version_command() -> None:
    """The version of poddoctor."""
    from poddoctor.version import version  # noqa: PLC0415

    typer.echo(f"poddoctor {version()}")


@app.callback(invoke_without_command=True)
def _main(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        version_command()
        raise typer.Exit


def _fail(message: str, code: int) -> NoReturn:
    typer.echo(f"poddoctor: {' '.join(message.split())}", err=True)
    raise typer.Exit(code)


def _exit_code(reports: Sequence[Report]) -> int:
    if any(report.standing("now", "next") for report in reports):
        return FOUND
    return UNSEEN if any(report.not_seen for report in reports) else NOTHING


def _printer(
    output: Output, *, show_secrets: bool, verbose: bool = False
) -> Callable[[Sequence[Report]], None]:
    """What prints the reports. Asked for before a diagnosis: its imports overlap with the first answers."""
    if output is not Output.text:
        from poddoctor.render import json as document  # noqa: PLC0415

        return lambda reports: typer.echo(document.dumps(reports, output.value, show_secrets=show_secrets))
    from poddoctor.render import text  # noqa: PLC0415

    console = _console()

    def show(reports: Sequence[Report]) -> None:
        text.render_all(reports, console, show_secrets=show_secrets, verbose=verbose)

    return show


def _console() -> Any:
    from rich.console import Console  # noqa: PLC0415

    return Console(highlight=False, emoji=False, markup=False)


def run() -> None:
    """Runs the command line: every foreseen failure is one line on stderr and an exit code."""
    plugin = Path(sys.argv[0]).name.startswith("kubectl-")
    try:
        app(prog_name="kubectl poddoctor" if plugin else "poddoctor")
    except KubeError as error:
        _say(str(error), UNSEEN)
    except (playbook.PlaybookError, recording.RecordingError, targets.BadTarget) as error:
        _say(str(error), USAGE)
    except targets.TargetError as error:
        _say(str(error), UNSEEN)
    except BrokenPipeError:
        sys.exit(0)
    except OSError as error:
        _say(f"{error.filename or 'the report'} could not be read or written: {error.strerror}", UNSEEN)


def _say(message: str, code: int) -> NoReturn:
    sys.stderr.write(f"poddoctor: {' '.join(message.split())}\n")
    sys.exit(code)
