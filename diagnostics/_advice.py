"""The smallest single change with which one node takes the pod, as facts for titles and commands."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from poddoctor.model import Body, Snapshot
from poddoctor.pod.names import nearest
from poddoctor.pod.owner import owner_of
from poddoctor.pod.units import quantity

from . import _resources as res
from . import _selectors as sel
from ._affinity import near_labels
from ._predicates import Failure, Verdict, host_ports, volume_fits
from ._world import World

Facts = dict[str, str]
# Labels that nodes get from kubelet, clouds, installers and drivers: to set them by hand would be a lie.
_OWN_DOMAINS = (
    "kubernetes.io",
    "k8s.io",
    "amazonaws.com",
    "aws.com",
    "azure.com",
    "google.com",
    "gke.io",
    "karpenter.sh",
    "eksctl.io",
    "nvidia.com",
    "amd.com",
    "intel.com",
    "openshift.io",
    "cattle.io",
    "k3s.io",
    "cilium.io",
    "kubevirt.io",
    "digitalocean.com",
    "oraclecloud.com",
    "linode.com",
    "vmware.com",
    "alibabacloud.com",
    "aliyun.com",
    "ibm.com",
)
_DEFAULT_TOLERATIONS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


class Template:
    """The pod template that a fix must change, and where it is in the owner's JSON."""

    def __init__(self, snapshot: Snapshot, pod: Body) -> None:
        owner = owner_of(snapshot)
        body = owner.body or {}
        spec: Any = body.get("spec") or {}
        self.path, self.known = "/spec/template/spec", bool(owner.body)
        if owner.kind == "pod":
            self.path, self.spec = "/spec", pod.get("spec") or {}
        elif owner.kind == "cronjob":
            self.path = "/spec/jobTemplate/spec/template/spec"
            self.spec = ((((spec.get("jobTemplate") or {}).get("spec")) or {}).get("template") or {}).get(
                "spec"
            )
        else:
            self.spec = (spec.get("template") or {}).get("spec")
        self.spec = self.spec or pod.get("spec") or {}
        self.kind, self.name = owner.kind, owner.name
        self.replicas = spec.get("replicas") if owner.kind != "pod" else None
        self.uid = str((body.get("metadata") or {}).get("uid") or "")

    def patch(self, *operations: Mapping[str, object]) -> str:
        """A JSON patch below the template's spec."""
        return json.dumps(
            [{**one, "path": self.path + str(one["path"])} for one in operations], separators=(",", ":")
        )

    def tolerations(self) -> list[Body]:
        """The template's own tolerations, without those that admission adds to every pod."""
        listed = self.spec.get("tolerations") or []
        return [one for one in listed if self.known or one.get("key") not in _DEFAULT_TOLERATIONS]


