"""A second, independent emulator, stricter than moto where it counts: ministack.

It enforces POST policies and presigned requests, and validates DynamoDB's expressions by its own code.
It has no Batch in CloudFormation, so that only data flows run on it.
"""

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import urllib3

from .template import without

_REGION = "us-east-1"
_START_SECONDS = 60
#: What the flows of accounts, projects and uploads need, and ministack makes.
_TYPES = {
    "AWS::DynamoDB::Table",
    "AWS::S3::Bucket",
    "AWS::SQS::Queue",
    "AWS::SQS::QueuePolicy",
    "AWS::SecretsManager::Secret",
}


class EmulatorError(Exception):
    """The emulator did not start, or did not make the stack."""


@dataclass(frozen=True, slots=True)
class Ministack:
    """A running emulator with a stack in it.

    Attributes:
        credentials: variables that point any AWS SDK there.
        resources: logical id -> physical id.
        stack_name: of the stack.
    """

    credentials: Mapping[str, str]
    resources: Mapping[str, str]
    stack_name: str

    def client(self, service: str) -> Any:
        return _client(service, self.credentials)


@contextmanager
def ministack(python: Path, plain: Mapping[str, Any], log: Path) -> Iterator[Ministack]:
    """Runs the emulator on the loopback interface until the context ends.

    Args:
        python: an interpreter that has ministack.
        plain: the packaged template as plain CloudFormation; what the emulator can't make is left out.
        log: takes its output.

    Raises:
        EmulatorError: with the end of the log, or with what CloudFormation said.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    credentials = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_DEFAULT_REGION": _REGION, "AWS_REGION": _REGION,
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true",
    }  # fmt: skip
    # It binds every interface unless told.
    own = {"GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", "MINISTACK_HOST": "127.0.0.1"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [python, "-m", "ministack"], env=os.environ | own, cwd=log.parent,
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        _wait(process, credentials["AWS_ENDPOINT_URL"], log)
        yield Ministack(credentials, _stack(credentials, plain), "darkroom-ministack")
    finally:
        process.terminate()
        process.wait()


def _wait(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            urllib3.request("GET", f"{url}/_ministack/health", retries=False, timeout=1)
        except urllib3.exceptions.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise EmulatorError(log.read_text()[-1000:])


def _client(service: str, credentials: Mapping[str, str]) -> Any:
    session = boto3.Session(
        credentials["AWS_ACCESS_KEY_ID"], credentials["AWS_SECRET_ACCESS_KEY"], region_name=_REGION
    )
    return session.client(service, endpoint_url=credentials["AWS_ENDPOINT_URL"])


def _stack(credentials: Mapping[str, str], plain: Mapping[str, Any]) -> dict[str, str]:
    template = without(plain, lambda _, each: each["Type"] not in _TYPES)
    client = _client("cloudformation", credentials)
    client.create_stack(StackName="darkroom-ministack", TemplateBody=json.dumps(template))
    deadline = time.monotonic() + _START_SECONDS
    while (status := _status(client)) == "CREATE_IN_PROGRESS" and time.monotonic() < deadline:
        time.sleep(0.2)
    if status != "CREATE_COMPLETE":
        events = client.describe_stack_events(StackName="darkroom-ministack")["StackEvents"]
        raise EmulatorError(f"{status}: {[each.get('ResourceStatusReason') for each in events]}")
    found = client.describe_stack_resources(StackName="darkroom-ministack")["StackResources"]
    return {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in found}


def _status(client: Any) -> str:
    [stack] = client.describe_stacks(StackName="darkroom-ministack")["Stacks"]
    return str(stack["StackStatus"])
