"""Fixtures of the contract tests: certificates once, kubeconfigs on demand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from .server import Authority, FakeServer


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def tls(authority: Authority) -> tuple[Path, Path]:
    return authority.issue("server", server=True)


@pytest.fixture(autouse=True)
def _nothing_but_get() -> Iterator[None]:
    """Whatever a test does, poddoctor only reads."""
    FakeServer.methods.clear()
    yield
    assert FakeServer.methods <= {"GET"}


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Writes a kubeconfig of one context and gives its path."""
    for name in (
        "KUBECONFIG",
        "HTTPS_PROXY",
        "https_proxy",
        "NO_PROXY",
        "no_proxy",
        "ALL_PROXY",
        "all_proxy",
        "http_proxy",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
    ):
        monkeypatch.delenv(name, raising=False)

    def write(
        server: str,
        user: dict[str, Any] | None = None,
        cluster: dict[str, Any] | None = None,
        name: str = "main",
        **context: Any,
    ) -> str:
        path = tmp_path / f"{name}.yaml"
        path.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": name,
                    "contexts": [{"name": name, "context": {"cluster": name, "user": name, **context}}],
                    "clusters": [{"name": name, "cluster": {"server": server, **(cluster or {})}}],
                    "users": [{"name": name, "user": user or {}}],
                }
            )
        )
        return str(path)

    return write
