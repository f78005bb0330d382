"""The contract with an API server, in good and in bad days."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from poddoctor.kube.errors import CertificateFailed, Unauthorized, Unreachable
from poddoctor.kube.transport import Cluster
from poddoctor.model import Absent, Found, Unknown
from poddoctor.pod.reads import get, list_of, log_read

from .asking import ask
from .server import Authority, FakeServer, Reply, raw_server

POD = get("v1", "pods", "shop", "web")
STATUS = {"kind": "Status", "status": "Failure"}
Write = Callable[..., str]


def secured(authority: Authority) -> dict[str, str]:
    return {"certificate-authority": str(authority.path)}


def test_a_wave_over_http2_costs_about_one_round_trip(
    authority: Authority, tls: tuple[Path, Path], kubeconfig: Write
) -> None:
    reads = [get("v1", "pods", "shop", f"web-{number}") for number in range(9)]
    with FakeServer({read.path: {"n": 1} for read in reads}, tls, delay=0.2) as server:
        config = kubeconfig(server.url, {"token": "abc"}, secured(authority))
        cluster = Cluster.open(config, None, 5)
        cluster.ask(reads[:1])
        start = time.monotonic()
        cluster.ask(reads)
        took = time.monotonic() - start
        cluster.close()
    assert took < 0.6, "nine reads of 0.2 s each went one after the other"
    assert {one.http_version for one in server.requests} == {"2"}
    assert {one.method for one in server.requests} == {"GET"}
    assert {one.header("authorization") for one in server.requests} == {"Bearer abc"}


def test_http1_gets_a_few_connections(
    authority: Authority, tls: tuple[Path, Path], kubeconfig: Write
) -> None:
    reads = [get("v1", "pods", "shop", f"web-{number}") for number in range(6)]
    with FakeServer({read.path: {} for read in reads}, tls, delay=0.2, http2=False) as server:
        start = time.monotonic()
        ask(kubeconfig(server.url, {}, secured(authority)), *reads)
        assert time.monotonic() - start < 1.0
    assert {one.http_version for one in server.requests} == {"1.1"}


def test_mutual_tls(authority: Authority, tls: tuple[Path, Path], kubeconfig: Write) -> None:
    certificate, key = authority.issue("alice")
    with FakeServer({POD.path: {"kind": "Pod"}}, tls, client_ca=authority.path) as server:
        user = {
            "client-certificate": str(certificate),
            "client-key-data": base64.b64encode(key.read_bytes()).decode(),
        }
        assert ask(kubeconfig(server.url, user, secured(authority)), POD) == [Found({"kind": "Pod"})]


def test_an_expired_client_certificate_is_told(
    authority: Authority, tls: tuple[Path, Path], kubeconfig: Write
) -> None:
    certificate, key = authority.issue("bob", days=-1)
    with FakeServer({POD.path: {}}, tls, client_ca=authority.path) as server:
        user = {"client-certificate": str(certificate), "client-key": str(key)}
        with pytest.raises(CertificateFailed, match="refused the client certificate: it expired 20"):
            ask(kubeconfig(server.url, user, secured(authority)), POD)


def test_an_unknown_authority_is_refused(tls: tuple[Path, Path], kubeconfig: Write, tmp_path: Path) -> None:
    other = Authority(tmp_path, "other")
    with FakeServer({POD.path: {}}, tls) as server:
        with pytest.raises(CertificateFailed, match="an authority that is not trusted here"):
            ask(kubeconfig(server.url, {}, secured(other)), POD)
        assert not server.requests
        with pytest.raises(CertificateFailed):
            ask(kubeconfig(server.url), POD)
        assert ask(kubeconfig(server.url, {}, {"insecure-skip-tls-verify": True}), POD) == [Found({})]


def test_the_name_in_the_certificate(authority: Authority, tls: tuple[Path, Path], kubeconfig: Write) -> None:
    with FakeServer({POD.path: {}}, tls) as server:
        cluster = {**secured(authority), "tls-server-name": "kube.internal"}
        assert ask(kubeconfig(server.url, {}, cluster), POD) == [Found({})]
        with pytest.raises(CertificateFailed):
            ask(kubeconfig(server.url, {}, {**cluster, "tls-server-name": "other.internal"}), POD)


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        (Reply({**STATUS, "message": "no"}, 403), Unknown("forbidden", "no")),
        (Reply({**STATUS, "message": "gone"}, 410), Unknown("expired", "gone")),
        (Reply({**STATUS, "message": "not found"}, 404), Absent("not found")),
        (Reply("<html>secret</html>", 403), Unknown("forbidden", "HTTP 403")),
        (
            Reply("[1, 2", 200),
            Unknown("error", "the answer is not JSON: something stands between here and the API server"),
        ),
        (Reply("[1]", 200), Unknown("error", "the answer is no JSON object")),
        (Reply({**STATUS, "message": "boom"}, 500, then=Reply({"ok": 1})), Found({"ok": 1})),
        (Reply({}, 429, {"retry-after": "1"}, then=Reply({"ok": 1})), Found({"ok": 1})),
    ],
    ids=["403", "410", "404", "proxy page", "garbage", "no object", "500 once", "429 once"],
)
def test_answers(reply: Reply, answer: object, kubeconfig: Write) -> None:
    with FakeServer({POD.path: reply}) as server:
        assert ask(kubeconfig(server.url), POD) == [answer]


def test_retry_after_is_waited_for(kubeconfig: Write) -> None:
    with FakeServer({POD.path: Reply({}, 429, {"retry-after": "1"}, then=Reply({}))}) as server:
        start = time.monotonic()
        ask(kubeconfig(server.url), POD)
        assert time.monotonic() - start >= 1


def test_retry_stays_within_the_budget(kubeconfig: Write) -> None:
    with FakeServer({POD.path: Reply({}, 429, {"retry-after": "30"})}) as server:
        start = time.monotonic()
        [answer] = ask(kubeconfig(server.url), POD, timeout=2)
        assert time.monotonic() - start < 2.5
        assert isinstance(answer, Unknown)


def test_403_and_404_are_asked_once(kubeconfig: Write) -> None:
    with FakeServer({POD.path: Reply({}, 403)}) as server:
        ask(kubeconfig(server.url), POD, get("v1", "pods", "shop", "other"))
    assert len(server.asked) == 2


def test_401_ends_it(kubeconfig: Write) -> None:
    with FakeServer({POD.path: Reply({}, 401)}) as server, pytest.raises(Unauthorized, match="log in again"):
        ask(kubeconfig(server.url, {"token": "old"}), POD)
    assert len(server.asked) == 1


def test_nobody_listens(kubeconfig: Write) -> None:
    with pytest.raises(Unreachable, match="cannot reach http://127.0.0.1:1"):
        ask(kubeconfig("http://127.0.0.1:1"), POD)


HEAD = b"HTTP/1.1 200 OK\r\nDate: Tue, 24 Nov 2026 10:00:00 GMT\r\nContent-Length: 100\r\n\r\n"


def test_a_truncated_body_is_unknown(kubeconfig: Write) -> None:
    with raw_server(HEAD + b'{"kind": "Pod"') as url:
        [answer] = ask(kubeconfig(url), POD, timeout=2)
    assert isinstance(answer, Unknown)


def test_a_reset_connection_is_told(kubeconfig: Write) -> None:
    with raw_server(b"") as url, pytest.raises(Unreachable):
        ask(kubeconfig(url), POD, timeout=2)


def test_a_slow_drip_ends_with_the_budget(kubeconfig: Write) -> None:
    start = time.monotonic()
    with (
        raw_server(HEAD + b"{" + b" " * 99, pause=0.1) as url,
        pytest.raises(Unreachable, match="no answer in 1 s"),
    ):
        ask(kubeconfig(url), POD, timeout=1)
    assert time.monotonic() - start < 3


def test_a_body_that_hangs_is_timed_out(kubeconfig: Write) -> None:
    with raw_server(HEAD + b"{", hang=True) as url:
        [answer] = ask(kubeconfig(url), POD, timeout=1)
    assert isinstance(answer, Unknown)
    assert answer.why == "timed-out"


def test_logs(kubeconfig: Write) -> None:
    current, previous = log_read("shop", "web", "app"), log_read("shop", "web", "db")
    with FakeServer({current.path: Reply("line\n\x1b[31m\xff".encode("latin-1"))}) as server:
        assert ask(kubeconfig(server.url), current) == [Found("line\n\x1b[31m�")]
        assert server.asked[-1].query == "container=app&tailLines=200"
    message = 'previous terminated container "db" in pod "web" not found'
    with FakeServer({previous.path: Reply({**STATUS, "message": message}, 400)}) as server:
        assert ask(kubeconfig(server.url), previous) == [Unknown("error", message)]
    with FakeServer({current.path: Reply("", 204)}) as server:
        assert ask(kubeconfig(server.url), current) == [Found("")]


def test_pages_are_followed(kubeconfig: Write) -> None:
    read = list_of("v1", "pods", "shop")
    second = Reply({"items": [{"n": 2}], "metadata": {}})
    first = Reply({"items": [{"n": 1}], "metadata": {"continue": "more"}}, then=second)
    with FakeServer({read.path: first}) as server:
        [answer] = ask(kubeconfig(server.url), read)
    assert isinstance(answer, Found)
    assert [one["n"] for one in answer.body["items"]] == [1, 2]
    assert "continue=more" in server.asked[1].query


def test_a_list_that_expires_halfway_is_no_list(kubeconfig: Write) -> None:
    read = list_of("v1", "pods", "shop")
    first = Reply(
        {"items": [{}], "metadata": {"continue": "more"}}, then=Reply({**STATUS, "message": "expired"}, 410)
    )
    with FakeServer({read.path: first}) as server:
        assert ask(kubeconfig(server.url), read) == [Unknown("expired", "expired")]


def test_values_of_secrets_and_configmaps_are_dropped(kubeconfig: Write) -> None:
    secret, config = get("v1", "secrets", "shop", "s"), get("v1", "configmaps", "shop", "c")
    docker = base64.b64encode(json.dumps({"auths": {"ghcr.io": {"auth": "eDp5"}}}).encode()).decode()
    body = {
        "metadata": {
            "managedFields": [1],
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "x"},
        },
        "type": "kubernetes.io/dockerconfigjson",
        "data": {".dockerconfigjson": docker, "other": "c2VjcmV0"},
    }
    with FakeServer({secret.path: body, config.path: {"data": {"key": "value"}}}) as server:
        answers = ask(kubeconfig(server.url), secret, config)
    assert answers[0] == Found(
        {
            "metadata": {"annotations": {}},
            "type": "kubernetes.io/dockerconfigjson",
            "data": {".dockerconfigjson": "", "other": ""},
            "registries": ["ghcr.io"],
        }
    )
    assert answers[1] == Found({"data": {"key": ""}})


def test_metadata_only(kubeconfig: Write) -> None:
    read = get("v1", "secrets", "shop", "s", metadata=True)
    with FakeServer({read.path: {}}) as server:
        ask(kubeconfig(server.url), read)
    assert (
        server.asked[0].header("accept").startswith("application/json;as=PartialObjectMetadata;g=meta.k8s.io")
    )


def test_impersonation_is_sent(kubeconfig: Write) -> None:
    user = {
        "token": "t",
        "as": "jane",
        "as-uid": "7",
        "as-groups": ["dev", "ops"],
        "as-user-extra": {"scope": ["a"]},
    }
    with FakeServer({POD.path: {}}) as server:
        ask(kubeconfig(server.url, user), POD)
    request = server.asked[0]
    assert request.header("impersonate-user") == "jane"
    assert request.header("impersonate-uid") == "7"
    assert request.all("impersonate-group") == ["dev", "ops"]
    assert request.header("impersonate-extra-scope") == "a"


def test_a_proxy_of_the_kubeconfig_is_used(kubeconfig: Write) -> None:
    with FakeServer({POD.path: {"via": "proxy"}}) as proxy:
        config = kubeconfig("http://kube.invalid", {}, {"proxy-url": proxy.url})
        assert ask(config, POD) == [Found({"via": "proxy"})]


def test_the_clock_is_the_servers(kubeconfig: Write) -> None:
    script = HEAD.replace(b"100", b"2") + b"{}"
    with raw_server(script) as url:
        cluster = Cluster.open(kubeconfig(url), None, 3)
        cluster.ask([POD])
        assert cluster.clock.isoformat() == "2026-11-24T10:00:00+00:00"
        cluster.close()


def test_prewarm_reads_the_version(kubeconfig: Write) -> None:
    with FakeServer({"/version": {"gitVersion": "v1.34.4"}, POD.path: {}}) as server:
        cluster = Cluster.open(kubeconfig(server.url), None, 3)
        cluster.prewarm()
        cluster.ask([POD])
        assert cluster.version == "v1.34.4"
        cluster.close()
