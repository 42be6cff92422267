"""Compiled loops in as many threads as torch has: they hold no lock of Python's."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise

import torch


def in_parts(count: int, work: Callable[[int, int, int], None]) -> int:
    """Divides `range(count)`, calls `work(first, last, part)` for each part, and gives their number."""
    threads = max(1, min(torch.get_num_threads(), count))
    if threads == 1:
        work(0, count, 0)
        return 1
    cuts = [count * part // threads for part in range(threads + 1)]
    parts = [_pool(threads).submit(work, *cut, part) for part, cut in enumerate(pairwise(cuts))]
    for each in parts:
        each.result()
    return threads


@lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "loops")
