"""What startup and crash share: whether a failure is over, and where its container stands in the owner."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from poddoctor.model import Body, Json, Snapshot
from poddoctor.pod.clip import clip
from poddoctor.pod.containers import Container
from poddoctor.pod.owner import Owner, owner_of
from poddoctor.pod.units import parse_time

BACK_OFF_RESET = timedelta(minutes=10)
"""Kubelet forgets earlier failures of a container that ran this long."""
_OUTGROWN, _TIMES_LONGER = timedelta(minutes=1), 10
_OTHER_REASONS = frozenset(
    {
        *("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"),
        *("RegistryUnavailable", "SignatureValidationFailed", "CreateContainerConfigError"),
    }
)


def is_over(one: Container, clock: datetime) -> bool:
    """Whether the container got over its last end: it serves again, or was let finish.

    One that runs at this instant but keeps ending is not over it, however healthy it looks.
    """
    if one.terminated:
        return one.terminated.get("exitCode") == 0 and one.kind == "init"
    if not one.is_running:
        # It cannot be started again for another reason: how it ended before is history.
        return one.waiting.get("reason") in _OTHER_REASONS
    started = one.started_at
    if started is not None and clock - started > BACK_OFF_RESET:
        return True
    if not one.ready and one.kind != "init":
        return False
    return one.restarts < 2 or ran_for(one.last_terminated) > BACK_OFF_RESET or _outgrew(one, clock)


def _outgrew(one: Container, clock: datetime) -> bool:
    """Whether what ended it at once each time does so no more: this run is many times as long as the last."""
    last = one.last_terminated
    started = one.started_at
    if started is None or not (last.get("startedAt") and last.get("finishedAt")):
        return False
    return clock - started > max(_OUTGROWN, _TIMES_LONGER * ran_for(last))


def ran_for(end: Body) -> timedelta:
    """How long a run lasted; zero when its beginning or its end is not known."""
    started, finished = parse_time(end.get("startedAt")), parse_time(end.get("finishedAt"))
    return finished - started if started and finished else timedelta()


def place(snapshot: Snapshot, one: Container) -> Mapping[str, str]:
    """Where the container stands in the object that a fix changes, as attributes for patches.

    ``field`` is ``containers`` or ``initContainers``, ``template`` the path of the pod template in a JSON
    patch, ``index`` the container's position there (a webhook may have added others to the pod).
    """
    field = "initContainers" if one.kind in ("init", "sidecar") else "containers"
    owner = owner_of(snapshot)
    listed = (_template(owner) or {}).get(field)
    names = [each.get("name") for each in listed or []]
    index = names.index(one.name) if one.name in names else one.index
    path = "/spec/jobTemplate/spec/template" if owner.owner_class == "cronjob" else "/spec/template"
    return {"field": field, "template": path, "index": str(index)}


def template_patch(snapshot: Snapshot, one: Container, change: Mapping[str, Json]) -> str:
    """The strategic merge patch that makes a change to this container in its owner's template."""
    field = "initContainers" if one.kind in ("init", "sidecar") else "containers"
    pod: Json = {"spec": {field: [{"name": one.name, **change}]}}
    owner = owner_of(snapshot).owner_class
    spec = pod if owner == "none" else {"spec": {"template": pod}}
    if owner == "cronjob":
        spec = {"spec": {"jobTemplate": spec}}
    return json.dumps(spec, separators=(",", ":"))


def _template(owner: Owner) -> Body | None:
    spec: Json = (owner.body or {}).get("spec") or {}
    if owner.owner_class == "cronjob":
        spec = (spec.get("jobTemplate") or {}).get("spec") or {}
    template: Body | None = (spec.get("template") or {}).get("spec")
    return template


def words(value: Json) -> list[str]:
    """A ``command`` or ``args`` list as text."""
    return [str(word) for word in value] if isinstance(value, list) else []


def shown(command: Sequence[str], most: int = 60) -> str:
    """A command line for a title: one line, not longer than ``most``."""
    line = " ".join(" ".join(command).split())
    return clip(line, most)


def times(count: int) -> str:
    """A count in words: ``once``, ``twice``, ``7 times``."""
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
