"""The scheduler's message taken apart: every wording from Kubernetes 1.25 to 1.36."""

from __future__ import annotations

import re
from dataclasses import dataclass

from poddoctor.pod.pattern import lazy

NO_NODES = "no nodes available to schedule pods"
_TAIL = lazy(
    r"\.?\s+(?:preemption: |no new claims to deallocate|still not schedulable|deallocation of ResourceClaim"
    r"|deletion of ResourceClaim|plugin disabled)"
)
_HEAD = lazy(r"^0/(\d+) nodes are (?:un)?available(?:: ?| )?")
_PART = lazy(r"(\d+) (.+)", re.DOTALL)
_SPLIT = lazy(r", (?=\d+ )")
# In the order in which the scheduler runs its plugins: the later the reason, the nearer the node.
_REASONS: tuple[tuple[str, str], ...] = (
    ("cordoned", r"node\(s\) were unschedulable"),
    ("cordoned", r"untolerated taint \{node\.kubernetes\.io/unschedulable"),
    ("node-state", r"taints? \{node\.(?:cloudprovider\.)?kubernetes\.io/"),
    ("node-state", r"taints? \{(?:\S*agent-not-ready|karpenter\.sh/(?:unreg|disrupt)|ToBeDeletedByCluster)"),
    ("node-state", r"taints? \{(?:cloud\.google\.com/(?:impending|gke-quick)|aws-node-termination-handler/)"),
    ("control-plane", r"taints? \{node-role\.kubernetes\.io/(?:control-plane|master|etcd|infra)"),
    ("control-plane", r"taints? \{(?:eks\.amazonaws\.com/compute-type|virtual-kubelet\.io/)"),
    ("taint", r"untolerated taint|had taints? (?:\{|that the pod)"),
    (
        "affinity",
        r"didn't match Pod's node affinity|didn't match node selector|scheduler-enforced node affinity",
    ),
    ("affinity", r"didn't satisfy plugin(?:\(s\))? \[?(?:NodeAffinity|NodeName)\b"),
    ("node-state", r"had unknown conditions|(?:memory|disk|pid) pressure|were not ready|out of disk space"),
    ("node-name", r"didn't match the requested node name"),
    ("ports", r"didn't have free ports"),
    ("pods", r"^Too many pods"),
    ("resources", r"^Insufficient \S+$"),
    ("rwop", r"ReadWriteOncePod"),
    ("disk", r"no available disk"),
    ("attach-limit", r"exceed max volume count"),
    ("csi-missing", r"CSI driver is not installed on the node"),
    ("pv-lost", r"bound to non-existent pv"),
    ("unbindable", r"didn't find available persistent volumes to bind"),
    ("pv-storage", r"enough free storage"),
    (
        "pv",
        r"volume node affinity conflict|match PersistentVolume's node affinity|no available volume zone",
    ),
    ("spread", r"pod topology spread constraints"),
    ("pod-affinity", r"didn't match pod affinity rules|didn't match pod affinity/anti-affinity"),
    ("anti-affinity", r"didn't match pod anti-affinity rules"),
    ("existing-anti-affinity", r"didn't satisfy existing pods anti-affinity rules"),
    ("claim", r"cannot allocate all claims|resourceclaim|allocate devices"),
    ("features", r"required features"),
)
_COMPILED = tuple((kind, lazy(pattern, re.IGNORECASE)) for kind, pattern in _REASONS)
ORDER: dict[str, int] = {}
for _kind, _ in _REASONS:
    ORDER.setdefault(_kind, len(ORDER))
_VOLUME_PREFILTER = lazy(
    r"persistentvolume|^PVC |ephemeral volume controller|VolumeBindingMode not set|storageclass",
    re.IGNORECASE,
)
_CLAIM_PREFILTER = lazy(r"resource ?claim|device class|request \S+: ", re.IGNORECASE)
_PLACED_BY = lazy(r"^(?:0/\d+ nodes are (?:un)?available|no nodes available)")
_TAINT = lazy(r"taint \{(?P<key>[^:}]+): (?P<value>[^}]*)\}")


@dataclass(frozen=True, slots=True)
class Reason:
    """One counted reason: how many nodes, its kind (one of ORDER, or ``other``) and its text."""

    count: int
    kind: str
    text: str

    @property
    def resource(self) -> str:
        """The resource of an ``Insufficient`` reason."""
        return self.text.partition(" ")[2] if self.kind == "resources" else ""

    @property
    def taint(self) -> tuple[str, str]:
        """Key and value of the taint that older schedulers name; else empty."""
        found = _TAINT.search(self.text)
        return (found["key"].strip(), found["value"].strip()) if found else ("", "")


@dataclass(frozen=True, slots=True)
class Message:
    """A scheduler message: ``total`` nodes, counted reasons, or a text about the pod as a whole."""

    text: str
    total: int | None
    reasons: tuple[Reason, ...]
    whole: str
    preemption: str

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of the counted reasons."""
        return frozenset(one.kind for one in self.reasons)

    @property
    def about_volumes(self) -> bool:
        """Whether it is about the pod's claims, before any node was looked at."""
        return bool(self.whole and _VOLUME_PREFILTER.search(self.whole))

    @property
    def about_claims(self) -> bool:
        """Whether it is about the pod's resource claims, before any node was looked at."""
        return bool(self.whole and not self.about_volumes and _CLAIM_PREFILTER.search(self.whole))

    @property
    def no_nodes(self) -> bool:
        """Whether the cluster has no node at all."""
        return NO_NODES in self.text or self.total == 0


def is_of_scheduler(text: str) -> bool:
    """Whether a text is a scheduler's judgement of nodes: autoscalers write FailedScheduling events too."""
    return bool(_PLACED_BY.match(text))


def parse(text: str) -> Message:
    """The parts of a scheduler message. Free text becomes ``whole``."""
    text = " ".join(text.split())
    head = _HEAD.match(text)
    if not head:
        return Message(text, None, (), text, "")
    rest = text[head.end() :]
    tail = _TAIL.search(" " + rest)
    preemption = rest[tail.start() :].strip(" .") if tail else ""
    rest = (" " + rest)[: tail.start()].strip() if tail else rest.strip()
    rest = rest.removesuffix(" ...").rstrip(".").strip()
    reasons = []
    for part in _SPLIT.split(rest):
        counted = _PART.fullmatch(part)
        if not counted:
            return Message(text, int(head[1]), (), rest, preemption)
        reason = counted[2].rstrip(".")
        reasons.append(Reason(int(counted[1]), _kind_of(reason), reason))
    return Message(text, int(head[1]), tuple(reasons), "", preemption)


def _kind_of(reason: str) -> str:
    return next((kind for kind, pattern in _COMPILED if pattern.search(reason)), "other")
