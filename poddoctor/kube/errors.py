"""What can go wrong on the way to a cluster: one clear line each, what is wrong and what to do."""

from __future__ import annotations

import json

_MOST = 1000


class KubeError(Exception):
    """Base of all errors of this package; ``str()`` is one line for the user.

    Attributes:
        message: what is wrong.
        hint: what to do about it, or empty.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        self.message, self.hint = plain(message), plain(hint)
        super().__init__(f"{self.message}: {self.hint}" if self.hint else self.message)


class NoKubeconfig(KubeError):
    """No kubeconfig was found, or it cannot be read."""


class ContextNotFound(KubeError):
    """The context, or the cluster or user that it names, is not in the kubeconfig."""


class CredentialsFailed(KubeError):
    """The credentials could not be had: nothing was sent."""


class Unreachable(KubeError):
    """The API server could not be reached."""


class CertificateFailed(KubeError):
    """A certificate was refused, on one side or the other."""


class Unauthorized(KubeError):
    """The API server does not know who asks (401)."""


def plain(text: str) -> str:
    """The text on one line, without what could steer a terminal: plugins and proxies write it."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


def status_message(body: bytes) -> str:
    """The message of a Kubernetes Status in an error body; a body of any other kind is not repeated.

    A proxy's error page may hold anything, secrets included.
    """
    try:
        status = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(status, dict) or status.get("kind") != "Status":
        return ""
    return str(status.get("message") or "")[:_MOST]
