"""Of which nodes the pods are worth a look: a bounded number, nearest to taking the pod."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from poddoctor.model import Body, Read, Snapshot

from . import _choice as choice
from . import _predicates as predicates
from . import _resources as res
from . import _selectors as sel
from . import _world as world_
from ._predicates import Verdict
from ._schedmessage import Message

_CLOSED_TOO = 3
"""Of how many nodes that are closed to the pod: whether one would do if it were opened is worth a line."""


def reads(snapshot: Snapshot, pod: Body, message: Message) -> Iterable[Read]:
    """The pods of the nodes in question; then, when one seems to fit, who was promised its room."""
    seen = [name for name in _names(snapshot) if world_.node_pods_read(name) in snapshot.answers]
    promised = str((pod.get("status") or {}).get("nominatedNodeName") or "")
    refused = "existing-anti-affinity" in message.kinds
    if not set(seen) - {promised}:
        world = world_.world_of(snapshot, pod, refused=refused)
        if world is not None:
            yield from map(world_.node_pods_read, nodes(predicates.judge(world), message, pod))
        return
    world = world_.world_of(snapshot, pod, refused=refused)
    if world is None:
        return
    if any(world_.needs_namespaces(one) for one in world.pods or ()):
        yield world_.namespaces_read()
    if any(not one.failures and one.seen for one in predicates.judge(world, seen)):
        yield world_.nominees_read()


def _names(snapshot: Snapshot) -> list[str]:
    return [sel.name_of(one) for one in snapshot.items(world_.nodes_read()) or []]


def nodes(verdicts: Sequence[Verdict], message: Message, pod: Body) -> list[str]:
    """The nodes to look at: those that only their pods can keep from taking it, the roomiest first."""
    open_ = [one for one in verdicts if predicates.in_question(one)]
    if message.kinds & {"existing-anti-affinity", "rwop"}:
        # Pods on closed nodes count as well: by a rule for their whole zone, or because they hold a claim.
        open_ += [one for one in verdicts if not predicates.in_question(one)]
    if not open_:
        return [one.name for one in choice.by_distance(verdicts)[:_CLOSED_TOO]]
    lacking = [one.resource for one in message.reasons if one.resource] or list(res.pod_requests(pod))

    def rank(one: Verdict) -> tuple[object, ...]:
        room = tuple(-one.free.get(resource, 0) for resource in lacking)
        return not predicates.in_question(one), len(one.failures), room, one.name

    return [one.name for one in sorted(open_, key=rank)[: world_.CANDIDATES]]
