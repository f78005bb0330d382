"""The same kubeconfig, the same host, headers and certificates as the official client."""

from __future__ import annotations

import base64
import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import config as official
from kubernetes.client import ApiClient

from poddoctor.kube.credentials import obtain
from poddoctor.kube.errors import ContextNotFound, CredentialsFailed, NoKubeconfig
from poddoctor.kube.kubeconfig import resolve

from .server import Authority

Write = Callable[..., str]


def oracle(path: str, context: str | None = None) -> ApiClient:
    client: ApiClient = official.new_client_from_config(config_file=path, context=context)  # type: ignore[no-untyped-call]
    return client


@pytest.mark.parametrize(
    "user",
    [{"token": "abc"}, {"tokenFile": "token"}, {"username": "u", "password": "p"}, {}],
    ids=["token", "tokenFile", "basic", "none"],
)
def test_host_and_authorization(tmp_path: Path, kubeconfig: Write, user: dict[str, Any]) -> None:
    (tmp_path / "token").write_text("from-file")
    path = kubeconfig("https://kube.example:6443", user, {"insecure-skip-tls-verify": True}, namespace="shop")
    ours, theirs = resolve(path, None), oracle(path).configuration
    assert ours.server == theirs.host
    assert ours.namespace == "shop"
    assert ours.insecure is not theirs.verify_ssl
    # The official client keeps basic and bearer alike as one authorization value.
    expected = next(
        (one["value"] for one in theirs.auth_settings().values() if one["key"] == "authorization"), ""
    )
    assert dict(obtain(ours, 5).headers).get("Authorization", "") == expected


@pytest.mark.parametrize("form", ["path", "data"])
def test_certificates(tmp_path: Path, authority: Authority, kubeconfig: Write, form: str) -> None:
    certificate, key = authority.issue(f"dave-{form}")

    def value(name: str, path: Path) -> dict[str, str]:
        if form == "path":
            return {name: os.path.relpath(path, tmp_path)}
        return {f"{name}-data": base64.b64encode(path.read_bytes()).decode()}

    user = {**value("client-certificate", certificate), **value("client-key", key)}
    path = kubeconfig("https://kube.example", user, value("certificate-authority", authority.path))
    ours, theirs = resolve(path, None), oracle(path).configuration
    assert ours.certificate == Path(theirs.cert_file).read_bytes()
    assert ours.key == Path(theirs.key_file).read_bytes()
    assert (
        ours.ca == Path(theirs.ssl_ca_cert).read_bytes()
        if hasattr(theirs, "ssl_ca_cert")
        else theirs.ssl_ca_cert
    )


def test_several_files_are_merged(kubeconfig: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    first = kubeconfig("https://one", {"token": "1"}, name="one")
    second = kubeconfig("https://two", {"token": "2"}, name="two")
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join([first, second, "/does/not/exist"]))
    assert (resolve(None, None).server, resolve(None, "two").server) == ("https://one", "https://two")
    merged = os.pathsep.join([first, second])
    assert oracle(merged, "two").configuration.host == resolve(None, "two").server


@pytest.mark.parametrize(
    "cluster",
    [
        {},
        {"insecure-skip-tls-verify": True},
        {"tls-server-name": "kube.internal"},
        {"proxy-url": "http://proxy.example:3128"},
    ],
    ids=["plain", "insecure", "tls name", "proxy"],
)
@pytest.mark.parametrize("server", ["https://kube.example:6443/", "https://rancher.example/k8s/clusters/c-1"])
def test_the_cluster_is_the_official_clients(kubeconfig: Write, server: str, cluster: dict[str, Any]) -> None:
    path = kubeconfig(server, {"token": "t"}, cluster)
    ours, theirs = resolve(path, None), oracle(path).configuration
    assert ours.server == theirs.host.rstrip("/")
    assert ours.insecure is not theirs.verify_ssl
    assert ours.tls_server_name == (theirs.tls_server_name or "")
    assert ours.proxy_url == (theirs.proxy or "")


def test_a_plugin_gives_the_token_of_the_official_client(tmp_path: Path, kubeconfig: Write) -> None:
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "login"
    script.write_text(
        """#!/bin/sh
echo '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "'$1$WHO'"}}'
"""
    )
    script.chmod(0o755)
    spec = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "./bin/login",
        "args": ["token-of-"],
        "env": [{"name": "WHO", "value": "jane"}],
    }
    path = kubeconfig("https://kube.example", {"exec": spec}, {"insecure-skip-tls-verify": True})
    theirs = oracle(path).configuration
    expected = next(one["value"] for one in theirs.auth_settings().values())
    assert expected == "Bearer token-of-jane"
    assert dict(obtain(resolve(path, None), 5).headers) == {"Authorization": expected}


def test_an_old_auth_provider_is_the_official_clients(kubeconfig: Write) -> None:
    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    token = f"{part({'alg': 'none'})}.{part({'exp': int(time.time()) + 3600})}.x"
    provider = {
        "name": "oidc",
        "config": {"id-token": token, "idp-issuer-url": "https://i", "client-id": "c"},
    }
    path = kubeconfig("https://kube.example", {"auth-provider": provider}, {"insecure-skip-tls-verify": True})
    assert dict(obtain(resolve(path, None), 5).headers) == {"Authorization": f"Bearer {token}"}


def test_an_auth_provider_that_gives_nothing_is_told(kubeconfig: Write) -> None:
    path = kubeconfig("https://kube.example", {"auth-provider": {"name": "unheard-of"}})
    with pytest.raises(CredentialsFailed, match="auth-provider of context main"):
        obtain(resolve(path, None), 5)


