"""Each node judged as the scheduler's filters judge it, but with every failing filter and its numbers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from poddoctor.model import Body
from poddoctor.pod.pattern import lazy

from . import _resources as res
from . import _selectors as sel
from ._affinity import PodRules
from ._world import World, claim_names

# Set on purpose so that ordinary pods stay away: control planes, and nodes that are no machines.
_CONTROL_PLANE = lazy(
    r"^node-role\.kubernetes\.io/(?:control-plane|controlplane|master|etcd|infra)$"
    r"|^eks\.amazonaws\.com/compute-type$|^virtual-kubelet\.io/|^CriticalAddonsOnly$"
)
# Set by Kubernetes, by clouds, network plugins and autoscalers while a node is not in order.
_STATE = lazy(
    r"^node\.kubernetes\.io/|^node\.cloudprovider\.kubernetes\.io/(?:uninitialized|shutdown)$"
    r"|agent-not-ready$|^karpenter\.sh/(?:unregistered|disrupted|disruption)$|^ToBeDeletedByClusterAutoscaler$"
    r"|^cloud\.google\.com/(?:impending-node-termination|gke-quick-remove)$|^aws-node-termination-handler/"
)
_NO_NETWORK = lazy(r"(?i)\bcni\b|network plugin|network ?ready")
_OS = "kubernetes.io/os"
_CLOSED = ("cordoned", "control-plane", "node-state", "taint", "selector", "affinity")
_UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
_ZONES = (
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
)
# What the message calls a kind; kinds that are not here have the same name there.
IN_MESSAGE = {"selector": "affinity", "exceeds": "resources"}


@dataclass(frozen=True, slots=True)
class Failure:
    """One filter that a node does not pass: kind, the reason in words, and its facts."""

    kind: str
    text: str
    facts: Mapping[str, str] = field(default_factory=dict)
    resource: str = ""
    short: Decimal = Decimal(0)
    share: float = 0.0
    index: int = 0
    pods: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """One node with all that keeps the pod off it.

    ``seen`` when its pods are known, ``complete`` when all is known that could keep the pod off it.
    """

    node: Body
    failures: tuple[Failure, ...]
    complete: bool
    free: Mapping[str, Decimal]
    seen: bool = True

    @property
    def name(self) -> str:
        """The node's name."""
        return sel.name_of(self.node)

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of its failures."""
        return frozenset(one.kind for one in self.failures)

    def of(self, *kinds: str) -> list[Failure]:
        """Its failures of these kinds."""
        return [one for one in self.failures if one.kind in kinds]


def judge(world: World, only: Collection[str] | None = None) -> list[Verdict]:
    """Every node's verdict (or that of the nodes in ``only``), in the order of the list."""
    rules = PodRules(world) if world.pods is not None else None
    asked = res.pod_requests(world.pod)
    placed = world.by_node()
    alike = _Alike(world, asked)
    # What other pods' rules refuse is known only when all pods are, and matters when the scheduler says so.
    taken = _taken_claims(world)
    certain = world.everywhere or (world.ruled and not world.refused)
    found = []
    for node in world.nodes:
        name = sel.name_of(node)
        if only is not None and name not in only:
            continue
        seen = world.knows_pods_on(name)
        failures, free = _judge_one(world, asked, node, placed.get(name, [])) if seen else alike.judge(node)
        if rules is not None:
            failures = (*failures, *taken, *_broken(rules, node))
        found.append(Verdict(node, failures, seen and certain, free, seen=seen))
    return found


def in_question(verdict: Verdict) -> bool:
    """Whether the node's own fields leave it open to the pod: what stands on it decides."""
    return not verdict.of(*_CLOSED)


class _Alike:
    """Nodes whose pods are not known are judged once for all that are alike in what matters."""

    def __init__(self, world: World, asked: Mapping[str, Decimal]) -> None:
        self.world, self.asked = world, asked
        self.known: dict[tuple[object, ...], tuple[tuple[Failure, ...], Mapping[str, Decimal]]] = {}
        self.keys, self.by_name = _label_keys(world)

    def judge(self, node: Body) -> tuple[tuple[Failure, ...], Mapping[str, Decimal]]:
        spec, status, labels = node.get("spec") or {}, node.get("status") or {}, sel.labels_of(node)
        taints = spec.get("taints")
        sort = (
            bool(spec.get("unschedulable")),
            str(taints) + str(status.get("conditions")) if taints else "",
            tuple((status.get("allocatable") or status.get("capacity") or {}).items()),
            tuple(labels.get(key) for key in self.keys),
            sel.name_of(node) if self.by_name else "",
        )
        if sort not in self.known:
            self.known[sort] = _judge_one(self.world, self.asked, node, None)
        return self.known[sort]


