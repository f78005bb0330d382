"""What a ready container says again and again: it works for Kubernetes, and not for its users."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from poddoctor.pod.pattern import lazy

from ._logrules import Meaning
from ._logtext import TELEMETRY, WEAK, Line

SHOWN_BY_CLUSTER = frozenset(
    {"dependency-refused", "dependency-not-resolved", "dependency-timed-out", "dependency-unreachable"}
)
"""What a client may have got over, or be used to: it counts if the cluster shows why it fails."""
_NAMED = frozenset({"host", "url", "user", "unencrypted_user", "refuser", "socket"})
_SELF_EVIDENT = frozenset(
    {"kubernetes-api-forbidden", "dependency-rejected-credentials", "disk-full", "read-only-filesystem"}
)
# Traces and metrics that nobody collects harm nobody who waits for an answer: no telemetry counts.
_OFTEN, _LAST = 3, 10
# Images of the servers that turn clients away in the words in which clients are turned away.
_SERVER = lazy(
    r"(?i)^(?!.*(?:exporter|backup|operator|client|postgrest))(?:.*(?:postg|timescale|spilo|pgvector|pgbouncer|pgpool|mysql|mariadb|percona|galera|redis|valkey|keydb|rabbit|mongo|"
    r"ldap|keycloak|dex\b|vault))"
)


def _is_own(meaning: Meaning, image: str) -> bool:
    """Whether it is what the program itself was told: a server also says whom it turned away."""
    if meaning.what != "dependency-rejected-credentials":
        return True
    if _SERVER.search(image.rpartition("/")[2]) and not meaning.attributes.keys() & {"host", "url"}:
        return False
    return not meaning.attributes.get("unsure") and bool(meaning.attributes.keys() & _NAMED)


def complaint(lines: Sequence[Line], found: Iterable[Meaning], image: str = "") -> tuple[Meaning, int] | None:
    """What the last entries repeat, and in how many entries; None when that is nothing, or history."""
    entries = list(dict.fromkeys(line.block for line in lines))
    kinds = SHOWN_BY_CLUSTER | _SELF_EVIDENT
    serious = [
        one
        for one in found
        if one.what in kinds
        and _is_own(one, image)
        and one.line.weight >= WEAK
        and not TELEMETRY.search(one.line.text)
    ]
    last = max(serious, key=lambda one: one.line.number, default=None)
    if last is None or last.line.block not in entries[-_LAST:]:
        return None
    times = len({one.line.block for one in serious if one.what == last.what})
    return (last, times) if times >= _OFTEN else None
