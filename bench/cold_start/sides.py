"""Who is measured: each a folder of code and the packages beside it, run by Lambda's own runtime client."""

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from infra.local.runtime_api import ExecutionEnvironment

APPS = Path(__file__).with_name("apps")
OURS, BARE, RUNTIME = "darkroom", "bare chalice", "runtime alone"
_WAIT_SECONDS = 120.0


class AnswerError(Exception):
    """An app answered something else than 200."""


@dataclass(frozen=True, slots=True)
class Cold:
    """From the start of the process to the answer of the first request.

    Attributes:
        cpu_seconds: of the process; it waits for AWS without any.
        seconds: of the wall clock.
    """

    cpu_seconds: float
    seconds: float

    @classmethod
    def middle(cls, runs: Sequence["Cold"]) -> "Cold":
        return cls(median(each.cpu_seconds for each in runs), median(each.seconds for each in runs))


@dataclass(frozen=True, slots=True)
class Side:
    """One app.

    Attributes:
        name: as printed.
        module: that has it as `app`.
        path: folders of its modules, first come first.
        event: the request.
        python: that runs it.
        variables: of its environment.
        folder: where its log goes.
    """

    name: str
    module: str
    path: Sequence[Path]
    event: Mapping[str, Any]
    python: Path
    variables: Mapping[str, str]
    folder: Path

    def cold(self) -> Cold:
        """Raises:
        AnswerError: the answer wasn't 200.
        """
        environment = self._start(self.module)
        try:
            started = time.monotonic()
            answer = self._invoke(environment, self.event)
            took = Cold(_cpu_seconds(environment.process.pid), time.monotonic() - started)
        finally:
            environment.close()
        self._check(answer)
        return took

    def warm(self, times: int) -> float:
        """CPU seconds of a request to a warm app that has AWS's answers already: the median of many.

        Raises:
            AnswerError: the answer wasn't 200.
        """
        environment = self._start("measured", MEASURED=self.module)
        try:
            self._invoke(environment, {"event": self.event, "times": 3})
            answer = self._invoke(environment, {"event": self.event, "times": times})
        finally:
            environment.close()
        self._check(answer)
        return float(median(answer["seconds"]))

    def _start(self, module: str, **variables: str) -> ExecutionEnvironment:
        path = ":".join(str(each) for each in (*self.path, APPS))
        variables = {**self.variables, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", **variables}
        command = [str(self.python), "-m", "awslambdaric", f"{module}.app"]
        log = self.folder / f"{self.name.replace(' ', '-')}.log"
        return ExecutionEnvironment(command, variables, self.folder, log, f"arn:aws:lambda:::{self.name}")

    @staticmethod
    def _invoke(environment: ExecutionEnvironment, event: Mapping[str, Any]) -> Any:
        return json.loads(environment.invoke(json.dumps(event).encode(), _WAIT_SECONDS))

    def _check(self, answer: Mapping[str, Any]) -> None:
        if answer["statusCode"] != 200:
            raise AnswerError(f"{self.name} answered {answer}")


def _cpu_seconds(process_id: int) -> float:
    """Of a process with all its threads, by its own clock: clock_getcpuclockid(3), which Python lacks."""
    return time.clock_gettime((~process_id << 3) | 2)


def without_compiled(folder: Path) -> None:
    """Removes compiled modules: a function's code is read-only, so that a cold start compiles all of it."""
    for cache in list(folder.rglob("__pycache__")):
        shutil.rmtree(cache)