def _label_keys(world: World) -> tuple[list[str], bool]:
    """The labels of nodes that rules look at, and whether they look at the node's name."""
    terms = list(sel.required_terms(world.pod) or [])
    for _, volume in world.volumes:
        terms += volume_terms(volume) or []
    keys = {str(one.get("key")) for term in terms for one in term.get("matchExpressions") or []}
    keys |= set((world.pod.get("spec") or {}).get("nodeSelector") or {})
    keys |= set(_ZONES) if world.volumes else set()
    return sorted({*keys, _OS}), any(term.get("matchFields") for term in terms)


def _judge_one(
    world: World, asked: Mapping[str, Decimal], node: Body, placed: list[Body] | None
) -> tuple[tuple[Failure, ...], Mapping[str, Decimal]]:
    """The node's failures and what is free on it; ``placed`` is None when its pods are not known."""
    failures = [*_cordon_and_taints(world.pod, node), *_selection(world.pod, node)]
    if placed is not None:
        failures += _ports(world.pod, placed)
    room, free = _room(asked, node, placed or [], complete=placed is not None)
    return (*failures, *room, *_volumes(world, node)), free


def _broken(rules: PodRules, node: Body) -> Iterable[Failure]:
    for miss in rules.misses(node):
        facts = {"topology_key": miss.topology, "selector_wanted": miss.selector, **dict(miss.facts)}
        yield Failure(miss.kind, miss.text, facts, index=miss.index, pods=miss.pods)


def _cordon_and_taints(pod: Body, node: Body) -> Iterable[Failure]:
    tolerations = (pod.get("spec") or {}).get("tolerations") or []
    cordon = {"key": _UNSCHEDULABLE, "effect": "NoSchedule"}
    cordoned = bool((node.get("spec") or {}).get("unschedulable"))
    if cordoned and not any(sel.tolerates(one, cordon) for one in tolerations):
        yield Failure("cordoned", "it is cordoned (spec.unschedulable)")
    for taint in sel.untolerated(tolerations, node):
        key, shown = str(taint.get("key")), sel.show_taint(taint)
        facts = {
            "taint": shown,
            "taint_key": key,
            "taint_effect": str(taint.get("effect")),
            **({"taint_value": str(taint["value"])} if taint.get("value") else {}),
        }
        if key == _UNSCHEDULABLE:
            if not cordoned:
                yield Failure("cordoned", f"taint {shown}: it is cordoned", facts)
        elif _CONTROL_PLANE.match(key):
            yield Failure("control-plane", f"taint {shown} is not tolerated (by design)", facts)
        elif _STATE.search(key):
            yield Failure("node-state", f"taint {shown}{_state(node)}", {**facts, **_state_words(key, node)})
        else:
            yield Failure("taint", f"taint {shown} is not tolerated", facts)


def _state(node: Body) -> str:
    for one in (node.get("status") or {}).get("conditions") or []:
        bad = one.get("status") != "True" if one.get("type") == "Ready" else one.get("status") == "True"
        if bad and (one.get("message") or one.get("reason")):
            return f": {one.get('type')} is {one.get('status')}, {one.get('message') or one.get('reason')}"
    return ""


# What the taints that Kubernetes and others set mean, in words after "is".
_MEANING = (
    ("node.kubernetes.io/not-ready", "not ready"),
    ("node.kubernetes.io/unreachable", "unreachable: its kubelet has stopped reporting"),
    ("node.kubernetes.io/disk-pressure", "under disk pressure"),
    ("node.kubernetes.io/memory-pressure", "under memory pressure"),
    ("node.kubernetes.io/pid-pressure", "under pressure of process ids"),
    ("node.kubernetes.io/network-unavailable", "without network: nothing has set it up yet"),
    ("uninitialized", "not initialised yet: no cloud controller manager has greeted it"),
    ("shutdown", "shut down at its cloud"),
    ("out-of-service", "marked as out of service"),
    ("cilium.io/agent-not-ready", "not ready for pods: Cilium's agent is not up there"),
    ("agent-not-ready", "not ready for pods: an agent that has to run there first is not up"),
    ("karpenter.sh/unregistered", "new, and Karpenter has not registered it yet"),
    ("karpenter.sh/disrupt", "being removed by Karpenter"),
    ("ToBeDeletedByClusterAutoscaler", "being removed by the cluster autoscaler"),
    ("cloud.google.com/", "being removed by its cloud"),
    ("aws-node-termination-handler/", "being removed by its cloud"),
)


