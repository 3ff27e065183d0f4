"""Turns to write: one writer at a time, and acts before background work.

A plain lock is often taken again by the thread that has just released it, so an act could wait for a long job of many
transactions.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """The turn to write to one database, for the threads of this process."""

    def __init__(self) -> None:
        lock = threading.Lock()
        self._acts, self._others = threading.Condition(lock), threading.Condition(lock)
        self._waiting_acts = 0
        self._is_taken = False

    @contextmanager
    def turn(self, *, is_background: bool = False) -> Iterator[None]:
        """Wait for the turn and hold it in a block. Background work waits while any act waits."""
        if is_background:
            self._wait_as_background()
        else:
            self._wait_as_act()
        try:
            yield
        finally:
            self._end()

    @contextmanager
    def free_turn(self) -> Iterator[bool]:
        """Hold the turn in a block if it is free and nobody waits for it. Yield whether it is held."""
        with self._acts:
            is_held = not self._is_taken and not self._waiting_acts
            self._is_taken |= is_held
        try:
            yield is_held
        finally:
            if is_held:
                self._end()

    def _end(self) -> None:
        with self._acts:
            self._is_taken = False
            (self._acts if self._waiting_acts else self._others).notify()

    def _wait_as_act(self) -> None:
        with self._acts:
            self._waiting_acts += 1
            try:
                self._acts.wait_for(lambda: not self._is_taken)
                self._is_taken = True
            finally:
                self._waiting_acts -= 1

    def _wait_as_background(self) -> None:
        with self._others:
            self._others.wait_for(lambda: not self._is_taken and not self._waiting_acts)
            self._is_taken = True
