"""The package on the embedded AWS: its template's resources, its functions, its API."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from infra.local.aws import EmbeddedAws, embedded_aws
from infra.local.background import beside
from infra.local.functions import Configuration, Function
from infra.local.invocations import machine_environment
from infra.local.queues import EventSource, poll, queue_of
from infra.local.schedules import rate_seconds, repeat, scheduled_event
from infra.local.stack import compute
from infra.package import Package

from .gateway import gateway
from .template import api_of, code_of, for_moto, functions_of, mappings_of, schedules_of, translated

_VISIBILITY_SECONDS = 30


@dataclass(frozen=True, kw_only=True, slots=True)
class PackagedStack:
    """A running stack.

    Attributes:
        url: of the API.
        aws: the embedded AWS.
        functions: logical id -> function.
        plain: the template as plain CloudFormation.
    """

    url: str
    aws: EmbeddedAws
    functions: Mapping[str, Function]
    plain: Mapping[str, Any]


@contextmanager
def packaged_stack(
    package: Package, folder: Path, *, python: Path, translator: Path
) -> Iterator[PackagedStack]:
    """Runs a package until the context ends.

    Args:
        package: its template and its zip.
        folder: takes the unpacked code and the logs.
        python: an interpreter of the package's version that has awslambdaric and boto3.
        translator: an interpreter that has AWS's translator of serverless templates.
    """
    plain = translated(package.template, translator)
    logs = folder / "logs"
    for path in (package.zip, package.predictor.path):
        with ZipFile(path) as archive:
            archive.extractall(folder / path.stem)
    outside = machine_environment()
    parameters = {"QueueVisibilitySeconds": str(_VISIBILITY_SECONDS)}
    with ExitStack() as stack:
        template = json.dumps(for_moto(plain))
        aws = stack.enter_context(embedded_aws("darkroom-packaged", template=template, parameters=parameters))
        stack.enter_context(compute(aws, outside, logs))
        functions = {}
        for name in functions_of(plain):
            code = folder / code_of(plain, name).stem
            functions[name] = Function(
                _configuration(aws, name), python, code, aws.credentials, logs / f"{name}.log"
            )
            stack.callback(functions[name].close)
        aws.functions[aws.predictor] = functions["Predictor"]
        stack.enter_context(beside(*_work(plain, aws, functions)))
        url = stack.enter_context(gateway(api_of(plain), functions))
        yield PackagedStack(url=url, aws=aws, functions=functions, plain=plain)


def _configuration(aws: EmbeddedAws, name: str) -> Configuration:
    found = aws.client("lambda").get_function_configuration(FunctionName=aws.resources[name])
    return Configuration.of(found)


def _work(
    plain: Mapping[str, Any], aws: EmbeddedAws, functions: Mapping[str, Function]
) -> list[Callable[[threading.Event], Any]]:
    """The threads of queues and schedules."""
    sources = [_source(aws, functions, mapping) for mapping in mappings_of(plain)]
    timed = [
        (rate_seconds(expression), partial(_tick, functions[name]))
        for expression, name in schedules_of(plain)
    ]
    return [
        *(lambda stop, source=source: poll(source, aws.client("sqs"), stop) for source in sources),
        *(lambda stop, seconds=seconds, run=run: repeat(seconds, run, stop) for seconds, run in timed),
    ]


def _source(aws: EmbeddedAws, functions: Mapping[str, Function], mapping: Mapping[str, Any]) -> EventSource:
    url = aws.resources[mapping["EventSourceArn"]["Fn::GetAtt"][0]]
    queue = queue_of(url)
    function = functions[mapping["FunctionName"]["Ref"]]
    reports = "ReportBatchItemFailures" in mapping.get("FunctionResponseTypes", [])
    return EventSource(
        queue_url=url,
        queue_arn=queue.queue_arn,
        # Without that setting Lambda doesn't look at the answer: what isn't raised is done.
        handler=function if reports else lambda event, context: function(event, context) and None,
        function_name=function.configuration.name,
        batch_size=int(mapping.get("BatchSize", 10)),
        window_seconds=float(mapping.get("MaximumBatchingWindowInSeconds", 0)),
        is_worth_a_look=lambda: bool(queue.messages),
    )


def _tick(function: Function) -> None:
    function(scheduled_event(function.configuration.name))
