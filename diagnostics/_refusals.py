"""What the words of a refusal say: which quota, which bounds, which policy, and by how much."""

from __future__ import annotations

import re
from decimal import Decimal

from poddoctor.pod.pattern import lazy
from poddoctor.pod.units import quantity, show_amount

_QUOTA = lazy(
    r"exceeded quota: (?P<quota>[^,]+), requested: (?P<requested>.+), "
    r"used: (?P<used>.+), limited: (?P<limited>.+)"
)
_COMPUTE = ("cpu", "memory", "ephemeral-storage")
BOUNDS = lazy(r"LimitRange| usage per | ratio per |must be less than or equal to")
_DENIED = lazy(r"admission webhook \"[^\"]+\" denied the request:\s*(?P<said>.+)", re.DOTALL)
_GATEKEEPER = lazy(r"^\[(?P<policy>[^\]]+)\]\s*(?P<said>.+)", re.DOTALL)
_KYVERNO = lazy(
    r"blocked due to the following policies\s*(?P<policy>[^\s:]+):\s*(?P<rule>[^\s:]+):\s*(?P<said>.+)",
    re.DOTALL,
)
_WARDEN = lazy(r"\[denied by (?P<policy>[^\]]+)\]\"?:\s*\[\"?(?P<said>[^\"\]]+)", re.DOTALL)
_SCC = lazy(r"unable to validate against any security context constraint: \[(?P<listed>.*)\]?", re.DOTALL)
_SCC_ENTRY = lazy(
    r"(?:provider \"?(?P<provider>[\w-]+)\"?: )?(?P<problem>[^,\[\]]*(?:\[[^\]]*\][^,\[\]]*)*)(?:, |\]|$)"
)
# OpenShift before 4.11 writes no comma between what one provider objects to.
_SCC_RUN_ON = lazy(r"(?<![,:]) (?=\.?(?:spec|containers)[\w.\[\]]*: )")
_SCC_FIELD = lazy(r"(?P<field>[\w.\[\]]*[\w\]]): (?:Invalid value: (?P<value>[^:]+): )?(?P<why>.+)")


def quota(text: str) -> dict[str, str]:
    """The amounts by which a quota is exceeded, as numbers."""
    found = _QUOTA.search(text)
    if not found:
        return {}
    requested, used, limited = (_amounts(found[name]) for name in ("requested", "used", "limited"))
    rows, shorts = [], []
    for resource, asked in requested.items():
        unit = resource.rpartition(".")[2]
        free = limited.get(resource, Decimal(0)) - used.get(resource, Decimal(0))
        shown = [
            show_amount(unit, one)
            for one in (asked, used.get(resource, Decimal(0)), limited.get(resource, Decimal(0)))
        ]
        rows.append(f"{resource}: {shown[0]} asked, {shown[1]} used of {shown[2]}")
        if asked > free:
            shorts.append(f"{resource} by {show_amount(unit, asked - free)}")
    facts = {"quota": found["quota"], "amounts": "; ".join(rows), "shortfall": ", ".join(shorts)}
    # What a container asks for can be made smaller; a number of objects cannot.
    compute = any(one.partition(" by ")[0].endswith(_COMPUTE) for one in shorts)
    return {**facts, "compute": "true"} if compute else facts


def _amounts(text: str) -> dict[str, Decimal]:
    pairs = [part.partition("=") for part in text.split(",")]
    return {key.strip(): quantity(value) or Decimal(0) for key, _, value in pairs if value}


def policy(text: str) -> dict[str, str]:
    """What a policy engine says behind its webhook: Gatekeeper and Kyverno name the policy first."""
    denied = _DENIED.search(text)
    if not denied:
        return {}
    for pattern in (_KYVERNO, _WARDEN, _GATEKEEPER):
        if found := pattern.search(denied["said"]):
            names = found.groupdict()
            rule = f" (rule {names['rule']})" if names.get("rule") else ""
            return {"policy": f"{names['policy']}{rule}", "said": _one_line(names["said"])}
    return {"said": _one_line(denied["said"])}


def _one_line(text: str) -> str:
    words = " ".join(text.split()).strip("'\" ")
    words = re.sub(r"^'?validation error: ", "", words)
    return re.sub(r"\.? rule \S+ failed at path \S+$", "", words)[:160]


def constraints(text: str) -> dict[str, str]:
    """What an OpenShift cluster's security context constraints object to, where the account may use them."""
    found = _SCC.search(text)
    if not found:
        return {}
    problems: list[str] = []
    for entry in _SCC_ENTRY.finditer(_SCC_RUN_ON.sub(", ", found["listed"])):
        field = _SCC_FIELD.search(entry["problem"] or "")
        if not field or "not usable by user" in entry["problem"]:
            continue
        short = re.sub(r"^.*(?:containers\[\d+\]|securityContext)\.", "", field["field"])
        short = re.sub(r"^securityContext\.", "", short)
        why = _balanced(field["why"])
        value = re.sub(r"^\[\]int64\{(.*)\}$", r"\1", (field["value"] or "").strip())
        named = short if not value or why.startswith(value) else f"{short} {value}"
        problems.append(f"{named}: {why}")
    return {"violated": "; ".join(list(dict.fromkeys(problems))[:3])} if problems else {}


def _balanced(text: str) -> str:
    """Without the bracket that closes the list around it."""
    words = text.strip()
    return words if words.count("[") == words.count("]") else words.rstrip("]")
