"""Snapshot to file and back: the form of a capture, of a test's recording and of the demo.

What is written names no real node address and holds no secret: Secret values never reach a Snapshot,
log lines and fields are masked, and node addresses become ones of the documentation range 192.0.2.0/24.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from poddoctor.model import Absent, Answer, Found, Json, Read, Snapshot, Target, Unknown
from poddoctor.pod.mask import MASK, is_secret_name, mask
from poddoctor.pod.units import parse_time

SCHEMA = 1
_NOISE = ("managedFields", "selfLink")
_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


class RecordingError(Exception):
    """A file that is no recording, or one of a newer schema; the message says what to do."""


@dataclass(frozen=True)
class Recording:
    """A recorded snapshot that answers in the cluster's place.

    Attributes:
        snapshot: what was recorded.
        provenance: cluster version, node image, scenario, date, and whether it is synthetic, with its source.
    """

    snapshot: Snapshot
    provenance: Mapping[str, Any]

    @property
    def clock(self) -> datetime:
        """The server's time when it was recorded."""
        return self.snapshot.clock

    @property
    def version(self) -> str:
        """The server's version when it was recorded."""
        return self.snapshot.version

    def ask(self, reads: Sequence[Read]) -> Mapping[Read, Answer]:
        """The recorded answers; what was not asked then is not known now."""
        unknown = Unknown("not-recorded", "the recording does not hold it")
        return {read: self.snapshot.answers.get(read, unknown) for read in reads}


def dump(snapshot: Snapshot, provenance: Mapping[str, Any]) -> str:
    """The file's text: stable order, one sha256 over the snapshot."""
    body = _redact(_to_json(snapshot))
    digest = _digest(body)
    document = {
        "poddoctor": {"schema": SCHEMA},
        "provenance": {**provenance, "sha256": digest},
        "snapshot": body,
    }
    return json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def load(path: Path) -> Recording:
    """The Recording in a file.

    Raises:
        RecordingError: when the file cannot be read, is no recording, or has a newer schema.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecordingError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise RecordingError(
            f"{path} is not a recording: it is not JSON; make one with poddoctor capture"
        ) from error
    return parse(document, str(path))


def parse(document: Json, name: str) -> Recording:
    """The Recording in a parsed document; ``name`` is how messages call it."""
    header = document.get("poddoctor") if isinstance(document, dict) else None
    if not isinstance(header, dict) or not isinstance(header.get("schema"), int):
        raise RecordingError(f"{name} is not a recording; make one with: poddoctor capture POD -o FILE")
    if header["schema"] > SCHEMA:
        raise RecordingError(
            f"{name} has schema {header['schema']}, this poddoctor reads up to {SCHEMA}: upgrade poddoctor"
        )
    try:
        return Recording(_from_json(document["snapshot"]), document.get("provenance") or {})
    except (KeyError, TypeError, ValueError) as error:
        raise RecordingError(f"{name} is a damaged recording ({error!r}): capture it again") from error


def edited(document: Json) -> bool:
    """Whether the snapshot differs from the one that the sha256 was made of."""
    return bool(_digest(document["snapshot"]) != document["provenance"].get("sha256"))


def _digest(body: Json) -> str:
    from hashlib import sha256  # noqa: PLC0415 - a diagnosis needs none

    return sha256(_canonical(body).encode()).hexdigest()


def _canonical(body: Json) -> str:
    return json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _to_json(snapshot: Snapshot) -> dict[str, Json]:
    target = snapshot.target
    rows = [{"read": _read_json(read), **_answer_json(answer)} for read, answer in snapshot.answers.items()]
    return {
        "target": {"kind": target.kind, "namespace": target.namespace, "name": target.name},
        "clock": snapshot.clock.isoformat(),
        "version": snapshot.version,
        "answers": sorted(rows, key=lambda row: _canonical(row["read"])),
    }


def _read_json(read: Read) -> dict[str, Json]:
    row: dict[str, Json] = {"verb": read.verb, "api": read.api, "resource": read.resource}
    optional = {
        "namespace": read.namespace,
        "name": read.name,
        "query": dict(read.query),
        "metadata_only": read.metadata_only,
        "purpose": read.purpose,
    }
    return {**row, **{key: value for key, value in optional.items() if value}}


def _answer_json(answer: Answer) -> dict[str, Json]:
    if isinstance(answer, Found):
        return {"found": answer.body}
    if isinstance(answer, Absent):
        return {"absent": answer.message}
    return {"unknown": answer.why, "message": answer.message}


def _from_json(body: Mapping[str, Json]) -> Snapshot:
    clock = parse_time(body["clock"])
    if clock is None:
        raise ValueError("clock is no time")
    answers: dict[Read, Answer] = {}
    for row in body["answers"]:
        raw = dict(row["read"])
        raw["query"] = tuple(sorted((raw.get("query") or {}).items()))
        answers[Read(**raw)] = _answer(row)
    return Snapshot(Target(**body["target"]), answers, clock, str(body.get("version") or ""))


def _answer(row: Mapping[str, Json]) -> Answer:
    if "found" in row:
        return Found(row["found"])
    if "absent" in row:
        return Absent(row["absent"])
    return Unknown(row["unknown"], row.get("message", ""))


def _redact(body: dict[str, Json]) -> dict[str, Json]:
    text = json.dumps(_clean(body), ensure_ascii=False)
    for index, address in enumerate(sorted(_node_addresses(body)), 1):
        text = text.replace(address, f"192.0.2.{index}")
    redacted: dict[str, Json] = json.loads(text)
    return redacted


def _clean(value: Json) -> Json:
    if isinstance(value, dict):
        if (
            isinstance(value.get("name"), str)
            and isinstance(value.get("value"), str)
            and is_secret_name(value["name"])
        ):
            return {**value, "value": MASK}
        return {key: _clean(one) for key, one in value.items() if key not in _NOISE and key != _APPLIED}
    if isinstance(value, list):
        return [_clean(one) for one in value]
    return mask(value) if isinstance(value, str) else value


def _node_addresses(value: Json) -> set[str]:
    found: set[str] = set()
    if isinstance(value, dict):
        for key, one in value.items():
            if key == "hostIP" and isinstance(one, str) and one:
                found.add(one)
            elif key == "addresses" and isinstance(one, list):
                found.update(
                    str(address["address"])
                    for address in one
                    if isinstance(address, dict) and address.get("type") in ("InternalIP", "ExternalIP")
                )
            else:
                found |= _node_addresses(one)
    elif isinstance(value, list):
        for one in value:
            found |= _node_addresses(one)
    return found
