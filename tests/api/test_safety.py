"""What must never happen: a value seen, a name that leads elsewhere, a token shown to a proxy."""

from __future__ import annotations

import base64
import json
import stat
from collections.abc import Callable
from datetime import timezone
from pathlib import Path
from typing import Any

import pycurl
import pytest
from cryptography import x509

from poddoctor.kube import trust
from poddoctor.kube.answers import date
from poddoctor.kube.errors import CertificateFailed, KubeError, Unreachable, status_message
from poddoctor.kube.redact import cleaned
from poddoctor.kube.transport import Cluster
from poddoctor.kube.x509 import not_after
from poddoctor.model import Absent, Found, Read, Unknown
from poddoctor.pod.reads import get, list_of, log_read

from .asking import ask
from .server import Authority, FakeServer, Reply, tunnel

POD = get("v1", "pods", "shop", "web")
SECRET = get("v1", "secrets", "shop", "s")
Write = Callable[..., str]


@pytest.mark.parametrize("name", ["../secrets/s", "..", ".", "web/exec", "web%2fexec", ""])
def test_a_name_does_not_lead_to_another_object(name: str, kubeconfig: Write) -> None:
    with FakeServer({SECRET.path: {"data": {"k": "v"}}}) as server:
        reads = get("v1", "pods", "shop", name), get("v1", "pods", name or "..", "web")
        assert all(isinstance(one, Absent) for one in ask(kubeconfig(server.url), *reads))
        assert server.requests == []


def test_odd_names_are_quoted(kubeconfig: Write) -> None:
    with FakeServer({}) as server:
        role = get("rbac.authorization.k8s.io/v1", "clusterroles", "", "system:node")
        ask(kubeconfig(server.url), get("v1", "pods", "shop", "we b?x#y"), role)
    paths = sorted(one.path for one in server.asked)
    assert paths == ["/api/v1/namespaces/shop/pods/we b?x#y", role.path]


def secret(kind: str = "Opaque", **more: Any) -> dict[str, Any]:
    return {"kind": "Secret", "type": kind, "metadata": {"name": "s"}, **more}


def docker(document: object, key: str = ".dockerconfigjson") -> dict[str, Any]:
    raw = document if isinstance(document, str) else json.dumps(document)
    return secret(f"kubernetes.io/{key[1:]}", data={key: base64.b64encode(raw.encode()).decode()})


@pytest.mark.parametrize(
    ("body", "registries"),
    [
        (docker({"auths": {"ghcr.io": {"auth": "eA=="}, "docker.io": {}}}), ["docker.io", "ghcr.io"]),
        (
            docker({"auths": {"https://user:hunter2@index.docker.io/v1/": {}}}),
            ["https://index.docker.io/v1/"],
        ),
        (docker({"quay.io": {}}, ".dockercfg"), ["quay.io"]),
        (docker({}), []),
    ],
)
def test_only_the_hosts_of_registry_credentials_stay(body: dict[str, Any], registries: list[str]) -> None:
    seen = cleaned(SECRET, body)
    assert seen["registries"] == registries
    assert "malformed" not in seen
    assert set(seen["data"].values()) == {""}


@pytest.mark.parametrize(
    "body",
    [
        docker("{"),
        docker("[1]"),
        docker({"auths": 1}),
        docker("[" * 100_000),
        secret("kubernetes.io/dockerconfigjson", data={".dockerconfigjson": "%%%"}),
        secret("kubernetes.io/dockerconfigjson", data="text"),
        secret("kubernetes.io/dockerconfigjson"),
    ],
)
def test_malformed_registry_credentials_are_told(body: dict[str, Any]) -> None:
    seen = cleaned(SECRET, body)
    assert seen["malformed"] is True
    assert "registries" not in seen


@pytest.mark.parametrize("resource", ["secrets", "configmaps"])
@pytest.mark.parametrize("verb", ["get", "list"])
def test_no_value_is_left_anywhere(resource: str, verb: Any) -> None:
    value = "c3VwZXItc2VjcmV0"
    body = {
        "metadata": {
            "managedFields": [{"fieldsV1": {value: {}}}],
            "annotations": {
                "team": "shop",
                "kubectl.kubernetes.io/last-applied-configuration": value,
                "kapp.k14s.io/original": value,
                "objectset.rio.cattle.io/applied": value,
            },
        },
        "data": {"key": value},
        "stringData": {"plain": value},
        "binaryData": value,
    }
    read = Read(verb, "v1", resource, "shop", "s" if verb == "get" else "")
    seen = json.dumps(cleaned(read, body if verb == "get" else {"items": [body, None, 1]}))
    assert value not in seen
    assert "managedFields" not in seen
    for kept in ('"key": ""', '"plain": ""', '"team": "shop"'):
        assert kept in seen


def test_secrets_of_every_page_are_cleaned(kubeconfig: Write) -> None:
    read = list_of("v1", "secrets", "shop")

    def page(**metadata: str) -> dict[str, Any]:
        return {"items": [{"data": {"k": "dmFsdWU="}}], "metadata": metadata}

    whole = Reply({**page(), "items": page()["items"] * 2})
    for then in (Reply(page()), Reply({}, 410, then=whole)):
        with FakeServer({read.path: Reply(page(**{"continue": "c"}), then=then)}) as server:
            [answer] = ask(kubeconfig(server.url), read)
        assert isinstance(answer, Found)
        assert answer.body["items"] == [{"data": {"k": ""}}] * 2


def test_metadata_alone_is_not_malformed() -> None:
    read = get("v1", "secrets", "shop", "s", metadata=True)
    assert "malformed" not in cleaned(read, secret("kubernetes.io/dockerconfigjson"))


