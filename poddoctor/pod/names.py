"""Nearest names: what was probably meant by a name that does not exist."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(wanted: str, existing: Iterable[str], most: int = 3) -> list[str]:
    """The names nearest to the wanted one, best first: case, ``-`` and ``_`` slips, then edit distance.

    Only plausible slips are given: an edit distance of at most a third of the name, or one name
    that holds the other. With ``most`` 1 two names that are equally near give none: which was meant is
    not known. Of a short name one letter may be wrong, not two: db is no slip for ca.
    """
    scored = []
    for name in sorted(set(existing)):
        distance = _distance(_plain(wanted), _plain(name))
        if _plain(wanted) in _plain(name) or _plain(name) in _plain(wanted):
            distance = min(distance, 2)
        elif distance > 1 and 2 * distance >= len(wanted):
            continue
        if distance <= max(2, len(wanted) // 3):
            scored.append((distance, _distance(wanted, name), name))
    scored.sort()
    if most == 1 and len(scored) > 1 and scored[0][:2] == scored[1][:2]:
        return []
    return [name for *_, name in scored[:most]]


def _plain(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def _distance(left: str, right: str) -> int:
    """Edit distance with transpositions (optimal string alignment)."""
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        current = [i]
        for j, b in enumerate(right, 1):
            cost = min(row[j] + 1, current[j - 1] + 1, row[j - 1] + (a != b))
            if before and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            current.append(cost)
        before, row = row, current
    return row[-1]
