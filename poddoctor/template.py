"""Filling the templates of playbooks: plain text for titles, shell-quoted text for commands."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping

from poddoctor.playbook import PLACEHOLDER, placeholders
from poddoctor.shell import open_quote

_UNSAFE_IN_MESSAGE = re.compile(r"[^A-Za-z0-9_.,:/ @%+=-]")


def missing(text: str, values: Mapping[str, str]) -> bool:
    """Whether a placeholder of this template has no value: the template cannot be shown."""
    return any(not values.get(name) for name in placeholders(text))


def fill(text: str, values: Mapping[str, str]) -> str:
    """The template with its values, for reading."""
    return PLACEHOLDER.sub(lambda hole: values.get(hole[1], ""), text)


def fill_command(text: str, values: Mapping[str, str]) -> str:
    """The template with its values quoted for where they stand in the shell command.

    Values come from the cluster and are hostile: between single quotes (a JSON patch) they are escaped
    as JSON and for the quote; in double quotes or in a ``${NAME:?message}`` anything unusual is dropped;
    elsewhere ``shlex.quote`` has the word.
    """
    return PLACEHOLDER.sub(lambda hole: _quoted(values.get(hole[1], ""), text[: hole.start()]), text)


def _quoted(value: str, before: str) -> str:
    context = open_quote(before)
    if context == "'":
        return json.dumps(value)[1:-1].replace("'", "'\\''")
    if context:
        return _UNSAFE_IN_MESSAGE.sub("", value)
    return shlex.quote(value)
