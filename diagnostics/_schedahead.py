"""What would keep the pod off every node after the present reason is mended: it is told at once.

Only what the objects show counts here; the scheduler has not said it, for it stops at the first reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from poddoctor.model import Body, Snapshot, Symptom

from . import _choice as choice
from . import _predicates as predicates
from . import _schedanswer as answer
from . import _world as world_
from ._predicates import Verdict
from ._schedmessage import Message

_MOST = 2
_MANY_NODES = 500  # judging them twice would be felt
# Reasons that lie in the pod and the nodes alone, whatever its claims are bound to.
_OWN = frozenset({"selector", "affinity", "taint", "exceeds"})
# Two names for one reason: who mends the one has mended the other.
_SAME = (
    frozenset({"resources", "exceeds"}),
    frozenset({"anti-affinity", "existing-anti-affinity"}),
    frozenset({"cordoned", "node-state"}),
)


def after(snapshot: Snapshot, pod: Body, message: Message, told: Sequence[Symptom]) -> Iterator[Symptom]:
    """The reasons behind the one that was told, when that one was judged from the objects."""
    first = next((one for one in reversed(told) if one.attributes.get("basis") == "judged"), None)
    if first is not None:
        yield from _next(snapshot, pod, message, _mended(first.attributes["kind"]))


def behind_claims(snapshot: Snapshot, pod: Body, message: Message) -> Iterator[Symptom]:
    """The reasons behind a claim that is missing or not bound: the scheduler has looked at no node."""
    yield from (one for one in _next(snapshot, pod, message, frozenset()) if one.attributes["kind"] in _OWN)


def _next(snapshot: Snapshot, pod: Body, message: Message, mended: frozenset[str]) -> Iterable[Symptom]:
    world = world_.world_of(snapshot, pod)
    if world is None or not world.nodes or len(world.nodes) > _MANY_NODES or world.more_nodes:
        return
    verdicts = predicates.judge(world)
    for _ in range(_MOST):
        rest = [_without(one, mended) for one in verdicts]
        if any(not one.failures for one in rest):
            return
        picked = choice.choose(rest, None)
        if picked is None or picked.basis != "judged" or picked.kind in mended | {"no-nodes"}:
            return
        found = answer.answer(snapshot, pod, world, rest, picked, message)
        yield replace(found, ahead=True)
        mended |= _mended(picked.kind)


def _mended(kind: str) -> frozenset[str]:
    return next((group for group in _SAME if kind in group), frozenset({kind}))


def _without(verdict: Verdict, mended: frozenset[str]) -> Verdict:
    return replace(verdict, failures=tuple(one for one in verdict.failures if one.kind not in mended))