def test_an_error_page_is_not_repeated() -> None:
    assert not status_message(b"<html>token=abc</html>")
    assert not status_message(b'{"kind": "Login", "message": "token=abc"}')
    assert not status_message(b"[" * 100_000)
    assert len(status_message(json.dumps({"kind": "Status", "message": "x" * 9999}).encode())) == 1000


def test_a_password_in_the_servers_url_is_not_shown(kubeconfig: Write) -> None:
    with pytest.raises(Unreachable, match="cannot reach http://127.0.0.1:1: ") as raised:
        ask(kubeconfig("http://jane:hunter2@127.0.0.1:1"), POD)
    assert "hunter2" not in str(raised.value)


def test_errors_are_one_plain_line() -> None:
    error = KubeError("it\n broke \x1b[31m\u202e", "do\tthis")
    assert str(error) == "it broke [31m: do this"
    assert (error.message, error.hint) == ("it broke [31m", "do this")


def test_a_proxy_of_the_environment_sees_no_credentials(
    authority: Authority, tls: tuple[Path, Path], kubeconfig: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = {"certificate-authority": str(authority.path)}
    with FakeServer({POD.path: {}}, tls) as server, tunnel(server.port) as (proxy, heads):
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        config = kubeconfig("https://kube.internal", {"token": "abc", "as": "jane"}, cluster)
        opened = Cluster.open(config, None, 5)
        assert opened.ask([POD]) == {POD: Found({})}
        assert opened.clock.year > 2001, "the clock was the proxy's"
        opened.close()
        assert server.asked[0].header("authorization") == "Bearer abc"
        assert heads[0].startswith(b"CONNECT kube.internal:443 ")
        assert b"abc" not in heads[0]
        assert b"jane" not in heads[0]
        monkeypatch.setenv("NO_PROXY", "kube.internal")
        with pytest.raises(Unreachable):
            ask(config, POD)
        assert len(heads) == 1


def test_this_machine_is_never_behind_a_proxy(kubeconfig: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with FakeServer({POD.path: {}}) as server:
        assert ask(kubeconfig(server.url), POD) == [Found({})]


def test_no_proxy_does_not_undo_the_kubeconfigs(kubeconfig: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    with FakeServer({POD.path: {"via": "proxy"}}) as proxy:
        config = kubeconfig("http://kube.invalid", {}, {"proxy-url": proxy.url})
        assert ask(config, POD) == [Found({"via": "proxy"})]


def test_the_host_stays_under_another_tls_name(
    authority: Authority, tls: tuple[Path, Path], kubeconfig: Write
) -> None:
    cluster = {"certificate-authority": str(authority.path), "tls-server-name": "kube.internal"}
    with FakeServer({POD.path: {}}, tls) as server:
        assert ask(kubeconfig(server.url, {}, cluster), POD) == [Found({})]
        request = server.asked[0]
    host = request.header(":authority") or request.header("host")
    assert host == f"127.0.0.1:{server.port}"


def test_the_systems_trust_store_is_used(
    authority: Authority, tls: tuple[Path, Path], kubeconfig: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeServer({POD.path: {}}, tls) as server:
        trust._system.cache_clear()
        with pytest.raises(CertificateFailed, match="an authority that is not trusted here"):
            ask(kubeconfig(server.url), POD)
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
        trust._system.cache_clear()
        assert ask(kubeconfig(server.url), POD) == [Found({})]
    trust._system.cache_clear()


def test_without_blobs_certificates_are_private_files_for_a_while(
    authority: Authority,
    tls: tuple[Path, Path],
    kubeconfig: Write,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for name in ("CAINFO_BLOB", "SSLCERT_BLOB", "SSLKEY_BLOB"):
        monkeypatch.delattr(pycurl, name)
    folder = tmp_path / "files"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    certificate, key = authority.issue("filed")
    user = {"client-certificate": str(certificate), "client-key": str(key)}
    with FakeServer({POD.path: {}}, tls, client_ca=authority.path) as server:
        config = kubeconfig(server.url, user, {"certificate-authority": str(authority.path)})
        cluster = Cluster.open(config, None, 5)
        assert cluster.ask([POD]) == {POD: Found({})}
        files = list(folder.iterdir())
        assert len(files) == 3
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
        cluster.close()
    assert not list(folder.iterdir())


def test_until_when_a_certificate_is_valid(authority: Authority) -> None:
    for days in (-3, 4, 10_000, 40_000):
        path = authority.issue("ends", days=days)[0]
        expected = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
        assert not_after(path.read_bytes()) == expected
    pem = authority.path.read_bytes()
    assert not_after(pem[:60] + pem[-60:]) is None
    assert not_after(b"") is None
    assert not_after(b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----") is None


def test_dates() -> None:
    found = date("Tue, 24 Nov 2026 10:00:59 GMT")
    assert found is not None
    assert found.tzinfo is timezone.utc
    assert found.isoformat() == "2026-11-24T10:00:59+00:00"
    for text in ("", "now", "Tue, 24 Nov 2026 10:00:59 CET", "Tue, 99 Nov 2026 10:00:59 GMT", "a b c d e f"):
        assert date(text) is None


def test_a_log_that_is_json_stays_text(kubeconfig: Write) -> None:
    read = log_read("shop", "web", "app")
    with FakeServer({read.path: Reply('{"level": "error"}')}) as server:
        assert ask(kubeconfig(server.url), read) == [Found('{"level": "error"}')]


def test_an_unauthorized_word_is_no_status(kubeconfig: Write) -> None:
    with FakeServer({POD.path: Reply("password=hunter2", 500)}) as server:
        assert ask(kubeconfig(server.url), POD, timeout=1) == [Unknown("error", "HTTP 500")]
