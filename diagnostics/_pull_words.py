"""In whose words a pull failed: kubelet's message, its events, or those about another pod."""

from __future__ import annotations

import re
from collections.abc import Iterable

from poddoctor.model import Body, Read, Snapshot
from poddoctor.pod.clip import clip
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
    r"|failed to authorize: |failed to fetch (?:anonymous|oauth) token: |failed to copy: "
    r"|httpReadSeeker: |failed open: |pinging container registry \S+: "
    r"|image pull failed for \S+ because the registry is unavailable: "
    r"|unexpected status(?: code)? (?:from \w+ request to )?https?://\S+: |Server message: unknown: "
    r"|\(Mirrors also failed: \[.*?\]\): \S+: |pulling from host \S+ failed with status code \[[^\]]*\]: "
    r"|copying system image from manifest list: |reading (?:manifest \S+ in \S+|blob \S+): |fetching blob: "
    r"|received unexpected HTTP status: |initializing source \S+: "
    r"|[Uu]nable to pull image or OCI artifact: |pull image err: )"
)
_PULL = re.compile(r'Failed to pull image "(?P<image>[^"]*)"')
_ANONYMOUS = re.compile(r"(?i)failed to fetch anonymous token")
_SENT = re.compile(r"(?i)incorrect username or password|token has expired|invalid (?:user|credentials|token)")
_EXPIRED = re.compile(r"(?i)token has expired|expired token")
_UNKNOWN = re.compile(r"(?i)name unknown|NAME_UNKNOWN|(?:project|repository) \S+ not found")
_URL = re.compile(r"https?://(?P<host>[\w.-]+(?::\d+)?)")
_SAME = {"docker.io": ("registry-1.docker.io", "index.docker.io")}
_LOOKUP = re.compile(r"lookup (?P<host>[\w.-]+)")
_WRONG_HOST = re.compile(r"container operating system does not match the host")
_NAMED = re.compile(r'(?:Failed to pull|Back-off pulling) image "(?P<image>[^"]*)"')


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


def sent(text: str) -> bool:
    """Whether the registry speaks of credentials that it was given."""
    return bool(_SENT.search(text))


def anonymous(text: str) -> bool:
    """Whether containerd asked without credentials: with some it speaks of an oauth token, or of none."""
    return bool(_ANONYMOUS.search(text))


def expired(text: str) -> bool:
    """Whether the registry says that the token was good once."""
    return bool(_EXPIRED.search(text))


def unknown_name(text: str) -> bool:
    """Whether the registry says in so many words that it has no such repository."""
    return bool(_UNKNOWN.search(text))


def asked_host(text: str, registry: str) -> str:
    """The host that was asked, when it is not the registry: its token server, layer store or a mirror."""
    found = _LOOKUP.findall(text) or _URL.findall(text)
    bare, host = registry.partition(":")[0], found[-1] if found else ""
    name = host.partition(":")[0]
    return "" if name == bare or name in _SAME.get(bare, ()) else host


def asked_url(text: str, registry: str) -> str:
    """Scheme and host that the runtime asked last, a mirror or token server too; else the registry by TLS."""
    urls = [one[0] for one in _URL.finditer(text)]
    return urls[-1] if urls else f"https://{registry}"


def wrong_host(container: Container) -> tuple[str, str]:
    """What Windows says at the start of a container whose image was built for another version of it."""
    for state, end in (
        ("state.waiting", container.waiting),
        ("state.terminated", container.terminated),
        ("lastState.terminated", container.last_terminated),
    ):
        text = str(end.get("message") or "")
        if _WRONG_HOST.search(text) and not container.is_running:
            return text, f"{container.status_path}.{state}.message"
    return "", ""


def image_of(container: Container, volumes: Iterable[Body], events: list[Event]) -> str:
    """The image that cannot be pulled: the container's own, or the one that a volume of it shows."""
    own = str(container.spec.get("image") or "")
    shown = [str((one.get("image") or {}).get("reference") or "") for one in volumes]
    if not any(shown):
        return own
    mounted = [one for one in shown if one]
    said = [str(container.waiting.get("message") or "")]
    said += [one.message for one in reversed(events) if one.container in ("", container.name)]
    for text in said:
        if found := _NAMED.search(text):
            return found["image"] if found["image"] in mounted else own
    return own


def problem(text: str) -> str:
    """The innermost words: what the wrappers of kubelet and runtime only pass on."""
    inner = _WRAPPERS.sub("", " ".join(text.split()))
    return "" if _BARE.match(text) else clip(inner.removesuffix(": unknown"), 160)
