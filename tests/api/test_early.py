"""Dialing before the command line is parsed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from poddoctor.kube import early
from poddoctor.kube.errors import CredentialsFailed
from poddoctor.kube.transport import Cluster
from poddoctor.model import Found
from poddoctor.pod.reads import get

from .server import FakeServer

POD = get("v1", "pods", "shop", "web")
Write = Callable[..., str]


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    early._dialed.clear()
    yield
    early._dialed.clear()


def test_the_cluster_that_was_dialed_is_the_one_that_is_opened(kubeconfig: Write) -> None:
    with FakeServer({POD.path: {}, "/version": {"gitVersion": "v1.34.4"}}) as server:
        config = kubeconfig(server.url)
        early.dial(["diagnose", "web", f"--kubeconfig={config}", "--timeout", "3"])
        cluster = early.open_cluster(config, None, 3)
        assert cluster.ask([POD]) == {POD: Found({})}
        assert cluster.version == "v1.34.4"
        assert [one.path for one in server.requests].count("/version") == 1
        cluster.close()


def test_another_context_is_opened_anew(kubeconfig: Write) -> None:
    with FakeServer({POD.path: {}}) as server:
        config = kubeconfig(server.url)
        early.dial(["diagnose", "web", "--kubeconfig", config, "--context", "main"])
        cluster = early.open_cluster(config, None, 3)
        assert cluster is not early.open_cluster(config, "main", 3)
        cluster.close()


def test_a_plugin_that_fails_is_run_once(tmp_path: Path, kubeconfig: Write) -> None:
    count = tmp_path / "count"
    spec = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "sh",
        "args": ["-c", f"echo x >> {count}; exit 4"],
    }
    config = kubeconfig("http://127.0.0.1:1", {"exec": spec})
    early.dial(["diagnose", "web", "--kubeconfig", config])
    with pytest.raises(CredentialsFailed, match="exit code 4: it said nothing"):
        early.open_cluster(config, None, 3)
    assert count.read_text() == "x\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["explain", "x"],
        ["diagnose", "--help"],
        ["diagnose", "--from", "f"],
        ["diagnose", "--from=f"],
        ["diagnose", "web", "--timeout=soon"],
        ["diagnose", "web", "--timeout", "nan"],
    ],
)
def test_what_needs_no_cluster_dials_none(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cluster, "open", lambda *_: pytest.fail("dialed"))
    early.dial(arguments)
    assert not early._dialed
