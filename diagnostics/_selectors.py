"""Label selectors, node selector terms and tolerations, as the scheduler evaluates them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from poddoctor.model import Body

Labels = Mapping[str, str]
_HARD_EFFECTS = ("NoSchedule", "NoExecute")


def labels_of(body: Body | None) -> Labels:
    """The labels of an object."""
    found: Labels = ((body or {}).get("metadata") or {}).get("labels") or {}
    return found


def name_of(body: Body | None) -> str:
    """The name of an object."""
    return str(((body or {}).get("metadata") or {}).get("name") or "")


def namespace_of(body: Body | None) -> str:
    """The namespace of an object."""
    return str(((body or {}).get("metadata") or {}).get("namespace") or "")


def requirement_holds(requirement: Body, labels: Labels) -> bool:
    """Whether one ``matchExpressions`` entry holds for these labels, with every operator."""
    key, operator = str(requirement.get("key")), requirement.get("operator")
    values = [str(value) for value in requirement.get("values") or []]
    have = labels.get(key)
    if operator == "In":
        return have in values
    if operator == "NotIn":
        return have not in values
    if operator == "Exists":
        return have is not None
    if operator == "DoesNotExist":
        return have is None
    if operator in ("Gt", "Lt") and have is not None and values:
        return _compares(have, operator, values[0])
    return False


def _compares(have: str, operator: str, bound: str) -> bool:
    try:
        return int(have) > int(bound) if operator == "Gt" else int(have) < int(bound)
    except ValueError:
        return False


def selects(selector: Body | None, labels: Labels) -> bool:
    """Whether a label selector matches: none selects nothing, an empty one everything."""
    if selector is None:
        return False
    wanted = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(requirement_holds(one, labels) for one in selector.get("matchExpressions") or [])


def show_requirement(requirement: Body) -> str:
    """A requirement in words: ``disktype in [ssd, nvme]``."""
    key, operator = requirement.get("key"), requirement.get("operator")
    values = ", ".join(map(str, requirement.get("values") or []))
    words = {"Exists": f"{key} exists", "DoesNotExist": f"{key} does not exist"}
    if operator in words:
        return words[str(operator)]
    sign = {"In": "in", "NotIn": "not in", "Gt": ">", "Lt": "<"}.get(str(operator), str(operator))
    return f"{key} {sign} {values}" if sign in "<>" else f"{key} {sign} [{values}]"


def show_selector(selector: Body | None) -> str:
    """A label selector as kubectl writes it: ``app=db,tier in (a, b)``."""
    if selector is None:
        return "(selects nothing)"
    parts = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for one in selector.get("matchExpressions") or []:
        values = ", ".join(map(str, one.get("values") or []))
        operator = one.get("operator")
        simple = {"Exists": f"{one.get('key')}", "DoesNotExist": f"!{one.get('key')}"}
        parts.append(simple.get(str(operator), f"{one.get('key')} {str(operator).lower()} ({values})"))
    return ",".join(parts) or "(every pod)"


def required_terms(pod: Body) -> list[Body] | None:
    """The required node affinity terms (any one must match), or None when there is no such rule."""
    affinity = ((pod.get("spec") or {}).get("affinity") or {}).get("nodeAffinity") or {}
    rule = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return None if rule is None else list(rule.get("nodeSelectorTerms") or [])


def term_misses(term: Body, node: Body) -> list[tuple[str, int, Body]] | None:
    """The requirements of a node selector term that the node fails: (field, index, requirement).

    None for an empty term, which matches no node.
    """
    expressions, fields = term.get("matchExpressions") or [], term.get("matchFields") or []
    if not expressions and not fields:
        return None
    labels, own = labels_of(node), {"metadata.name": name_of(node)}
    misses = [
        ("matchExpressions", index, one)
        for index, one in enumerate(expressions)
        if not requirement_holds(one, labels)
    ]
    return misses + [
        ("matchFields", index, one) for index, one in enumerate(fields) if not requirement_holds(one, own)
    ]


def node_term_matches(terms: Iterable[Body], node: Body) -> bool:
    """Whether any node selector term matches the node."""
    return any(term_misses(term, node) == [] for term in terms)


def selector_misses(pod: Body, node: Body) -> dict[str, str]:
    """The nodeSelector entries that the node's labels do not have."""
    labels = labels_of(node)
    wanted = (pod.get("spec") or {}).get("nodeSelector") or {}
    return {key: value for key, value in wanted.items() if labels.get(key) != value}


def chosen(pod: Body, node: Body) -> bool:
    """Whether the pod's nodeSelector and required node affinity both want this node."""
    terms = required_terms(pod)
    return not selector_misses(pod, node) and (terms is None or node_term_matches(terms, node))


def tolerates(toleration: Body, taint: Body) -> bool:
    """Whether this toleration covers this taint."""
    effect, key = toleration.get("effect"), toleration.get("key")
    if effect and effect != taint.get("effect"):
        return False
    if key and key != taint.get("key"):
        return False
    operator = toleration.get("operator") or "Equal"
    if operator == "Exists":
        return True
    have, bound = str(taint.get("value") or ""), str(toleration.get("value") or "")
    if operator in ("Gt", "Lt"):
        return _compares(have, operator, bound)
    return bool(key) and have == bound


def untolerated(tolerations: Sequence[Body], node: Body) -> list[Body]:
    """The NoSchedule and NoExecute taints of the node that no toleration covers."""
    taints: list[Any] = (node.get("spec") or {}).get("taints") or []
    return [
        taint
        for taint in taints
        if taint.get("effect") in _HARD_EFFECTS and not any(tolerates(one, taint) for one in tolerations)
    ]


def show_taint(taint: Body) -> str:
    """A taint as kubectl writes it: ``gpu=true:NoSchedule``."""
    value = f"={taint['value']}" if taint.get("value") else ""
    return f"{taint.get('key')}{value}:{taint.get('effect')}"


_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def pod_terms(pod: Body, kind: str) -> list[Body]:
    """The required terms of ``podAffinity`` or ``podAntiAffinity``."""
    affinity = ((pod.get("spec") or {}).get("affinity") or {}).get(kind) or {}
    return list(affinity.get(_REQUIRED) or [])


def spread_constraints(pod: Body) -> list[tuple[int, Body]]:
    """The pod's binding spread constraints with their place in its list."""
    constraints = (pod.get("spec") or {}).get("topologySpreadConstraints") or []
    return [
        (index, one)
        for index, one in enumerate(constraints)
        if (one.get("whenUnsatisfiable") or "DoNotSchedule") == "DoNotSchedule"
    ]


def full_selector(term: Body, pod: Body) -> Body | None:
    """The term's selector with matchLabelKeys and mismatchLabelKeys, which newer servers merge themselves."""
    selector: Body | None = term.get("labelSelector")
    if selector is None:
        return None
    labels, extra = labels_of(pod), []
    for field, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")):
        keys = [key for key in term.get(field) or [] if key in labels]
        extra += [{"key": key, "operator": operator, "values": [labels[key]]} for key in keys]
    known = list(selector.get("matchExpressions") or [])
    return {**selector, "matchExpressions": known + [one for one in extra if one not in known]}


def query(selector: Body) -> str:
    """A label selector as the API takes it in ``labelSelector``."""
    parts = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for one in selector.get("matchExpressions") or []:
        key, operator = str(one.get("key")), one.get("operator")
        values = ",".join(map(str, one.get("values") or []))
        simple = {"Exists": key, "DoesNotExist": f"!{key}"}
        parts.append(simple.get(str(operator), f"{key} {str(operator).lower()} ({values})"))
    return ",".join(sorted(parts))
