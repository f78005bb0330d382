"""All containers of a pod in one walk, and kubectl's STATUS word."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from poddoctor.model import Body, Subject
from poddoctor.pod.units import parse_time

Kind = Literal["init", "sidecar", "app", "ephemeral"]


@dataclass(frozen=True, slots=True)
class Container:
    """One container: its spec, its status (empty until kubelet reports), and its place in the pod.

    ``kind`` tells init containers, native sidecars (init with restartPolicy Always), app and ephemeral
    containers apart. ``spec_path`` and ``status_path`` are how a report names the source.
    """

    name: str
    kind: Kind
    spec: Body
    status: Body
    index: int

    @property
    def subject(self) -> Subject:
        """This container as the subject of a symptom."""
        return Subject("container", self.name)

    @property
    def spec_path(self) -> str:
        """For example ``pod.spec.initContainers[migrate]``."""
        return f"pod.spec.{_FIELDS[self.kind]}[{self.name}]"

    @property
    def status_path(self) -> str:
        """For example ``pod.status.containerStatuses[app]``."""
        return f"pod.status.{_STATUSES[self.kind]}[{self.name}]"

    @property
    def waiting(self) -> Body:
        """``state.waiting``, empty when the container does not wait."""
        return (self.status.get("state") or {}).get("waiting") or {}

    @property
    def running(self) -> Body:
        """``state.running``, empty when the container does not run."""
        return (self.status.get("state") or {}).get("running") or {}

    @property
    def terminated(self) -> Body:
        """``state.terminated``, empty when the container has not ended or was started again."""
        return (self.status.get("state") or {}).get("terminated") or {}

    @property
    def last_terminated(self) -> Body:
        """``lastState.terminated``: the end of the run before this one."""
        return (self.status.get("lastState") or {}).get("terminated") or {}

    @property
    def is_running(self) -> bool:
        """Whether kubelet last reported it as running (stale when the node is lost)."""
        return (self.status.get("state") or {}).get("running") is not None

    @property
    def restarts(self) -> int:
        """How often kubelet started it again."""
        return int(self.status.get("restartCount") or 0)

    @property
    def ready(self) -> bool:
        """Whether kubelet counts it as ready."""
        return bool(self.status.get("ready"))

    @property
    def started_at(self) -> datetime | None:
        """When the present run began, UTC."""
        return parse_time(self.running.get("startedAt"))


_FIELDS = {
    "init": "initContainers",
    "sidecar": "initContainers",
    "app": "containers",
    "ephemeral": "ephemeralContainers",
}
_STATUSES = {
    "init": "initContainerStatuses",
    "sidecar": "initContainerStatuses",
    "app": "containerStatuses",
    "ephemeral": "ephemeralContainerStatuses",
}


def containers(pod: Body, *kinds: Kind) -> list[Container]:
    """The containers in the order they start: init (with sidecars), app, ephemeral; or only these kinds."""
    return [one for one in _walk(pod) if not kinds or one.kind in kinds]


def container(pod: Body, name: str) -> Container | None:
    """The container of this name."""
    return next((one for one in _walk(pod) if one.name == name), None)


def _walk(pod: Body) -> Iterator[Container]:
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    for field in ("initContainers", "containers", "ephemeralContainers"):
        kind: Kind = {"initContainers": "init", "containers": "app", "ephemeralContainers": "ephemeral"}[
            field
        ]  # type: ignore[assignment]
        # Statuses are sorted by name, not in spec order: join by name.
        statuses = {one.get("name"): one for one in status.get(_STATUSES[kind]) or []}
        for index, one in enumerate(spec.get(field) or []):
            sidecar = kind == "init" and one.get("restartPolicy") == "Always"
            name = str(one.get("name") or "")
            yield Container(name, "sidecar" if sidecar else kind, one, statuses.get(name) or {}, index)


def ready_count(pod: Body) -> tuple[int, int]:
    """Ready and total, as kubectl counts: app containers and native sidecars."""
    counted = containers(pod, "app", "sidecar")
    return sum(one.ready and one.is_running for one in counted), len(counted)


def restart_count(pod: Body) -> int:
    """The restarts of all containers that run now or run again."""
    return sum(one.restarts for one in containers(pod))


def status_word(pod: Body) -> str:
    """The STATUS word of kubectl, by the algorithm of printPod in Kubernetes 1.36.

    Source: pkg/printers/internalversion/printers.go.
    """
    status = pod.get("status") or {}
    word = str(status.get("reason") or status.get("phase") or "Unknown")
    conditions = status.get("conditions") or []
    if any(
        one.get("type") == "PodScheduled" and one.get("reason") == "SchedulingGated" for one in conditions
    ):
        word = "SchedulingGated"
    init = _init_word(pod)
    initialized = any(one.get("type") == "Initialized" and one.get("status") == "True" for one in conditions)
    if init:
        word = init
    if not init or initialized:
        ready = any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)
        word = _app_word(pod, word, ready=ready)
    terminal = status.get("phase") in ("Succeeded", "Failed")
    if (pod.get("metadata") or {}).get("deletionTimestamp") and not terminal:
        word = "Terminating"
    return word


def _init_word(pod: Body) -> str:
    inits = containers(pod, "init", "sidecar")
    for index, one in enumerate(inits):
        if not one.status:
            continue
        if one.terminated and one.terminated.get("exitCode") == 0:
            continue
        if one.kind == "sidecar" and one.status.get("started"):
            continue
        if one.terminated:
            return f"Init:{_end_word(one.terminated)}"
        reason = one.waiting.get("reason")
        if reason and reason != "PodInitializing":
            return f"Init:{reason}"
        return f"Init:{index}/{len(inits)}"
    return ""


def _end_word(terminated: Body) -> str:
    if terminated.get("reason"):
        return str(terminated["reason"])
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode')}"


def _app_word(pod: Body, word: str, *, ready: bool) -> str:
    running, failed = False, ""
    for one in sorted(containers(pod, "app"), key=lambda each: each.name, reverse=True):
        if one.waiting.get("reason"):
            word = str(one.waiting["reason"])
        elif one.terminated:
            word = _end_word(one.terminated)
            if one.terminated.get("exitCode"):
                failed = word
        elif one.is_running and one.ready:
            running = True
    if word == "Completed":
        if running and ready:
            return "Running"
        return failed or ("NotReady" if running else word)
    return word
