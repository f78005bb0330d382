"""What a pod asks for and what a node has left, in the scheduler's own terms."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from poddoctor.model import Body
from poddoctor.pod.units import quantity, show_amount

Amounts = Mapping[str, Decimal]
_POD_LEVEL = ("cpu", "memory")
_MILLI = Decimal("0.001")
_MEBI = Decimal(2**20)


def amounts(raw: Mapping[str, object] | None) -> dict[str, Decimal]:
    """Quantities by resource; cpu is rounded up to whole millicores and the rest to whole units."""
    found: dict[str, Decimal] = {}
    for resource, text in (raw or {}).items():
        amount = quantity(text)
        if amount is not None:
            step = _MILLI if resource == "cpu" else Decimal(1)
            found[resource] = (amount / step).to_integral_value(ROUND_CEILING) * step
    return found


def asked_by(container: Body) -> dict[str, Decimal]:
    """The requests of one container; a limit without a request is its request."""
    resources = container.get("resources") or {}
    return {**amounts(resources.get("limits")), **amounts(resources.get("requests"))}


def pod_requests(pod: Body) -> dict[str, Decimal]:
    """What the scheduler sets aside for the pod.

    The larger of the containers' sum and the peak of the init phase; a native sidecar (an init container
    with restartPolicy Always) counts in the sum and under every init container after it. Pod-level requests
    replace that for the resources they name, and the runtime's overhead comes on top.
    """
    spec = pod.get("spec") or {}
    running = _Bag()
    for one in spec.get("containers") or []:
        running.add(_used_by(one, pod, "containerStatuses"))
    sidecars, peak = _Bag(), _Bag()
    for one in spec.get("initContainers") or []:
        if one.get("restartPolicy") == "Always":
            used = _used_by(one, pod, "initContainerStatuses")
            sidecars.add(used)
            running.add(used)
            peak.raise_to(sidecars.total)
        else:
            step = _Bag(sidecars.total)
            step.add(asked_by(one))
            peak.raise_to(step.total)
    running.raise_to(peak.total)
    for resource, amount in asked_by(spec).items():
        if resource in _POD_LEVEL or resource.startswith("hugepages-"):
            running.total[resource] = amount
    running.add(amounts(spec.get("overhead")))
    return running.total


def _used_by(container: Body, pod: Body, field: str) -> dict[str, Decimal]:
    """The request, or what kubelet still sets aside while a resize is under way, whichever is more."""
    asked = _Bag(asked_by(container))
    for status in (pod.get("status") or {}).get(field) or []:
        if status.get("name") == container.get("name"):
            asked.raise_to(amounts(status.get("allocatedResources")))
    return asked.total


class _Bag:
    def __init__(self, start: Amounts | None = None) -> None:
        self.total: dict[str, Decimal] = dict(start or {})

    def add(self, more: Amounts) -> None:
        for resource, amount in more.items():
            self.total[resource] = self.total.get(resource, Decimal(0)) + amount

    def raise_to(self, least: Amounts) -> None:
        for resource, amount in least.items():
            self.total[resource] = max(self.total.get(resource, Decimal(0)), amount)


def allocatable(node: Body) -> dict[str, Decimal]:
    """What pods may use of the node. Fractions of a unit are of no use, so they are dropped."""
    status = node.get("status") or {}
    found: dict[str, Decimal] = {}
    for resource, text in (status.get("allocatable") or status.get("capacity") or {}).items():
        amount = quantity(text)
        if amount is not None:
            step = _MILLI if resource == "cpu" else Decimal(1)
            found[resource] = (amount / step).to_integral_value(ROUND_FLOOR) * step
    return found


def used_on(pods: Iterable[Body]) -> dict[str, Decimal]:
    """What these pods take together."""
    bag = _Bag()
    for pod in pods:
        bag.add(pod_requests(pod))
    return bag.total


def show(resource: str, amount: Decimal) -> str:
    """An amount in words, with cpu in millicores below ten so that numbers can be compared."""
    if resource == "cpu":
        milli = int(amount * 1000)
        return f"{milli // 1000}" if milli % 1000 == 0 else f"{milli}m"
    exact = show_amount(resource, amount)
    if exact.endswith("Ki") and abs(amount) >= _MEBI:
        unit = "Gi" if abs(amount) >= 1024 * _MEBI else "Mi"
        return f"{(amount / _MEBI / (1024 if unit == 'Gi' else 1)).quantize(Decimal('0.1'))}{unit}"
    return exact


def show_asked(resource: str, amount: Decimal) -> str:
    """An asked amount with its resource's name: ``2 CPU``, ``4Gi memory``, ``1 nvidia.com/gpu``."""
    return f"{show(resource, amount)} {'CPU' if resource == 'cpu' else resource}"


