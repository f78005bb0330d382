"""What the pod's own spec and the cluster add to a log line that does not say all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from poddoctor.diagnostics import _given, _plausible
from poddoctor.diagnostics._awaits import services_read, slices_read
from poddoctor.diagnostics._policies import policies_read

from poddoctor.model import Answer, Body, Found, Read, Snapshot
from poddoctor.pod.containers import containers
from poddoctor.pod.reads import get, list_of, pod_events_read

from .test_logs import CLOCK, TARGET, diagnosed

REFUSED = "psycopg2.connect(dsn)\nConnectionRefusedError: [Errno 111] Connection refused"
NO_ANSWER = "FATAL lookup ledger on 10.96.0.10:53: read udp 10.244.1.7:40000->10.96.0.10:53: i/o timeout"
EMPTY = Found({"items": []})


def service(name: str, space: str = "shop", **spec: Any) -> Body:
    return {"metadata": {"name": name, "namespace": space}, "spec": spec}


def elsewhere(name: str) -> Read:
    return list_of("v1", "services", "", fieldSelector=f"metadata.name={name}")


def env(**values: str) -> dict[str, Any]:
    listed = [{"name": name, "value": value} for name, value in values.items()]
    return {"containers": [{"name": "app", "image": "acme/api:1", "env": listed}]}


def command(*words: str) -> dict[str, Any]:
    return {"containers": [{"name": "app", "image": "acme/api:1", "command": list(words)}]}


@pytest.mark.parametrize(
    ("spec", "text", "found"),
    [
        (env(DB_HOST="ledger", DB_PORT="5432"), REFUSED, "ledger:5432"),
        (env(DATABASE_URL="postgres://u:p@ledger/shop"), REFUSED, "ledger:5432"),
        (env(PG_ADDR="ledger", REDIS_URL="redis://hot"), REFUSED, "ledger"),
        (
            env(PG_ADDR="ledger", REDIS_URL="redis://hot"),
            "redis.exceptions.ConnectionError: refused",
            "hot:6379",
        ),
        (env(A_URL="http://stock", B_URL="http://prices"), REFUSED, None),
        (env(LISTEN_ADDR="api:8080", HOSTNAME="web", POD_HOST="x"), REFUSED, None),
        (env(Broker__Host="hot", Broker__Port="5672"), REFUSED, "hot:5672"),
        (env(LOG_LEVEL="info", MODE="production"), REFUSED, None),
        (command("serve", "--db=ledger:5432", "--listen-address=all:9090"), REFUSED, "ledger:5432"),
        (command("serve", "--db-host", "ledger"), REFUSED, "ledger"),
        (command("sh", "-c", "psql -h ledger -p 5432 -c 'select 1'"), REFUSED, "ledger:5432"),
        (command("python", "-c", 'connect(("ledger", 5432))'), REFUSED, "ledger:5432"),
        (command("serve", "--config=/etc/app.yaml:ro", "main.py"), REFUSED, None),
    ],
)
def test_address_that_the_pod_gives(spec: Mapping[str, Any], text: str, found: str | None) -> None:
    one = next(iter(containers({"spec": spec, "status": {}})))
    given = _given.only(one, text)
    assert (given and (f"{given.host}:{given.port}" if given.port else given.host)) == found


def test_a_variable_whose_value_is_elsewhere_leaves_it_open() -> None:
    spec = env(CACHE_HOST="hot")
    source = {"secretKeyRef": {"name": "db", "key": "host"}}
    spec["containers"][0]["env"].append({"name": "DB_HOST", "valueFrom": source})
    one = next(iter(containers({"spec": spec, "status": {}})))
    assert _given.only(one, "connection refused") is None


def test_a_given_address_is_certain_only_with_the_cluster() -> None:
    spec = env(DB_HOST="ledger", DB_PORT="5432")
    alone = diagnosed(REFUSED, spec=spec)[0]
    assert (alone.cause.id, alone.confidence) == ("logs/dependency-refused", "likely")
    assert "it seems by ledger:5432" in alone.title
    body = service("ledger", selector={"app": "ledger"}, ports=[{"port": 5432}])
    others: dict[Read, Answer] = {
        services_read("shop"): Found({"items": [body]}),
        get("v1", "services", "shop", "ledger"): Found(body),
        slices_read("shop", "ledger"): EMPTY,
        list_of("v1", "pods", "shop", labelSelector="app=ledger"): EMPTY,
    }
    proven = diagnosed(REFUSED, spec=spec, others=others)[0]
    assert proven.confidence == "certain"
    assert "Service ledger has no ready pod" in proven.title


def test_near_name_of_the_own_namespace_comes_before_other_namespaces() -> None:
    text = 'nginx: [emerg] host not found in upstream "ledger-svc" in /etc/nginx/nginx.conf:4'
    others: dict[Read, Answer] = {
        services_read("shop"): Found({"items": [service("ledger")]}),
        elsewhere("ledger-svc"): Found({"items": [service("ledger-svc", "blue")]}),
    }
    finding = diagnosed(text, others=others)[0]
    assert "ledger was probably meant" in finding.title
    others[services_read("shop")] = EMPTY
    only = diagnosed(text, others=others)[0]
    assert "Service ledger-svc is in namespace blue" in only.title
    assert only.confidence == "likely"
    assert not [step for step in only.steps if step.fixes and "blue" in (step.run or "")]
    two = [service("ledger-svc", "blue"), service("ledger-svc", "green")]
    several = diagnosed(text, others={**others, elsewhere("ledger-svc"): Found({"items": two})})[0]
    assert "blue" not in several.title
    assert several.confidence == "certain"


def test_dns_that_does_not_answer_is_certain_only_if_what_decides_was_seen() -> None:
    unseen = diagnosed(NO_ANSWER)[0]
    assert (unseen.cause.id, unseen.confidence) == ("logs/dependency-not-resolved", "likely")
    assert "gets no answer from DNS about the host name ledger" in unseen.title
    ready = {"items": [{"endpoints": [{"addresses": ["10.244.0.2"], "conditions": {"ready": True}}]}]}
    others: dict[Read, Answer] = {
        policies_read("shop"): EMPTY,
        services_read("shop"): Found({"items": [service("ledger")]}),
        get("v1", "services", "kube-system", "kube-dns"): Found(service("kube-dns", "kube-system")),
        slices_read("kube-system", "kube-dns"): Found(ready),
    }
    assert diagnosed(NO_ANSWER, others=others)[0].confidence == "certain"
    assert diagnosed("FATAL lookup ledger: no such host")[0].confidence == "certain"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            {"dnsPolicy": "None", "dnsConfig": {"nameservers": ["192.0.2.7"]}},
            "its dnsPolicy None asks 192.0.2.7",
        ),
        ({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["10.96.0.10"]}}, ""),
        ({"dnsPolicy": "Default"}, "dnsPolicy Default asks the node's resolver"),
        ({"hostNetwork": True}, "with hostNetwork, dnsPolicy ClusterFirst asks the node's resolver"),
        ({"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}, ""),
        ({"dnsConfig": {"options": [{"name": "ndots", "value": "2"}]}}, ""),
    ],
)
def test_whom_the_pod_asks_for_names(more: Mapping[str, Any], words: str) -> None:
    spec = {"containers": [{"name": "app"}], **more}
    finding = diagnosed("FATAL lookup ledger.shop.svc: no such host", spec=spec)[0]
    assert finding.cause.id == "logs/dependency-not-resolved"
    assert (words or "ledger.shop.svc") in finding.title
    assert bool(words) == ("own_resolver" in finding.attributes)


def test_key_of_a_config_map_is_a_near_name() -> None:
    spec = {"containers": [{"name": "app", "envFrom": [{"configMapRef": {"name": "settings"}}]}]}
    body = {"metadata": {"name": "settings"}, "data": {"CACHE_URI": "", "CACHE_PORT": ""}}
    others: dict[Read, Answer] = {get("v1", "configmaps", "shop", "settings"): Found(body)}
    finding = diagnosed("panic: required key CACHE_URL missing value", spec=spec, others=others)[0]
    assert "ConfigMap settings has CACHE_URI" in finding.title
    other = diagnosed("panic: required key CACHE_HOST missing value", spec=spec, others=others)[0]
    assert "CACHE_PORT" not in other.title


@pytest.mark.parametrize(
    ("path", "mount", "near", "keepable"),
    [
        ("/srv/config/app.yaml", "/srv/conf", True, False),
        ("/srv/config/app.yaml", "/data", False, True),
        ("/srv/lib/agent.jar", "/data", False, False),
        ("/usr/lib/x.so", "/etc/app", False, False),
    ],
)
def test_file_that_is_missing(path: str, mount: str, *, near: bool, keepable: bool) -> None:
    mounts = [{"name": "files", "mountPath": mount}]
    spec = {
        "containers": [{"name": "app", "volumeMounts": mounts}],
        "volumes": [{"name": "files", "emptyDir": {}}],
    }
    finding = diagnosed(f"FATAL open {path}: no such file or directory", spec=spec)[0]
    assert finding.cause.id == "logs/file-missing"
    assert ("but volume files is mounted at" in finding.title) == near
    assert ("keepable" in finding.attributes) == keepable


@pytest.mark.parametrize(
    ("values", "words", "options"),
    [
        ({"JAVA_OPTS": "-Xms32m -Xmx96m -Dx=y"}, "-Xmx96m in JAVA_OPTS", "-Xms32m -Xmx768m -Dx=y"),
        ({"JAVA_TOOL_OPTIONS": "-Xmx2g"}, "-Xmx2g in JAVA_TOOL_OPTIONS", None),
        ({"JAVA_TOOL_OPTIONS": "-javaagent:/a.jar"}, "its memory limit is 1Gi", None),
        ({}, "its memory limit is 1Gi", None),
    ],
)
def test_heap_that_an_option_bounds(values: dict[str, str], words: str, options: str | None) -> None:
    spec = env(**values)
    spec["containers"][0]["resources"] = {"limits": {"memory": "1Gi"}}
    text = 'Exception in thread "main" java.lang.OutOfMemoryError: Java heap space'
    finding = diagnosed(text, spec=spec)[0]
    assert words in finding.title
    assert finding.attributes.get("heap_options") == options
    if "-javaagent" in values.get("JAVA_TOOL_OPTIONS", ""):
        assert finding.attributes["java_options"] == "-javaagent:/a.jar -XX:MaxRAMPercentage=75"


def test_both_versions_are_in_the_detail() -> None:
    text = (
        "2026-01-01 00:00:01 UTC [1] FATAL:  database files are incompatible with server\n"
        "2026-01-01 00:00:01 UTC [1] DETAIL:  The data directory was initialized by PostgreSQL version 14, "
        "which is not compatible with this version 17.2.\n"
    )
    assert "of version 14, its program of version 17.2" in diagnosed(text)[0].title


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (
            _plausible.is_variable,
            ["DB_HOST", "ENV", "spring.datasource.url"],
            ["ERROR", "Required", "a b", "", "1X"],
        ),
        (
            _plausible.is_host,
            ["db", "my_db", "db.shop.svc.cluster.local", "10.0.0.1", "::1", "docs.rs", "allegro.pl"],
            [
                "server.py",
                "1.27",
                "ZooKeeperClient",
                "the",
                "error",
                "net.ConnectException",
                "application.yaml",
                "a b",
            ],
        ),
        (_plausible.is_module, ["flask", "@scope/pkg", "libpq.so.5"], ["", "the", "error"]),
        (
            _plausible.is_file,
            ["/etc/app.yaml", "app.jar", "C:\\x y\\z"],
            ["The", "...", "", "no", "a b c d e f"],
        ),
    ],
)
def test_a_word_is_what_it_is_taken_for(kind: Any, good: list[str], bad: list[str]) -> None:
    assert [word for word in good if not kind(word)] == []
    assert [word for word in bad if kind(word)] == []


@pytest.mark.parametrize("host", ["ledger", "ledger.vault"])
def test_policy_of_the_other_side(host: str) -> None:
    space = host.partition(".")[2] or "shop"
    spec = command("sh", "-c", f"wget -T 4 -O- http://{host}/ || exit 1")
    body = service("ledger", space, selector={"app": "ledger"}, ports=[{"port": 80, "targetPort": 8080}])
    guard = {
        "metadata": {"name": "guard", "namespace": space},
        "spec": {
            "podSelector": {"matchLabels": {"app": "ledger"}},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [{"podSelector": {"matchLabels": {"role": "auditor"}}}]}],
        },
    }
    others: dict[Read, Answer] = {
        policies_read("shop"): EMPTY,
        policies_read(space): Found({"items": [guard]}),
        services_read("shop"): EMPTY,
        services_read(space): Found({"items": [body]}),
    }
    finding = diagnosed("wget: download timed out", spec=spec, others=others)[0]
    assert (finding.cause.id, finding.confidence) == ("network/network-policy-denies", "likely")
    assert "guard" in finding.title
    assert host in finding.title
    guard["spec"]["ingress"] = [{"from": [{"podSelector": {}}, {"namespaceSelector": {}}]}]  # type: ignore[index]
    assert (
        diagnosed("wget: download timed out", spec=spec, others=others)[0].cause.id
        == "logs/dependency-timed-out"
    )


WORDINGS = {
    "kingpin": ("indexer: error: unknown long flag '--buckt', try --help", "logs/bad-arguments", "--buckt"),
    "options of a configuration": (
        "error: failed to decode configuration from flags: field not found, node: entrypointz",
        "logs/bad-arguments",
        "entrypointz",
    ),
    "Ruby on Rails": (
        "/gems/x.rb:12:in `key': Missing key to decrypt credentials. Put it in the ENV['VAULT_KEY']. (MissingKeyError)",
        "logs/environment-variable-missing",
        "VAULT_KEY",
    ),
    "Bundler": (
        "bundler/definition.rb:1:in `x': Could not find rack-9.1, puma-7.0 in locally installed gems (Bundler::GemNotFound)",
        "logs/module-missing",
        "rack-9.1",
    ),
    "a script that waits": (
        "wait-for-it.sh: timeout occurred after waiting 30 seconds for queue:5672",
        "logs/dependency-timed-out",
        "queue:5672",
    ),
    "another that waits": (
        'level=error msg="Timed out after waiting 9s for tcp://queue:5672"',
        "logs/dependency-timed-out",
        "queue:5672",
    ),
    "ZooKeeper": (
        "org.apache.zookeeper.KeeperException$ConnectionLossException: KeeperErrorCode = ConnectionLoss for /x",
        "logs/dependency-unreachable",
        "",
    ),
    "rustls": (
        "Error: sending\n\nCaused by:\n    0: client error (Connect)\n    1: invalid peer certificate: Expired",
        "logs/certificate-expired",
        "",
    ),
    "a name in the URL": (
        'FATAL Get "https://ledger.data.svc:8443/v1": dial tcp 10.96.0.77:8443: connect: connection refused',
        "logs/dependency-refused",
        "ledger.data.svc:8443",
    ),
    "a proxy for the URL": (
        'FATAL Get "https://ledger.example.com/v1": dial tcp 10.96.0.77:3128: connect: connection refused',
        "logs/dependency-refused",
        "10.96.0.77:3128",
    ),
    "a variable that is too short": (
        "FATAL STORE_ROOT_PASSWORD length should be at least 8 characters",
        "logs/configuration-invalid",
        "STORE_ROOT_PASSWORD",
    ),
    "a setting that is none": ("ERROR: base-url is not configured", "logs/configuration-invalid", "base-url"),
    "no setting": ("ERROR the wheel is not configured for sale", "crash/application-error", "wheel"),
    "a remark on a setting": (
        "WARN statsd is not configured\nERROR wheel is flat",
        "crash/application-error",
        "wheel",
    ),
    "Typesafe": (
        "com.typesafe.config.ConfigException$Missing: No configuration setting found for key 'ledger.url'",
        "logs/configuration-invalid",
        "ledger.url",
    ),
    "R": ("Error in library(mgcv) : there is no package called ‘mgcv’", "logs/module-missing", "mgcv"),
    "Bun": ('error: Cannot find package "left-pad" from "/srv/a.ts"', "logs/module-missing", "left-pad"),
    "a chain of Rust": (
        (
            "INFO connecting host=ledger.data port=5432\nError: failed to connect to postgres\n\nCaused by:\n"
            "    pool timed out while waiting for an open connection"
        ),
        "logs/dependency-timed-out",
        "ledger.data:5432",
    ),
    "a chain of Rust with numbers": (
        (
            "Error: cannot start\n\nCaused by:\n    0: connecting\n    1: error trying to connect\n"
            "    2: Connection refused (os error 111)"
        ),
        "logs/dependency-refused",
        "Connection refused",
    ),
    "a printed error of Node.js": (
        "[ErrorReply: WRONGPASS invalid username-password pair]\nEmitted 'error' event on Client instance at:\n    at x (a.js:1:1)",
        "logs/dependency-rejected-credentials",
        "",
    ),
    "MariaDB": (
        (
            "0 [ERROR] InnoDB: Upgrade after a crash is not supported. The redo log was created with MariaDB 10.4.2.\n"
            "0 [ERROR] Plugin 'InnoDB' init function returned error.\n0 [ERROR] Unknown/unsupported storage engine: InnoDB\n"
            "0 [ERROR] Aborting"
        ),
        "logs/data-directory-incompatible",
        "Upgrade after a crash",
    ),
    "Envoy": (
        "[critical][main] error initializing config '/etc/e.yaml': no such field: 'listenerz'",
        "logs/configuration-invalid",
        "/etc/e.yaml",
    ),
    "a schema of something": (
        "ERROR schema version 9 is not supported",
        "crash/application-error",
        "schema version 9",
    ),
    "a schema of a database": (
        "ERROR database schema version 9 is not supported",
        "logs/database-schema-mismatch",
        "",
    ),
    "a file of .NET": (
        (
            "Unhandled exception. System.IO.FileNotFoundException: The configuration file 'a.json' was not found and is not "
            "optional. The expected physical path was '/srv/a.json'."
        ),
        "logs/file-missing",
        "/srv/a.json",
    ),
    "the newest version that is asked for": (
        (
            "app: /lib/libc.so.6: version `GLIBC_2.34' not found (required by app)\n"
            "app: /lib/libc.so.6: version `GLIBC_2.9' not found (required by app)"
        ),
        "logs/module-missing",
        "GLIBC_2.34",
    ),
    "a quote that ends in a colon": (
        "FATAL giving up on this:\n  wheel 3 is flat",
        "crash/application-error",
        "",
    ),
    "php-fpm": (
        "ERROR: unable to bind listening socket for address '9000': Address already in use (98)",
        "logs/port-in-use",
        "port 9000",
    ),
}


@pytest.mark.parametrize("name", WORDINGS)
def test_wording(name: str) -> None:
    text, cause, words = WORDINGS[name]
    finding = diagnosed(text)[0]
    assert finding.cause.id == cause
    assert words in finding.title


def test_an_option_that_the_last_words_name() -> None:
    spec = command("serve", "--retain=3d", "--store=/data")
    said = "FATAL --retain: days are not supported"
    finding = diagnosed(said, spec=spec)[0]
    assert (finding.cause.id, finding.confidence) == ("logs/bad-arguments", "likely")
    assert diagnosed("FATAL unknown wheel type --retain", spec=spec)[0].cause.id == "crash/application-error"
    assert diagnosed("FATAL days are not supported", spec=spec)[0].cause.id == "crash/application-error"
    assert diagnosed("FATAL --retain: wheel 3 is flat", spec=spec)[0].cause.id == "crash/application-error"


def test_who_keeps_a_list_has_to_watch() -> None:
    user = 'User "system:serviceaccount:shop:api" cannot list resource "pods" in API group "" in the namespace "shop"'
    informer = (
        f"E0101 reflector.go:1] Failed to watch *v1.Pod: failed to list *v1.Pod: pods is forbidden: {user}"
    )
    assert diagnosed(informer)[0].attributes["verbs"] == "get,list,watch"
    assert diagnosed(f"Error: pods is forbidden: {user}")[0].attributes["verbs"] == "list"


def test_of_several_addresses_the_broken_one_is_meant() -> None:
    spec = env(LEDGER_HOST="ledger", STOCK_HOST="stock")
    text = "ConnectionRefusedError: [Errno 111] Connection refused"
    bodies = [service(name, selector={"app": name}, ports=[{"port": 80}]) for name in ("ledger", "stock")]
    ready = {"items": [{"endpoints": [{"addresses": ["10.244.0.9"], "conditions": {"ready": True}}]}]}
    others: dict[Read, Answer] = {
        services_read("shop"): Found({"items": bodies}),
        slices_read("shop", "ledger"): Found(ready),
        slices_read("shop", "stock"): EMPTY,
    }
    finding = diagnosed(text, spec=spec, others=others)[0]
    assert (finding.attributes["service"], finding.confidence) == ("stock", "certain")
    # An address outside of the cluster may be the one.
    outside = diagnosed(
        text, spec=env(LEDGER_HOST="ledger.acme.example.com", STOCK_HOST="stock"), others=others
    )[0]
    assert (outside.attributes["service"], outside.confidence) == ("stock", "likely")
    others[slices_read("shop", "ledger")] = EMPTY
    both = diagnosed(text, spec=spec, others=others)[0]
    assert "service" not in both.attributes
    assert "is refused by another program" in both.title


def test_a_box_around_an_entry_is_not_quoted() -> None:
    text = (
        "[ERROR] agent.auth.handler: error authenticating:\n  error=\n  | Error making API request.\n  |\n"
        "  | URL: PUT http://vault.v.svc:8200/v1/auth/kubernetes/login\n  | Code: 403. Errors:\n  |\n"
        "  | * namespace not authorized"
    )
    title = diagnosed(text)[0].title
    assert "Vault at vault.v.svc:8200 refuses" in title
    assert "Errors: namespace not authorized" in title


@pytest.mark.parametrize(
    ("since", "running", "title"),
    [
        ("2026-01-01T00:00:30Z", False, "has had a ready pod only for 30s"),
        ("2026-01-01T00:00:30Z", True, "has had a ready pod only for 30s"),
        ("2025-12-31T23:00:00Z", False, "nothing listens there"),
    ],
)
def test_what_refused_may_answer_by_now(since: str, running: bool, title: str) -> None:
    db = service("db", selector={"app": "db"}, ports=[{"port": 5432}])
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": since}
    own: dict[str, Any] = {"waiting": {"reason": "CrashLoopBackOff"}}
    if running:
        own = {"running": {"startedAt": "2026-01-01T00:00:50Z"}}
    end = {"exitCode": 1, "startedAt": "2026-01-01T00:00:04Z", "finishedAt": "2026-01-01T00:00:05Z"}
    others: dict[Read, Answer] = {
        get("v1", "services", "shop", "db"): Found(db),
        slices_read("shop", "db"): Found({"items": [{"endpoints": [{"conditions": {"ready": True}}]}]}),
        list_of("v1", "pods", "shop", labelSelector="app=db"): Found(
            {"items": [{"metadata": {"name": "db-0"}, "status": {"conditions": [ready]}}]}
        ),
    }
    status = {"restartCount": 4, "ready": running, "state": own, "lastState": {"terminated": end}}
    line = "FATAL connection to server at db:5432 failed: Connection refused"
    finding = diagnosed(line, status=status, others=others)[0]
    assert (finding.cause.id, title in finding.title) == ("logs/dependency-refused", True)


def test_policy_of_whom_a_probe_asks() -> None:
    spec = command("sleep", "3600")
    spec["containers"][0]["readinessProbe"] = {
        "exec": {"command": ["wget", "-T", "3", "-O-", "http://ledger/"]}
    }
    happened = {
        "metadata": {"name": "api-1.1", "namespace": "shop"},
        "involvedObject": {"kind": "Pod", "name": "api-1", "fieldPath": "spec.containers{app}", "uid": "u"},
        "reason": "Unhealthy",
        "type": "Warning",
        "message": "Readiness probe failed: wget: download timed out",
        "lastTimestamp": "2026-01-01T00:00:55Z",
        "firstTimestamp": "2026-01-01T00:00:30Z",
        "count": 5,
    }
    guard = {
        "metadata": {"name": "guard", "namespace": "shop"},
        "spec": {"podSelector": {"matchLabels": {"app": "ledger"}}, "policyTypes": ["Ingress"]},
    }
    status = {
        "restartCount": 0,
        "ready": False,
        "started": True,
        "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
    }
    others: dict[Read, Answer] = {
        pod_events_read(Snapshot(TARGET, {}, CLOCK)): Found({"items": [happened]}),
        policies_read("shop"): Found({"items": [guard]}),
        services_read("shop"): Found(
            {"items": [service("ledger", selector={"app": "ledger"}, ports=[{"port": 80}])]}
        ),
    }
    finding = diagnosed("ready to work", spec=spec, status=status, others=others)[0]
    assert (finding.cause.id, finding.confidence) == ("network/network-policy-denies", "likely")
    others[policies_read("shop")] = EMPTY
    assert (
        diagnosed("ready", spec=spec, status=status, others=others)[0].cause.id == "probes/readiness-failing"
    )


@pytest.mark.parametrize(
    ("text", "confidence"),
    [
        ("ERROR PARCEL is missing in the list", "likely"),
        ("ERROR environment variable PARCEL is missing", "certain"),
        ("ERROR PARCEL_KEY is missing", "certain"),
    ],
)
def test_a_word_in_capitals_may_be_no_variable(text: str, confidence: str) -> None:
    finding = diagnosed(text)[0]
    assert (finding.cause.id, finding.confidence) == ("logs/environment-variable-missing", confidence)
