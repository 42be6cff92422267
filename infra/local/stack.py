"""The whole of Darkroom on one machine: embedded AWS, API, queues, schedules and compute."""

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from chalice.app import Chalice

from .aws import REGION, EmbeddedAws, embedded_aws
from .background import beside
from .batch import Runner
from .invocations import machine_environment
from .queues import event_sources, poll
from .schedules import expire, repeat, schedules
from .server import Server

#: Seldom, since it reads whole tables; DynamoDB itself takes up to a few days.
_EXPIRY_SECONDS = 3600
#: Invocations of one queue's function at a time.
_POLLERS = 2


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A running stack.

    Attributes:
        url: where the API listens.
        aws: the embedded AWS.
        runner: the compute environment, to kill a job or to take its instance away.
        data_runner: that of imports and exports, so that none waits behind a training.
    """

    url: str
    aws: EmbeddedAws
    runner: Runner
    data_runner: Runner


@contextmanager
def running_stack(
    app: Chalice,
    *,
    log_folder: Path,
    host: str = "127.0.0.1",
    port: int = 0,
    name: str = "darkroom-local",
    slots: int = 1,
    grace_seconds: float = 30,
    visibility_seconds: int = 30,
) -> Iterator[Stack]:
    """Serves `app` with all of AWS behind it until the context ends; then nothing of it is left.

    Args:
        app: the Chalice app; its queue and schedule handlers are run as well.
        log_folder: where the output of the jobs goes.
        host: where the API listens; the embedded AWS stays on the loopback interface.
        port: the API's port; 0 takes a free one.
        name: the CloudFormation stack's name; another one for each stack of a process.
        slots: jobs of each queue that run at a time.
        grace_seconds: the time that a job has between SIGTERM and SIGKILL.
        visibility_seconds: after how long a message that was not handled comes again.

    Raises:
        OSError: the port is taken.
    """
    outside = machine_environment()
    parameters = {"QueueVisibilitySeconds": str(visibility_seconds)}
    with ExitStack() as stack:
        server = stack.enter_context(Server(app, host, port))
        log_folder.mkdir(parents=True, exist_ok=True)
        log = log_folder / "predict.log"
        aws = stack.enter_context(embedded_aws(name, parameters=parameters, predictor_log=log))
        stack.enter_context(_environment(aws.environment))
        runners = stack.enter_context(
            compute(aws, outside, log_folder, slots=slots, grace_seconds=grace_seconds)
        )
        stack.enter_context(beside(*_work(app, aws)))
        stack.enter_context(serving(server))
        url = f"http://{host}:{server.server_port}"
        yield Stack(url=url, aws=aws, runner=runners["JobQueue"], data_runner=runners["DataJobQueue"])


def _work(app: Chalice, aws: EmbeddedAws) -> list[Callable[[threading.Event], Any]]:
    """What runs beside the API; each takes the event at which it ends."""
    timed = [*schedules(app), (_EXPIRY_SECONDS, partial(expire, aws))]
    polled = [source for source in event_sources(app, aws) for _ in range(_POLLERS)]
    return [
        *(lambda stop, source=source: poll(source, aws.client("sqs"), stop) for source in polled),
        *(lambda stop, seconds=seconds, run=run: repeat(seconds, run, stop) for seconds, run in timed),
    ]


@contextmanager
def compute(
    aws: EmbeddedAws,
    outside: Mapping[str, str],
    log_folder: Path,
    *,
    slots: int = 1,
    grace_seconds: float = 30,
) -> Iterator[dict[str, Runner]]:
    """The compute environments of the job queues, by their names in the template.

    Args:
        aws: the embedded AWS that has the queues.
        outside: the environment of the jobs beside the credentials.
        log_folder: where their output goes.
        slots: jobs of each queue that run at a time.
        grace_seconds: the time that a job has between SIGTERM and SIGKILL.
    """
    runners: dict[str, Runner] = {}
    with ExitStack() as stack:
        for queue in ("JobQueue", "DataJobQueue"):
            runners[queue] = Runner(
                {**outside, **aws.credentials}, log_folder, slots=slots, grace_seconds=grace_seconds
            )
            stack.callback(runners[queue].close)
            runners[queue].attach(aws.outputs[queue], REGION)
        yield runners


@contextmanager
def serving(server: Server) -> Iterator[None]:
    """Answers requests, in a thread, until the context ends."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """The environment variables that the functions would have in Lambda."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
