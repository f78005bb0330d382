"""Rules between pods: affinity both ways, anti-affinity and topology spread, as the scheduler counts them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from poddoctor.model import Body

from . import _selectors as sel
from ._world import World

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Miss:
    """One rule that a node breaks.

    Attributes:
        kind: ``spread``, ``pod-affinity``, ``anti-affinity`` or ``existing-anti-affinity``.
        text: the rule and the numbers in words.
        index: the place of the rule in the pod's list (of no use for another pod's rule).
        topology: its topology key.
        pods: the pods that stand in the way, as ``namespace/name``.
        selector: the rule's label selector in words.
        facts: further attributes.
    """

    kind: str
    text: str
    index: int
    topology: str
    pods: tuple[str, ...] = ()
    selector: str = ""
    facts: tuple[tuple[str, str], ...] = ()


def _in_scope(world: World, term: Body, holder: Body, namespace: str) -> bool:
    """Whether a term of ``holder`` reaches pods of this namespace."""
    names, chooser = term.get("namespaces") or [], term.get("namespaceSelector")
    if not names and chooser is None:
        return namespace == sel.namespace_of(holder)
    if namespace in names:
        return True
    if chooser is None:
        return False
    if not (chooser.get("matchLabels") or chooser.get("matchExpressions")):
        return True
    labels = {"kubernetes.io/metadata.name": namespace, **((world.namespaces or {}).get(namespace) or {})}
    return sel.selects(chooser, labels)


def _wants(world: World, term: Body, holder: Body, other: Body) -> bool:
    return _in_scope(world, term, holder, sel.namespace_of(other)) and sel.selects(
        sel.full_selector(term, holder), sel.labels_of(other)
    )


def _title(pod: Body) -> str:
    return f"{sel.namespace_of(pod)}/{sel.name_of(pod)}"


class PodRules:
    """The rules between the pod and all placed pods, counted once, then asked node by node."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.nodes = {sel.name_of(node): node for node in world.nodes}
        self.placed = [
            (pod, self.nodes[name])
            for pod in world.pods or ()
            if (name := str((pod.get("spec") or {}).get("nodeName") or "")) in self.nodes
        ]
        # Its own rules can be judged when all pods that they mean are known; those of others as far as seen.
        mine = world.everywhere or world.ruled
        self.affinity = sel.pod_terms(world.pod, "podAffinity") if mine else []
        self.anti = sel.pod_terms(world.pod, "podAntiAffinity") if mine else []
        self._meant = [tuple(_title(pod) for pod, _ in self._matching(term)) for term in self.affinity]
        self._friends = self._count_friends()
        self._first = self._is_first()
        self._foes = [self._pairs(term, self._matching(term)) for term in self.anti]
        self._refusing = self._count_refusing()
        self._refusing_keys = list(dict.fromkeys(key for key, _ in self._refusing))
        self.spread = [
            _Spread(self, index, one) for index, one in (sel.spread_constraints(world.pod) if mine else [])
        ]

    def _matching(self, term: Body) -> list[tuple[Body, Body]]:
        return [one for one in self.placed if _wants(self.world, term, self.world.pod, one[0])]

    def _pairs(self, term: Body, placed: Iterable[tuple[Body, Body]]) -> dict[Pair, list[str]]:
        key = str(term.get("topologyKey"))
        found: dict[Pair, list[str]] = {}
        for pod, node in placed:
            if key in sel.labels_of(node):
                found.setdefault((key, sel.labels_of(node)[key]), []).append(_title(pod))
        return found

    def _count_friends(self) -> list[dict[Pair, list[str]]]:
        """Per affinity term, where pods stand that match all terms, as the scheduler wants it."""
        pod = self.world.pod
        friends = [
            one
            for one in self.placed
            if self.affinity and all(_wants(self.world, term, pod, one[0]) for term in self.affinity)
        ]
        return [self._pairs(term, friends) for term in self.affinity]

    def _count_refusing(self) -> dict[Pair, list[tuple[str, str]]]:
        """Where placed pods have anti-affinity rules that mean this pod."""
        found: dict[Pair, list[tuple[str, str]]] = {}
        for pod, node in self.placed:
            for term in sel.pod_terms(pod, "podAntiAffinity"):
                key = str(term.get("topologyKey"))
                if key in sel.labels_of(node) and _wants(self.world, term, pod, self.world.pod):
                    why = sel.show_selector(term.get("labelSelector"))
                    found.setdefault((key, sel.labels_of(node)[key]), []).append((_title(pod), why))
        return found

    def misses(self, node: Body) -> list[Miss]:
        """The rules that this node breaks, in the scheduler's order."""
        found = [miss for one in self.spread if (miss := one.miss(node))]
        return [*found, *self._refused(node), *self._lonely(node), *self._crowded(node)]

    def _refused(self, node: Body) -> Iterable[Miss]:
        labels = sel.labels_of(node)
        for key in self._refusing_keys:
            if holders := self._refusing.get((key, labels.get(key, "")), []) if key in labels else []:
                names = tuple(dict.fromkeys(name for name, _ in holders))
                yield Miss(
                    "existing-anti-affinity",
                    f"pod {names[0]} there refuses pods with {holders[0][1]} in its {key}",
                    0,
                    key,
                    names,
                    holders[0][1],
                )

    def _lonely(self, node: Body) -> Iterable[Miss]:
        labels = sel.labels_of(node)
        if self._first:
            lacking = [term for term in self.affinity if str(term.get("topologyKey")) not in labels]
        else:
            lacking = [
                term
                for term, pairs in zip(self.affinity, self._friends, strict=True)
                if (str(term.get("topologyKey")), labels.get(str(term.get("topologyKey")), "")) not in pairs
            ]
        for term in lacking:
            index, key = self.affinity.index(term), str(term.get("topologyKey"))
            selector = sel.show_selector(sel.full_selector(term, self.world.pod))
            where = f"its {key}" if key in labels else f"reach: it has no label {key}"
            friends = self._meant[index]
            yield Miss("pod-affinity", f"no pod with {selector} is in {where}", index, key, friends, selector)

    def _is_first(self) -> bool:
        """A pod that no placed pod matches, but that matches its own rules, may be the first of its group."""
        pod = self.world.pod
        return not any(self._friends) and all(_wants(self.world, term, pod, pod) for term in self.affinity)

    def _crowded(self, node: Body) -> Iterable[Miss]:
        labels = sel.labels_of(node)
        for index, (term, pairs) in enumerate(zip(self.anti, self._foes, strict=True)):
            key = str(term.get("topologyKey"))
            names = tuple(pairs.get((key, labels.get(key, "")), ())) if key in labels else ()
            if names:
                selector = sel.show_selector(sel.full_selector(term, self.world.pod))
                more = f" and {len(names) - 1} more" if len(names) > 1 else ""
                text = f"pod {names[0]}{more} with {selector} is already in its {key}"
                yield Miss("anti-affinity", text, index, key, names, selector)


