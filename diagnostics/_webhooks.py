"""An admission webhook that cannot be asked: its Service, what runs behind it, and who configured it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from poddoctor.model import Absent, Body, Found, Read, Snapshot
from poddoctor.pod.pattern import lazy
from poddoctor.pod.reads import get, list_of

from ._awaits import ready_endpoints, slices_read

_FAILED = lazy(
    r"failed calling webhook \\*\"(?P<webhook>[^\"\\]+)\\*\"(?:: (?:failed to call webhook: )?"
    r"(?:\w+ \\*\"[^\"]*\": )?(?P<why>.{1,300}))?",
    re.DOTALL,
)
# The admission plugin ImagePolicyWebhook calls its one backend without a name.
_BACKEND = lazy(r"is forbidden: Post \\*\"(?P<url>https?://[^\"\\]+)\\*\": (?P<why>.{1,300})", re.DOTALL)
_SERVICE = lazy(r"https://(?P<service>[a-z0-9-]+)\.(?P<namespace>[a-z0-9-]+)\.svc\b")
_GONE = lazy(r"service \\*\"(?P<service>[^\"\\]+)\\*\" not found")
_API = "admissionregistration.k8s.io/v1"
_KINDS = ("validatingwebhookconfigurations", "mutatingwebhookconfigurations")


def reads(snapshot: Snapshot, text: str) -> Iterator[Read]:
    """What shows why the webhook of a refusal does not answer."""
    if not _FAILED.search(text):
        return
    yield from (_configurations(kind) for kind in _KINDS)
    place = _SERVICE.search(text)
    if place is None:
        return
    yield _service(place)
    if snapshot.absent(_service(place)):
        return
    yield _slices(place)
    listed = snapshot.items(_slices(place))
    if _slices(place) in snapshot.answers and not listed:
        yield _endpoints(place)
    if _ready(snapshot, place) == 0:
        yield _deployments(place)


def facts(snapshot: Snapshot, text: str) -> dict[str, str]:
    """The Service and its state, the Deployment behind it, the configuration that names the webhook."""
    found = _FAILED.search(text)
    place = _SERVICE.search(text)
    if found is None:
        return _unanswered(text)
    known = _configured(snapshot, found["webhook"])
    if found["why"]:
        known["why"] = " ".join(found["why"].split())[:160]
    if place is None:
        return known
    known["service"] = f"{place['namespace']}/{place['service']}"
    known["service_namespace"] = place["namespace"]
    ready = _ready(snapshot, place)
    if snapshot.absent(_service(place)) and _GONE.search(text):
        known["service_state"] = "does not exist"
        known["gone"] = "true"
    elif ready == 0:
        known["service_state"] = "has no ready endpoints"
        known.update(_backend(snapshot, place))
    elif ready:
        known["ready"] = f"Service {known['service']} has {ready} ready endpoints"
    return known


def _unanswered(text: str) -> dict[str, str]:
    """The backend of the image policy, when the API server cannot ask it."""
    found = _BACKEND.search(text)
    return {"policy_backend": found["url"], "why": " ".join(found["why"].split())[:160]} if found else {}


def _configurations(resource: str) -> Read:
    return list_of(_API, resource, "", "would show whose webhook it is")


def _service(place: re.Match[str]) -> Read:
    purpose = "would show whether the webhook's Service exists"
    return get("v1", "services", place["namespace"], place["service"], purpose)


def _slices(place: re.Match[str]) -> Read:
    return slices_read(place["namespace"], place["service"])


def _endpoints(place: re.Match[str]) -> Read:
    """The older form, for clusters that answer no EndpointSlices."""
    purpose = "would show whether anything runs behind the webhook's Service"
    return get("v1", "endpoints", place["namespace"], place["service"], purpose)


def _deployments(place: re.Match[str]) -> Read:
    purpose = "would show which Deployment stands behind the webhook's Service"
    return list_of("apps/v1", "deployments", place["namespace"], purpose)


def _ready(snapshot: Snapshot, place: re.Match[str]) -> int | None:
    """How many ready endpoints the Service has, or None when that is not known."""
    if slices := snapshot.items(_slices(place)):
        return ready_endpoints(slices)[0]
    answer = snapshot.answers.get(_endpoints(place))
    if isinstance(answer, Found):
        return sum(len(one.get("addresses") or []) for one in answer.body.get("subsets") or [])
    # A Service without a selector has neither: then somebody else was to write them.
    return 0 if snapshot.items(_slices(place)) == [] and isinstance(answer, Absent) else None


def _configured(snapshot: Snapshot, webhook: str) -> dict[str, str]:
    for resource in _KINDS:
        for one in snapshot.items(_configurations(resource)) or []:
            if any(each.get("name") == webhook for each in one.get("webhooks") or []):
                name = str((one.get("metadata") or {}).get("name"))
                return {"configuration": f"{resource.removesuffix('s')}/{name}", "configuration_name": name}
    return {}


def _backend(snapshot: Snapshot, place: re.Match[str]) -> dict[str, str]:
    """The Deployment whose pods the Service selects, and whether it asks for pods at all."""
    selector = ((snapshot.body(_service(place)) or {}).get("spec") or {}).get("selector") or {}
    if not selector:
        return {}
    for one in snapshot.items(_deployments(place)) or []:
        labels = _template_labels(one)
        if all(labels.get(key) == value for key, value in selector.items()):
            name = f"deployment/{(one.get('metadata') or {}).get('name')}"
            idle = (one.get("spec") or {}).get("replicas") == 0
            return {"backend": name, **({"idle": "true"} if idle else {})}
    return {}


def _template_labels(deployment: Body) -> Body:
    template = (deployment.get("spec") or {}).get("template") or {}
    labels: Body = (template.get("metadata") or {}).get("labels") or {}
    return labels
