"""Traps of reading logs: the line that matters, what it means, and what is no reason at all."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml
from poddoctor.diagnostics import _logtext, logs
from poddoctor.diagnostics._awaits import services_read, slices_read

from poddoctor import engine
from poddoctor.model import Answer, Finding, Found, Read, Snapshot, Target
from poddoctor.pod.reads import get, list_of, log_reads, pod_events_read, pod_read

ROOT = Path(__file__).resolve().parents[2]
TARGET = Target("pod", "shop", "api-1")
CLOCK = datetime(2026, 1, 1, 0, 1, tzinfo=timezone.utc)
END = {
    "exitCode": 1,
    "reason": "Error",
    "startedAt": "2026-01-01T00:00:00Z",
    "finishedAt": "2026-01-01T00:00:05Z",
}
INDEX = yaml.safe_load((ROOT / "tests" / "logs" / "index.yaml").read_text(encoding="utf-8"))


def diagnosed(
    text: str,
    *,
    end: Mapping[str, Any] | None = None,
    status: Mapping[str, Any] | None = None,
    spec: Mapping[str, Any] | None = None,
    others: Mapping[Read, Answer] | None = None,
) -> tuple[Finding, ...]:
    own = status or {
        "restartCount": 4,
        "ready": False,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {**END, **(end or {})}},
    }
    pod = {
        "metadata": {"name": "api-1", "namespace": "shop", "uid": "u"},
        "spec": spec or {"containers": [{"name": "app", "image": "acme/api:1"}]},
        "status": {"phase": "Running", "containerStatuses": [{"name": "app", **own}]},
    }
    empty = Snapshot(TARGET, {}, CLOCK)
    previous, current = log_reads(empty, "app")
    answers: dict[Read, Answer] = {
        pod_read(empty): Found(pod),
        pod_events_read(empty): Found({"items": []}),
        previous: Found(text),
        current: Found(text),
        **(others or {}),
    }
    return engine.diagnose(Snapshot(TARGET, answers, CLOCK)).findings


@pytest.mark.parametrize("entry", [one for one in INDEX if one["cause"]], ids=lambda one: str(one["log"]))
def test_real_logs_name_their_cause(entry: Mapping[str, Any]) -> None:
    text = (ROOT / "tests" / "logs" / f"{entry['log']}.log").read_text(encoding="utf-8")
    if entry["held_out"]:
        assert logs.said(text)[0]
    else:
        assert diagnosed(text)[0].cause.id == entry["cause"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "level=info msg=ok\nhttp: TLS handshake error from 10.0.0.1:80: EOF\npanic: no shard\n\ngoroutine 1 [running]:\n",
            3,
        ),
        (
            "ERROR cannot reach kafka: Connection refused\nINFO connected to kafka\nFATAL no tenant\nINFO bye",
            3,
        ),
        (
            'Exception in thread "main" a.B: x\n\tat c.D(E.java:1)\nCaused by: f.G: y\n\t... 3 more\nCaused by: h.I: z\n',
            5,
        ),
        ("thread 'main' (7) panicked at src/main.rs:1:2:\nno queue\nnote: run with `RUST_BACKTRACE=1`\n", 2),
        (
            "Unhandled exception. A.B: x\n ---> C.D: inner\n   at E.F()\n   --- End of inner exception stack trace ---\n",
            2,
        ),
        (
            '{"level":"info","msg":"up"}\n{"level":"error","msg":"no queue","error":"EOF"}\n{"level":"info","msg":"bye"}',
            2,
        ),
        (
            "npm start\nError: Cannot find module 'x'\n    at a (b:1:2)\nnpm ERR! code ELIFECYCLE\nnpm ERR! errno 1",
            2,
        ),
    ],
)
def test_decisive_line(text: str, line: int) -> None:
    found = _logtext.decisive(text)
    assert found is not None
    assert found.number == line


@pytest.mark.parametrize(
    ("text", "end"),
    [
        (
            "ERROR connect to db:5432: Connection refused, will retry\nINFO connected to db\nINFO serving",
            None,
        ),
        ("ERROR connect to db:5432: Connection refused\n", {"exitCode": 137, "reason": "OOMKilled"}),
        ("INFO 0 errors, timeout=30, 'not set' flags ignored\nINFO bye", None),
        (
            "INFO serving\nINFO received SIGTERM\nERROR redis: Connection refused\nERROR pool closed\n",
            {"exitCode": 143},
        ),
        (
            '2026/01/01 [error] 7#7: *1 open() "/srv/healthz" failed (2: No such file or directory), client: ::1, server: web, request',
            {"exitCode": 137},
        ),
        ("qemu-x86_64: Could not open '/lib64/ld-linux-x86-64.so.2': No such file or directory\n", None),
        ('{"level":"info","msg":"license valid until 2030"}\npanic: no shard\n', None),
        (
            "INFO serving\nINFO lost leadership of nothing\nINFO 3 pending migrations found, all applied\n",
            {"exitCode": 0},
        ),
        (
            "WARNING: SECRET is not set, using the default\nINFO serving\n"
            + "INFO request\n" * 40
            + "panic: no shard\n",
            None,
        ),
    ],
)
def test_remarks_are_no_causes(text: str, end: Mapping[str, Any] | None) -> None:
    assert not [one for one in diagnosed(text, end=end) if one.cause.family == "logs"]


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("PermissionDenied: 403 Permission 'topics.get' denied on resource", "dependency-rejected-credentials"),
        ("botocore.exceptions.NoCredentialsError: Unable to locate credentials", "dependency-rejected-credentials"),
        ('FATAL:  database "orders" does not exist', "database-schema-mismatch"),
        ("sqlite3.OperationalError: no such table: jobs", "database-schema-mismatch"),
        ('Error: Get "http://orders/api/v1/items": dial tcp 10.0.0.1:80: i/o timeout', "dependency-timed-out"),
        ('Get "https://10.96.0.1:443/apis/apps/v1?timeout=32s": dial tcp: i/o timeout', "kubernetes-api-unreachable"),
        ('error: no matches for kind "Certificate" in version "cert-manager.io/v1"', "kubernetes-kind-missing"),
        ("ERROR: License has expired. Exiting.", "license-rejected"),
        ("F0101 00:00:00.000000 1 server.go:214] leaderelection lost", "leader-election-lost"),
        (
            "max virtual memory areas vm.max_map_count [65530] is too low, increase to at least [262144]\nERROR: look",
            "sysctl-too-low",
        ),
        ("Error: Unable to access jarfile /app/app.jar", "file-missing"),
        ("Failed to create cookie file '/home/.erlang.cookie': eacces", "permission-denied"),
        ("Error occurred during initialization of VM\nCould not reserve enough space for 4096KB object heap", "heap-exhausted"),
        ("[ALERT] 1/2 (1) : Starting frontend http: cannot bind socket [0.0.0.0:80]", "privileged-port-denied"),
        ("/etc/app/app.conf:3: unknown option 'lisen'", "configuration-invalid"),
        ("pika.exceptions.AMQPConnectionError", "dependency-unreachable"),
        (
            '  File "a.py", line 1, in f\n    os.fork()\nBlockingIOError: [Errno 11] Resource temporarily unavailable',
            "process-limit",
        ),
    ],
)  # fmt: skip
def test_families_of_words(text: str, cause: str) -> None:
    assert diagnosed(text)[0].cause.id == f"logs/{cause}"


def test_ready_container_gives_nothing() -> None:
    status = {"ready": True, "restartCount": 0, "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}
    assert not diagnosed("ERROR connect to db:5432: Connection refused\n", status=status)


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("ERROR open /etc/app/extra.conf: no such file or directory\nINFO listening on :8080\n", False),
        ("ERROR dial tcp 10.0.0.1:5432: connect: connection refused\n" + "INFO request\n" * 70, False),
        ("INFO listening on :8080\nERROR dial tcp 10.0.0.1:5432: connect: connection refused\n", True),
    ],
)
def test_what_a_running_program_left_behind(text: str, *, counts: bool) -> None:
    state = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    found = diagnosed(text, status={"ready": False, "restartCount": 0, "state": state})
    assert any(one.cause.family == "logs" for one in found) is counts


def test_service_without_pods_and_its_name() -> None:
    service = {
        "metadata": {"name": "db", "namespace": "shop"},
        "spec": {"selector": {"app": "db"}, "ports": [{"port": 5432}], "clusterIP": "10.96.0.9"},
    }
    others: dict[Read, Answer] = {
        services_read("shop"): Found({"items": [service]}),
        slices_read("shop", "db"): Found({"items": []}),
    }
    for host in ("db", "db.shop.svc.cluster.local", "10.96.0.9"):
        finding = diagnosed(f"FATAL dial tcp {host}:5432: connect: connection refused", others=others)[0]
        assert finding.cause.id == "logs/dependency-refused"
        assert finding.attributes["state"] == "no-endpoints"
        assert finding.attributes["service"] == "db"


def test_slip_in_a_host_name_gives_the_variable_to_set() -> None:
    spec = {"containers": [{"name": "app", "env": [{"name": "DB_HOST", "value": "postgress"}]}]}
    listed = Found({"items": [{"metadata": {"name": "postgres", "namespace": "shop"}, "spec": {}}]})
    text = 'FATAL could not translate host name "postgress" to address: Name or service not known'
    finding = diagnosed(text, spec=spec, others={services_read("shop"): listed})[0]
    assert finding.attributes["env_name"] == "DB_HOST"
    assert finding.attributes["env_value"] == "postgres"


def test_unknown_services_are_not_called_absent() -> None:
    finding = diagnosed("FATAL getaddrinfo ENOTFOUND db")[0]
    assert "no Service" not in finding.title


def test_what_an_unready_pod_says_is_passed_on() -> None:
    selector = {"app": "db"}
    service = {
        "metadata": {"name": "db", "namespace": "shop"},
        "spec": {"selector": selector, "ports": [{"port": 1}]},
    }
    condition = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}
    waiting = {
        "metadata": {"name": "db-0", "labels": selector},
        "status": {"phase": "Pending", "conditions": [condition]},
    }
    pods = list_of("v1", "pods", "shop", labelSelector="app=db")
    others: dict[Read, Answer] = {
        get("v1", "services", "shop", "db"): Found(service),
        slices_read("shop", "db"): Found({"items": []}),
        pods: Found({"items": [waiting]}),
    }
    finding = diagnosed("FATAL dial tcp: lookup db: no such host", others=others)[0]
    assert finding.attributes["unready"] == "db-0 is Pending: 0/3 nodes are available"


@pytest.mark.parametrize(
    ("env", "endpoint"),
    [
        ([{"name": "URL", "value": "http://orders:80/x"}], "orders:80"),
        ([{"name": "A", "value": "http://orders:80"}, {"name": "B", "value": "http://stock"}], None),
        ([{"name": "LISTEN", "value": "0.0.0.0:8080"}], None),
    ],
)
def test_the_only_address_is_taken(env: list[dict[str, str]], endpoint: str | None) -> None:
    spec = {"containers": [{"name": "app", "env": env}]}
    finding = diagnosed("urllib.error.URLError: <urlopen error [Errno 111] Connection refused>", spec=spec)[0]
    assert finding.cause.id == "logs/dependency-refused"
    assert finding.attributes.get("endpoint") == endpoint


def test_the_address_of_the_api_server_is_known() -> None:
    service = Found({"metadata": {"name": "kubernetes"}, "spec": {"clusterIP": "10.96.0.1"}})
    others: dict[Read, Answer] = {get("v1", "services", "default", "kubernetes"): service}
    finding = diagnosed("FATAL dial tcp 10.96.0.1:443: i/o timeout", others=others)[0]
    assert "the Kubernetes API server at 10.96.0.1:443" in finding.title


def test_a_variable_that_a_service_set_is_known() -> None:
    text = "ValueError: invalid literal for int() with base 10: 'tcp://10.96.109.146:6379'"
    finding = diagnosed(text)[0]
    assert finding.cause.id == "logs/configuration-invalid"
    assert "which Kubernetes sets for a Service" in finding.title


def test_container_name_is_no_host() -> None:
    spec = {"containers": [{"name": "app"}, {"name": "php-fpm"}]}
    text = 'nginx: [emerg] host not found in upstream "php-fpm" in /etc/nginx/conf.d/default.conf:12'
    finding = diagnosed(text, spec=spec, others={services_read("shop"): Found({"items": []})})[0]
    assert finding.attributes["sibling_host"] == "php-fpm"


REFUSED = "dial tcp 10.0.0.1:5432: connect: connection refused"
TRACE = 'Traceback (most recent call last):\n  File "/app/m.py", line 9, in push\n    s.connect()\n'


@pytest.mark.parametrize(
    "text",
    [
        # A fault of the program itself is its own story, whatever it survived before.
        f"WARN {REFUSED}, retrying in 1s\npanic: runtime error: index out of range [3] with length 2\n\ngoroutine 1 [running]:",
        f"2026/11/24 11:57:34 ERROR {REFUSED}\npanic: runtime error: invalid memory address or nil pointer dereference",
        f"ERROR:root:{REFUSED}\n{TRACE}TypeError: unsupported operand type(s)",
        f"{TRACE}KeyError: 'refund'\nFailed to export traces to otel:4317: connection refused",
        "[warn] /etc/app/extra.conf: No such file or directory\napp: queue.c:88: pop: Assertion `q->len > 0' failed.",
        # A remark that says that the program goes on, and an end that speaks of something else.
        f'{{"level":"WARN","msg":"redis away, caching disabled","err":"{REFUSED}"}}\n{{"level":"ERROR","msg":"tenant map is empty"}}',
        "WARN could not read /root/.netrc: permission denied\nINFO cluster size 3\nERROR quorum lost: 1 of 3 voters",
        "ERROR telemetry: lookup telemetry.example.com: no such host\nINFO loading\nFATAL checksum differs",
        f"ERROR:root:push failed\n{TRACE}ConnectionRefusedError: [Errno 111] Connection refused\nINFO:root:started\nCRITICAL:root:no map",
        "11:57 WARN push failed\njava.net.ConnectException: Connection refused\n\tat a.B.c(B.java:1)\n11:58 INFO up\n11:59 ERROR no map",
        "ModuleNotFoundError: No module named 'uvloop' (optional, ignored)\nFATAL partition map incomplete",
        "INFO environment variable LOG_LEVEL is not set, using default info\nINFO bye",
        # What a server says of its clients, a help text of its options, a report of what a test expected.
        '2026-11-24 11:57:33.312 UTC [61] FATAL:  role "root" does not exist\n2026-11-24 11:57:34.312 UTC [1] LOG:  shut down',
        "2026-11-24T11:57:31.3Z 12 [Note] [MY-010926] [Server] Access denied for user 'shop'@'10.244.1.9'",
        '{"level":"warn","msg":"rejected connection","error":"remote error: tls: bad certificate"}',
        "boom in plugin\nUsage of app:\n  -token string\n    \trequired if environment variable APP_TOKEN is not set",
        "E       AssertionError: assert 'Permission denied' in 'ok'\n1 failed, 12 passed",
        # A value that nothing shows to be configuration.
        f"{TRACE}ValueError: invalid literal for int() with base 10: 'abc'",
        f"{TRACE}json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)",
        'processing batch 12\nline 7: strconv.Atoi: parsing "12,5": invalid syntax',
    ],
)  # fmt: skip
def test_another_matter_is_no_cause(text: str) -> None:
    assert [one.cause.id for one in diagnosed(text)] == ["crash/application-error"]


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (f"attempt 2: {REFUSED}\ngiving up: database not available\npanic: no database\n\ngoroutine 1 [running]:", "dependency-refused"),
        ("Error: connect ECONNREFUSED 10.0.0.3:5432\n    at a (b.js:1:2)\nError: could not start server", "dependency-refused"),
        ("A network-related or instance-specific error occurred while establishing a connection", "dependency-unreachable"),
        ("permission denied for table orders", "dependency-rejected-credentials"),
        ("git@git.example.com: Permission denied (publickey).", "dependency-rejected-credentials"),
        ("ClientError: An error occurred (403) when calling the HeadBucket operation: Forbidden", "dependency-rejected-credentials"),
        ("IllegalStateException: failed to obtain node locks: Caused by AccessDeniedException: /data/node.lock", "permission-denied"),
        ("Cannot write to /var/solr as 8983:8983", "permission-denied"),
        ("Error: Database needs bootstrapping or is older than 1.0", "database-schema-mismatch"),
        ("java.sql.SQLException: No suitable driver found for jdbc:postgresql://db:5432/shop", "module-missing"),
        ("The module proj was not found.", "module-missing"),
        ("NoSuchElementException: SRCFG00014: The config property shop.url is required but it could not be found", "environment-variable-missing"),
        ("requirement failed: advertised.listeners cannot use the nonroutable meta-address 0.0.0.0", "configuration-invalid"),
        (f"{TRACE}    port = int(os.environ['PORT_X'])\nValueError: invalid literal for int() with base 10: 'abc'", "configuration-invalid"),
        (
            ('E1 00:00:00.0 1 l.go:1] error retrieving: Get "https://10.96.0.1:443/apis/apps/v1/x": dial tcp: i/o timeout\n'
            'E1 00:00:09.0 1 main.go:1] "problem running manager" err="leader election lost"'),
            "kubernetes-api-unreachable",
        ),
    ],
)  # fmt: skip
def test_what_leaves_its_reason_open(text: str, cause: str) -> None:
    assert diagnosed(text)[0].cause.id == f"logs/{cause}"


def test_a_line_without_a_name_is_not_certain() -> None:
    for text in ("Cannot write to /var/solr as 8983:8983", "ERROR permission denied for host bob"):
        assert diagnosed(text)[0].confidence == "likely"


def test_value_that_the_pod_gives() -> None:
    text = f"{TRACE}ValueError: invalid literal for int() with base 10: 'four'"
    app = {"name": "app", "image": "acme/api:1", "env": [{"name": "WORKERS", "value": "four"}]}
    first = diagnosed(text, spec={"containers": [app]})[0]
    assert (first.cause.id, first.confidence) == ("logs/configuration-invalid", "certain")
    assert "WORKERS" in first.title


@pytest.mark.parametrize(
    ("security", "why"),
    [
        ({"capabilities": {"drop": ["ALL"]}}, "its capabilities are dropped (ALL)"),
        ({"runAsUser": 1000}, "it runs as user 1000, not as root"),
        ({}, ""),
    ],
)
def test_entrypoint_that_wants_to_be_root(security: Mapping[str, Any], why: str) -> None:
    app = {"name": "app", "image": "acme/api:1", "securityContext": security}
    for text in (
        "su-exec: setgroups: Operation not permitted",
        'error: failed switching to "postgres": operation not permitted',
        "[emerg] 29#29: setgid(101) failed (1: Operation not permitted)",
        "chown: changing ownership of '/data': Operation not permitted",
    ):
        first = diagnosed(text, spec={"containers": [app]})[0]
        assert first.cause.id == "logs/permission-denied"
        assert "wants to change" in first.title
        assert why in first.title


def test_container_without_a_recorded_end() -> None:
    status = {"restartCount": 5, "ready": False, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    first = diagnosed(f"FATAL {REFUSED}", status=status)[0]
    assert (first.cause.id, first.confidence) == ("logs/dependency-refused", "likely")
    first = diagnosed("panic: boom", status=status)[0]
    assert (first.cause.id, first.confidence) == ("crash/application-error", "likely")


@pytest.mark.parametrize(("calm", "found"), [(0, True), (3, True), (20, False)])
def test_one_old_complaint_of_a_program_that_runs(calm: int, found: bool) -> None:
    text = "ERROR export: x509: certificate has expired" + "\nINFO request ok" * calm
    status = {"ready": False, "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}
    assert any(one.cause.id == "logs/certificate-expired" for one in diagnosed(text, status=status)) == found


@pytest.mark.parametrize(("times", "found"), [(1, False), (2, True)])
def test_init_container_that_fails_again_and_again(times: int, found: bool) -> None:
    text = 'ERROR password authentication failed for user "app"\nretrying in 5s\n' * times
    pod_spec = {"initContainers": [{"name": "app", "image": "acme/api:1"}], "containers": []}
    body = {"name": "app", "ready": False, "state": {"running": {"startedAt": "2025-12-31T23:00:00Z"}}}
    pod = {
        "metadata": {"name": "api-1", "namespace": "shop", "uid": "u"},
        "spec": pod_spec,
        "status": {"phase": "Pending", "initContainerStatuses": [body]},
    }
    findings = diagnosed(text, others={pod_read(Snapshot(TARGET, {}, CLOCK)): Found(pod)})
    assert any(one.cause.id.startswith("logs/") for one in findings) == found


def test_caller_is_not_the_other_side() -> None:
    text = (
        "[php:error] [client 10.244.1.1:4022] Access denied for user 'wp'@'10.244.1.7' (using password: YES)"
    )
    assert "4022" not in diagnosed(text)[0].title
    text = (
        'caller=node_exporter.go:223 level=error err="listen tcp 0.0.0.0:9100: bind: address already in use"'
    )
    assert "9100" in diagnosed(text)[0].title


@pytest.mark.parametrize(
    "text",
    [
        "[ExceptionHandler] Nest can't resolve dependencies of the OrdersService (?).",
        "Cannot resolve reference to bean 'entityManagerFactory' while setting bean property",
        "npm ERR! ERESOLVE unable to resolve dependency tree",
        "Error: Could not resolve com.acme.Widget",
    ],
)
def test_what_is_resolved_is_a_host(text: str) -> None:
    assert diagnosed(text)[0].cause.id == "crash/application-error"
    for other in (
        "Could not resolve host: db.example",
        "cannot resolve db.example:5432",
        "unable to resolve address db",
    ):
        assert diagnosed(f"Error: {other}")[0].cause.id == "logs/dependency-not-resolved"


@pytest.mark.parametrize(
    ("text", "cause", "words"),
    [
        # A message of several lines in one JSON entry.
        (
            (
                '{"log.level":"ERROR","message":"checks failed\\nmax virtual memory areas vm.max_map_count [65530] is too low, '
                'increase to at least [262144]; for more information see [x]"}'
            ),
            "sysctl-too-low",
            "262144",
        ),
        # Who the other side is, is said in an error before only.
        (
            (
                "ERROR consumer: cannot connect to amqp://shop:**@queue:5672//: Connection refused.\nINFO again in 2 s\n"
                "kombu.exceptions.OperationalError: [Errno 111] Connection refused"
            ),
            "dependency-refused",
            "queue:5672",
        ),
        (
            "ERROR: The connection attempt failed.\n2026 ERROR (main) ERROR: shop-pg",
            "dependency-not-resolved",
            "shop-pg",
        ),
        (
            "Error: listen unix /run/app/api.sock: bind: no such file or directory",
            "file-missing",
            "/run/app,",
        ),
        (
            "npm error code EACCES\nnpm error syscall mkdir\nnpm error path /.npm\nnpm error errno EACCES",
            "permission-denied",
            "/.npm",
        ),
        (
            (
                "npm ERR! code ENOENT\nnpm ERR! path /srv/package.json\nnpm ERR! enoent ENOENT: no such file or directory, "
                "open '/srv/package.json'\nnpm ERR! enoent "
            ),
            "file-missing",
            "/srv/package.json",
        ),
        (
            "Cookie file /data/.erlang.cookie must be accessible by owner only",
            "file-too-open",
            "/data/.erlang.cookie",
        ),
        (
            (
                "Permissions 0644 for '/keys/id' are too open.\nThis private key will be ignored.\n"
                "git@git.example: Permission denied (publickey).\nfatal: Could not read from remote repository."
            ),
            "file-too-open",
            "/keys/id",
        ),
        (
            'ERROR:  could not resize shared memory segment "/PostgreSQL.18" to 16777216 bytes: No space left on device',
            "disk-full",
            "/dev/shm",
        ),
        (
            'Exception in thread "main" java.lang.OutOfMemoryError: Metaspace',
            "heap-exhausted",
            "Java Metaspace, which is not",
        ),
        (
            '[emerg] 1#1: chown("/var/lib/web", 65534) failed (1: Operation not permitted)',
            "permission-denied",
            "own",
        ),
        (
            "Error: getaddrinfo ENOTFOUND cart-db\n    at GetAddrInfoReqWrap",
            "dependency-not-resolved",
            "cart-db",
        ),
        ("Exception: Certificate /certs/a.pem has expired, valid until 2024", "certificate-expired", ""),
        (
            "Error connecting to 10.0.0.6:15002: dial tcp 127.0.0.1:0->10.0.0.6:15002: connect: connection refused",
            "dependency-refused",
            "10.0.0.6:15002",
        ),
        (
            (
                "[ERROR] agent.auth.handler: error authenticating: Error making API request. URL: PUT "
                "https://vault:8200/v1/auth/kubernetes/login Code: 403. Errors: * permission denied"
            ),
            "dependency-rejected-credentials",
            "Vault at vault:8200 refuses",
        ),
        (
            (
                'Error from server (Forbidden): pods is forbidden: User "system:serviceaccount:shop:watch" cannot list resource '
                '"pods" in API group "" in the namespace "shop"\nERROR: Permission denied - cannot list pods'
            ),
            "kubernetes-api-forbidden",
            "watch",
        ),
        ("FATAL: googleapi: Error 403: not allowed, forbidden", "dependency-rejected-credentials", "cloud"),
        (
            "ImportError: cannot import name 'escape' from 'jinja2' (/usr/lib/python3/site-packages/jinja2/__init__.py)",
            "module-missing",
            "has no escape",
        ),
        ("ERROR Port(s) already bound: 8181: Port already bound", "port-in-use", "8181"),
        ("error: permissions on /etc/keys/cluster are too open", "file-too-open", "/etc/keys/cluster"),
        (
            "[ERROR] Cannot boot server version 80036 on data directory built by version 80400.",
            "data-directory-incompatible",
            "80400",
        ),
        (
            "FATAL: AWS Access Key Id you provided does not exist in our records.",
            "dependency-rejected-credentials",
            "",
        ),
    ],
)
def test_what_it_means_and_names(text: str, cause: str, words: str) -> None:
    first = diagnosed(text)[0]
    assert first.cause.id == f"logs/{cause}"
    assert words in first.title


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "2026-01-01 00:00:01.123 [error] <0.27.0> BOOT FAILED\nTimeout contacting cluster nodes: [a@b].",
            "Timeout",
        ),
        ("E0101 00:00:01.123456       1 main.go:335] no pod cidr assigned, error", "1: no pod cidr"),
        ('time="2026-01-01T00:00:01Z" level=fatal msg="no shard"', "1: no shard"),
        ("npm ERR! code EUSAGE\nnpm ERR! \nnpm ERR! `npm ci` can only install packages in sync", "in sync"),
        (
            "2026 [WARNING][9] x.go 9: Couldn't find an address\n2026 [WARNING][9] x.go 10: Terminating\nThe node failed to start",
            "find an address",
        ),
        (
            "ERROR: [1] bootstrap checks failed\n[1]: memory is not locked\nERROR: it did not exit normally",
            "not locked",
        ),
        # A way out that is offered is no variable that is missing.
        (
            "ERROR it is not safe to start. If you want to force it, set the environment variable SHOP_FORCE=yes",
            "not safe",
        ),
        # What its last line explains needs no warning before it.
        (
            "WARN: /var/log/a.log: Permission denied, logging to stdout\nINFO ok\nFATAL quota of shard 4 exceeded, stopping",
            "quota",
        ),
        # A file of the source is no host.
        ("a.b.CException: Timed out in state CONNECTING\n\tat a.b.C.d(E.scala:258)", ""),
        ("this machine is too small", "its last words: this machine"),
    ],
)
def test_line_in_the_title(text: str, words: str) -> None:
    first = diagnosed(text)[0]
    assert words in first.title
    assert "scala" not in first.title
    assert first.cause.id in ("crash/application-error", "logs/dependency-timed-out")


@pytest.mark.parametrize(
    "text",
    [
        "FATAL: Required environment variable SHOP_NAME is missing.",
        "2026-01-01T00:00:00Z ERROR missing required environment variable: SHOP_NAME",
        "CRITICAL: env var SHOP_NAME not set. Exiting.",
        "EMERG SHOP_NAME must be set",
    ],
)
def test_a_level_is_no_variable(text: str) -> None:
    first = diagnosed(text)[0]
    assert first.cause.id == "logs/environment-variable-missing"
    assert "SHOP_NAME" in first.title
