"""What a ready container says again and again: it works for Kubernetes, and not for its users."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from poddoctor.pod.pattern import lazy

from ._logrules import Meaning
from ._logtext import WEAK, Line

SHOWN_BY_CLUSTER = frozenset(
    {"dependency-refused", "dependency-not-resolved", "dependency-timed-out", "dependency-unreachable"}
)
"""What a client may have got over, or be used to: it counts if the cluster shows why it fails."""
_SELF_EVIDENT = frozenset(
    {"kubernetes-api-forbidden", "dependency-rejected-credentials", "disk-full", "read-only-filesystem"}
)
_OFTEN, _LAST = 3, 10
# Traces and metrics that nobody collects harm nobody who waits for an answer.
_TELEMETRY = lazy(
    r"(?i)\b(?:otel|otlp|opentelemetry|jaeger|zipkin|statsd|sentry|datadog|dd-agent|telemetry|newrelic|"
    r"(?:span|trace|metric)s? ?export\w*|export\w* (?:span|trace|metric)s?|pushgateway)"
)


def complaint(lines: Sequence[Line], found: Iterable[Meaning]) -> tuple[Meaning, int] | None:
    """What the last entries repeat, and in how many entries; None when that is nothing, or history."""
    entries = list(dict.fromkeys(line.block for line in lines))
    kinds = SHOWN_BY_CLUSTER | _SELF_EVIDENT
    serious = [
        one
        for one in found
        if one.what in kinds and one.line.weight >= WEAK and not _TELEMETRY.search(one.line.text)
    ]
    last = max(serious, key=lambda one: one.line.number, default=None)
    if last is None or last.line.block not in entries[-_LAST:]:
        return None
    times = len({one.line.block for one in serious if one.what == last.what})
    return (last, times) if times >= _OFTEN else None
