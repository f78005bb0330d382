from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from poddoctor import engine
from poddoctor.model import Absent, Answer, Finding, Found, Read, Snapshot, Target
from poddoctor.pod.reads import get, list_of, log_reads, pod_events_read, pod_read

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=timezone.utc)
TARGET = Target("pod", "shop", "web-7d9-x")


def pod(*, ready: bool = True, **labels: str) -> dict[str, Any]:
    word = "True" if ready else "False"
    status = {"name": "app", "ready": ready, "started": True, "restartCount": 0}
    return {
        "metadata": {
            "name": TARGET.name,
            "namespace": "shop",
            "uid": "u1",
            "labels": labels or {"app": "web"},
        },
        "spec": {"containers": [{"name": "app", "ports": [{"name": "http", "containerPort": 8080}]}]},
        "status": {
            "phase": "Running",
            "startTime": "2026-05-04T10:00:00Z",
            "podIP": "10.0.0.9",
            "conditions": [{"type": "Ready", "status": word}, {"type": "ContainersReady", "status": word}],
            "containerStatuses": [{**status, "state": {"running": {"startedAt": "2026-05-04T10:00:00Z"}}}],
        },
    }


def service(name: str, selector: dict[str, str], target: object = 8080, port: int = 80) -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "spec": {"selector": selector, "ports": [{"port": port, "targetPort": target}]},
    }


def slices(name: str, namespace: str = "shop") -> Read:
    return list_of(
        "discovery.k8s.io/v1", "endpointslices", namespace, labelSelector=f"kubernetes.io/service-name={name}"
    )


def findings(
    body: dict[str, Any],
    services: list[dict[str, Any]],
    *,
    log: str = "",
    policies: list[dict[str, Any]] | None = None,
    more: dict[Read, Answer] | None = None,
) -> list[Finding]:
    empty = Snapshot(TARGET, {}, NOW)
    answers: dict[Read, Answer] = {pod_read(empty): Found(body), pod_events_read(empty): Found({"items": []})}
    answers[list_of("v1", "services", "shop")] = Found({"items": services})
    answers[list_of("networking.k8s.io/v1", "networkpolicies", "shop")] = Found({"items": policies or []})
    previous, current = log_reads(empty, "app")
    answers |= {previous: Absent(), current: Found(log)}
    answers |= {slices(one["metadata"]["name"]): Found({"items": []}) for one in services}
    report = engine.diagnose(Snapshot(TARGET, {**answers, **(more or {})}, NOW))
    return [one for one in report.findings if one.cause.family == "network"]


@pytest.mark.parametrize(
    ("services", "cause"),
    [
        ([service("web", {"app": "web"})], ""),
        ([service("web", {"app": "web"}, "http")], ""),
        ([service("web", {"app": "web"}, "htpp")], "service-port-mismatch"),
        ([service("web", {"app": "wbe"})], "service-selects-nothing"),
        ([service("web", {"app": "web", "tier": "front"})], "service-selects-nothing"),
        # others that are merely not there: another application, a colour that is not deployed, a second one
        ([service("web-db", {"app": "web-db"})], ""),
        ([service("api", {"app": "api"})], ""),
        ([service("web-v2", {"app": "web", "version": "v2"})], ""),
        ([service("web", {"app": "wbe"}), service("web-main", {"app": "web"})], ""),
        ([service("external", {})], ""),
    ],
)
def test_services_of_a_ready_pod(services: list[dict[str, Any]], cause: str) -> None:
    assert [one.cause.id for one in findings(pod(), services)] == ([f"network/{cause}"] if cause else [])


def test_a_service_with_endpoints_selects_something() -> None:
    some = Found({"items": [{"endpoints": [{"conditions": {"ready": True}}]}]})
    assert not findings(pod(), [service("web", {"app": "wbe"})], more={slices("web"): some})


def policy(rules: list[dict[str, Any]] | None, **labels: str) -> dict[str, Any]:
    spec: dict[str, Any] = {"podSelector": {"matchLabels": labels}, "policyTypes": ["Egress"]}
    return {"metadata": {"name": "limit"}, "spec": spec if rules is None else {**spec, "egress": rules}}


WEB = {"ports": [{"port": 443}]}
DNS = {"ports": [{"port": 53, "protocol": "UDP"}]}


