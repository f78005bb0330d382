"""Masking what looks like a secret in text that came from a cluster."""

from __future__ import annotations

import re

MASK = "***"
_SECRET_NAME = re.compile(
    r"(?i)passw|secret|token|credential|private|api_?key|access_?key|(?:^|_)pwd|(?:^|_)auth(?:$|_)"
)
# Each pattern keeps its first group and loses the rest.
_SECRETS = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?s)(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(?=-----END [A-Z ]*PRIVATE KEY-----|\Z)",
        r"(\b[a-z][a-z0-9+.-]*://[^/\s:@\"']*:)[^@\s/\"']+(?=@)",
        r"((?i:authorization)[\"']?\s*[:=]\s*[\"']?(?i:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{6,}",
        r"(\b(?i:bearer)\s+)[A-Za-z0-9._~+/-]{16,}=*",
        r"(\beyJ[A-Za-z0-9_-]{6})[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?",
        r"(\b(?:AKIA|ASIA))[A-Z0-9]{12,}\b",
        r"(\bgh[pousr]_)[A-Za-z0-9]{20,}",
        r"(\bglpat-)[A-Za-z0-9_-]{16,}",
        r"(\bxox[abprs]-)[A-Za-z0-9-]{10,}",
        r"(\bsk-)[A-Za-z0-9_-]{20,}",
        r"(\bAIza)[A-Za-z0-9_-]{30,}",
        (
            r"((?i:\b[a-z0-9_.-]*(?:password|passwd|pwd|secret|api[_-]?key|access[_-]?key|auth[_-]?token|client[_-]?secret))"
            r"[\"']?\s*=\s*[\"']?)(?![\s\"']|\*\*\*|\$\{)[^\s\"',;&)]{3,}"
        ),
        (
            r"((?i:[\"'][a-z0-9_.-]*(?:password|passwd|secret|api[_-]?key|access[_-]?key|token)[\"'])"
            r"\s*:\s*[\"'])[^\"']{3,}(?=[\"'])"
        ),
    )
)
_HINT = re.compile(
    r"(?i)://|private key|bearer|basic|eyJ|AKIA|ASIA|gh[pousr]_|glpat|xox|sk-|AIza|passw|pwd|secret|key|token"
)


def mask(text: str) -> str:
    """The text with tokens, passwords, private keys and cloud keys replaced by ``***``."""
    # Most lines hold none of the words: one quick look saves a dozen slow ones.
    if not _HINT.search(text):
        return text
    for pattern in _SECRETS:
        text = pattern.sub(rf"\g<1>{MASK}", text)
    return text


def is_secret_name(name: str) -> bool:
    """Whether an environment variable of this name probably holds a secret."""
    return bool(_SECRET_NAME.search(name))
