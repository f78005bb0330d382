"""Commands are pasted at a prompt, where a line that fails does not stop the next."""

from __future__ import annotations

import subprocess

import pytest

from poddoctor import playbook, shell
from poddoctor.stages import symptom_kinds


def pasted(text: str) -> str:
    """What an interactive shell prints when the text is pasted at its prompt."""
    command = ["bash", "--norc", "--noprofile", "-i"]
    return subprocess.run(command, input=text + "\n", capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize(
    "run",
    [
        'echo one\necho "${MISSING:?the user name}"',
        'echo "${MISSING:?the user name}" | cat\necho two',
        'echo one | cat\necho "${MISSING:?of {image}}" \\\n  --more\necho three',
        'echo one\ncat <<EOF\n"${MISSING:?a size}"\nEOF',
    ],
)
def test_nothing_runs_when_a_value_is_missing(run: str) -> None:
    assert pasted(run) != "", "or else the test shows nothing"
    assert pasted(shell.chained(run)) == ""


def test_nothing_runs_after_a_failure() -> None:
    assert pasted(shell.chained("echo one\nfalse\necho two")) == "one\n"


def test_values_that_are_there_serve_all_lines() -> None:
    chained = shell.chained('echo "${NAME:?a name}" |\n  cat\necho again "${NAME:?a name}"')
    assert pasted(f"NAME='a b'\n{chained}") == "a b\nagain a b\n"
    assert shell.chained(chained) == chained


@pytest.mark.parametrize("run", ["", "echo ${NAME:?a name}", "echo a |\n  cat", "cat <<EOF\na\nb\nEOF"])
def test_one_command_stays_as_it_is(run: str) -> None:
    assert shell.chained(run) == run


def test_a_variable_between_single_quotes_is_found() -> None:
    assert shell.dead_variable("""echo '{"group":${GROUP:-472}}'""").startswith("${GROUP")
    assert not shell.dead_variable("""echo '{"group":'"${GROUP:?a group}"'}'""")


def test_every_step_asks_before_its_first_command() -> None:
    causes = playbook.load_all([playbook.BUNDLED], symptom_kinds())
    lists = [step.run for cause in causes for step in cause.steps if "&&\n" in step.run]
    assert lists
    assert not [run for run in lists if ":?" in run and not run.startswith(": ")]
