"""Values from a cluster are hostile: what is printed must run as one word each."""

import json
import subprocess

import pytest

from poddoctor import template

HOSTILE = ["a b", "$(touch /tmp/x)", "it's", 'say "hi"', "`id`", "a\nb", "; rm -rf /", "--flag"]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_stays_one_word(value: str) -> None:
    command = template.fill_command("printf %s x{value}", {"value": value})
    assert (
        subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True).stdout
        == f"x{value}"
    )


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_in_a_json_patch_stays_one_string(value: str) -> None:
    command = template.fill_command("""printf %s '{"spec":{"key":"{value}"}}'""", {"value": value})
    out = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True).stdout
    assert json.loads(out)["spec"]["key"] == value


def test_a_variable_that_is_unset_stops_the_command_with_its_message() -> None:
    command = template.fill_command("echo ${TAG:?a tag of {image} that exists}", {"image": "shop/web"})
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "a tag of shop/web that exists" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_in_a_message_runs_nothing(value: str) -> None:
    command = template.fill_command("X=1; echo ${X:?of {value}}", {"value": value})
    assert subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True).stdout == "1\n"


def test_missing() -> None:
    assert template.missing("a {one} {two}", {"one": "1", "two": ""})
    assert not template.missing("a {one} ${TWO:?x}", {"one": "1"})
