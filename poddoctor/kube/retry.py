"""Asking again, within the time budget: imported on the first failure."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, cast

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_after_delay,
    stop_any,
)

from poddoctor.kube.errors import Unreachable

_ATTEMPTS = 5
_FIRST = 0.1


def attempts(asked_wait: Callable[[], float], budget: float) -> Iterable[Any]:
    """Attempts after a first failure, until tries or ``budget`` seconds are used up.

    An attempt fails by raising Unreachable. ``asked_wait`` gives the seconds that the server asked to wait.
    The last attempt does not raise: what has no answer by then is told as unknown.
    """
    first = max(asked_wait(), _FIRST)
    if first >= budget:
        return ()
    time.sleep(first)

    def wait(state: RetryCallState) -> float:
        return max(asked_wait(), _FIRST * float(2**state.attempt_number))

    def over_budget(state: RetryCallState) -> bool:
        return state.upcoming_sleep >= budget - first - (state.seconds_since_start or 0.0)

    return Retrying(
        retry=retry_if_exception_type(Unreachable),
        wait=wait,
        stop=stop_any(stop_after_attempt(_ATTEMPTS), stop_after_delay(budget), cast("Any", over_budget)),
        retry_error_callback=lambda _: None,
        before_sleep=None,
    )