def culprit(pod: Body, resource: str) -> tuple[str, str, int, Decimal] | None:
    """The container whose request decides most of the pod's: (field, name, index, request)."""
    spec = pod.get("spec") or {}
    found: list[tuple[Decimal, str, str, int]] = []
    for field in ("containers", "initContainers"):
        for index, one in enumerate(spec.get(field) or []):
            amount = asked_by(one).get(resource)
            if amount:
                found.append((_matters(pod, field, index, resource), field, str(one.get("name")), index))
    if not found:
        return None
    drop, field, name, index = max(found, key=lambda one: (one[0], one[1] == "containers", -one[3]))
    request = asked_by((spec.get(field) or [])[index]).get(resource, Decimal(0))
    return (field, name, index, request) if drop > 0 else None


def _matters(pod: Body, field: str, index: int, resource: str) -> Decimal:
    """By how much the pod would ask less if this container asked for nothing."""
    return pod_requests(pod).get(resource, Decimal(0)) - pod_requests(
        with_request(pod, field, index, {resource: Decimal(0)})
    ).get(resource, Decimal(0))


def with_request(pod: Body, field: str, index: int, changes: Amounts) -> Body:
    """The pod with other requests in one container."""
    spec = copy.deepcopy(dict(pod.get("spec") or {}))
    resources = spec[field][index].setdefault("resources", {})
    requests = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    requests.update({resource: str(amount) for resource, amount in changes.items()})
    spec[field][index]["resources"] = {**resources, "requests": requests}
    return {**pod, "spec": spec}


def reduced(pod: Body, free: Amounts) -> tuple[str, str, dict[str, Decimal], Body] | None:
    """The change of one container's requests with which the pod fits into ``free``.

    Returns (field, container, new requests, the changed pod), or None when one container is not enough.
    """
    asked = pod_requests(pod)
    short = {
        resource: amount - free.get(resource, Decimal(0))
        for resource, amount in asked.items()
        if amount > 0 and amount > free.get(resource, Decimal(0))
    }
    if not short:
        return None
    deciding = [culprit(pod, resource) for resource in short]
    names = Counter(one[1] for one in deciding if one)
    if any(one is None for one in deciding) or len(names) != 1:
        return None
    field, name, index, _ = next(one for one in deciding if one)
    requests = asked_by((pod.get("spec") or {})[field][index])
    changes = {
        resource: _round_down(resource, requests[resource] - amount) for resource, amount in short.items()
    }
    changed = with_request(pod, field, index, changes)
    now = pod_requests(changed)
    fits = all(now[resource] <= free.get(resource, Decimal(0)) for resource in short)
    enough = all(changes[resource] * 10 >= requests[resource] for resource in changes)
    return (field, name, changes, changed) if fits and enough else None


def _round_down(resource: str, amount: Decimal) -> Decimal:
    """A request that people would write: whole 50m of cpu, whole Mi of memory."""
    step = Decimal(1)
    if resource == "cpu":
        step = Decimal("0.05") if amount >= Decimal("0.2") else Decimal("0.01")
    elif resource in ("memory", "ephemeral-storage") or resource.startswith("hugepages-"):
        step = Decimal(2**20)
        step = step * 64 if amount >= step * 512 else step
    return (amount / step).to_integral_value(ROUND_FLOOR) * step


def show_requests(changes: Amounts) -> str:
    """Requests as ``kubectl set resources`` takes them: ``cpu=1500m,memory=1Gi``."""
    words = {
        resource: show(resource, amount) if resource == "cpu" else show_amount(resource, amount)
        for resource, amount in changes.items()
    }
    return ",".join(f"{resource}={word}" for resource, word in sorted(words.items()))
