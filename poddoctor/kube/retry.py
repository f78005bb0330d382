"""Asking again, within the time budget: imported on the first failure."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, cast

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, stop_any

from poddoctor.kube.errors import Unreachable

_ATTEMPTS = 4
_FIRST = 0.1


def attempts(asked_wait: Callable[[], float], end: float) -> Iterable[Any]:
    """Attempts after a first failure, until tries or time are used up.

    An attempt fails by raising Unreachable. The last one does not raise: what has no answer by then is
    told as unknown.

    Args:
        asked_wait: the seconds that the server asked to wait.
        end: when all must be over (monotonic, seconds). A wait that would go past it is not begun.
    """
    first = max(asked_wait(), _FIRST)
    if time.monotonic() + first >= end:
        return ()
    time.sleep(first)

    def wait(state: RetryCallState) -> float:
        return max(asked_wait(), _FIRST * float(2**state.attempt_number))

    def too_late(state: RetryCallState) -> bool:
        return time.monotonic() + state.upcoming_sleep >= end

    return Retrying(
        retry=retry_if_exception_type(Unreachable),
        wait=wait,
        stop=stop_any(stop_after_attempt(_ATTEMPTS), cast("Any", too_late)),
        retry_error_callback=lambda _: None,
        before_sleep=None,
    )
