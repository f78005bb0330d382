"""JSON patches that name another object, or another key, where a pod refers to one that does not exist."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from poddoctor.model import Body, Snapshot
from poddoctor.pod.owner import owner_of
from poddoctor.pod.reads import pod_of

from ._references import Reference, references
from ._template import workload_body

_TEMPLATE = ("spec", "template", "spec")
_OF_CRONJOB = ("spec", "jobTemplate", *_TEMPLATE)


def patches(snapshot: Snapshot, one: Reference, meant: str, *, key: bool) -> Mapping[str, str]:
    """Patches of the pod and of its owner's template, by attribute; each tests what it replaces.

    All references to the object are changed at once. The places are those of the template where it can be
    read: an injector may have put its own containers and volumes before them in the pod.
    """
    pod, owner = pod_of(snapshot), owner_of(snapshot)
    place = _OF_CRONJOB if owner.kind == "cronjob" else _TEMPLATE
    template: Body | None = owner.body if pod is not None else workload_body(snapshot)
    for name in place:
        template = (template or {}).get(name)
    own = (pod or {}).get("spec") or template or {}
    changes = {
        "pod_patch": _operations(own, one, meant, ("spec",), key=key),
        "template_patch": _operations(template or own, one, meant, place, key=key),
    }
    return {name: json.dumps(made, separators=(",", ":")) for name, made in changes.items() if made}


def _operations(
    spec: Body, one: Reference, meant: str, place: tuple[str, ...], *, key: bool
) -> list[dict[str, str]]:
    made: dict[str, dict[str, str]] = {}
    for each in references({"spec": spec}):
        if (each.kind, each.name) != (one.kind, one.name) or (key and each.key != one.key):
            continue
        for operation in _of_one(each, meant, "/".join(("", *place)), key=key):
            made[json.dumps(operation)] = operation
    return list(made.values())


def _of_one(one: Reference, meant: str, place: str, *, key: bool) -> Iterator[dict[str, str]]:
    yield {"op": "test", "path": f"{place}/{one.of}", "value": one.name}
    if key:
        yield {"op": "test", "path": f"{place}/{one.at}", "value": one.key}
    yield {"op": "replace", "path": f"{place}/{one.at if key else one.of}", "value": meant}
