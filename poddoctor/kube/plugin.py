"""Credential plugins (``exec`` in a kubeconfig): imported only for a user that has one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from poddoctor.kube.errors import CredentialsFailed

_GROUP = "client.authentication.k8s.io/"
_VERSIONS = (f"{_GROUP}v1", f"{_GROUP}v1beta1")


@dataclass(frozen=True, slots=True)
class Status:
    """What a plugin gave: a token, or a certificate and its key in PEM, or both."""

    token: str
    certificate: bytes
    key: bytes


def run(spec: Mapping[str, Any], cluster: Mapping[str, Any], timeout: float) -> Status:
    """What the plugin says; it gets ``timeout`` seconds and no terminal, unless it insists on one.

    Raises:
        CredentialsFailed: when it is missing, fails, hangs, or prints no credential.
    """
    version = spec.get("apiVersion") or _VERSIONS[0]
    command = str(spec["command"])
    if version not in _VERSIONS:
        raise CredentialsFailed(
            f"the credential plugin {command} is asked in {version}", "v1 or v1beta1 is needed"
        )
    terminal = spec.get("interactiveMode") == "Always"
    if terminal and not sys.stdin.isatty():
        raise CredentialsFailed(f"the credential plugin {command} needs a terminal (interactiveMode: Always)")
    told: dict[str, Any] = {"interactive": terminal}
    if spec.get("provideClusterInfo"):
        told["cluster"] = cluster
    info = {"apiVersion": version, "kind": "ExecCredential", "spec": told}
    return _status(command, version, _output(command, spec, info, timeout, terminal=terminal))


def _output(
    command: str, spec: Mapping[str, Any], info: Mapping[str, Any], timeout: float, *, terminal: bool
) -> bytes:
    process = _started(command, spec, info, terminal=terminal)
    try:
        output, said = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired as error:
        words = _words(error.stderr)
        raise CredentialsFailed(
            f"the credential plugin {command} gave no answer in {timeout:.3g} s"
            + (f": {words}" if words else ""),
            "log in with kubectl once, or give a longer --timeout",
        ) from error
    finally:
        _end(process, alone=not terminal)
    if process.returncode:
        raise CredentialsFailed(
            f"the credential plugin {command} failed with exit code {process.returncode}:"
            f" {_words(said) or 'it said nothing'}"
        )
    return output


def _started(
    command: str, spec: Mapping[str, Any], info: Mapping[str, Any], *, terminal: bool
) -> subprocess.Popen[bytes]:
    more = {str(one["name"]): str(one.get("value") or "") for one in spec.get("env") or []}
    env = {**os.environ, **more, "KUBERNETES_EXEC_INFO": json.dumps(info, default=str)}
    try:
        return subprocess.Popen(  # noqa: S603 - kubectl runs the same
            [command, *map(str, spec.get("args") or [])],
            env=env,
            stdin=None if terminal else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if terminal else subprocess.PIPE,
            # A group of its own, so that what a plugin starts ends with it.
            start_new_session=not terminal,
        )
    except FileNotFoundError as error:
        hint = spec.get("installHint") or "install it, or fix the user's exec in the kubeconfig"
        raise CredentialsFailed(f"the credential plugin {command} is not there", str(hint)) from error
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or error
        raise CredentialsFailed(f"the credential plugin {command} cannot be run: {said}") from error


def _end(process: subprocess.Popen[bytes], *, alone: bool) -> None:
    """Ends a plugin that is still there: after a time limit, or Ctrl-C."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            if alone:
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def _words(said: bytes | None) -> str:
    """The end of what it wrote to stderr: that is where the reason stands."""
    return " ".join((said or b"").decode(errors="replace").split())[-300:]


def _status(command: str, asked: str, output: bytes) -> Status:
    try:
        document = json.loads(output)
        status, version = document["status"], document.get("apiVersion")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CredentialsFailed(f"the credential plugin {command} printed no ExecCredential") from error
    if version not in _VERSIONS:
        raise CredentialsFailed(
            f"the credential plugin {command} answers in {version}", "v1 or v1beta1 is needed"
        )
    if version != asked:
        raise CredentialsFailed(
            f"the credential plugin {command} was asked in {asked} and answers in {version}",
            "set the apiVersion of the user's exec in the kubeconfig to what the plugin speaks",
        )
    given = status if isinstance(status, dict) else {}
    parts = [str(given.get(key) or "") for key in ("token", "clientCertificateData", "clientKeyData")]
    if bool(parts[1]) != bool(parts[2]):
        raise CredentialsFailed(f"the credential plugin {command} gave a certificate or a key, not both")
    if not parts[0] and not parts[1]:
        raise CredentialsFailed(f"the credential plugin {command} gave neither a token nor a certificate")
    return Status(parts[0], parts[1].encode(), parts[2].encode())
