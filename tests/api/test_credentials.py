"""Who asks: exec plugins and files. When the credentials cannot be had, nothing is sent."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from poddoctor.kube.credentials import obtain
from poddoctor.kube.errors import CredentialsFailed
from poddoctor.kube.kubeconfig import resolve
from poddoctor.kube.transport import Cluster
from poddoctor.pod.reads import get

from .server import Authority, FakeServer

POD = get("v1", "pods", "shop", "web")
Write = Callable[..., str]


def plugin(tmp_path: Path, body: str, version: str = "v1") -> dict[str, Any]:
    path = tmp_path / "plugin.sh"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return {
        "exec": {
            "apiVersion": f"client.authentication.k8s.io/{version}",
            "command": str(path),
            "installHint": "get it",
        }
    }


def credential(version: str = "v1", **status: str) -> str:
    document = {
        "apiVersion": f"client.authentication.k8s.io/{version}",
        "kind": "ExecCredential",
        "status": status,
    }
    return f"cat <<'END'\n{json.dumps(document)}\nEND"


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_a_plugin_gives_a_token(tmp_path: Path, kubeconfig: Write, version: str) -> None:
    with FakeServer({POD.path: {}}) as server:
        config = kubeconfig(server.url, plugin(tmp_path, credential(version, token="from-plugin"), version))
        cluster = Cluster.open(config, None, 5)
        cluster.ask([POD])
        cluster.close()
    assert server.asked[0].header("authorization") == "Bearer from-plugin"


def test_a_plugin_gives_a_certificate(
    tmp_path: Path, authority: Authority, tls: tuple[Path, Path], kubeconfig: Write
) -> None:
    certificate, key = authority.issue("carol")
    body = credential(clientCertificateData=certificate.read_text(), clientKeyData=key.read_text())
    with FakeServer({POD.path: {}}, tls, client_ca=authority.path) as server:
        config = kubeconfig(
            server.url, plugin(tmp_path, body), {"certificate-authority": str(authority.path)}
        )
        cluster = Cluster.open(config, None, 5)
        cluster.ask([POD])
        cluster.close()
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("echo 'token expired: run login' >&2; exit 3", "exit code 3: token expired: run login"),
        ("echo nonsense", "printed no ExecCredential"),
        (credential("v9", token="t"), "v1 or v1beta1 is needed"),
        (credential("v1beta1", token="t"), "was asked in .*v1 and answers in .*v1beta1"),
        (credential(), "neither a token nor a certificate"),
        (credential(clientCertificateData="c"), "a certificate or a key, not both"),
        ("printf '\\033[31mred' >&2; exit 1", r"exit code 1: \[31mred$"),
    ],
)
def test_a_plugin_that_fails_sends_nothing(tmp_path: Path, kubeconfig: Write, body: str, says: str) -> None:
    with FakeServer({POD.path: {}}) as server:
        with pytest.raises(CredentialsFailed, match=says):
            Cluster.open(kubeconfig(server.url, plugin(tmp_path, body)), None, 5)
        assert server.requests == []


def test_a_plugin_that_hangs_is_given_up(tmp_path: Path, kubeconfig: Write) -> None:
    start = time.monotonic()
    with pytest.raises(
        CredentialsFailed, match=r"no answer in 0\.5 s: open the browser: log in with kubectl"
    ):
        Cluster.open(
            kubeconfig("http://127.0.0.1:1", plugin(tmp_path, "echo open the browser >&2; sleep 20; true")),
            None,
            0.5,
        )
    assert time.monotonic() - start < 3


def test_a_plugin_that_is_missing_gives_the_hint(kubeconfig: Write) -> None:
    user = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": "no-such-plugin",
            "installHint": "get it",
        }
    }
    with pytest.raises(CredentialsFailed, match="no-such-plugin is not there: get it"):
        Cluster.open(kubeconfig("http://127.0.0.1:1", user), None, 5)


def test_a_plugin_learns_the_cluster(tmp_path: Path, kubeconfig: Write) -> None:
    seen = tmp_path / "seen.json"
    user = plugin(tmp_path, f'printf %s "$KUBERNETES_EXEC_INFO" > {seen}\n{credential(token="t")}')
    user["exec"]["provideClusterInfo"] = True
    obtain(resolve(kubeconfig("http://127.0.0.1:1", user), None), 5)
    info = json.loads(seen.read_text())
    assert info["spec"]["cluster"]["server"] == "http://127.0.0.1:1"
    assert info["spec"]["interactive"] is False


def test_token_file_and_basic(tmp_path: Path, kubeconfig: Write) -> None:
    (tmp_path / "token").write_text("from-file\n")
    headers = dict(obtain(resolve(kubeconfig("http://x", {"tokenFile": "token"}), None), 5).headers)
    assert headers == {"Authorization": "Bearer from-file"}
    headers = dict(
        obtain(resolve(kubeconfig("http://x", {"username": "u", "password": "p"}), None), 5).headers
    )
    assert headers == {"Authorization": "Basic dTpw"}


def test_a_missing_token_file_is_told(kubeconfig: Write) -> None:
    with pytest.raises(CredentialsFailed, match="cannot read the token file"):
        obtain(resolve(kubeconfig("http://x", {"tokenFile": os.devnull + "/x"}), None), 5)


def test_an_empty_token_file_is_told(tmp_path: Path, kubeconfig: Write) -> None:
    (tmp_path / "token").write_text("\n")
    with pytest.raises(CredentialsFailed, match="is empty"):
        obtain(resolve(kubeconfig("http://x", {"tokenFile": "token"}), None), 5)


def test_a_token_with_a_line_break_is_not_sent(kubeconfig: Write) -> None:
    with pytest.raises(CredentialsFailed, match="line break"):
        obtain(resolve(kubeconfig("http://x", {"token": "a\r\nImpersonate-User: root"}), None), 5)


def test_half_a_pair_is_told(authority: Authority, kubeconfig: Write) -> None:
    certificate, key = authority.issue("half")
    for name, path, missing in (("certificate", certificate, "key"), ("key", key, "certificate")):
        config = kubeconfig("https://x", {f"client-{name}": str(path)})
        with pytest.raises(CredentialsFailed, match=f"the client {missing} is missing"):
            obtain(resolve(config, None), 5)


def test_an_encrypted_key_is_told(authority: Authority, tmp_path: Path, kubeconfig: Write) -> None:
    certificate, _ = authority.issue("locked")
    (tmp_path / "locked.key").write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
    user = {"client-certificate": str(certificate), "client-key": "locked.key"}
    with pytest.raises(CredentialsFailed, match="the client key is encrypted: decrypt it"):
        obtain(resolve(kubeconfig("https://x", user), None), 5)


def test_a_token_wins_over_a_plugin(tmp_path: Path, kubeconfig: Write) -> None:
    user = {**plugin(tmp_path, "exit 1"), "token": "own"}
    assert dict(obtain(resolve(kubeconfig("http://x", user), None), 5).headers) == {
        "Authorization": "Bearer own"
    }


def test_a_plugin_gets_its_environment_and_the_clusters_authority(
    tmp_path: Path, authority: Authority, kubeconfig: Write
) -> None:
    seen = tmp_path / "seen.json"
    user = plugin(tmp_path, f'printf %s "$KUBERNETES_EXEC_INFO" > {seen}\n{credential(token="t")}')
    user["exec"] |= {"provideClusterInfo": True, "env": [{"name": "KUBERNETES_EXEC_INFO", "value": "no"}]}
    extension = {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "a"}}
    cluster = {"certificate-authority": str(authority.path), "extensions": [extension]}
    obtain(resolve(kubeconfig("https://x", user, cluster), None), 5)
    told = json.loads(seen.read_text())
    assert told["apiVersion"] == "client.authentication.k8s.io/v1"
    assert told["kind"] == "ExecCredential"
    assert told["spec"]["cluster"] == {
        "server": "https://x",
        "certificate-authority-data": base64.b64encode(authority.path.read_bytes()).decode(),
        "config": {"audience": "a"},
    }


def test_what_a_hanging_plugin_started_ends_with_it(tmp_path: Path, kubeconfig: Write) -> None:
    user = plugin(tmp_path, f"sleep 30 & echo $! > {tmp_path}/pid; wait")
    with pytest.raises(CredentialsFailed, match="no answer"):
        Cluster.open(kubeconfig("http://127.0.0.1:1", user), None, 0.5)
    child = Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}/stat")
    for _ in range(50):
        if not child.exists() or child.read_text().split()[2] == "Z":
            return
        time.sleep(0.02)
    pytest.fail("the child of the plugin is still there")


def test_a_plugin_that_needs_a_terminal_says_so(
    tmp_path: Path, kubeconfig: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = plugin(tmp_path, credential(token="t"))
    user["exec"]["interactiveMode"] = "Always"
    monkeypatch.setattr("sys.stdin", open(os.devnull))  # noqa: SIM115, PTH123
    with pytest.raises(CredentialsFailed, match="needs a terminal"):
        obtain(resolve(kubeconfig("http://x", user), None), 5)


def test_a_plugin_of_an_unknown_version_is_not_run(tmp_path: Path, kubeconfig: Write) -> None:
    user = plugin(tmp_path, f"touch {tmp_path}/ran", "v1alpha1")
    with pytest.raises(CredentialsFailed, match="v1alpha1: v1 or v1beta1 is needed"):
        obtain(resolve(kubeconfig("http://x", user), None), 5)
    assert not (tmp_path / "ran").exists()


def test_odd_impersonation_is_encoded(kubeconfig: Write) -> None:
    user = {"token": "t", "as": "jäne", "as-user-extra": {"example.com/scope": ["a b"]}}
    headers = dict(obtain(resolve(kubeconfig("http://x", user), None), 5).headers)
    assert headers["Impersonate-User"] == "jäne"
    assert headers["Impersonate-Extra-example.com%2Fscope"] == "a b"
