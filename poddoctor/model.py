"""The words of poddoctor: what is asked, what was answered, what was seen, what it means.

Everything here is frozen and depends on the standard library alone. The way of the data:
``Read`` -> ``Answer`` -> ``Snapshot`` -> ``Symptom`` -> ``Finding`` -> ``Report``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

Json: TypeAlias = Any
"""A JSON value as the API sent it. Bodies are never turned into typed model classes."""

Body: TypeAlias = Mapping[str, Any]
"""A JSON object as the API sent it."""

Verb = Literal["get", "list", "log"]
Why = Literal[
    "forbidden", "unauthorized", "unreachable", "timed-out", "expired", "cut", "not-recorded", "error"
]
Confidence = Literal["possible", "likely", "certain"]
Severity = Literal["low", "medium", "high"]
Standing = Literal["now", "next", "waiting", "past"]
Risk = Literal["read-only", "restarts-pods", "deletes-data"]

CONFIDENCES: tuple[Confidence, ...] = ("possible", "likely", "certain")
SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high")
STAGES: tuple[str, ...] = (
    "admission",
    "scheduling",
    "storage",
    "sandbox",
    "image",
    "config",
    "startup",
    "crash",
    "logs",
    "probes",
    "network",
    "node",
    "lifecycle",
    "job",
)
"""The families, in the order of a pod's life: an earlier one hides the later ones."""


@dataclass(frozen=True, slots=True)
class Read:
    """One question to the API: hashable, and all that is needed to ask it.

    Attributes:
        verb: ``get`` one object, ``list`` a collection, or ``log`` of a container.
        api: ``v1`` for the core group, else ``group/version`` as in ``apps/v1``.
        resource: plural resource name, for example ``pods``.
        namespace: empty for cluster-scoped resources and lists over all namespaces.
        name: empty for a list.
        query: sorted query parameters (``fieldSelector``, ``container``, ``tailLines``, …).
        metadata_only: ask for PartialObjectMetadata: enough for existence, and sends no values.
        purpose: what the answer would decide, shown when it cannot be had. No part of identity.
    """

    verb: Verb
    api: str
    resource: str
    namespace: str = ""
    name: str = ""
    query: tuple[tuple[str, str], ...] = ()
    metadata_only: bool = False
    purpose: str = field(default="", compare=False)

    @property
    def path(self) -> str:
        """The URL path, without query: ``/api/v1/namespaces/shop/pods/web/log``."""
        parts = ["", "api" if "/" not in self.api else "apis", self.api]
        if self.namespace:
            parts += ["namespaces", self.namespace]
        parts.append(self.resource)
        if self.name:
            parts.append(self.name)
        if self.verb == "log":
            parts.append("log")
        return "/".join(parts)

    @property
    def optional(self) -> bool:
        """Whether it decides nothing alone: of an add-on that many lack, of a container that works."""
        return self.api.startswith("metrics.k8s.io/") or bool(self.parameter("sinceSeconds"))

    @property
    def elsewhere(self) -> bool:
        """Whether it looks for one name in all namespaces: a hint that many are not allowed to ask for."""
        return (
            self.verb == "list"
            and not self.namespace
            and self.parameter("fieldSelector").startswith("metadata.name=")
        )

    def parameter(self, key: str) -> str:
        """The value of one query parameter, or an empty string."""
        return dict(self.query).get(key, "")


@dataclass(frozen=True, slots=True)
class Found:
    """The API's answer: a JSON object or list for get and list, text for a log."""

    body: Json


@dataclass(frozen=True, slots=True)
class Absent:
    """The object does not exist (HTTP 404): a fact, not a failure."""

    message: str = ""


@dataclass(frozen=True, slots=True)
class Unknown:
    """The question could not be answered. Never to be read as healthy or as absent."""

    why: Why
    message: str = ""


Answer: TypeAlias = Found | Absent | Unknown


@dataclass(frozen=True, slots=True)
class Target:
    """What the user asks about: ``kind`` is a lower-case singular such as ``pod`` or ``deployment``."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return (
            f"{self.namespace}/{self.name}"
            if self.kind == "pod"
            else f"{self.namespace}/{self.kind}/{self.name}"
        )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All Reads with their Answers: the only input of a diagnosis, and the form of a recording.

    Attributes:
        target: what was asked about.
        answers: every Read that was sent.
        clock: the server's time (its ``Date`` header), UTC. Nothing else may ask for the time.
        version: the server's version such as ``v1.34.4``, or empty.
    """

    target: Target
    answers: Mapping[Read, Answer]
    clock: datetime
    version: str = ""

    def body(self, read: Read) -> Json:
        """The body when the Read was Found, else None."""
        answer = self.answers.get(read)
        return answer.body if isinstance(answer, Found) else None

    def absent(self, read: Read) -> bool:
        """Whether the API said that the object does not exist."""
        return isinstance(self.answers.get(read), Absent)

    def items(self, read: Read) -> list[Body] | None:
        """The items of a list that was Found, else None."""
        body = self.body(read)
        return list(body.get("items") or []) if isinstance(body, Mapping) else None


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """What a symptom is about: ``pod`` (with an empty name), ``container`` or ``workload``."""

    kind: Literal["pod", "container", "workload"]
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}".strip()