def _state_words(key: str, node: Body) -> dict[str, str]:
    """What the taint means, with the node's own reason where it is not ready, and which pressure it is."""
    meaning = next((words for part, words in _MEANING if part in key), "")
    if not meaning:
        return {}
    if meaning == "not ready":
        why = _reason_not_ready(node)
        network = {"no_network": "yes"} if _NO_NETWORK.search(why) else {}
        return {"state": f"{meaning}: {why}" if why else meaning, **network}
    kind = key.rpartition("/")[2].removesuffix("-pressure")
    leaving = {"leaving": "yes"} if "being removed" in meaning else {}
    if key.endswith("agent-not-ready"):
        leaving = {"agent": key.partition("/")[0]}
    return {"state": meaning, **leaving, **({"pressure": kind} if key.endswith("-pressure") else {})}


def _reason_not_ready(node: Body) -> str:
    conditions = (node.get("status") or {}).get("conditions") or []
    ready: Body = next((one for one in conditions if one.get("type") == "Ready"), {})
    said = str(ready.get("message") or "") if ready.get("status") == "False" else ""
    # kubelet wraps what its runtime says of the network.
    return said.rpartition("message:")[2].removeprefix("Network plugin returns error: ").strip()[:90]


def _selection(pod: Body, node: Body) -> Iterable[Failure]:
    labels = sel.labels_of(node)
    misses = sel.selector_misses(pod, node)
    if misses:
        parts = []
        for key, value in misses.items():
            have = f"it has {key}={labels[key]}" if key in labels else f"it has no label {key}"
            parts.append(f"nodeSelector wants {key}={value}, {have}")
        yield Failure("selector", "; ".join(parts), {"count": str(len(misses))})
    terms = sel.required_terms(pod)
    if terms is None or sel.node_term_matches(terms, node):
        return
    best = min(
        ((index, sel.term_misses(term, node)) for index, term in enumerate(terms)),
        key=lambda one: 99 if one[1] is None else len(one[1]),
        default=(0, None),
    )
    if best[1] is None:
        yield Failure("affinity", "the node affinity has only empty terms, which match no node")
        return
    parts = []
    for kind, _, one in best[1]:
        key = str(one.get("key"))
        own = sel.name_of(node) if kind == "matchFields" else labels.get(key)
        parts.append(
            f"affinity wants {sel.show_requirement(one)}, it has "
            + (f"{key}={own}" if own is not None else f"no label {key}")
        )
    fields = "yes" if any(kind == "matchFields" for kind, *_ in best[1]) else "no"
    facts = {"count": str(len(parts)), "term": str(best[0]), "fields": fields}
    yield Failure("affinity", "; ".join(parts), facts, index=best[0])


def host_ports(pod: Body) -> list[tuple[int, str, str]]:
    """The host ports of the pod: (port, protocol, address)."""
    spec = pod.get("spec") or {}
    sidecars = [one for one in spec.get("initContainers") or [] if one.get("restartPolicy") == "Always"]
    found = []
    for one in [*(spec.get("containers") or []), *sidecars]:
        for port in one.get("ports") or []:
            number = port.get("hostPort") or (port.get("containerPort") if spec.get("hostNetwork") else 0)
            if number:
                address = str(port.get("hostIP") or "0.0.0.0")  # noqa: S104 - the API's own default
                found.append((int(number), str(port.get("protocol") or "TCP"), address))
    return found


def _ports(pod: Body, pods: Iterable[Body]) -> Iterable[Failure]:
    every = "0.0.0.0"  # noqa: S104 - what the API means by no address
    wanted = host_ports(pod)
    if not wanted:
        return
    for other in pods:
        for number, protocol, address in wanted:
            for theirs in host_ports(other):
                meets = address == theirs[2] or every in (address, theirs[2])
                if (number, protocol) == theirs[:2] and meets:
                    holder = f"{sel.namespace_of(other)}/{sel.name_of(other)}"
                    facts = {"host_port": str(number), "protocol": protocol, "holder": holder}
                    text = f"host port {number}/{protocol} is taken by pod {holder}"
                    yield Failure("ports", text, facts, pods=(holder,))


