"""Of several complaints the one that explains the others, and what it is called."""

from __future__ import annotations

from time import process_time

import pytest
from poddoctor.diagnostics import _logrules, _logtext

from poddoctor.model import Found

from .test_complaints import READ, WORKS
from .test_logs import diagnosed


@pytest.mark.parametrize(
    ("text", "cause", "words"),
    [
        # Words that only point back, or sum up.
        ("E0101 00:00:01.000000 1 m.go:2] no shard named a\nerror: making shop: failed to load all shards", "", "no shard named"),
        ("ERROR no queue named a\nRuntimeError: Shop failed to start. See root cause above.", "", "no queue named"),
        ("[error] <0.9.0> plugin a is of another release\n[error] <0.9.0>     exception exit: {shop,[a]}", "", "another release"),
        ("ERROR cart: bad shard\nERROR cart: join(a) failed: 7", "", "bad shard"),
        ("error: shop 1.2 is deprecated and cannot be served\nINFO bye", "", "cannot be served"),
        ("1. shop::Error::Error(int) @ 0x1f\nCode: 3. shop::Error: no shard a\n2. shop::run() @ 0x2f", "", "no shard a"),
        # A consequence, however deep it stands.
        (
            ("2026-01-01 00:00:01 ERROR 1 --- [main] o.a.Pool : failed\n\na.b.CException: Connection to db:5432 refused.\n"
            "\tat a.B.c(D.java:1)\nCaused by: java.net.ConnectException: Connection refused\n\t... 3 more\n"
            "x.y.ZException: Unable to determine Dialect without JDBC metadata\n\tat x.Y.z(Z.java:1)\n"
            "Caused by: x.HException: Unable to determine Dialect without JDBC metadata\n\t... 2 more"),
            "dependency-refused",
            "db:5432",
        ),
        # What an error said right before a "cannot connect" that says nothing.
        (
            ("ERROR 1045 (28000): Access denied for user 'cart'@'10.0.0.1' (using password: YES)\n"
            "ERROR ==> Could not connect to the database"),
            "dependency-rejected-credentials",
            "user cart",
        ),
        # Measurements that nobody takes end nothing.
        (
            ('level=error msg="no answer, giving up" err="dial tcp 10.0.0.9:5432: i/o timeout"\n'
            'level=error msg="flush failed" err="Post \\"http://localhost:4318/v1/traces\\": dial tcp [::1]:4318: connect: connection refused"'),
            "dependency-timed-out",
            "10.0.0.9:5432",
        ),
        # An API server that is slow is not one that cannot be reached.
        (
            ('E0101 00:00:01.000000 1 l.go:2] Failed to update lock: Put "https://10.96.0.1:443/apis/coordination.k8s.io/v1/namespaces/a/leases/b": context deadline exceeded\n'
            'E0101 00:00:06.000000 1 l.go:9] "Leader election lost" err="stopped leading"'),
            "leader-election-lost",
            "lease",
        ),
        (
            ('E0101 00:00:01.000000 1 l.go:2] Failed to update lock: Put "https://10.96.0.1:443/apis/coordination.k8s.io/v1/namespaces/a/leases/b": dial tcp 10.96.0.1:443: connect: connection refused\n'
            'E0101 00:00:06.000000 1 l.go:9] "Leader election lost" err="stopped leading"'),
            "kubernetes-api-unreachable",
            "10.96.0.1",
        ),
        # The library before the symbols that it would have.
        (
            ("Error loading shared library libshop.so.1: No such file or directory (needed by /app/a)\n"
            "Error relocating /app/a: shop_open: symbol not found"),
            "module-missing",
            "libshop.so.1",
        ),
        ("Error relocating /app/a: shop_open: symbol not found", "module-missing", "shop_open"),
        # Denied first, then said not to be there.
        (
            ("shop(/data/a/block) failed to open /data/a/block: (13) Permission denied\n"
            "ERROR: unable to open /data/a: (2) No such file or directory"),
            "permission-denied",
            "/data/a/block",
        ),
        # Said in full, then again in short.
        (
            ('Bad environment variables: {\n  SHOP_URL: [ "Required" ],\n  Missing environment variables:\n - SHOP_URL\n}\n'
            "12 |   throw\n        ^\nerror: Missing environment variables\n      at a (b.js:1:1)"),
            "environment-variable-missing",
            "SHOP_URL",
        ),
        # The path on the line above the system's own words.
        (
            "[ERROR] Error creating key '/data/a.pem'\nOs { code: 13, kind: PermissionDenied, message: \"Permission denied\" }",
            "permission-denied",
            "/data/a.pem",
        ),
    ],
)  # fmt: skip
def test_what_explains_the_rest(text: str, cause: str, words: str) -> None:
    first = diagnosed(text)[0]
    assert first.cause.id == (f"logs/{cause}" if cause else "crash/application-error")
    assert words in first.title


