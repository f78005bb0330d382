"""Transfers over one libcurl multi handle: in parallel, and in the background until they are wanted."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Thread

import pycurl

from poddoctor.kube.exchange import Exchange

_CONNECTIONS = 6
_NAP = 0.001
_BACKGROUND = 0.005


class Wire:
    """Connections to one server: one with HTTP/2, a few without.

    ``handle_of`` makes the libcurl handle of an exchange.
    """

    def __init__(self, handle_of: Callable[[Exchange], pycurl.Curl]) -> None:
        self._handle_of = handle_of
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_MULTIPLEX)
        self._multi.setopt(pycurl.M_MAX_HOST_CONNECTIONS, _CONNECTIONS)
        self._flying: dict[pycurl.Curl, Exchange] = {}
        self._background: Thread | None = None
        self._wanted = False

    def start(self, exchanges: Sequence[Exchange]) -> None:
        """Sends them, and drives them in the background until ``finish`` takes over."""
        self._add(exchanges)
        self._background = Thread(target=self._drive, daemon=True)
        self._background.start()

    def finish(self, exchanges: Sequence[Exchange], new: Sequence[Exchange] = ()) -> None:
        """Sends the new ones and returns when all of ``exchanges`` are over."""
        self._take_over()
        self._add(new)
        while not all(one.over for one in exchanges):
            self._step(0.2)

    def close(self) -> None:
        """Closes the connections; what is under way is given up. May be called twice."""
        self._take_over()
        for handle in self._flying:
            # Closing waits for what libcurl's resolver does; QUICK_EXIT spares that where there is one.
            with suppress(pycurl.error, AttributeError):
                handle.setopt(pycurl.QUICK_EXIT, 1)
            self._multi.remove_handle(handle)
            handle.close()
        self._flying.clear()
        self._multi.close()

    def _add(self, exchanges: Sequence[Exchange]) -> None:
        for exchange in exchanges:
            exchange.renew()
            handle = self._handle_of(exchange)
            self._flying[handle] = exchange
            self._multi.add_handle(handle)

    def _drive(self) -> None:
        # Only one thread at a time touches the multi handle: this one ends before the other goes on.
        with suppress(pycurl.error):
            while self._flying and not self._wanted:
                self._step(_BACKGROUND)

    def _take_over(self) -> None:
        if self._background is not None:
            self._wanted = True
            self._background.join()
            self._background, self._wanted = None, False

    def _step(self, most: float) -> None:
        self._multi.perform()
        if self._gather():
            return
        due = self._multi.timeout()
        # -1: no descriptors yet, as while a name is resolved.
        if self._multi.select(most if due < 0 else min(most, due / 1000)) == -1:
            time.sleep(_NAP)

    def _gather(self) -> bool:
        ended = False
        queued = 1
        while queued:
            queued, done, failed = self._multi.info_read()
            for handle in done:
                self._end(handle)
            for handle, code, message in failed:
                self._end(handle, code, message)
            ended = ended or bool(done or failed)
        return ended

    def _end(self, handle: pycurl.Curl, code: int = 0, message: str = "") -> None:
        self._flying.pop(handle).end(handle, code, message)
        self._multi.remove_handle(handle)
        handle.close()