def _room(
    asked: Mapping[str, Decimal], node: Body, pods: list[Body], *, complete: bool
) -> tuple[list[Failure], dict[str, Decimal]]:
    """Failures for pod count and resources, and what is free of each resource."""
    total = res.allocatable(node)
    used = res.used_on(pods)
    free = {resource: amount - used.get(resource, Decimal(0)) for resource, amount in total.items()}
    failures = []
    limit = total.get("pods")
    if complete and limit is not None and len(pods) + 1 > limit:
        text = f"it has {len(pods)} pods of {limit} allowed"
        failures.append(Failure("pods", text, {"max_pods": str(limit), "pods_now": str(len(pods))}))
    for resource, amount in sorted(asked.items()):
        if amount <= 0:
            continue
        has, left = total.get(resource, Decimal(0)), free.get(resource, Decimal(0))
        if amount > has:
            failures.append(_shortage("exceeds", resource, amount, has, has))
        elif complete and amount > left:
            failures.append(_shortage("resources", resource, amount, has, left))
    return failures, free


def _shortage(kind: str, resource: str, asked: Decimal, total: Decimal, free: Decimal) -> Failure:
    short = asked - free
    share = float(short / asked)
    numbers = {
        "resource": resource,
        "asked": res.show(resource, asked),
        "allocatable": res.show(resource, total),
        "free": res.show(resource, free),
        "short": res.show(resource, short),
    }
    if kind == "exceeds" and not total:
        text = f"it has no {resource} at all ({numbers['asked']} asked)"
    elif kind == "exceeds":
        text = (
            f"{resource}: {numbers['asked']} asked, more than its whole {numbers['allocatable']} "
            f"(short by {numbers['short']})"
        )
    else:
        text = (
            f"{resource}: {numbers['asked']} asked, {numbers['free']} of {numbers['allocatable']} free "
            f"(short by {numbers['short']})"
        )
    return Failure(kind, text, numbers, resource=resource, short=short, share=share)


def _taken_claims(world: World) -> list[Failure]:
    """Claims for one pod at a time that another pod uses: no node takes a second one."""
    alone = [claim for claim, volume in world.volumes if "ReadWriteOncePod" in _modes(volume)]
    found = []
    for pod in world.pods or ():
        same = sel.namespace_of(pod) == world.namespace and (pod.get("spec") or {}).get("nodeName")
        for claim in sorted(set(alone) & set(claim_names(pod))) if same and alone else ():
            text = f"claim {claim} is ReadWriteOncePod, and pod {sel.name_of(pod)} uses it"
            holder = f"{sel.namespace_of(pod)}/{sel.name_of(pod)}"
            found.append(Failure("rwop", text, {"claim": claim, "holder": holder}, pods=(holder,)))
    return found[:1]


def _modes(volume: Body) -> list[str]:
    return [str(one) for one in (volume.get("spec") or {}).get("accessModes") or []]


def volume_terms(volume: Body) -> list[Body] | None:
    """The node selector terms that a PersistentVolume is tied to, or None."""
    needed = ((volume.get("spec") or {}).get("nodeAffinity") or {}).get("required")
    return None if needed is None else list(needed.get("nodeSelectorTerms") or [])


def show_volume_place(volume: Body) -> str:
    """Where a volume is, in words."""
    terms = volume_terms(volume)
    if terms is None:
        labels = sel.labels_of(volume)
        return ", ".join(f"{key}={labels[key]}" for key in _ZONES if key in labels)
    words = [
        " and ".join(
            sel.show_requirement(one)
            for one in [*(term.get("matchExpressions") or []), *(term.get("matchFields") or [])]
        )
        for term in terms
    ]
    return " or ".join(filter(None, words))


def _volumes(world: World, node: Body) -> Iterable[Failure]:
    for claim, volume in world.volumes:
        if not volume_fits(volume, node):
            place = show_volume_place(volume)
            facts = {"claim": claim, "volume": sel.name_of(volume), "place": place}
            yield Failure("pv", f"volume {sel.name_of(volume)} of claim {claim} needs {place}", facts)


def volume_fits(volume: Body, node: Body) -> bool:
    """Whether a bound volume can be used on this node: its node affinity, and its zone labels."""
    terms = volume_terms(volume)
    if terms is not None and not sel.node_term_matches(terms, node):
        return False
    labels, mine = sel.labels_of(volume), sel.labels_of(node)
    if not any(key in mine for key in _ZONES):
        return True
    return all(mine.get(key) in labels[key].split("__") for key in _ZONES if key in labels and key in mine)