@pytest.mark.parametrize(
    ("log", "rules", "labels", "denies"),
    [
        ("getaddrinfo EAI_AGAIN db", [WEB], {"app": "web"}, True),
        ("getaddrinfo EAI_AGAIN db", None, {}, True),
        ("getaddrinfo EAI_AGAIN db", [WEB, DNS], {"app": "web"}, False),
        ("getaddrinfo EAI_AGAIN db", [WEB], {"app": "other"}, False),
        # OpenShift's DNS pods listen on 5353, and a policy names the pods' port, by number or by name.
        ("getaddrinfo EAI_AGAIN db", [{"ports": [{"port": 5353, "protocol": "UDP"}]}], {"app": "web"}, False),
        (
            "getaddrinfo EAI_AGAIN db",
            [{"ports": [{"port": "dns", "protocol": "UDP"}]}],
            {"app": "web"},
            False,
        ),
        ("dial tcp 10.0.0.5:5432: i/o timeout", [WEB, DNS], {"app": "web"}, True),
        ("dial tcp 10.0.0.5:443: i/o timeout", [WEB, DNS], {"app": "web"}, False),
        ("dial tcp 10.0.0.5:6000: i/o timeout", [{"ports": [{"port": 5000, "endPort": 7000}]}], {}, False),
        ("dial tcp 10.0.0.5:5432: connect: connection refused", [WEB], {}, False),
        ("listening on :8080", [WEB], {}, False),
    ],
)
def test_policies_against_the_log(
    log: str, rules: list[dict[str, Any]] | None, labels: dict[str, str], denies: bool
) -> None:
    found = findings(pod(ready=False), [], log=log, policies=[policy(rules, **labels)])
    assert bool(found) is denies
    assert all(one.cause.id == "network/network-policy-denies" for one in found)


def test_the_policy_of_the_other_side() -> None:
    shield = {
        "metadata": {"name": "db-only-from-api"},
        "spec": {
            "podSelector": {"matchLabels": {"app": "db"}},
            "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "api"}}}]}],
        },
    }
    log = 'connection to server at "db" (10.0.0.5), port 5432 failed: Connection timed out'
    services = [service("db", {"app": "db"}, 5432, 5432)]
    assert "ingress" in findings(pod(ready=False), services, log=log, policies=[shield])[0].title
    assert not findings(pod(ready=False, app="api"), services, log=log, policies=[shield])


def test_a_policy_of_another_namespace_is_looked_up_there() -> None:
    spec = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [{"podSelector": {}}]}]}
    more: dict[Read, Answer] = {
        list_of("networking.k8s.io/v1", "networkpolicies", "data"): Found(
            {"items": [{"metadata": {"name": "own-only", "namespace": "data"}, "spec": spec}]}
        ),
        list_of("v1", "services", "data"): Found({"items": [service("cache", {"app": "cache"}, 6379, 6379)]}),
    }
    found = findings(pod(ready=False), [], log="dial tcp cache.data.svc:6379: i/o timeout", more=more)[0]
    assert found.title.startswith("NetworkPolicy own-only of namespace data (ingress) keeps")
    assert found.symptoms[0].text == (
        "ingress allows only all ports from all pods of namespace data: not port 6379 from this pod"
    )
    assert {step.run.split()[2] for step in found.steps} == {"data"}


def test_the_cluster_dns_is_down() -> None:
    dns: dict[Read, Answer] = {
        get("v1", "services", "kube-system", "kube-dns"): Found({"metadata": {"name": "kube-dns"}}),
        slices("kube-dns", "kube-system"): Found({"items": [{"endpoints": []}]}),
    }
    log = "Temporary failure in name resolution"
    found = findings(pod(ready=False), [], log=log, policies=[policy([WEB])], more=dns)
    assert [one.cause.id for one in found] == ["network/cluster-dns-down"]
    # A Service has an EndpointSlice also without endpoints: where there is none, nobody wrote it down.
    dns[slices("kube-dns", "kube-system")] = Found({"items": []})
    assert not findings(pod(ready=False), [], log=log, policies=[], more=dns)


