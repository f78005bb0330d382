"""Which of all the reasons is the answer: the one that keeps the pod off the nodes nearest to taking it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ._predicates import IN_MESSAGE, Verdict
from ._schedmessage import ORDER, Message

_OUTAGE = ("cordoned", "node-state")
_TAINTS = (*_OUTAGE, "control-plane", "taint")
_SELECTION = ("selector", "affinity")
_MOST_OF = 4


@dataclass(frozen=True, slots=True)
class Choice:
    """The answer's kind, the nodes that it is about (nearest first), and what it rests on.

    ``basis`` is ``judged`` (from the objects) or ``message`` (from the scheduler's words alone). ``fitting``
    names nodes that would take the pod as far as the objects show.
    """

    kind: str
    nodes: tuple[Verdict, ...]
    basis: str
    fitting: tuple[str, ...] = ()


def choose(verdicts: Sequence[Verdict] | None, message: Message | None) -> Choice | None:
    """The answer, or None when neither objects nor message give one."""
    if verdicts is not None and not verdicts:
        if message is None or message.total == 0 or message.no_nodes:
            return Choice("no-nodes", (), "judged")
        verdicts = None  # the scheduler has seen nodes: a list without any is no whole list
    said = message if message and message.reasons else None
    fitting = tuple(one.name for one in verdicts or () if not one.failures and one.complete)
    if verdicts and not fitting:
        judged = _judged(verdicts, said)
        if judged and (said is None or _named(judged.kind) in said.kinds or _more_exact(judged, said)):
            return judged
    by_message = _by_message(message) if message else None
    if by_message is None:
        return None
    nodes = tuple(one for one in verdicts or () if by_message in map(_named, one.kinds))
    return Choice(by_message, by_distance(nodes), "message", fitting)


def _named(kind: str) -> str:
    return IN_MESSAGE.get(kind, kind)


def _more_exact(judged: Choice, said: Message) -> bool:
    """Newer schedulers say "taint(s)" and no more: cordons, states and roles are finer words for it.

    That a control plane keeps pods off is no answer beside other reasons, and the whole answer without any.
    """
    if judged.kind == "taint" and said.kinds == {"control-plane"}:
        return True
    return judged.kind in _TAINTS and "taint" in said.kinds and any(not one.taint[0] for one in said.reasons)


def _judged(verdicts: Sequence[Verdict], said: Message | None) -> Choice | None:
    kinds = said.kinds if said else None

    def allowed(kind: str) -> bool:
        return kinds is None or _named(kind) in kinds or (kind in _TAINTS and "taint" in kinds)

    wanted = [one for one in verdicts if not one.of(*_SELECTION)]
    if not wanted:
        if any(ORDER.get(one, -1) > ORDER["affinity"] for one in kinds or ()):
            return None  # the scheduler saw a node that matches: it is not among those that are known
        kind = _selection_kind(verdicts)
        if allowed(kind):
            return Choice(kind, by_distance(one for one in verdicts if kind in one.kinds), "judged")
        wanted = list(verdicts)
    clean = [one for one in wanted if not one.of(*_TAINTS)]
    outage = [one for one in wanted if one.failures and one.kinds <= set(_OUTAGE)]
    if behind := _behind_taints(wanted, clean):
        return _closed(behind)
    if not clean or len(outage) > len(clean):
        return _closed(outage if clean else wanted)
    return _full([one for one in clean if one.failures], allowed)


def _behind_taints(wanted: Sequence[Verdict], clean: Sequence[Verdict]) -> list[Verdict]:
    """The tainted nodes that have a device of the pod which no open node has: the others never mattered."""
    lacked = [{one.resource for one in node.of("exceeds") if _is_device(one.resource)} for node in clean]
    if not lacked or not all(lacked):
        return []
    devices = set.intersection(*lacked)
    return [
        one
        for one in wanted
        if one.of(*_TAINTS) and devices and devices.isdisjoint(lack.resource for lack in one.of("exceeds"))
    ]


def _is_device(resource: str) -> bool:
    return "/" in resource


def _selection_kind(verdicts: Sequence[Verdict]) -> str:
    if not any("affinity" in one.kinds for one in verdicts):
        return "selector"
    if all("selector" in one.kinds for one in verdicts):
        return "selector"
    return "affinity"


def _closed(verdicts: Sequence[Verdict]) -> Choice | None:
    """No node is open to the pod: which bar is on most of those that are not control planes."""
    workers = [one for one in verdicts if "control-plane" not in one.kinds] or list(verdicts)
    counts = Counter(_bar(one) for one in workers)
    if not counts:
        return None
    # Of equals, the state of nodes is more of an accident than a taint that somebody set.
    kind = max(counts, key=lambda one: (counts[one], -_TAINTS.index(one)))
    kind_nodes = by_distance(one for one in workers if _bar(one) == kind)
    return Choice("taint" if kind == "control-plane" else kind, kind_nodes, "judged")


def _bar(verdict: Verdict) -> str:
    return next((kind for kind in _TAINTS if kind in verdict.kinds), "taint")


def _full(verdicts: Sequence[Verdict], allowed: Callable[[str], bool]) -> Choice | None:
    """Open nodes without room, ports, volumes or the right neighbours."""
    if not verdicts:
        return None
    tied = [
        one for one in verdicts if "pv" in one.kinds and not one.of("resources", "exceeds", "pods", "ports")
    ]
    if tied and allowed("pv"):
        return Choice("pv", by_distance(tied), "judged")
    fewest = min(len(_distinct(one)) for one in verdicts)
    nearest = [one for one in verdicts if len(_distinct(one)) == fewest]
    counts = Counter(first(one) for one in nearest)
    usable = [kind for kind in counts if allowed(kind)] or list(counts)
    kind = max(usable, key=lambda one: (counts[one], one == "resources", ORDER.get(one, -1)))
    if kind in ("resources", "exceeds"):
        kind = "exceeds" if all("exceeds" in one.kinds for one in verdicts) else "resources"
        group = [one for one in verdicts if one.of("resources", "exceeds")]
        return Choice(kind, by_distance(group), "judged")
    return Choice(kind, by_distance(one for one in verdicts if kind in one.kinds), "judged")


def _distinct(verdict: Verdict) -> set[str]:
    return {_named(kind) for kind in verdict.kinds}


def first(verdict: Verdict) -> str:
    """The kind at which the scheduler stops on this node."""
    kind = min(verdict.kinds, key=lambda one: ORDER.get(_named(one), 99))
    return "resources" if kind == "exceeds" else kind


def by_distance(verdicts: Iterable[Verdict]) -> tuple[Verdict, ...]:
    """The nearest first: fewest kinds of failure, no lack that cannot be freed, least short, name."""

    def distance(one: Verdict) -> tuple[object, ...]:
        shares = [failure.share for failure in one.failures]
        return len(_distinct(one)), "exceeds" in one.kinds, len(shares), sum(shares), one.name

    return tuple(sorted(verdicts, key=distance))


def _fenced(message: Message, late: Mapping[str, int]) -> bool:
    """Whether the nodes with the device are fenced off by its own name: the others never had any."""
    lacking = {one.resource for one in message.reasons if _is_device(one.resource)}
    return set(late) <= {"resources"} and any(one.taint[0] in lacking for one in message.reasons)


def _by_message(message: Message) -> str | None:
    if message.no_nodes:
        return "no-nodes"
    counts: Counter[str] = Counter()
    for reason in message.reasons:
        counts[reason.kind] += reason.count
    if not counts:
        return None
    late = {kind: count for kind, count in counts.items() if kind not in _TAINTS}
    outage = counts["cordoned"] + counts["node-state"]
    closed = outage > sum(late.values()) and set(late) <= {"resources", "pods"}
    if late and not closed and not _fenced(message, late):
        beyond = {
            kind: count for kind, count in late.items() if kind not in ("affinity", "node-name")
        } or late
        # Behind a place that data is tied to, its own full nodes: unless most of the cluster is full.
        if beyond.get("pv", 0) * _MOST_OF >= max(beyond.values()):
            return "pv"
        return max(beyond, key=lambda one: (beyond[one], one == "resources", ORDER.get(one, -1)))
    bars = {kind: counts[kind] for kind in ("cordoned", "node-state", "taint") if counts[kind]}
    if not bars:
        return "taint"
    return max(bars, key=lambda one: (bars[one], -_TAINTS.index(one)))
