"""Bad input: one clear line, the exit code of the README, no traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PODDOCTOR = str(Path(sys.executable).parent / "poddoctor")
CONFIG = """\
apiVersion: v1
kind: Config
current-context: main
contexts: [{name: main, context: {cluster: main, user: main}}]
clusters: [{name: main, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: main, user: {}}]
"""


def poddoctor(*arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {
        key: value
        for key, value in os.environ.items()
        if key not in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST")
    }
    clean |= {"HOME": str(cwd), "XDG_CONFIG_HOME": str(cwd / "config"), **env}
    return subprocess.run(
        [PODDOCTOR, *arguments], capture_output=True, text=True, check=False, cwd=cwd, env=clean
    )


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["diagnose", "web"], 3, "no kubeconfig"),
        (["diagnose", "web", "--kubeconfig", "nowhere"], 3, "the kubeconfig nowhere does not exist"),
        (
            ["diagnose", "web", "--kubeconfig", "kube", "--context", "prod"],
            3,
            "no context 'prod': there are main",
        ),
        (["diagnose", "web", "--kubeconfig", "kube"], 3, "cannot reach http://127.0.0.1:1"),
        (["diagnose"], 2, "give one POD"),
        (["diagnose", "node/web", "--kubeconfig", "kube"], 2, "cannot diagnose a node"),
        (["diagnose", "Web_1", "--kubeconfig", "kube"], 2, "is no name of a pod"),
        (["diagnose", "--from", "missing.json"], 2, "cannot read missing.json"),
        (["diagnose", "--from", "kube"], 2, "kube is not a recording"),
        (["diagnose", "--from", "other.json"], 2, "is not a recording; make one with"),
        (["diagnose", "--from", "newer.json"], 2, "upgrade poddoctor"),
        (["diagnose", "--from", "damaged.json"], 2, "damaged recording"),
        (
            ["diagnose", "web", "--kubeconfig", "kube", "--playbooks", "nowhere"],
            2,
            "no such folder of playbooks",
        ),
        (["explain", "startup/command-not-fond"], 2, "startup/command-not-found"),
        (["demo", "nothing"], 2, "no demo nothing"),
        (["lint", "nowhere"], 2, "nowhere is no folder"),
        (["lint", "books"], 2, "bad.yaml:1: severity is missing"),
        (["diagnose", "--from", "empty.json", "--playbooks", "books"], 2, "bad.yaml:1: severity is missing"),
    ],
)
def test_one_line_and_the_exit_code(tmp_path: Path, arguments: list[str], code: int, says: str) -> None:
    (tmp_path / "kube").write_text(CONFIG)
    (tmp_path / "other.json").write_text("{}")
    (tmp_path / "newer.json").write_text('{"poddoctor": {"schema": 99}}')
    (tmp_path / "damaged.json").write_text('{"poddoctor": {"schema": 1}, "snapshot": {"clock": "x"}}')
    snapshot = {
        "target": {"kind": "pod", "namespace": "a", "name": "b"},
        "clock": "2026-01-01T00:00:00Z",
        "answers": [],
    }
    (tmp_path / "empty.json").write_text(json.dumps({"poddoctor": {"schema": 1}, "snapshot": snapshot}))
    (tmp_path / "books" / "own").mkdir(parents=True)
    (tmp_path / "books" / "own" / "bad.yaml").write_text("title: x\n")
    done = poddoctor(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_a_wrong_option_is_a_usage_error(tmp_path: Path) -> None:
    done = poddoctor("diagnose", "web", "--timeout", "soon", cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_version_is_quick_and_the_same_everywhere(tmp_path: Path) -> None:
    said = {poddoctor(*arguments, cwd=tmp_path).stdout for arguments in (["--version"], ["version"])}
    assert len(said) == 1
    assert said.pop().startswith("poddoctor 0.")


def test_the_plugin_says_kubectl(tmp_path: Path) -> None:
    plugin = str(Path(sys.executable).parent / "kubectl-poddoctor")
    done = subprocess.run(
        [plugin, "diagnose", "--help"], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert "Usage: kubectl poddoctor diagnose" in done.stdout


def test_an_unreachable_server_ends_within_the_timeout(tmp_path: Path) -> None:
    (tmp_path / "kube").write_text(CONFIG.replace("127.0.0.1:1", "10.255.255.1:9"))
    start = time.monotonic()
    done = poddoctor("diagnose", "web", "--kubeconfig", "kube", "--timeout", "1", cwd=tmp_path)
    assert done.returncode == 3
    assert time.monotonic() - start < 4


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_report_that_cannot_be_written_is_told() -> None:
    recorded = ROOT / "tests" / "recordings" / "crash" / "oom-killed.json"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [PODDOCTOR, "diagnose", "--from", str(recorded)],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 3
    assert done.stderr.strip().splitlines() == [
        "poddoctor: the report could not be read or written: No space left on device"
    ]