def test_a_port_of_the_host_is_taken_also_when_the_container_runs_at_this_instant() -> None:
    body = pod(ready=True)
    ended = {"exitCode": 1, "startedAt": "2026-05-04T11:59:30Z", "finishedAt": "2026-05-04T11:59:31Z"}
    body["spec"] |= {"hostNetwork": True, "nodeName": "worker-1"}
    body["status"]["containerStatuses"][0] |= {
        "restartCount": 3,
        "state": {"running": {"startedAt": "2026-05-04T11:59:59Z"}},
        "lastState": {"terminated": ended},
    }
    log = "listen tcp :9100: bind: address already in use"
    assert findings(body, [], log=log)[0].cause.id == "network/host-network-conflict"
    body["status"]["containerStatuses"][0]["restartCount"] = 1  # once is no loop: it is over
    assert "network/host-network-conflict" not in [one.cause.id for one in findings(body, [], log=log)]


def test_a_port_of_the_host_is_taken() -> None:
    body = pod(ready=False)
    body["spec"] |= {"hostNetwork": True, "nodeName": "worker-1"}
    other = {
        "metadata": {"name": "exporter", "namespace": "ops", "uid": "u2"},
        "spec": {"hostNetwork": True, "containers": [{"name": "e", "ports": [{"containerPort": 9100}]}]},
        "status": {"phase": "Running"},
    }
    pods = list_of("v1", "pods", "", fieldSelector="spec.nodeName=worker-1")
    found = findings(
        body, [], log="listen tcp :9100: bind: address already in use", more={pods: Found({"items": [other]})}
    )
    assert found[0].cause.id == "network/host-network-conflict"
    assert "pod exporter in ops" in found[0].title


@pytest.mark.parametrize(
    "line",
    [
        'ts=2026-05-04T11:06:01.010Z caller=exporter.go:223 err="listen tcp 0.0.0.0:9100: bind: address already in use"',
        "04 May 11:06:01 bind() to [::]:9100 failed (98: Address already in use)",
    ],
)
def test_a_time_of_day_and_a_line_of_source_are_no_ports(line: str) -> None:
    body = pod(ready=False)
    body["spec"] |= {"hostNetwork": True, "nodeName": "worker-1"}
    assert "port 9100" in findings(body, [], log=line)[0].title


def fence(direction: str, rules: list[dict[str, Any]], **extra: Any) -> dict[str, Any]:
    spec = {"podSelector": {}, "policyTypes": [direction], direction.lower(): rules, **extra}
    return {"metadata": {"name": "fence", "namespace": "shop"}, "spec": spec}


DB = {
    "metadata": {"name": "db", "namespace": "shop"},
    "spec": {
        "selector": {"app": "db"},
        "clusterIP": "10.96.0.9",
        "ports": [{"port": 5432, "targetPort": 5432}],
    },
}
DNS_OPEN = {"ports": [{"port": 53, "protocol": "UDP"}]}


@pytest.mark.parametrize(
    ("host", "policies", "denied"),
    [
        ("db", [fence("Egress", [{"to": [{"podSelector": {"matchLabels": {"app": "db"}}}]}])], False),
        ("db", [fence("Egress", [{"to": [{"podSelector": {"matchLabels": {"app": "web"}}}]}])], True),
        # The Service's pods may have more labels than its selector asks for.
        ("db", [fence("Egress", [{"to": [{"podSelector": {"matchLabels": {"tier": "data"}}}]}])], False),
        ("db", [fence("Egress", [{"to": [{"namespaceSelector": {}}], "ports": [{"port": 5432}]}])], False),
        ("db", [fence("Egress", [{"to": [{"namespaceSelector": {}}], "ports": [{"port": 5000, "endPort": 6000}]}])], False),
        ("db", [fence("Egress", [{"to": [{"namespaceSelector": {}}], "ports": [{"port": 5000, "endPort": 5400}]}])], True),
        ("db", [fence("Egress", [{"ports": [{"port": 5432, "protocol": "UDP"}]}])], True),
        (
            "db",
            [fence("Egress", [{"to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ops"}}}]}])],
            True,
        ),
        ("203.0.113.7", [fence("Egress", [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}]}])], False),
        ("8.8.8.8", [fence("Egress", [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}])], True),
        ("8.8.8.8", [fence("Egress", [{"to": [{"namespaceSelector": {}}]}])], True),
        ("db", [fence("Ingress", [{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}]}])], False),
        ("db", [fence("Ingress", [{"from": [{"podSelector": {"matchLabels": {"app": "api"}}}]}])], True),
        ("db", [fence("Ingress", [{"from": [{"ipBlock": {"cidr": "10.0.0.0/24"}}]}])], False),
        ("db", [fence("Ingress", [{"from": [{"ipBlock": {"cidr": "192.168.0.0/16"}}]}])], True),
    ],
)  # fmt: skip
def test_peers_and_ports_of_policies(host: str, policies: list[dict[str, Any]], *, denied: bool) -> None:
    if "Egress" in policies[0]["spec"]["policyTypes"]:
        policies[0]["spec"]["egress"].append(DNS_OPEN)
    log = f"dial tcp {host}:5432: i/o timeout"
    causes = [one.cause.id for one in findings(pod(ready=False), [DB], log=log, policies=policies)]
    assert ("network/network-policy-denies" in causes) is denied


