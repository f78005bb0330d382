"""Claims whose class makes volumes only in places where there is no node."""

from __future__ import annotations

from collections.abc import Iterator

from poddoctor.model import Body, Snapshot

from . import _claims as cl
from . import _selectors as sel
from ._pending import STATIC
from ._world import nodes_read, pvc_read


def out_of_reach(snapshot: Snapshot, claims: list[str]) -> Iterator[tuple[str, str]]:
    """For each unbound claim of a class that provisions: claim, and in words where its volumes may be made.

    The words are empty when the class names no place, or one where there is a node.
    """
    nodes = snapshot.items(nodes_read()) or []
    for claim in claims:
        body = snapshot.body(pvc_read(snapshot.target.namespace, claim))
        if body is None or cl.phase(body) == "Bound":
            continue
        name = cl.class_of(body)
        made_by = snapshot.body(cl.class_read(name)) if name else None
        if made_by is None or str(made_by.get("provisioner") or "") in STATIC:
            continue
        terms = made_by.get("allowedTopologies") or []
        missed = bool(terms and nodes) and not any(_within(term, node) for term in terms for node in nodes)
        yield claim, f"storage class {name} makes volumes only in {_words(terms)}" if missed else ""


def _within(term: Body, node: Body) -> bool:
    labels = sel.labels_of(node)
    return all(
        labels.get(str(one.get("key"))) in (one.get("values") or [])
        for one in term.get("matchLabelExpressions") or []
    )


def _words(terms: list[Body]) -> str:
    return " or ".join(
        " and ".join(
            f"{one.get('key')} {', '.join(map(str, one.get('values') or []))}"
            for one in term.get("matchLabelExpressions") or []
        )
        for term in terms
    )
