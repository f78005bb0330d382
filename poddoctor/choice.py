"""Which of a workload's pods speak for it: the failing ones, without those that are history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from poddoctor.model import Body, Target
from poddoctor.pod.containers import ready_count, status_word
from poddoctor.pod.reads import condition
from poddoctor.pod.units import parse_time

MAX_PODS = 3
_LONG = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is diagnosed, and how many pods it stands for ("3 of 5 pods are not ready: …"; or empty)."""

    targets: tuple[Target, ...]
    remark: str = ""


def failing(pods: Sequence[Body], namespace: str) -> Chosen:
    """At most MAX_PODS failing pods, one for each STATUS word, the newest first; else one that works."""
    newest = sorted(
        pods, key=lambda pod: str((pod.get("metadata") or {}).get("creationTimestamp")), reverse=True
    )
    failed = [(status_word(pod), pod) for pod in newest if not works(pod)]
    words: dict[str, Body] = {}
    for word, pod in failed:
        words.setdefault(word, pod)
    chosen = list(words.values())[:MAX_PODS] or newest[:1]
    targets = tuple(Target("pod", namespace, str(pod["metadata"]["name"])) for pod in chosen)
    return Chosen(targets, _how_many([word for word, _ in failed], len(pods)))


def _how_many(failing: Sequence[str], total: int) -> str:
    if not failing or total == 1:
        return ""
    words = ", ".join(f"{count} {word}" for word, count in Counter(failing).most_common())
    return f"{len(failing)} of {total} pods {'is' if len(failing) == 1 else 'are'} not ready: {words}"


def works(pod: Body) -> bool:
    """Whether it is Running with all containers ready, or has succeeded."""
    ready, total = ready_count(pod)
    if (pod.get("status") or {}).get("phase") == "Succeeded":
        return True
    return (
        status_word(pod) == "Running" and ready == total and condition(pod, "Ready").get("status") != "False"
    )


def staying(pods: Sequence[Body], clock: datetime) -> Sequence[Body]:
    """Without those that their controller ends, within their grace period, unless there are no others.

    One that somebody else took away (preempted, evicted, deleted by a taint) tells why there is a new one.
    """

    def leaves(pod: Body) -> bool:
        until = parse_time(pod["metadata"].get("deletionTimestamp"))
        taken = condition(pod, "DisruptionTarget").get("status") == "True"
        return until is not None and until > clock and not taken

    return [pod for pod in pods if not leaves(pod)] or pods


def of_this_template(pods: Sequence[Body]) -> Sequence[Body]:
    """Without the Failed pods of earlier templates: what was rejected stays beside what replaced it."""
    newest = max(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp")), default=None)
    return [
        pod
        for pod in pods
        if (pod.get("status") or {}).get("phase") != "Failed" or _template(pod) == _template(newest or pod)
    ]


def without_outlived(pods: Sequence[Body], wanted: int, clock: datetime) -> Sequence[Body]:
    """Without the Failed pods that enough others, all well, have outlived: what ended them is over.

    A pod that is evicted again and again leaves such records, too, and its successor is young each time.
    """
    well = [pod for pod in pods if works(pod)]
    failed = [pod for pod in pods if (pod.get("status") or {}).get("phase") == "Failed"]
    if not failed or len(well) < max(wanted, 1) or len(well) + len(failed) < len(pods):
        return pods
    lives = [_life(pod, pods) for pod in failed]
    longest = max((life for life in lives if life is not None), default=None)
    ages = [clock - born for pod in well if (born := _born(pod)) is not None]
    if longest is None or len(lives) != len(failed) or not ages or None in lives:
        return pods
    return well if min(ages) > max(2 * longest, _LONG) else pods


def _life(pod: Body, others: Sequence[Body]) -> timedelta | None:
    """How long a Failed pod lived: until the word of its end, or until the next pod was made."""
    born = _born(pod)
    if born is None:
        return None
    ended = parse_time(condition(pod, "DisruptionTarget").get("lastTransitionTime"))
    for one in (pod.get("status") or {}).get("containerStatuses") or []:
        end = parse_time(((one.get("state") or {}).get("terminated") or {}).get("finishedAt"))
        ended = max(ended, end) if ended and end else ended or end
    later = [made for one in others if (made := _born(one)) is not None and made > born]
    ended = ended or min(later, default=None)
    return max(ended - born, timedelta(0)) if ended else None


def _born(pod: Body) -> datetime | None:
    return parse_time(pod["metadata"].get("creationTimestamp"))


def _template(pod: Body) -> str:
    labels = pod["metadata"].get("labels") or {}
    return str(labels.get("pod-template-hash") or labels.get("controller-revision-hash") or "")
