"""The same kubeconfig, the same host, headers and certificates as the official client."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kubernetes import config as official
from kubernetes.client import ApiClient

from poddoctor.kube.credentials import obtain
from poddoctor.kube.errors import ContextNotFound, NoKubeconfig
from poddoctor.kube.kubeconfig import resolve

from .server import Authority

Write = Callable[..., str]


def oracle(path: str, context: str | None = None) -> ApiClient:
    return official.new_client_from_config(config_file=path, context=context)


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


@pytest.mark.parametrize("text", ["{", "[1]", "just words"])
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
