"""What is wrong with a container's ``command`` or ``args``, when the program it names is not found."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from poddoctor.model import Json
from poddoctor.pod.containers import Container
from poddoctor.pod.pattern import lazy

from ._process import shown, words

SHELLS = frozenset({"sh", "bash", "ash", "dash", "zsh", "ksh", "pwsh"})
_BUILTINS = frozenset(
    {"cd", "export", "source", ".", "exec", "set", "ulimit", "if", "while", "for", "until", "exit"}
)
_VARIABLE = lazy(r"\$\{?(\w+)\}?")
_OPERATOR = lazy(r"&&|\|\||[|;<>`]|\$[\w{(]| &$")
_UNEXPANDED = lazy(r"\$\((\w+)\)")


@dataclass(frozen=True, slots=True)
class Slip:
    """A slip in a command: attributes that name it, and the change to the container that mends it."""

    attributes: Mapping[str, str] = field(default_factory=dict)
    change: Mapping[str, Json] = field(default_factory=dict)


def is_shell(word: str) -> bool:
    """Whether a word names a shell, with or without its path."""
    return word.rpartition("/")[2] in SHELLS


def source_of(one: Container) -> str:
    """Which field gives the program: ``command``, ``args`` (the image has no entrypoint) or ``image``."""
    if words(one.spec.get("command")):
        return "command"
    return "args" if words(one.spec.get("args")) else "image"


def whole(one: Container) -> list[str]:
    """``command`` and ``args`` of the container, as far as its spec gives them."""
    return words(one.spec.get("command")) + words(one.spec.get("args"))


def slip(one: Container, program: str) -> Slip:
    """The slip that makes this program not found, if it is one of those that people make."""
    line = whole(one)
    first = line[0] if line else ""
    # Without an entrypoint in the image the first argument is the program.
    if not line or (program and first != program and first.split() != program.split()):
        return Slip()
    if first != first.strip():
        kept = [first.strip(), *line[1:]]
        return Slip({"blank": first.strip()}, _replaced(one, kept))
    if " " in first:
        split = _split(first)
        return Slip({"line": shown([first])}, {"command": split, **_rest(one)}) if split else Slip()
    return _by_first_word(one, line)


def _by_first_word(one: Container, line: list[str]) -> Slip:
    first = line[0]
    if first.startswith("-"):
        change = {"command": None, "args": line} if source_of(one) == "command" else {}
        return Slip({"flag": first}, change)
    if "$" in first:
        return _variable(one, line)
    if first in _BUILTINS:
        return Slip({"builtin": first}, {"command": ["sh", "-c", " ".join(line)], "args": None})
    if is_shell(first):
        other = ["/bin/sh", *line[1:]] if first.rpartition("/")[2] != "sh" else None
        return Slip({"wanted_shell": first}, _replaced(one, other) if other else {})
    return Slip()


def _split(line: str) -> list[str]:
    try:
        parts = shlex.split(line)
    except ValueError:
        return []
    if not parts:
        return []
    if (_OPERATOR.search(line) or parts[0] in _BUILTINS) and not is_shell(parts[0]):
        return ["sh", "-c", line]
    # The script after "sh -c" is one word, however it was written.
    if len(parts) > 3 and is_shell(parts[0]) and parts[1] == "-c":
        parts = [*parts[:2], line.split("-c", 1)[1].strip()]
    return parts if len(parts) > 1 else []


def _rest(one: Container) -> dict[str, Json]:
    command, args = words(one.spec.get("command")), words(one.spec.get("args"))
    rest = [*command[1:], *args] if command else args[1:]
    return {"args": rest or None}


def _variable(one: Container, line: list[str]) -> Slip:
    known = {str(each.get("name")) for each in one.spec.get("env") or []}
    if undefined := _UNEXPANDED.search(line[0]):
        return Slip({"undefined": undefined[1]})
    names = _VARIABLE.findall(line[0])
    if names and known.issuperset(names):
        return Slip({"variable": line[0]}, _replaced(one, [_VARIABLE.sub(r"$(\1)", word) for word in line]))
    return Slip({"variable": line[0]}, {"command": ["sh", "-c", " ".join(line)], "args": None})


def _replaced(one: Container, line: list[str]) -> dict[str, Json]:
    """The change that puts other words in the fields that hold them now."""
    size = len(words(one.spec.get("command")))
    parts: dict[str, Json] = {"command": line[:size], "args": line[size:]}
    return {key: value for key, value in parts.items() if value}
