"""How processes that train together end: all as the first of them said that had to, and soon.

A process may fail alone, or be killed, while the others wait for it in the middle of a step. What it has
to say goes through the group's store, which outlives it, and which each process looks at once a second.
"""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from threading import RLock, Thread
from typing import Self

from torch import distributed

from chalicelib.contract.errors import LostClaimError, UnavailableError
from chalicelib.contract.records import Failure

from .group import Group
from .launch import leave

_LOG = logging.getLogger(__name__)
#: As sysexits.h has it for "try again"; the job definition's retry strategy knows it.
TRY_AGAIN = 75
_LOOK_SECONDS = 1.0
#: For the writer to carry out what another process said, before that one goes.
_WRITER_SECONDS = 10.0
#: For whoever caused a broken connection to say why.
_SAY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Said:
    """An exit code, and what the session is to say if it failed."""

    code: int
    failure: Failure | None = None

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        document = json.loads(text)
        failure = document["failure"]
        return cls(document["code"], Failure(**failure) if failure else None)


def is_lost(error: BaseException) -> bool:
    """Whether an error says that another process or machine doesn't answer: gloo has no class for it."""
    return isinstance(error, distributed.DistError) or (
        isinstance(error, RuntimeError) and "gloo" in str(error)
    )


class Endings:
    """One process's view of the common ending. Alone, it only carries out its own.

    Args:
        fail: writes a failure into the session; called once, and by the writer alone.
        leave: ends the process.
    """

    def __init__(
        self, group: Group, fail: Callable[[Failure], None], leave: Callable[[int], object] = leave
    ) -> None:
        self._group, self._fail, self._leave = group, fail, leave
        self._one = RLock()
        if group.size > 1:
            Thread(target=self._watch, name="endings", daemon=True).start()

    def end(self, code: int, failure: Failure | None = None) -> int:
        """Says how this process ends, and carries out what was said first.

        Returns:
            The exit code: its own, or another's that came before.
        """
        own = Said(code, failure)
        return self._carry_out(self._heard(own) or own)

    def end_lost(self, code: int) -> int:
        """The same for a process that has lost another: as that one said, or else with `code`."""
        deadline = time.monotonic() + _SAY_SECONDS
        while time.monotonic() < deadline and self._heard() is None:
            time.sleep(0.1)
        return self.end(code)

    def _carry_out(self, said: Said) -> int:
        self._one.acquire()  # and never released: from here on this thread ends the process
        if self._group.writes and said.failure:
            self._fail(said.failure)
        elif said.failure:
            time.sleep(_WRITER_SECONDS)  # the writer sees it within a second; then torchrun ends this process
        return said.code

    def _watch(self) -> None:
        while (said := self._heard()) is None:
            time.sleep(_LOOK_SECONDS)
        # The writer first; and this process may be about to end by itself.
        time.sleep(0 if self._group.writes else _SAY_SECONDS)
        _LOG.warning("ending as another process said: %s", said)
        self._leave(self._code_of(said))

    def _code_of(self, said: Said) -> int:
        try:
            return self._carry_out(said)
        except LostClaimError:  # another attempt owns the session
            return 0
        except UnavailableError:
            return TRY_AGAIN

    def _heard(self, own: Said | None = None) -> Said | None:
        """What was said first, now that `own` is said as well."""
        try:
            text = self._group.ended(own.to_json() if own else None)
        except RuntimeError:  # the main machine is gone, and the store with it
            return own or Said(TRY_AGAIN)
        return Said.from_json(text) if text else None
