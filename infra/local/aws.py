"""The embedded AWS itself: moto's server, and the stack made in it from infra/template.yaml."""

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from io import BytesIO
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from flask import Flask
from moto.moto_server.werkzeug_app import (
    BackendRequest,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

from . import ignored as ignored  # imported for its effect on moto, as are the next two
from . import jobs as jobs
from . import missing as missing
from .front import Front
from .invocations import Invocations, Invoke, local_predictor
from .signatures import CREDENTIALS
from .speed import Dispatcher

TEMPLATE = Path(__file__).parents[1] / "template.yaml"
REGION = "us-east-1"


@dataclass(frozen=True, kw_only=True)
class EmbeddedAws:
    """A running embedded AWS.

    Attributes:
        endpoint_url: where it listens, on the loopback interface.
        stack_name: the name of the stack in it.
        outputs: the outputs of infra/template.yaml.
        resources: logical id to physical id of the stack's resources.
        functions: those that can be invoked, by their names.
    """

    endpoint_url: str
    stack_name: str
    outputs: Mapping[str, str]
    resources: Mapping[str, str]
    functions: dict[str, Invoke] = field(default_factory=dict)

    @property
    def predictor(self) -> str:
        """The name of the function that tries models out."""
        return f"{self.stack_name}-predict"

    @property
    def credentials(self) -> dict[str, str]:
        """The variables that point any AWS SDK here."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": CREDENTIALS.access_key,
            "AWS_SECRET_ACCESS_KEY": CREDENTIALS.secret_key,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    @property
    def environment(self) -> dict[str, str]:
        """Every environment variable that the Lambda functions need."""
        return self.credentials | {
            "TABLE_PREFIX": self.outputs["TablePrefix"],
            "BUCKET": self.outputs["Bucket"],
            "JOB_QUEUE": self.outputs["JobQueue"],
            "JOB_DEFINITION": self.outputs["JobDefinition"],
            "DATA_JOB_QUEUE": self.outputs["DataJobQueue"],
            "DATA_JOB_DEFINITION": self.outputs["DataJobDefinition"],
            "PREDICTOR": self.predictor,
            "TRAINING_LOGS": self.outputs["TrainingLogs"],
            "SIGNING_SECRET": self.outputs["SigningSecret"],
        }

    def client(self, service: str) -> Any:
        """A boto3 client of the embedded AWS, whatever the process's environment says."""
        return client_of(service, self.endpoint_url)


@cache
def client_of(service: str, endpoint_url: str) -> Any:
    """A boto3 client of the embedded AWS at an address."""
    return boto3.Session(
        aws_access_key_id=CREDENTIALS.access_key,
        aws_secret_access_key=CREDENTIALS.secret_key,
        region_name=REGION,
    ).client(service, endpoint_url=endpoint_url, config=Config(signature_version="s3v4"))


class _Request(BackendRequest):
    def _get_file_stream(self, *_: Any, **__: Any) -> BytesIO:
        """Memory, where moto's own leaves temporary files open."""
        return BytesIO()


def _backend_app(service: Any) -> Flask:
    app = create_backend_app(service)
    app.request_class = _Request
    return app


class _RequestHandler(MotoRequestHandler):
    disable_nagle_algorithm = True

    def log_request(self, *_: Any) -> None:
        """Nothing: thousands of lines an upload help nobody."""


@contextmanager
def embedded_aws(
    stack_name: str = "darkroom-local",
    *,
    port: int = 0,
    parameters: Mapping[str, str] | None = None,
    template: str | None = None,
    predictor_log: Path = Path(os.devnull),
) -> Iterator[EmbeddedAws]:
    """Serves an AWS with the stack in it on the loopback interface until the context ends.

    The stack is made from infra/template.yaml, or from another template's text.

    moto's state belongs to the process: a second one in the same process shares it, and needs
    another stack name. The predictor runs in processes beside, once it is invoked.
    """
    invocations = Invocations(Dispatcher(_backend_app))
    application = Front(invocations)
    server = make_server("127.0.0.1", port, application, threaded=True, request_handler=_RequestHandler)
    thread = threading.Thread(target=partial(server.serve_forever, 0.05), name="embedded-aws", daemon=True)
    thread.start()
    try:
        endpoint_url = f"http://127.0.0.1:{server.server_port}"
        found = _with_stack(
            endpoint_url,
            stack_name,
            parameters or {},
            template or TEMPLATE.read_text(),
            invocations.functions,
        )
        variables = found.credentials | {"BUCKET": found.outputs["Bucket"]}
        with closing(local_predictor(found.predictor, variables, predictor_log)) as predictor:
            found.functions[found.predictor] = predictor
            yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _with_stack(
    endpoint_url: str,
    name: str,
    parameters: Mapping[str, str],
    template: str,
    functions: dict[str, Invoke],
) -> EmbeddedAws:
    client = client_of("cloudformation", endpoint_url)
    # A laptop has no GPU, and trains all the same; it is one machine, whose memory old versions would fill.
    parameters = {"TrainingDevice": "auto", "MaxNodes": "1", "ObjectVersioning": "Suspended", **parameters}
    client.create_stack(
        StackName=name,
        TemplateBody=template,
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    [stack] = client.describe_stacks(StackName=name)["Stacks"]
    pages = client.get_paginator("list_stack_resources").paginate(StackName=name)
    return EmbeddedAws(
        endpoint_url=endpoint_url,
        stack_name=name,
        outputs={each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]},
        resources={
            each["LogicalResourceId"]: each["PhysicalResourceId"]
            for page in pages
            for each in page["StackResourceSummaries"]
        },
        functions=functions,
    )
