"""The time at which a snapshot was true.

Live, that is the server's clock. Some servers show a cluster as it was long ago (must-gather viewers,
replayed recordings): their ``Date`` header is of today, their objects are not, and every duration would
be wrong. Two facts betray them: events, which the API server drops after an hour or so, and a node that is
Ready although its last heartbeat, due every five minutes, is long past.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from poddoctor.model import Answer, Found, Json, Read
from poddoctor.pod.units import parse_time

_EVENT_LIFE = timedelta(hours=24)  # the default is one hour; distributions keep them for a few
_HEARTBEAT_LIFE = timedelta(hours=1)
_QUIET = timedelta(
    minutes=1
)  # what stands still writes nothing: it was looked at some time after its last word
_NOT_PAST = ("deletionTimestamp", "notAfter", "expirationTimestamp")


def true_time(server: datetime, answers: Mapping[Read, Answer]) -> datetime:
    """The server's time, or the newest time in the objects when these are from long ago."""
    bodies = [(read, answer.body) for read, answer in answers.items() if isinstance(answer, Found)]
    if not any(_of_the_past(server, read, body) for read, body in bodies):
        return server
    seen = [time for read, body in bodies if _small(read) for time in _times(body) if time <= server]
    return max(seen) + _QUIET if seen else server


def _small(read: Read) -> bool:
    return read.verb == "get" or (read.verb == "list" and read.resource == "events")


def _of_the_past(server: datetime, read: Read, body: Json) -> bool:
    if read.verb == "list" and read.resource == "events":
        newest = max(_times(body), default=None)
        return newest is not None and server - newest > _EVENT_LIFE
    if read.verb == "get" and read.resource == "nodes":
        for condition in (body.get("status") or {}).get("conditions") or []:
            heartbeat = parse_time(condition.get("lastHeartbeatTime"))
            if condition.get("type") == "Ready" and condition.get("status") == "True" and heartbeat:
                return server - heartbeat > _HEARTBEAT_LIFE
    return False


def _times(value: Json) -> Iterator[datetime]:
    if isinstance(value, Mapping):
        for key, one in value.items():
            if isinstance(one, str):
                if key.endswith(("Time", "Timestamp", "At")) and key not in _NOT_PAST:
                    time = parse_time(one)
                    if time:
                        yield time
            else:
                yield from _times(one)
    elif isinstance(value, list):
        for one in value:
            yield from _times(one)