def test_a_number_that_no_container_declares() -> None:
    """Program and Service disagree about the port; the pod is ready, as nothing probes the Service's."""
    found = findings(pod(), [service("web", {"app": "web"}, 9090)])[0]
    assert (found.cause.id, found.confidence) == ("network/service-port-mismatch", "likely")
    assert '"value":9090},{"op":"replace"' in found.steps[0].run
    assert found.steps[0].run.endswith('"value":8080}]\'')


def _told(**settings: Any) -> dict[str, Any]:
    body = pod()
    body["spec"]["containers"][0] |= settings
    return body


@pytest.mark.parametrize(
    "body",
    [
        _told(ports=[]),
        _told(args=["--listen=:9090"]),
        _told(env=[{"name": "PORT", "value": "9090"}]),
        _told(readinessProbe={"tcpSocket": {"port": 9090}}),
    ],
)
def test_a_number_that_the_program_may_listen_on(body: dict[str, Any]) -> None:
    assert not findings(body, [service("web", {"app": "web"}, 9090)])
    second = pod()
    second["spec"]["containers"].append({"name": "exporter"})  # declares nothing: it may listen anywhere
    assert not findings(second, [service("web", {"app": "web"}, 9090)])


def test_a_service_beside_one_that_leads_to_a_declared_port_has_its_reasons() -> None:
    metrics = service("web-metrics", {"app": "web"}, 9090)
    assert not findings(pod(), [service("web", {"app": "web"}), metrics])
    both = service("web", {"app": "web"})
    both["spec"]["ports"].append({"port": 9090, "targetPort": 9090})
    assert not findings(pod(), [both])
    assert not findings(pod(), [metrics])  # its name says that it is beside the program's own
    headless = service("web", {"app": "web"}, 9090)
    headless["spec"]["clusterIP"] = "None"
    assert not findings(pod(), [headless])
    beside = pod()
    beside["spec"]["containers"][0]["ports"] = [{"name": "health", "containerPort": 8081}]
    assert not findings(beside, [service("web", {"app": "web"}, 8080)])


def test_a_policy_that_allows_nothing_needs_more_than_dns() -> None:
    for rules in (None, []):
        found = findings(pod(ready=False), [], log="getaddrinfo EAI_AGAIN db", policies=[policy(rules)])[0]
        fix = next(step.run for step in found.steps if step.fixes)
        assert '"port":53' in fix
        assert "${PORT:?" in fix
    some = findings(pod(ready=False), [], log="getaddrinfo EAI_AGAIN db", policies=[policy([WEB])])[0]
    assert "${PORT:?" not in next(step.run for step in some.steps if step.fixes)


@pytest.mark.parametrize(
    "line",
    ["    return opener.open(url, data, timeout)", "starting with read timeout=30", "idle timeout = 5"],
)
def test_a_word_in_source_or_settings_is_no_time_out(line: str) -> None:
    assert not findings(pod(ready=False), [], log=line, policies=[policy(None)])


