"""Many small changes, each with conditions of its own, in as few transactions as they fit into."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any
from uuid import uuid4

from ..contract.errors import ContendedError, UnavailableError
from .dynamodb import Tables

#: What belongs together: all of a change's actions are carried out, or none.
Change = Sequence[Any]
_ACTIONS = 100
#: A transaction takes 4 MB; an action's text is longer than what DynamoDB counts.
_CHARACTERS = 3_500_000
_WORKERS = 16
#: Before each try, in seconds: another request may be changing the same rows, or the partition be busy
#: (it takes 1,000 writes a second, and a transaction's write counts twice).
_PAUSES = (0, 0.05, 0.2, 0.5, 1, 2, 4)


def carry_out(tables: Tables, changes: Sequence[Change]) -> list[bool]:
    """Carries out each change whose conditions hold, up to 100 actions a call, the calls in parallel.

    Returns:
        For each change whether it was carried out. One that met a busy DynamoDB, or another request's
        transaction on the same rows, again and again counts as not carried out.
    """
    parts = list(_packed(changes))
    if not parts:
        return []
    with ThreadPoolExecutor(min(_WORKERS, len(parts))) as pool:
        return [each for part in pool.map(lambda part: _carry_out(tables, part), parts) for each in part]


def _packed(changes: Sequence[Change]) -> Iterator[list[Change]]:
    part: list[Change] = []
    actions = characters = 0
    for change in changes:
        length = len(str(change))
        if part and (actions + len(change) > _ACTIONS or characters + length > _CHARACTERS):
            yield part
            part, actions, characters = [], 0, 0
        part.append(change)
        actions, characters = actions + len(change), characters + length
    if part:
        yield part


def _carry_out(tables: Tables, changes: Sequence[Change]) -> list[bool]:
    done = [False] * len(changes)
    pending = list(range(len(changes)))
    token = str(uuid4())
    for pause in _PAUSES:
        time.sleep(pause)
        try:
            free = iter(tables.transact([action for each in pending for action in changes[each]], token))
        except UnavailableError as error:
            # Without an answer it may have been carried out: the same token then says so.
            token = str(uuid4()) if isinstance(error, ContendedError) else token
            continue
        token = str(uuid4())
        held = [all(list(islice(free, len(changes[each])))) for each in pending]
        if all(held):
            for each in pending:
                done[each] = True
            break
        # One condition that fails cancels them all: the others go again without it.
        pending = [each for each, holds in zip(pending, held, strict=True) if holds]
        if not pending:
            break
    return done