def test_relative_paths_belong_to_the_file_that_holds_them(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "ca.crt").write_bytes(authority.path.read_bytes() + name.encode())
    (tmp_path / "one" / "config").write_text(
        "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u, namespace: n}}]\n"
        "users: [{name: u, user: {token: first}}]\n"
    )
    (tmp_path / "two" / "config").write_text(
        "current-context: other\nclusters: [{name: k, cluster: {server: 'https://x', certificate-authority: ca.crt}}]\n"
        "users: [{name: u, user: {token: second}}]\n"
    )
    merged = os.pathsep.join(str(tmp_path / name / "config") for name in ("one", "two"))
    monkeypatch.setenv("KUBECONFIG", merged)
    # The official client takes the last current-context, kubectl the first.
    ours, theirs = resolve(None, None), oracle(merged, "c").configuration
    assert (ours.context, ours.namespace, ours.token) == ("c", "n", "first")
    assert ours.ca == Path(theirs.ssl_ca_cert).read_bytes()
    assert ours.ca.endswith(b"two")


@pytest.mark.parametrize(
    ("cluster", "server"),
    [({}, "http://10.0.0.1:8080"), ({"insecure-skip-tls-verify": True}, "https://10.0.0.1:8080")],
)
def test_a_server_without_a_scheme(kubeconfig: Write, cluster: dict[str, Any], server: str) -> None:
    assert resolve(kubeconfig("10.0.0.1:8080/", {}, cluster), None).server == server


def test_false_in_quotes_keeps_the_verification(kubeconfig: Write) -> None:
    assert not resolve(kubeconfig("https://x", {}, {"insecure-skip-tls-verify": "false"}), None).insecure


def test_a_pipe_is_a_kubeconfig(tmp_path: Path, kubeconfig: Write) -> None:
    text = Path(kubeconfig("https://x")).read_text()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(text,), daemon=True)
    writer.start()
    assert resolve(str(pipe), None).server == "https://x"


def test_secrets_do_not_stand_in_the_repr(kubeconfig: Write) -> None:
    connection = resolve(kubeconfig("https://x", {"token": "hunter2", "password": "hunter3"}), None)
    assert "hunter" not in repr(connection)
    assert "hunter" not in repr(obtain(connection, 5))


def test_groups_without_a_user_are_refused(kubeconfig: Write) -> None:
    with pytest.raises(NoKubeconfig, match="without a user"):
        resolve(kubeconfig("https://x", {"token": "admin", "as-groups": ["viewers"]}), None)


def test_the_nearest_context_is_named(kubeconfig: Write) -> None:
    with pytest.raises(ContextNotFound, match="no context 'mian': nearest main") as raised:
        resolve(kubeconfig("https://x"), "mian")
    assert raised.value.hint == "nearest main"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"current-context": ""}, "no current context: give --context, one of main"),
        ({"clusters": []}, "names the cluster 'main', which has no server"),
        ({"users": []}, "names the user 'main', which is not in the kubeconfig"),
    ],
)
def test_what_a_context_lacks_is_told(kubeconfig: Write, change: dict[str, Any], says: str) -> None:
    path = Path(kubeconfig("https://x"))
    path.write_text(json.dumps({**yaml.safe_load(path.read_text()), **change}))
    with pytest.raises(ContextNotFound, match=says):
        resolve(str(path), None)


def test_what_cannot_be_read_is_told(kubeconfig: Write) -> None:
    with pytest.raises(NoKubeconfig, match="client-certificate-data in the kubeconfig is not base64"):
        resolve(kubeconfig("https://x", {"client-certificate-data": "%%"}), None)
    with pytest.raises(NoKubeconfig, match="cannot read the client-key .*: No such file"):
        resolve(kubeconfig("https://x", {"client-key": "gone.key"}), None)
    with pytest.raises(NoKubeconfig, match="names no command"):
        resolve(kubeconfig("https://x", {"exec": {"args": []}}), None)


def test_a_wrong_context_is_told_with_those_there_are(kubeconfig: Write) -> None:
    with pytest.raises(ContextNotFound, match="no context 'prod': there are main"):
        resolve(kubeconfig("https://x"), "prod")


def test_no_kubeconfig_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(NoKubeconfig, match="no kubeconfig"):
        resolve(None, None)
    with pytest.raises(NoKubeconfig, match="check --kubeconfig"):
        resolve(str(tmp_path / "none"), None)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[1]",
        "just words",
        "contexts: [a]",
        "contexts: {a: 1}",
        "users: [{name: u, user: x}]",
        "a: 2020-99-99",
        "\x00",
    ],
)
def test_what_is_no_kubeconfig_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(NoKubeconfig, match="is not"):
        resolve(str(path), None)


def test_inside_a_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (("token", "t"), ("ca.crt", "pem"), ("namespace", "ops")):
        (tmp_path / name).write_text(text)
    monkeypatch.setattr("poddoctor.kube.kubeconfig._POD_SECRETS", tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    inside = resolve(None, None)
    assert (inside.server, inside.namespace, inside.ca) == ("https://[fd00::1]:443", "ops", b"pem")
    assert dict(obtain(inside, 5).headers) == {"Authorization": "Bearer t"}
    monkeypatch.setenv("POD_NAMESPACE", "own")
    assert resolve(None, None).namespace == "own"
    with pytest.raises(NoKubeconfig):
        resolve(None, "prod")


def test_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError

    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("poddoctor.kube.kubeconfig.Path.home", no_home)
    with pytest.raises(NoKubeconfig, match="no home directory"):
        resolve(None, None)