@pytest.mark.parametrize(
    ("rules", "path"), [([{"from": [{"podSelector": {"matchLabels": {"a": "b"}}}]}], "/-"), ([], "")]
)
def test_the_pods_of_this_workload_alone_are_let_in(rules: list[dict[str, Any]], path: str) -> None:
    shield = {
        "metadata": {"name": "fence"},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": rules},
    }
    body = pod(ready=False, app="web", **{"pod-template-hash": "7d9"})
    log = "dial tcp db:5432: i/o timeout"
    found = findings(body, [DB], log=log, policies=[shield])[0]
    fix = next(step for step in found.steps if step.fixes)
    rule = '{"from":[{"podSelector":{"matchLabels":{"app":"web"}}}],"ports":[{"port":5432,"protocol":"TCP"}]}'
    assert f'"path":"/spec/ingress{path}"' in fix.run
    assert rule in fix.run
    assert fix.undo.endswith('"path":"/spec/ingress' + ("/1" if rules else "") + "\"}]'")


@pytest.mark.parametrize(
    ("line", "place"),
    [
        (
            "2026-05-04T11:58:51Z fatal dial tcp 10.1.2.3:5432: connect: connection timed out",
            ("10.1.2.3", "5432"),
        ),
        ("11:58 cannot connect to stock:8443: timed out", ("stock", "8443")),
        ("read tcp 10.0.0.9:41000->10.1.2.3:6379: i/o timeout", ("10.1.2.3", "6379")),
        ("client.go:58 the call timed out", None),
        ("the program on port 8080 timed out", None),
        ("connect to stock.till port 8080 timed out", ("stock.till", "8080")),
        ("May 4 11:58:51 timed out", None),
    ],
)
def test_a_time_of_day_or_a_place_in_the_source_is_no_host_and_port(
    line: str, place: tuple[str, str] | None
) -> None:
    policy = {
        "metadata": {"name": "deny", "namespace": "shop"},
        "spec": {"podSelector": {}, "policyTypes": ["Egress"]},
    }
    body = pod(ready=False)
    found = findings(body, [], log=line, policies=[policy])
    seen = found[0].attributes
    assert found[0].cause.id == "network/network-policy-denies"
    assert (seen.get("host"), seen.get("port")) == (place or (None, None))


@pytest.mark.parametrize("line", ["port 8080 is already in use", "port 8080 already bound"])
def test_a_port_of_the_host_that_is_taken_is_known_in_other_words(line: str) -> None:
    body = pod(ready=False)
    body["spec"]["hostNetwork"] = True
    found = findings(body, [], log=f"main.go:19] {line}, see --http-port")
    assert [(one.cause.id, one.attributes.get("port")) for one in found] == [
        ("network/host-network-conflict", "8080")
    ]


@pytest.mark.parametrize(
    ("host", "rule", "denied"),
    [
        ("pay.example.com", {"to": [{"namespaceSelector": {}}]}, True),
        ("pay.example.com", {"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}, False),
        ("pay.example.com", {"ports": [{"port": 443}]}, False),
        ("till.dev", {"to": [{"namespaceSelector": {}}]}, False),
    ],
)
def test_a_policy_for_the_pods_of_the_cluster_keeps_from_the_internet(
    host: str, rule: dict[str, Any], *, denied: bool
) -> None:
    spec = {"podSelector": {}, "policyTypes": ["Egress"], "egress": [rule]}
    policy = {"metadata": {"name": "inside", "namespace": "shop"}, "spec": spec}
    line = f"curl: (28) Failed to connect to {host} port 443 after 130000 ms: Couldn't connect to server"
    assert bool(findings(pod(ready=False), [], log=line, policies=[policy])) is denied


@pytest.mark.parametrize(("whom", "own"), [({}, True), ({"matchLabels": {"app": "web"}}, False)])
def test_a_policy_about_all_pods_is_left_as_it_is(whom: dict[str, Any], *, own: bool) -> None:
    spec = {"podSelector": whom, "policyTypes": ["Egress"]}
    policy = {"metadata": {"name": "deny", "namespace": "shop"}, "spec": spec}
    body = pod(ready=False, app="web", **{"pod-template-hash": "7d9"})
    body["metadata"]["generateName"] = "web-7d9-"
    found = findings(body, [], log="dial tcp 10.1.2.3:5432: i/o timeout", policies=[policy])[0]
    assert (found.attributes.get("own_policy_name") == "web-to-5432") is own
    applied = [step.run or "" for step in found.steps if "apply -f -" in (step.run or "")]
    assert bool(applied) is own
    assert not any("7d9" in one.partition("podSelector")[2].partition("kubectl")[0] for one in applied)