class _Spread:
    """One topology spread constraint with its domains counted."""

    def __init__(self, rules: PodRules, index: int, constraint: Body) -> None:
        self.index, self.pod = index, rules.world.pod
        self.key = str(constraint.get("topologyKey"))
        self.max_skew = int(constraint.get("maxSkew") or 1)
        self.selector = sel.full_selector(constraint, self.pod)
        self.myself = 1 if sel.selects(self.selector, sel.labels_of(self.pod)) else 0
        keys = [str(one.get("topologyKey")) for _, one in sel.spread_constraints(self.pod)]
        counted = {
            name: sel.labels_of(node)[self.key]
            for name, node in rules.nodes.items()
            if all(key in sel.labels_of(node) for key in keys) and self._included(constraint, node)
        }
        self.domains: Counter[str] = Counter(dict.fromkeys(counted.values(), 0))
        for pod, node in rules.placed:
            same = sel.namespace_of(pod) == sel.namespace_of(self.pod)
            leaving = (pod.get("metadata") or {}).get("deletionTimestamp")
            meant = same and not leaving and sel.selects(self.selector, sel.labels_of(pod))
            if meant and sel.name_of(node) in counted:
                self.domains[counted[sel.name_of(node)]] += 1
        enough = len(self.domains) >= int(constraint.get("minDomains") or 1)
        self.least = min(self.domains.values()) if self.domains and enough else 0
        self.min_domains = 0 if enough else int(constraint.get("minDomains") or 0)
        first = sorted(self.domains)[:6]
        self.counts = ", ".join(f"{name}: {self.domains[name]}" for name in first)
        self.emptiest = min(self.domains, key=lambda name: (self.domains[name], name), default="")
        self.words = sel.show_selector(self.selector)

    def _included(self, constraint: Body, node: Body) -> bool:
        if (constraint.get("nodeAffinityPolicy") or "Honor") == "Honor" and not sel.chosen(self.pod, node):
            return False
        if (constraint.get("nodeTaintsPolicy") or "Ignore") == "Honor":
            tolerations = (self.pod.get("spec") or {}).get("tolerations") or []
            return not sel.untolerated(tolerations, node)
        return True

    def miss(self, node: Body) -> Miss | None:
        labels = sel.labels_of(node)
        selector = self.words
        if self.key not in labels:
            text = f"it has no label {self.key}, by which the pods are to be spread"
            return Miss("spread", text, self.index, self.key, (), selector, (("missing_label", self.key),))
        value = labels[self.key]
        skew = self.domains.get(value, 0) + self.myself - self.least
        if skew <= self.max_skew:
            return None
        why = f"{len(self.domains)} of minDomains {self.min_domains} exist, so the least counts as 0"
        text = (
            f"{self.key}={value} would have {self.domains.get(value, 0) + self.myself} pods, skew {skew} > "
            f"maxSkew {self.max_skew} ({self.counts}{'; ' + why if self.min_domains else ''})"
        )
        facts = (
            ("skew", str(skew)),
            ("max_skew", str(self.max_skew)),
            ("domains", self.counts),
            *((("min_domains", str(self.min_domains)),) if self.min_domains else ()),
            ("emptiest", self.emptiest),
        )
        return Miss("spread", text, self.index, self.key, (), selector, facts)


def near_labels(world: World, term: Body) -> Mapping[str, int]:
    """Labels that running pods carry under the keys of a term's selector, as ``key=value``, with counts."""
    keys = set((term.get("labelSelector") or {}).get("matchLabels") or {})
    keys |= {str(one.get("key")) for one in (term.get("labelSelector") or {}).get("matchExpressions") or []}
    found: Counter[str] = Counter()
    for pod in (*(world.pods or ()), *world.likenesses):
        found.update(f"{key}={value}" for key, value in sel.labels_of(pod).items() if key in keys)
    return found