def listed(pods: Sequence[str], namespace: str) -> str:
    """Pods in words: those of the own namespace by name alone, three at most."""
    names = [name.removeprefix(f"{namespace}/") for name in dict.fromkeys(pods)]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _pointer(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def for_room(world: World, nodes: Sequence[Verdict]) -> Facts:
    """The request with which the nearest node takes the pod."""
    best = nodes[0]
    facts: Facts = {}
    short = best.of("resources", "exceeds")
    worst = max(short, key=lambda one: one.share)
    facts.update(worst.facts)
    asked = res.pod_requests(world.pod)
    facts["asked_all"] = " and ".join(
        res.show_asked(one.resource, asked[one.resource])
        for one in sorted(short, key=lambda one: one.resource)
    )
    facts["short_all"] = " and ".join(res.show_asked(one.resource, one.short) for one in short)
    for verdict in nodes:
        known = verdict.seen and not verdict.of("pods", "ports")
        change = res.reduced(world.pod, verdict.free) if known else None
        if change and not (verdict.kinds - {"resources", "exceeds"}):
            field, container, amounts, _ = change
            facts.update(
                fit_container=container,
                fit_requests=res.show_requests(amounts),
                fit_node=verdict.name,
                fit_words=" and ".join(
                    res.show_asked(resource, amount) for resource, amount in sorted(amounts.items())
                ),
                fit_field=field,
            )
            break
    return facts


_OF_ONE = (
    "fit_container",
    "fit_requests",
    "fit_node",
    "fit_words",
    "fit_field",
    "written",
    "written_in",
    "slip",
)


def in_template(template: Template, facts: Facts) -> Facts:
    """What can be changed in the template: a container that an injector adds asks for nothing there."""
    name = facts.get("fit_container") or facts.get("written_in", "")
    listed = [*(template.spec.get("containers") or []), *(template.spec.get("initContainers") or [])]
    if (
        template.kind == "pod"
        or not template.known
        or not name
        or name in [one.get("name") for one in listed]
    ):
        return facts
    dropped = (*_OF_ONE, "slip_requests", "second")
    mesh = {"mesh": "istio"} if name == "istio-proxy" else {}
    return {**{key: value for key, value in facts.items() if key not in dropped}, "injected": name, **mesh}


def for_size(world: World, nodes: Sequence[Verdict]) -> Facts:
    """The largest node, and a slip of the unit when the number looks like one."""
    facts = for_room(world, nodes)
    resource = facts["resource"]
    holders = [(res.allocatable(one.node).get(resource), one.name) for one in nodes]
    largest = max(((amount, name) for amount, name in holders if amount), default=None)
    if largest:
        facts.update(largest=res.show(resource, largest[0]), largest_node=largest[1])
    # What else exceeds every node must become smaller in the same step.
    others = [
        other
        for other in ("cpu", "memory", "ephemeral-storage")
        if other != resource
        and all(any(one.resource == other for one in node.of("exceeds")) for node in nodes)
    ]
    if others:
        facts["second"] = others[0]
    found = res.culprit(world.pod, resource)
    if found:
        field, name, index, _ = found
        container = ((world.pod.get("spec") or {}).get(field) or [])[index]
        resources = container.get("resources") or {}
        raw = str(
            (resources.get("requests") or {}).get(resource) or (resources.get("limits") or {}).get(resource)
        )
        facts.update(fit_container=facts.get("fit_container", name), written=raw, written_in=name)
        if largest and (slip := _slip(resource, raw, largest[0])):
            facts.update(slip=slip, slip_requests=f"{resource}={slip}")
    return facts


def _slip(resource: str, raw: str, largest: Decimal) -> str:
    """What was probably meant by a request of a wrong unit: 500 for 500m cores, 512Gi for 512Mi."""
    meant = f"{raw}m" if resource == "cpu" and raw.isdigit() else ""
    if resource == "memory" and raw.endswith("Gi"):
        meant = f"{raw[:-2]}Mi"
    number = quantity(raw.removesuffix("Gi")) or Decimal(0)
    fits = quantity(meant) if number >= (10 if resource == "cpu" else 100) else None
    return meant if fits is not None and fits <= largest else ""


def for_taint(template: Template, nodes: Sequence[Verdict]) -> Facts:
    """The tolerations with which the nearest node takes the pod, as a patch of the template."""
    best = nodes[0]
    taints = best.of("taint", "node-state", "control-plane")
    if not taints:
        return {}
    facts: Facts = dict(taints[0].facts)
    facts["taints"] = ", ".join(one.facts["taint"] for one in taints)
    facts["nearest"] = best.name
    facts["fits_then"] = "no" if best.kinds - {"taint", "control-plane", "node-state"} else "yes"
    facts.update(_tolerating(template, [_toleration(one.facts) for one in taints]))
    near = _near_toleration(template, taints[0])
    return {**facts, **near}


def toleration_of(template: Template, facts: Facts) -> Facts:
    """A toleration of the taint that the message names: for every effect, since the message names none."""
    return _tolerating(template, [_toleration(facts)])


def _toleration(facts: Mapping[str, str]) -> dict[str, str]:
    found = {"key": facts["taint_key"], "operator": "Exists"}
    if value := facts.get("taint_value"):
        found.update(operator="Equal", value=value)
    if effect := facts.get("taint_effect"):
        found["effect"] = effect
    return found


def _tolerating(template: Template, wanted: Sequence[Mapping[str, str]]) -> Facts:
    """The patches that add tolerations to the template and to the pod itself."""
    added = [{"op": "add", "path": "/tolerations/-", "value": one} for one in wanted]
    whole = [{"op": "add", "path": "/tolerations", "value": wanted}]
    direct = [{**one, "path": f"/spec{one['path']}"} for one in added]
    return {
        "patch": template.patch(*(added if template.tolerations() else whole)),
        "pod_patch": json.dumps(direct, separators=(",", ":")),
    }


def _near_toleration(template: Template, taint: Failure) -> Facts:
    """A toleration that nearly covers the taint, and what is wrong with it."""
    key, value, effect = (taint.facts.get(one, "") for one in ("taint_key", "taint_value", "taint_effect"))
    for one in template.tolerations():
        theirs = str(one.get("key") or "")
        if theirs != key and not nearest(key, [theirs]):
            continue
        if theirs != key:
            wrong = f"key {theirs} instead of {key}"
        elif one.get("effect") and one.get("effect") != effect:
            wrong = f"effect {one.get('effect')} instead of {effect}"
        else:
            wrong = f"value {one.get('value') or 'none'} instead of {value or 'none'}"
        return {"near_toleration": wrong}
    return {}


def for_cordon(nodes: Sequence[Verdict]) -> Facts:
    """The cordoned nodes, and the one of them that would do if it were not."""
    fitting = [one for one in nodes if one.kinds == {"cordoned"}] or list(nodes)
    return {"nearest": fitting[0].name, "cordoned_nodes": ", ".join(one.name for one in nodes[:6])}


def for_selector(world: World, template: Template, nodes: Sequence[Verdict]) -> Facts:
    """The node label that is lacking, the value that was probably meant, and both as commands."""
    best = nodes[0]
    misses = sel.selector_misses(world.pod, best.node)
    if not misses:
        return {}
    key, value = next(iter(sorted(misses.items())))
    labels = sel.labels_of(best.node)
    facts: Facts = {"key": key, "value": value, "wanted": f"{key}={value}", "nearest": best.name}
    facts["selector_all"] = ",".join(f"{key}={value}" for key, value in sorted(misses.items()))
    values = sorted({sel.labels_of(one.node)[key] for one in nodes if key in sel.labels_of(one.node)})
    if values:
        facts["values"] = ", ".join(values[:6])
    if not _own(key) and len(misses) == 1:
        facts.update(_label(key, value, nodes))
    elif key in labels:
        facts["have"] = labels[key]
    if given := _given(world, template, misses):
        return {**facts, "near": "no", "given_by": given}
    near = nearest(value, values, 1)
    facts["near"] = "no"
    path = f"/nodeSelector/{_pointer(key)}"
    if near and len(misses) == 1:
        facts.update(near="yes", near_words=f"{key}={near[0]}")
        facts["patch"] = template.patch({"op": "replace", "path": path, "value": near[0]})
    elif not values and len(misses) == 1:
        keys = {one for node in nodes for one in sel.labels_of(node.node)}
        same = [
            one
            for one in nearest(key, keys)
            if any(sel.labels_of(node.node).get(one) == value for node in nodes)
        ]
        if same:
            facts.update(near="yes", near_words=f"{same[0]}={value}")
            facts["patch"] = template.patch(
                {"op": "remove", "path": path},
                {"op": "add", "path": f"/nodeSelector/{_pointer(same[0])}", "value": value},
            )
    facts["drop_patch"] = template.patch(
        *({"op": "remove", "path": f"/nodeSelector/{_pointer(one)}"} for one in sorted(misses))
    )
    return facts


def _own(key: str) -> bool:
    domain = key.partition("/")[0] if "/" in key else ""
    return any(domain == one or domain.endswith(f".{one}") for one in _OWN_DOMAINS)


def _label(key: str, value: str, nodes: Sequence[Verdict]) -> Facts:
    """The label, and the node that can be given it: one that has no other value of it, where there is one."""
    nearness = len(nodes[0].kinds)
    alike = [one for one in nodes if len(one.kinds) == nearness]
    bare = [one for one in alike if key not in sel.labels_of(one.node)]
    best = (bare or alike)[0]
    have = sel.labels_of(best.node).get(key, "")
    facts = {
        "nearest": best.name,
        "label": f"{key}={value}",
        "unlabel": f"{key}={have}" if have else f"{key}-",
    }
    return {**facts, **({"have": have} if have else {})}


def _given(world: World, template: Template, keys: Iterable[str]) -> str:
    """Who puts the labels into the nodeSelector of the pods, where the template does not ask for them."""
    own = template.spec.get("nodeSelector") or {}
    if template.kind == "pod" or not template.known or any(key in own for key in keys):
        return ""
    runtime = (world.pod.get("spec") or {}).get("runtimeClassName")
    return f"runtime class {runtime} adds it" if runtime else "its namespace or a webhook adds it"


def for_affinity(world: World, template: Template, nodes: Sequence[Verdict]) -> Facts:
    """The expression that fails on the nearest node, with a near value or the label that would satisfy it."""
    best = nodes[0]
    terms = sel.required_terms(world.pod) or []
    found = [
        (index, misses) for index, term in enumerate(terms) if (misses := sel.term_misses(term, best.node))
    ]
    if not found:
        return {"nearest": best.name, "near": "no"}
    index, misses = min(found, key=lambda one: len(one[1]))
    kind, place, requirement = misses[0]
    key = str(requirement.get("key"))
    wanted = [str(one) for one in requirement.get("values") or []]
    facts: Facts = {
        "expression": sel.show_requirement(requirement),
        "key": key,
        "nearest": best.name,
        "near": "no",
        "fields": "yes" if kind == "matchFields" else "no",
    }
    if kind == "matchFields":
        facts["wanted_node"] = ", ".join(wanted)
        return facts
    values = sorted({sel.labels_of(one.node)[key] for one in nodes if key in sel.labels_of(one.node)})
    if values:
        facts["values"] = ", ".join(values[:6])
    if len(misses) > 1:
        return facts
    operator = requirement.get("operator")
    if operator in ("In", "Exists") and not _own(key):
        facts.update(_label(key, wanted[0] if wanted else "true", nodes))
    near = {one for value in wanted for one in nearest(value, values, 1)} if operator == "In" else set()
    if len(near) == 1:
        meant = near.pop()
        where = (
            "/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms"
            f"/{index}/matchExpressions/{place}/values"
        )
        facts.update(near="yes", near_words=f"{key} in [{meant}]")
        facts["patch"] = template.patch({"op": "replace", "path": where, "value": [meant]})
    return facts


def for_ports(world: World, template: Template, nodes: Sequence[Verdict]) -> Facts:
    """Who holds the port, and a port that is free."""
    failure = nodes[0].of("ports")[0]
    facts: Facts = dict(failure.facts)
    holders = [pod for one in nodes for failure in one.of("ports") for pod in failure.pods]
    facts["holders"] = listed(holders, world.namespace)
    facts["nearest"] = nodes[0].name
    own = {f"{world.namespace}/{sel.name_of(pod)}" for pod in world.pods or () if _sibling(world.pod, pod)}
    facts["holder_is"] = "sibling" if holders and set(holders) <= own else "other"
    if facts["holder_is"] == "sibling":
        facts.update(own_holders=facts["holders"], **_crowding(template, len(set(holders))))
    port = int(facts["host_port"])
    used = {number for pod in world.pods or () for number, *_ in host_ports(pod)} | {
        number for number, *_ in host_ports(world.pod)
    }
    free = next(
        (number for number in range(port + 1, port + 200) if number not in used and number < 65536), None
    )
    place = _port_place(template.spec, port)
    if free and place and not template.spec.get("hostNetwork"):
        facts["free_port"] = str(free)
        facts["patch"] = template.patch({"op": "replace", "path": place, "value": free})
    return facts


def _crowding(template: Template, placed: int) -> Facts:
    """Why the workload's own pods are in the way: more replicas than places, or a rollout that adds first."""
    if template.replicas is None:
        return {}
    if int(template.replicas) > placed:
        return {"case": "replicas", "room_for": str(placed)}
    return {"case": "rollout"}


def _sibling(pod: Body, other: Body) -> bool:
    """Whether both pods have the same owner, or the same but for a rollout's hash."""
    mine, theirs = _owner_stem(pod), _owner_stem(other)
    same_space = sel.namespace_of(pod) == sel.namespace_of(other)
    return bool(mine) and mine == theirs and same_space and sel.name_of(pod) != sel.name_of(other)


def _owner_stem(pod: Body) -> str:
    for one in (pod.get("metadata") or {}).get("ownerReferences") or []:
        if one.get("controller"):
            digest = sel.labels_of(pod).get("pod-template-hash") or ""
            return f"{one.get('kind')}/{str(one.get('name')).removesuffix('-' + digest)}"
    return ""


def _port_place(spec: Body, port: int) -> str:
    for index, one in enumerate(spec.get("containers") or []):
        for place, entry in enumerate(one.get("ports") or []):
            if entry.get("hostPort") == port:
                return f"/containers/{index}/ports/{place}/hostPort"
    return ""


def for_neighbours(world: World, template: Template, kind: str, nodes: Sequence[Verdict]) -> Facts:
    """The pod (anti-)affinity rule that fails, who is in the way, and the rule relaxed as a patch."""
    failure = nodes[0].of(kind)[0]
    pods = list(dict.fromkeys(pod for one in nodes for failure in one.of(kind) for pod in failure.pods))
    facts: Facts = {**failure.facts, "nearest": nodes[0].name, "pods_count": str(len(pods))}
    if pods:
        facts["pods"] = listed(pods, world.namespace)
        facts["one_pod"] = listed(pods[:1], world.namespace)
        space, _, name = pods[0].partition("/")
        facts.update(one_namespace=space, one_name=name)
    if kind == "existing-anti-affinity":
        return facts
    siblings = {
        f"{world.namespace}/{sel.name_of(pod)}" for pod in world.pods or () if _sibling(world.pod, pod)
    }
    facts["pods_are"] = "siblings" if pods and set(pods) <= siblings else "others"
    if facts["pods_are"] == "siblings":
        facts.update(own_pods=facts["pods"], **_crowding(template, len(pods)))
    rule = {"pod-affinity": "podAffinity", "anti-affinity": "podAntiAffinity"}[kind]
    facts["patch"] = _relaxed(template, rule, failure.index)
    terms = sel.pod_terms(world.pod, rule)
    if kind == "pod-affinity" and failure.index < len(terms):
        facts["friends"] = "some" if pods else "none"
        wanted = [
            f"{key}={value}"
            for key, value in (
                (terms[failure.index].get("labelSelector") or {}).get("matchLabels") or {}
            ).items()
        ]
        have = near_labels(world, terms[failure.index])
        near = [other for one in wanted if one not in have for other in nearest(one, have)]
        if near:
            facts["near_words"] = near[0]
    return facts


def _relaxed(template: Template, rule: str, index: int) -> str:
    """The required term moved to the preferred ones."""
    group = ((template.spec.get("affinity") or {}).get(rule)) or {}
    terms = group.get("requiredDuringSchedulingIgnoredDuringExecution") or []
    if index >= len(terms):
        return ""
    weighted = {"weight": 100, "podAffinityTerm": terms[index]}
    base = f"/affinity/{rule}"
    preferred = f"{base}/preferredDuringSchedulingIgnoredDuringExecution"
    listed = group.get("preferredDuringSchedulingIgnoredDuringExecution")
    return template.patch(
        {"op": "remove", "path": f"{base}/requiredDuringSchedulingIgnoredDuringExecution/{index}"},
        {"op": "add", "path": f"{preferred}/-", "value": weighted}
        if listed
        else {"op": "add", "path": preferred, "value": [weighted]},
    )


def for_spread(template: Template, nodes: Sequence[Verdict], everyone: Sequence[Verdict]) -> Facts:
    """The constraint that fails, why the emptiest domain takes no pod, and the constraint relaxed."""
    failures = [(one, failure) for one in nodes for failure in one.of("spread")]
    _, failure = next((pair for pair in failures if "skew" in pair[1].facts), failures[0])
    facts: Facts = {**failure.facts, "nearest": nodes[0].name}
    facts["missing"] = "yes" if all("missing_label" in one.facts for _, one in failures) else "no"
    if emptiest := facts.get("emptiest"):
        key = facts["topology_key"]
        bars = [
            f"{one.name}: {one.failures[0].text}"
            for one in everyone
            if sel.labels_of(one.node).get(key) == emptiest and one.failures
        ]
        if bars:
            facts["emptiest_why"] = bars[0]
    path = f"/topologySpreadConstraints/{failure.index}"
    relax = {"op": "replace", "path": f"{path}/whenUnsatisfiable", "value": "ScheduleAnyway"}
    listed = template.spec.get("topologySpreadConstraints") or []
    # The API takes minDomains only together with DoNotSchedule.
    bounded = failure.index < len(listed) and listed[failure.index].get("minDomains") is not None
    drop = {"op": "remove", "path": f"{path}/minDomains"}
    if "min_domains" in facts:
        facts["min_patch"] = template.patch(drop)
    facts["patch"] = template.patch(*([drop] if bounded else []), relax)
    return facts


def for_volume(world: World, nodes: Sequence[Verdict], everyone: Sequence[Verdict]) -> Facts:
    """Where the volume is, and why the nodes there cannot take the pod."""
    failure = nodes[0].of("pv")[0]
    facts: Facts = dict(failure.facts)
    volume = next((one for claim, one in world.volumes if claim == facts["claim"]), None)
    at_home = [one for one in everyone if volume and volume_fits(volume, one.node)]
    facts["at_home"] = "some" if at_home else "none"
    if not at_home and facts.get("place") and not world.more_nodes:
        facts["empty_place"] = facts["place"]
    if at_home:
        facts["home_nodes"] = ", ".join(one.name for one in at_home[:5])
        bars = [(one.name, one.failures[0]) for one in at_home if one.failures]
        if bars:
            facts.update(home_node=bars[0][0], home_why=bars[0][1].text, home_kind=bars[0][1].kind)
    return facts