POD = Subject("pod")


@dataclass(frozen=True, slots=True)
class SymptomKind:
    """The declaration of a symptom: what it means and which attributes it carries."""

    meaning: str
    attributes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Symptom:
    """One observed fact.

    Attributes:
        name: ``family.what``, declared in the SYMPTOMS of a diagnostic.
        subject: the pod, one container, or the workload.
        source: where it was read: a field path, ``event web.17f3 FailedMount``, ``log app line 214``.
        text: the verbatim text, or the numbers as a sentence.
        attributes: facts for titles, commands and ``where``; what is not known is left out.
        time: when it happened, UTC.
        past: the subject has got over it: it is no reason why the pod does not work now.
        ahead: the subject has not come this far: it is what will stop it when the present reason is mended.
        notes: further evidence lines, each ``(text, source)``: shown under the finding.
        table: what was looked at one by one (nodes, for a pod that none takes), with the same columns in
            each row: for those who want it all.
    """

    name: str
    subject: Subject
    source: str
    text: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    time: datetime | None = None
    past: bool = False
    notes: tuple[tuple[str, str], ...] = ()
    ahead: bool = False
    table: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Clause:
    """One condition of a playbook: a symptom, filtered by attributes and by a pattern on its text."""

    symptom: str
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    matches: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do, with the command that does it, its check and its undo."""

    do: str
    run: str = ""
    risk: Risk = "read-only"
    fixes: bool = False
    check: str = ""
    undo: str = ""
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cause:
    """One playbook: which symptoms mean it, and how to mend it. The id is the path of its file.

    The first of ``titles`` whose placeholders are all known is shown. ``waiting`` marks what is no fault
    (yet): the pod waits for something that is under way or was asked for.
    """

    id: str
    titles: tuple[str, ...]
    severity: Severity
    status: Literal["preview", "stable"]
    since: str
    base: Confidence
    when: tuple[Clause, ...]
    explain: str
    steps: tuple[Step, ...]
    confirms: tuple[Clause, ...] = ()
    refutes: tuple[Clause, ...] = ()
    outranks: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    waiting: bool = False

    @property
    def family(self) -> str:
        """The first part of the id, one of STAGES (or a team's own family)."""
        return self.id.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Finding:
    """A cause that holds for this pod, with its evidence and its filled-in steps."""

    cause: Cause
    subjects: tuple[Subject, ...]
    standing: Standing
    confidence: Confidence
    title: str
    symptoms: tuple[Symptom, ...]
    steps: tuple[Step, ...]
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RuledOut:
    """A cause that looked right and was vetoed, and by which symptom."""

    cause: Cause
    subject: Subject
    symptom: Symptom


@dataclass(frozen=True, slots=True)
class NotSeen:
    """A Read that got no answer, and what the answer would have decided."""

    read: Read
    answer: Unknown


@dataclass(frozen=True, slots=True)
class Identity:
    """The first line of a report: which pod, in which state.

    Attributes:
        facts: short phrases such as ``CrashLoopBackOff``, ``0/1 ready``, ``7 restarts``.
        healthy: whether the object works as it is meant to, as far as its own fields say.
        context: remarks that change the fix, not the cause ("managed by Helm release web …").
    """

    target: Target
    facts: tuple[str, ...]
    healthy: bool
    context: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """Ranked findings, what was ruled out and what could not be looked at.

    ``seen`` holds ``(text, source)`` of what the objects say when they do not work and no cause was found.
    """

    identity: Identity
    findings: tuple[Finding, ...]
    ruled_out: tuple[RuledOut, ...]
    not_seen: tuple[NotSeen, ...]
    look_next: tuple[str, ...] = ()
    seen: tuple[tuple[str, str], ...] = ()

    def standing(self, *standings: Standing) -> tuple[Finding, ...]:
        """The findings of these standings, in rank order."""
        return tuple(finding for finding in self.findings if finding.standing in standings)


def merge(snapshot: Snapshot, answers: Mapping[Read, Answer]) -> Snapshot:
    """The snapshot with more answers."""
    return Snapshot(snapshot.target, {**snapshot.answers, **answers}, snapshot.clock, snapshot.version)


def unanswered(snapshot: Snapshot, reads: Iterable[Read]) -> tuple[Read, ...]:
    """Those of the reads that were not asked yet, each once, in order."""
    return tuple(dict.fromkeys(read for read in reads if read not in snapshot.answers))
