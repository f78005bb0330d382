"""Image references, read as the container runtimes read them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

HUB = "docker.io"
_NAME = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"\w[\w.-]{0,127}")
_DIGEST = re.compile(r"[a-z0-9+._-]+:[0-9a-fA-F]{32,}")


@dataclass(frozen=True, slots=True)
class Reference:
    """One reference. ``written`` is the repository as the pod writes it, without tag and digest.

    ``tag`` is ``latest`` where the pod names neither tag nor digest. ``repository`` is the path in the
    registry, with ``library/`` where Docker Hub adds it.
    """

    written: str
    registry: str
    repository: str
    tag: str
    digest: str

    @property
    def key(self) -> str:
        """What two references to the same repository share."""
        return f"{self.registry}/{self.repository}"


def parse(image: str) -> Reference:
    """The parts of a reference; an invalid one is split as far as it goes (see ``wrong_with``)."""
    rest, _, digest = image.partition("@")
    head, slash, last = rest.rpartition("/")
    name, colon, tag = last.partition(":")
    written = f"{head}{slash}{name}"
    registry, path = _registry(written)
    return Reference(written, registry, path, tag if colon else ("" if digest else "latest"), digest)


def _registry(written: str) -> tuple[str, str]:
    first, slash, rest = written.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        path = rest
        registry = HUB if first in ("index.docker.io", "registry-1.docker.io") else first
    else:
        registry, path = HUB, written
    return registry, f"library/{path}" if registry == HUB and "/" not in path else path


def wrong_with(image: str) -> str:
    """What makes a reference invalid, in words; empty when nothing is wrong."""
    rest, at, digest = image.partition("@")
    last = rest.rpartition("/")[2]
    name, colon, tag = last.partition(":")
    path = _registry(rest[: len(rest) - len(last)] + name)[1]
    odd = re.search(r"[^\w./:@+-]", image)
    upper = re.search(r"[A-Z]", path)
    checks = (
        (not image.strip(), "it is empty"),
        (image != image.strip(), "it begins or ends with a blank"),
        ("://" in image, f"it begins with {image.partition('://')[0]}://, which is no part of a reference"),
        ("${" in image or "{{" in image, "a variable in it was not replaced"),
        (bool(odd), f"it holds {odd[0] if odd else ''!r}"),
        (bool(colon) and not tag, "nothing follows the colon"),
        (bool(colon) and not _TAG.fullmatch(tag), f"the tag {tag!r} is not allowed"),
        (bool(at) and not _DIGEST.fullmatch(digest), f"the digest {digest!r} is not allowed"),
        (bool(upper), f"the repository holds the capital letter {upper[0] if upper else ''!r}"),
        (not _NAME.fullmatch(path), "the repository has an empty or odd part"),
    )
    return next((words for wrong, words in checks if wrong), "")


def same_repository(wanted: Reference, names: Iterable[str]) -> list[str]:
    """The tags under which the same repository is known, sorted; names by digest alone are passed over."""
    others = (parse(name) for name in names if "@" not in name and "<none>" not in name)
    return sorted({other.tag for other in others if other.key == wanted.key and other.tag != wanted.tag})
