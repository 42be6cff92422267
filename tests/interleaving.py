"""Actors that share ports, in any order of their calls: what threads do by chance, done on purpose.

Each actor runs in a thread of its own and waits before each call of a shared port until it is chosen.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

#: Takes how many actors wait at a call, and says which of them goes on.
Choose = Callable[[int], int]


class Turns:
    """Lets one actor at a time make one call."""

    def __init__(self) -> None:
        self._actors: list[_Actor] = []

    def share(self, port: Any) -> Any:
        """A port whose calls are taken in turns by the actors; anybody else's go through."""
        return _Shared(port)

    def run(self, actors: Sequence[Callable[[], Any]], choose: Choose) -> None:
        """Runs all actors to their ends; raises what one of them raised."""
        waiting = [_Actor(each) for each in actors]
        for each in waiting:
            each.go_on()  # to its first call
        while waiting := [each for each in waiting if not each.is_done]:
            waiting[choose(len(waiting))].go_on()


class _Actor:
    _here = threading.local()

    def __init__(self, act: Callable[[], Any]) -> None:
        self._act = act
        self._turn, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self._error: BaseException | None = None
        self.is_done = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def go_on(self) -> None:
        """Lets it make its next call, and waits until it is before the one after that."""
        self._turn.release()
        self._back.acquire()
        if self.is_done:
            self._thread.join()
            if self._error:
                raise self._error

    def wait(self) -> None:
        self._back.release()
        self._turn.acquire()

    @classmethod
    def here(cls) -> "_Actor | None":
        return getattr(cls._here, "actor", None)

    def _run(self) -> None:
        self._here.actor = self
        self._turn.acquire()
        try:
            self._act()
        except BaseException as error:  # noqa: BLE001 - it is raised again where the actors are run
            self._error = error
        self.is_done = True
        self._back.release()


class _Shared:
    def __init__(self, port: Any) -> None:
        self._port = port

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if not callable(found):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            if actor := _Actor.here():
                actor.wait()
            return found(*args, **kwargs)

        return call


def every_order(run: Callable[[Choose], None]) -> Iterator[None]:
    """Calls `run` once for each order in which its actors can make their calls, and yields after each."""
    prefix: list[int] = []
    while True:
        trail: list[tuple[int, int]] = []
        run(_following(prefix, trail))
        yield
        while trail and trail[-1][0] + 1 == trail[-1][1]:
            trail.pop()
        if not trail:
            return
        prefix = [chosen for chosen, _ in trail]
        prefix[-1] += 1


def _following(prefix: Sequence[int], trail: list[tuple[int, int]]) -> Choose:
    def choose(waiting: int) -> int:
        chosen = prefix[len(trail)] if len(trail) < len(prefix) else 0
        trail.append((chosen, waiting))
        return chosen

    return choose
