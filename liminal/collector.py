"""Python's garbage collector, out of the way of code that makes many objects and no cycles."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """Keeps Python from looking for garbage cycles.

    The collector walks through all objects again and again while a large project is compiled,
    which takes as long as compiling it.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
