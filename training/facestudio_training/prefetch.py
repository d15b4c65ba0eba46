"""Batches prepared ahead by threads, so that a GPU does not wait for the processor."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def ahead(make: Callable[[int], T], first: int, workers: int) -> Iterator[T]:
    """make(first), make(first + 1), ... without end and in order. With workers they are made by so
    many threads, twice as many batches ahead; make must depend on its number alone. What make
    raises is raised where its batch is asked for."""
    if workers < 1:
        number = first
        while True:
            yield make(number)
            number += 1
    pool = ThreadPoolExecutor(workers)
    try:
        waiting = deque(pool.submit(make, first + k) for k in range(2 * workers))
        number = first + 2 * workers
        while True:
            yield waiting.popleft().result()
            waiting.append(pool.submit(make, number))
            number += 1
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
