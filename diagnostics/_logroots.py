"""What lies behind a complaint: of two that belong together, the one that explains the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from poddoctor.pod.pattern import lazy

from ._logrules import Meaning
from ._logtext import PLAIN, Line, remark

_NEAR, _TAIL = 3, 15
_DEEPER: Mapping[str, tuple[str, ...]] = {
    "leader-election-lost": ("kubernetes-api-unreachable",),
    "dependency-rejected-credentials": ("file-too-open",),
    "environment-variable-missing": ("license-rejected",),
}
# Of "cannot connect", which says nothing else, what an error right before it said.
_TELLS_MORE = (
    *("dependency-rejected-credentials", "certificate-expired", "dependency-tls-failed"),
    *("database-schema-mismatch", "dependency-not-resolved", "dependency-refused", "dependency-timed-out"),
)
# An API server that was there, and too slow for a lease, is no API server that cannot be reached.
_TOO_SLOW = lazy(r"deadline exceeded|Client\.Timeout|rate limiter|etcdserver: request timed out")
_LONG_PATH = lazy(r"/[\w.-]+/[\w./-]*\w")


def first_cause(lines: Sequence[Line], best: Meaning, others: Sequence[Meaning]) -> Meaning:
    """The meaning that explains the best one, or that one itself."""
    if best.attributes.get("accept"):
        return min((one for one in others if one.attributes.get("accept")), key=lambda one: one.line.number)
    behind = _BEHIND.get(best.what, _deeper)
    return behind(lines, best, others) or best


def went_on(lines: Sequence[Line], one: Line, other: Line) -> bool:
    """Whether the program said something calm between two complaints."""
    between = sorted((one.number, other.number))
    return any(
        between[0] < each.number < between[1]
        and each.weight <= PLAIN
        and each.block not in (one.block, other.block)
        and each.text.strip()
        for each in lines
    )


def _deeper(lines: Sequence[Line], best: Meaning, others: Sequence[Meaning]) -> Meaning | None:
    """A lease is lost because the API server does not answer, a login without the key that was refused."""
    del lines
    deeper = [one for one in others if one.what in _DEEPER.get(best.what, ())]
    if best.what == "leader-election-lost":
        deeper = [one for one in deeper if not _TOO_SLOW.search(one.line.text)]
    named = [one for one in deeper if "path" in one.attributes]
    return next(iter([*named, *deeper]), None)


def _denied(lines: Sequence[Line], best: Meaning, others: Sequence[Meaning]) -> Meaning | None:
    """Without a file it is what a script makes of the API server's answer."""
    del lines
    if best.attributes.get("path"):
        return None
    return next((one for one in others if one.what == "kubernetes-api-forbidden"), None)


def _unreachable(lines: Sequence[Line], best: Meaning, others: Sequence[Meaning]) -> Meaning | None:
    """Why nothing could be connected to, which is not said again where the program gives up."""
    if best.attributes.get("host"):
        return None
    near = [
        one
        for one in others
        if 0 <= best.line.number - one.line.number < _TAIL
        and not remark(one.line)
        and not went_on(lines, one.line, best.line)
    ]
    return next((one for what in _TELLS_MORE for one in reversed(near) if one.what == what), None)


def _missing(lines: Sequence[Line], best: Meaning, others: Sequence[Meaning]) -> Meaning | None:
    """What may not be read is often said not to be there in the end."""
    del lines
    before = [one for one in others if 0 < best.line.number - one.line.number <= _NEAR]
    paths = _LONG_PATH.compiled.findall(best.line.text)
    denied = [one for one in before if one.what == "permission-denied"]
    return next((one for one in denied if any(path in one.line.text for path in paths)), None)


def _symbol(lines: Sequence[Line], best: Meaning, others: Sequence[Meaning]) -> Meaning | None:
    """Symbols are missing because the library that has them was not found."""
    del lines
    if best.attributes.get("language") != "C library":
        return None
    return next((one for one in others if one.attributes.get("language") == "shared library"), None)


_BEHIND: Mapping[str, Callable[[Sequence[Line], Meaning, Sequence[Meaning]], Meaning | None]] = {
    "permission-denied": _denied,
    "dependency-unreachable": _unreachable,
    "file-missing": _missing,
    "module-missing": _symbol,
}
