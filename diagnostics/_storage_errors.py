"""The telling part of what a storage driver says: clouds wrap one sentence into many."""

from __future__ import annotations

from poddoctor.pod.clip import clip
from poddoctor.pod.pattern import lazy

_RPC = lazy(
    r"rpc error: code = \w+ desc = |kubernetes\.io/csi: "
    r"|failed to mount secrets store objects for pod \S+, err: |error making mount request: "
)
_SLOW = lazy(
    r"operation with the given [Vv]olume.{0,200}already exists|operation is pending"
    r"|context deadline exceeded|DeadlineExceeded"
)
# Code and sentence, as the clouds' own clients write them.
_CLOUD = (
    lazy(r"api error (?P<code>\w+): (?P<said>[^\n]+)"),  # AWS, since its second client
    lazy(r"failed \((?P<code>[A-Z_]+)\): (?P<said>[^\n]+)"),  # Google
    lazy(r"\"code\":\s*\"(?P<code>\w+)\",\s*\"message\":\s*\"(?P<said>[^\"\n]+)"),  # Azure, its answer
    lazy(r"[Cc]ode=\"?(?P<code>\w+)\"? [Mm]essage=\"(?P<said>[^\"\n]+)"),  # Azure, before 2022
    lazy(r"Code: (?P<code>\d{3})\. Errors:\s*(?:\* \d+ errors? occurred:\s*)?\* (?P<said>[^\n]+)"),  # Vault
    lazy(r"\b(?P<code>[A-Z]\w+Exception): (?P<said>[^\n]+)"),  # AWS, since long
    lazy(r"(?P<code>)\berror output: (?P<said>[^\n]+(?:\n[^\n]+)?)"),  # Ceph
    lazy(r"ERROR CODE: (?P<code>\w+)(?P<said>)"),
)


# What kind of refusal it is: the remedy differs. A quota and a zone are also named in refusals of rights.
_REFUSALS = (
    ("source", lazy(r"DataSource Type|snapshot \S+ not found|volumesnapshots\S* \S+ not found")),
    ("quota", lazy(r"(?i)quota|(?:Volume|Disk)s? ?Limit|limit ?exceeded|exceeds? (?:the )?.{0,30}limit")),
    (
        "permission",
        lazy(
            r"(?i)unauthori[sz]ed|access ?denied|authorization ?failed|not authorized|permission_?denied"
            r"|does not have authorization|\b40[13]\b|forbidden|unauthenticated|invalid(?:client)?token"
            r"|no ?permission|expired ?token|webidentity|no (?:valid )?credential|imds"
        ),
    ),
    (
        "mode",
        lazy(
            r"(?i)access ?modes?|ReadWriteMany|MULTI[ _-]?(?:NODE|WRITER)"
            r"|volume ?capabilit(?:y|ies).{0,40}not supported"
            r"|only supports? .{0,30}(?:ReadWriteOnce|SINGLE_NODE)"
        ),
    ),
    ("zone", lazy(r"(?i)availability.?zone|\bzones?\b|topolog")),
    ("space", lazy(r"(?i)insufficient|not enough|no space|free space|resource.?exhausted|out of capacity")),
)


def refusal(text: str) -> str:
    """The kind of a driver's refusal, empty for any other."""
    return next((name for name, pattern in _REFUSALS if pattern.search(text)), "")


def slow(text: str) -> bool:
    """Whether the driver only says that it has not finished: no word of what is wrong."""
    return bool(_SLOW.search(text))


def telling(text: str, longest: int = 200) -> str:
    """The cloud's own code and sentence where there is one; else the first line without wrappers."""
    for pattern in _CLOUD:
        if found := pattern.search(text):
            parts = (found["code"], " ".join(found["said"].split()))
            return clip(": ".join(part for part in parts if part), longest)
    lines = _RPC.sub("", text).strip().splitlines() or [""]
    return clip(lines[0].strip(), longest)
