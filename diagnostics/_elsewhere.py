"""Whether an object of a wanted name exists in another namespace: nothing is shared between namespaces."""

from __future__ import annotations

from poddoctor.model import Read, Snapshot
from poddoctor.pod.reads import list_of

_MOST = 5


def elsewhere_read(api: str, resource: str, kind: str, name: str) -> Read:
    """All objects of this very name, by a selector that the server evaluates: never a list of all."""
    purpose = f"would show whether another namespace has {kind} {name}"
    return list_of(
        api, resource, "", purpose, metadata=True, fieldSelector=f"metadata.name={name}", limit=str(_MOST)
    )


def namespaces_with(snapshot: Snapshot, read: Read, name: str) -> list[str]:
    """The other namespaces that have the object; empty also when it could not be asked."""
    found = set()
    for body in snapshot.items(read) or []:
        meta = body.get("metadata") or {}
        # A server that ignores the selector must not make another name ours.
        if meta.get("name") == name and meta.get("namespace"):
            found.add(str(meta["namespace"]))
    return sorted(found - {snapshot.target.namespace})


def hint(others: list[str], near: list[str]) -> str:
    """What was probably meant, as the end of a sentence: a similar name here before this name elsewhere.

    What another namespace calls the same may be another team's: a common name says little.
    """
    if near:
        return f"did you mean {near[0]}?"
    if not others:
        return ""
    return (
        f"namespace {others[0]} has one" if len(others) == 1 else f"namespaces {', '.join(others)} have one"
    )