@pytest.mark.parametrize(
    ("text", "cause", "words"),
    [
        ("FATAL Invalid cluster.id in: /data/meta.properties. Expected aaa, but read bbb", "data-directory-incompatible", "cluster bbb"),
        (
            "FATAL Found directory /data/lost+found, 'lost+found' is not in the form of topic-partition",
            "data-directory-incompatible",
            "/data of container app holds lost+found",
        ),
        ("FATAL Cannot lock file /data/status. Another server instance in same directory is already running.", "data-directory-incompatible", "/data/status"),
        ('psycopg2.errors.DuplicateColumn: column "plan" of relation "users" already exists', "database-schema-mismatch", "has plan already"),
        ("x509: certificate has expired or is not yet valid: current time 2020-01-01T00:00:00Z is before 2026-01-01T00:00:00Z", "certificate-expired", "valid from 2026-01-01T00:00:00Z"),
        ('FATAL:  password authentication failed for user "cart\n"', "dependency-rejected-credentials", "line feed"),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "cart", database "a", no encryption', "dependency-rejected-credentials", "without encryption"),
        (
            "AccessDenied: User: arn:aws:sts::1:assumed-role/nodes/i-0ab is not authorized to perform: s3:ListBucket",
            "dependency-rejected-credentials",
            "s3:ListBucket: it asks as nodes",
        ),
        ("F0101 00:00:01.000000 1 a.go:2] no manager: WebIdentityErr\ncaused by: AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity", "dependency-rejected-credentials", "sts:Assume"),
        ("You must set the environment variable\nSHOP_ACCEPT_LICENSE=yes", "license-rejected", "SHOP_ACCEPT_LICENSE"),
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 9.00 GiB", "heap-exhausted", "2.00 GiB"),
        ("Error: bad settings\n\nCaused by:\n    missing value for field cart_key", "environment-variable-missing", "CART_KEY"),
        ("Exception: Could not resolve substitution to a value: ${CART_HOST}", "environment-variable-missing", "CART_HOST"),
        ("Error: No declared setting with name: PORT_7_TCP_ADDR", "configuration-invalid", "which Kubernetes sets for a Service"),
        ("The SECRET_KEY setting\ndjango.core.exceptions.ImproperlyConfigured: The SECRET_KEY setting must not be empty.", "configuration-invalid", "setting SECRET_KEY"),
        ("error initializing config '/etc/a.yaml': bad: no such field: 'hosts'", "configuration-invalid", "no such field: 'hosts'"),
        ("requests.exceptions.InvalidHeader: Invalid leading whitespace in header value: 'a\\n'", "configuration-invalid", "line feed"),
        ("Error: P3009\n\nmigrate found failed migrations in the target database", "database-schema-mismatch", "found failed"),
        ("FATAL failed to execute: /bin/wrap [wrap tool], stderr wrap: failed to execute tool: No such file or directory", "file-missing", "the file tool"),
        ('"Still connecting" address="unix:///csi/a.sock"\nE0101 00:00:09.000000 1 a.go:2] context deadline exceeded', "dependency-timed-out", "/csi/a.sock"),
        ('{"type":"up","detail":{"info":{"error":"Fatal Error: Required --cart-url"}},"level":"error"}', "bad-arguments", "--cart-url"),
    ],
)  # fmt: skip
def test_what_it_is_called(text: str, cause: str, words: str) -> None:
    first = diagnosed(text)[0]
    assert first.cause.id == f"logs/{cause}"
    assert words in first.title


@pytest.mark.parametrize(
    ("text", "not_said"),
    [
        ("FATAL cannot make target manager: too many open files", "nofile"),
        # Where one may read more is no peer, what a source is called no file.
        (
            "Error: cannot connect to any server. See https://www.shop.example/docs/allow-list/",
            "connect to www",
        ),
        ('FATAL bad config, :backtrace=>["/usr/share/shop/lib/compiler.rb"]', "configuration /usr"),
        # Of two paths neither is known to be the one.
        ("FATAL Permission denied while /usr/bin/a was giving /srv/b to c", "may not use"),
        # What is parsed may be anything.
        ("Error: missing field `price` at line 1 column 9", "setting price"),
        ("ParseError: not well-formed (invalid token): line 1, column 0", "credentials"),
        ("ERROR ingestion over OTLP is not possible with this schema", "telemetry"),
    ],
)
def test_what_is_not_said(text: str, not_said: str) -> None:
    first = diagnosed(text)[0]
    assert not_said not in f"{first.title} {first.cause.id}"


