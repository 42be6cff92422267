"""Accounts, projects and uploads by the packaged functions on ministack, which no other test has for AWS."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from zipfile import ZipFile

import pytest

from chalicelib.services.acceptance import MAX_IMAGE_BYTES
from examples.digits import digits
from examples.http import ApiError, Client
from infra.local.background import beside
from infra.local.functions import Configuration, Function
from infra.local.queues import EventSource, poll
from infra.package import Package
from infra.packaged.environments import environment
from infra.packaged.gateway import gateway
from infra.packaged.ministack import Ministack, ministack
from infra.packaged.template import api_of, mappings_of, of_type, translated
from tests.e2e.conftest import Up
from tests.e2e.test_main_job import by_posting
from tests.package.conftest import ENVIRONMENTS, Runtime

#: There is no Batch, and nothing here starts a job.
NO_JOBS = dict.fromkeys(("JOB_QUEUE", "JOB_DEFINITION", "DATA_JOB_QUEUE", "DATA_JOB_DEFINITION"), "none")


@pytest.fixture(scope="module")
def url(
    package: Package, runtime: Runtime, translator: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The API of the package, with ministack for AWS."""
    folder = tmp_path_factory.mktemp("ministack")
    plain = translated(package.template, translator)
    with ZipFile(package.zip) as archive:
        archive.extractall(folder / "task")
    python = environment("ministack", ENVIRONMENTS / "ministack")
    with ExitStack() as stack:
        aws = stack.enter_context(ministack(python, plain, folder / "ministack.log"))
        functions = {}
        for name, resource in of_type(plain, "AWS::Lambda::Function").items():
            configuration = _configuration(aws, name, resource["Properties"])
            functions[name] = Function(
                configuration, runtime.python, folder / "task", aws.credentials, folder / f"{name}.log"
            )
            stack.callback(functions[name].close)
        [ingest] = [each for each in mappings_of(plain) if each["FunctionName"] == {"Ref": "Ingest"}]
        source = _source(aws, functions["Ingest"], ingest["EventSourceArn"]["Fn::GetAtt"][0])
        stack.enter_context(beside(partial(_poll, source, aws)))
        yield stack.enter_context(gateway(api_of(plain), functions))


def _configuration(aws: Ministack, name: str, properties: dict) -> Configuration:
    variables = NO_JOBS | {
        "TABLE_PREFIX": f"{aws.stack_name}-",
        "BUCKET": aws.resources["Bucket"],
        "PREDICTOR": "none",
        "TRAINING_LOGS": "none",
        "SIGNING_SECRET": aws.resources["SigningSecret"],
    }
    return Configuration(
        name=name, arn=name, handler=properties["Handler"], variables=variables,
        timeout_seconds=properties["Timeout"], memory_mb=properties["MemorySize"],
    )  # fmt: skip


def _source(aws: Ministack, function: Function, queue: str) -> EventSource:
    return EventSource(
        queue_url=aws.resources[queue], queue_arn=queue, handler=function, function_name="ingest",
        batch_size=10, window_seconds=0, is_worth_a_look=lambda: True,
    )  # fmt: skip


def _poll(source: EventSource, aws: Ministack, stop: threading.Event) -> None:
    poll(source, aws.client("sqs"), stop)


@pytest.fixture(scope="module")
def client(url: str) -> Client:
    """A new user, logged in."""
    return Up(url, 0).client()


@pytest.fixture(scope="module")
def project(client: Client) -> str:
    return f"/api/projects/{client.call('POST', '/api/projects', {'projectName': 'a project'})['projectId']}"


def test_an_account_is_made_once_and_kept_by_its_tokens(url):
    """Register, log in, refresh and log out; a name that is taken and a wrong password are refused."""
    client = Client(url)
    user = {"username": "maria", "email": "maria@example.org", "password": "a long enough password"}
    client.call("POST", "/api/users", user)
    with pytest.raises(ApiError, match="409"):
        client.call("POST", "/api/users", user)
    with pytest.raises(ApiError, match="401"):
        client.call("POST", "/api/auth/login", {"login": "maria", "password": "another long password"})
    tokens = client.call("POST", "/api/auth/login", {"login": "maria", "password": user["password"]})
    renewed = client.call("POST", "/api/auth/refresh", {"refreshToken": tokens["refreshToken"]})
    client.token = renewed["accessToken"]
    assert client.call("GET", "/api/users/me")["username"] == "maria"


def test_a_project_lives_and_ends(client):
    """Create, list, change and delete; a deleted one is nobody's any more."""
    created = client.call("POST", "/api/projects", {"projectName": "short"})
    path = f"/api/projects/{created['projectId']}"
    client.call("PATCH", path, {"description": "changed"})
    assert client.call("GET", path)["description"] == "changed"
    assert created["projectId"] in {
        each["projectId"] for each in client.call("GET", "/api/projects")["items"]
    }
    client.call("DELETE", path)
    with pytest.raises(ApiError, match="404"):
        client.call("GET", path)


def test_images_come_in_by_both_ways(client, project):
    """Sent in a request and posted to S3 under one policy, images arrive, are labelled, and come back."""
    files, labels = digits(12)
    assert client.send_images(project, files[:6])["summary"]["created"] == 6
    by_posting(client, project, files[6:])
    client.call("POST", f"{project}/data/labels", {"labels": labels})
    listed = client.call("GET", f"{project}/data/images?label={labels[files[0][0]]}")["items"]
    assert files[0][0] in {each["fileName"] for each in listed}
    answer = client.pool.request("GET", listed[0]["url"])
    assert answer.status == 200
    assert answer.data.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("changed", "content_type", "size_bytes"),
    [
        ("another", "image/png", 100),
        (None, "text/html", 100),
        (None, "image/png", MAX_IMAGE_BYTES + 1),
    ],
)  # fmt: skip
def test_a_post_policy_holds(client, project, changed, content_type, size_bytes):
    """S3 refuses another key, another kind of file, and one that is too large, by the signed policy."""
    announced = [{"fileName": "a.png", "sizeBytes": 100, "contentType": "image/png"}]
    upload = client.call("POST", f"{project}/data/uploads", {"files": announced})
    fields = {
        **upload["fields"], "key": changed or upload["images"][0]["key"], "Content-Type": content_type,
        "file": ("file", bytes(size_bytes), content_type),
    }  # fmt: skip
    answer = client.pool.request("POST", upload["url"], fields=fields)
    assert answer.status in {400, 403}, answer.data
