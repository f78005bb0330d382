"""In whose words a pull failed: kubelet's message, its events, or those about another pod."""

from __future__ import annotations

import re

from poddoctor.model import Read, Snapshot
from poddoctor.pod.containers import Container
from poddoctor.pod.reads import Event, event, list_of

from ._reference import parse

_BARE = re.compile(r'^Back-off pulling image "[^"]*"\s*$')
_WRAPPERS = re.compile(
    r'(?:Back-off pulling image "[^"]*": (?:ErrImagePull: )?'
    r'|Failed to pull image "[^"]*": |rpc error: code = \w+ desc = |failed to pull and unpack image "[^"]*": '
    r'|failed to resolve (?:reference "[^"]*"|image): |failed to do request: |(?:Head|Get|Post) "[^"]*": '
    r"|Error response from daemon: "
    r"|failed to extract layer (?:\([^)]*\) )?(?:sha256:\w+)?[^:]{0,80}: |mount callback failed on \S+: "
    r"|initializing source \S+: |[Uu]nable to pull image or OCI artifact: |pull image err: )"
)
_PULL = re.compile(r'Failed to pull image "(?P<image>[^"]*)"')


def told(container: Container, events: list[Event], others: tuple[str, str] | None = None) -> tuple[str, str]:
    """The runtime's words and where they stand."""
    message = str(container.waiting.get("message") or "")
    place = f"{container.status_path}.state.waiting.message"
    if message and not _BARE.match(message):
        return message, place
    for one in reversed(events):
        if one.container in ("", container.name) and _is_about(one.message, container):
            return one.message, one.source
        if one.container == container.name and one.reason in ("InspectFailed", "ErrImageNeverPull"):
            return one.message, one.source
    if others:
        return others[0], others[1]
    return message or f"{container.waiting.get('reason')}: kubelet gives no reason", place


def failed_pulls_read(snapshot: Snapshot) -> Read:
    """The failed pulls of other pods: asked when nothing says why this one's fails."""
    purpose = "would show why the same image fails for other pods"
    selector = "involvedObject.kind=Pod,reason=Failed"
    return list_of("v1", "events", snapshot.target.namespace, purpose, fieldSelector=selector, limit="100")


def of_others(snapshot: Snapshot, container: Container) -> tuple[str, str] | None:
    """The newest words about a failed pull of the same image for another pod, and their source."""
    found = [
        (one, str((body.get("involvedObject") or {}).get("name") or ""))
        for body in snapshot.items(failed_pulls_read(snapshot)) or []
        if (one := event(body)).time and _is_about(one.message, container)
    ]
    newest = max(found, key=lambda each: (str(each[0].time), each[1]), default=None)
    return (newest[0].message, f"{newest[0].source} of pod {newest[1]}") if newest else None


def is_bare(container: Container, events: list[Event]) -> bool:
    text = told(container, events)[0]
    return bool(_BARE.match(text)) or text.endswith("kubelet gives no reason")


def _is_about(message: str, container: Container) -> bool:
    """Whether an event tells of a failed pull of the image that the container has now."""
    found = _PULL.match(message)
    if not found:
        return False
    named, wanted = parse(found["image"]), parse(str(container.spec.get("image") or ""))
    return not found["image"] or (named.key, named.tag, named.digest) == (
        wanted.key,
        wanted.tag,
        wanted.digest,
    )


def problem(text: str) -> str:
    """The innermost words: what the wrappers of kubelet and runtime only pass on."""
    inner = _WRAPPERS.sub("", " ".join(text.split()))
    return "" if _BARE.match(text) else inner.removesuffix(": unknown")[:160]