@pytest.mark.parametrize(
    "text",
    [
        # A server says whom it turned away; a token that was renewed is one.
        "ERROR login of bob: 401 Unauthorized\nINFO GET /a 200\n" * 6,
        "ERROR cannot refresh token: 401 Unauthorized for url: https://id.shop.example/t\nINFO token refreshed\n"
        * 6,
        "ERROR access token is expired\n" * 6,
    ],
)
def test_a_server_that_turns_others_away_is_well(text: str) -> None:
    assert not diagnosed("", status=WORKS, others={READ: Found(text)})


@pytest.mark.parametrize(("image", "counts"), [("acme/api:1", True), ("acme/mirror/postgres:16", False)])
def test_who_turns_away_and_who_is_turned_away(image: str, *, counts: bool) -> None:
    text = '2026-01-01 00:00:00 UTC FATAL:  password authentication failed for user "cart"\n' * 4
    spec = {"containers": [{"name": "app", "image": image}]}
    assert bool(diagnosed("", status=WORKS, spec=spec, others={READ: Found(text)})) is counts


def test_the_point_of_a_long_line_is_at_its_end() -> None:
    text = f"FATAL cart: {'wrapped: ' * 60}no shard named a"
    assert any("no shard named a" in one.text for one in diagnosed(text)[0].symptoms)


def test_what_is_repeated_is_read_once_and_counted() -> None:
    lines = _logtext.read(
        "".join(
            f"2026-01-01T00:00:{i:02} ERROR cart: dial tcp 10.0.0.1:80: connection refused\n"
            for i in range(30)
        )
    )
    started = process_time()
    found = [one for one in _logrules.meanings(lines) if one.what == "dependency-refused"]
    assert {one.line.number for one in found} == set(range(1, 31))
    assert {one.attributes["host"] for one in found} == {"10.0.0.1"}
    assert process_time() - started < 0.5


@pytest.mark.parametrize(
    ("text", "cause", "words"),
    [
        (
            (
                "[2026] WARN Couldn't resolve server q-0.q:9093 as DNS resolution failed for q-0.q\n"
                "a.b.ConfigException: No resolvable bootstrap urls given in bootstrap.servers"
            ),
            "dependency-not-resolved",
            "q-0.q",
        ),
        (
            (
                "[WARNING] kubernetes: API connection failure: "
                'Get "https://10.43.0.1:443/version": dial tcp 10.43.0.1:443: i/o timeout'
            ),
            "kubernetes-api-unreachable",
            "10.43.0.1",
        ),
        (
            (
                "W0101 00:00:01.000000 1 a.go:1] dial tcp 127.0.0.1:2379: connect: connection refused\n"
                "F0101 00:00:09.000000 1 b.go:2] Error creating storage: context deadline exceeded"
            ),
            "dependency-refused",
            "127.0.0.1:2379",
        ),
        ("iptables-restore: unable to initialize table 'nat'", "permission-denied", "NET_ADMIN"),
    ],
)
def test_what_the_lines_beside_say(text: str, cause: str, words: str) -> None:
    first = diagnosed(text)[0]
    assert first.cause.id == f"logs/{cause}"
    assert words in first.title


def test_localhost_of_a_pod_on_the_network_of_its_node() -> None:
    spec = {"hostNetwork": True, "nodeName": "n1", "containers": [{"name": "app", "image": "acme/api:1"}]}
    first = diagnosed("FATAL dial tcp 127.0.0.1:2379: connect: connection refused", spec=spec)[0]
    assert "nothing on its node listens there" in first.title


def test_a_container_beside_that_does_not_run_has_its_own_reason() -> None:
    beside = {"name": "proxy", "image": "acme/proxy:1", "ports": [{"containerPort": 5432}]}
    spec = {"containers": [{"name": "app", "image": "acme/api:1"}, beside]}
    first = diagnosed("FATAL dial tcp 127.0.0.1:5432: connect: connection refused", spec=spec)[0]
    assert "container proxy of this pod" in first.title
    assert first.confidence == "likely"


@pytest.mark.parametrize(("path", "mounted"), [("/var/lib/mysql/shop", False), ("/var/cache/shop/a", True)])
def test_nothing_is_mounted_over_data(path: str, *, mounted: bool) -> None:
    first = diagnosed(f"FATAL mkdir {path}: permission denied")[0]
    assert first.cause.id == "logs/permission-denied"
    assert any("directory" in one.attributes for one in first.symptoms) is mounted
