"""Who asks: exec plugins and files. When the credentials cannot be had, nothing is sent."""

from __future__ import annotations

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
