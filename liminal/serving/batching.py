"""Micro-batching: calls that arrive together go to the user's function as one list."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from .config import Batch
from .results import BadResult


@dataclass(slots=True)
class _Item:
    """One caller's item, and what became of it."""

    value: object
    done: threading.Event = field(default_factory=threading.Event)
    result: object = None
    error: BaseException | None = None


@dataclass(slots=True)
class _Gathering:
    """The items that wait for the next call of the function."""

    items: list[_Item] = field(default_factory=list)
    full: threading.Event = field(default_factory=threading.Event)


class Batcher:
    """Calls a function from a list to a list for many callers at once.

    The first caller of a batch leads it: it waits until the batch is full or `max_wait_ms` are
    over and no other batch runs, then calls the function for all. So there is no thread of its
    own, and a batch grows while the one before it is computed.
    """

    def __init__(self, function: Callable[[list[object]], object], batch: Batch) -> None:
        self._function = function
        self._batch = batch
        self._gathering: _Gathering | None = None
        self._changing = threading.Lock()
        self._running = threading.Lock()

    def call(self, value: object) -> object:
        """The function's result for one item; raises what the function raised for it."""
        item = _Item(value)
        with self._changing:
            gathering = self._gathering
            leads = gathering is None
            if gathering is None:
                gathering = self._gathering = _Gathering()
            gathering.items.append(item)
            if len(gathering.items) >= self._batch.max_size:
                self._gathering = None
                gathering.full.set()
        if leads:
            self._lead(gathering)
        else:
            item.done.wait()
        if item.error is not None:
            raise item.error
        return item.result

    def _lead(self, gathering: _Gathering) -> None:
        gathering.full.wait(self._batch.max_wait_ms / 1000)
        with self._running:
            with self._changing:
                if self._gathering is gathering:
                    self._gathering = None
            try:
                self._run(gathering.items)
            finally:
                for item in gathering.items:
                    item.done.set()

    def _run(self, items: list[_Item]) -> None:
        try:
            results = self._results([item.value for item in items])
        except BaseException as error:
            if len(items) == 1:
                items[0].error = error
                return
            # One bad item must not fail the others: each gets a call of its own.
            for item in items:
                self._run([item])
            return
        for item, result in zip(items, results, strict=True):
            if isinstance(result, BaseException):
                item.error = result
            else:
                item.result = result

    def _results(self, values: list[object]) -> list[object]:
        returned = self._function(values)
        if hasattr(returned, "tolist"):  # an array of numpy or a series of pandas
            returned = returned.tolist()
        if not isinstance(returned, list | tuple) or len(returned) != len(values):
            size = f" of {len(returned)}" if isinstance(returned, list | tuple) else ""
            raise BadResult(
                f"a batch of {len(values)} needs a list of {len(values)} results, "
                f"found {type(returned).__name__}{size}"
            )
        return list(returned)
