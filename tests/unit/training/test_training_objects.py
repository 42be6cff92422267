"""Images out of the bucket, by the real client from a server that fails as it is told to."""

from collections.abc import Iterator
from datetime import timedelta

import boto3
import obstore
import pytest
from botocore.config import Config
from obstore.store import S3Store
from s3_server import BROKEN, Script, scripted

from chalicelib.contract.errors import TrainingError, UnavailableError
from training_job.aws import Clients
from training_job.objects import ImageObjects

PATH = "/bucket/projects/P/images/I"
BODY = bytes(range(200))


@pytest.fixture
def server() -> Iterator[Script]:
    with scripted() as script:
        script.objects[PATH] = BODY
        yield script


def clients_of(endpoint_url: str | None) -> Clients:
    session = boto3.session.Session("KEY", "secret", region_name="eu-west-1")
    config = Config(ignore_configured_endpoint_urls=True)
    return Clients(None, session.client("s3", endpoint_url=endpoint_url, config=config), session)


def images_at(server: Script) -> ImageObjects:
    return ImageObjects(clients_of(server.url).bucket("bucket"), "P")


def test_an_image_is_asked_for_where_and_as_whom_boto3_would(server: Script) -> None:
    """Endpoint, region and credentials are those of the boto3 client; the bucket stands in the path."""
    assert images_at(server).get("I") == BODY
    [(path, authorization)] = server.requests
    assert path == PATH
    assert "Credential=KEY/" in authorization
    assert "/eu-west-1/s3/" in authorization


def test_aws_itself_is_asked_over_tls_by_the_buckets_own_host() -> None:
    """Without an endpoint of its own the store goes to the bucket's host of the region, never in plain."""
    store = clients_of(None).bucket("bucket")
    url = obstore.sign(store, "GET", "key", timedelta(minutes=1))
    assert url.startswith("https://bucket.s3.eu-west-1.amazonaws.com/key?")
    assert (store.client_options or {})["allow_http"] == "false"


@pytest.mark.parametrize("turns", [[503], [500, 503], [429], [BROKEN]])
def test_a_passing_failure_is_tried_again(server: Script, turns: list[int]) -> None:
    """Throttling, errors of the server and a body that breaks off cost time, and nothing else."""
    server.turns[PATH] += turns
    assert images_at(server).get("I") == BODY
    assert len(server.requests) == len(turns) + 1


def test_a_missing_object_is_named() -> None:
    """An object that is not there any more ends the run with its key."""
    with scripted() as server, pytest.raises(TrainingError, match="projects/P/images/I is not in") as caught:
        images_at(server).get("I")
    assert caught.value.code == "missing-object"


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_says_what_to_allow(server: Script, status: int) -> None:
    """Where the job's role may not read, the sentence names the actions that it lacks."""
    server.turns[PATH] += [status]
    with pytest.raises(TrainingError, match="s3:GetObject") as caught:
        images_at(server).get("I")
    assert caught.value.code == "access-denied"


def test_a_server_that_stays_away_is_no_fault_of_the_data(server: Script) -> None:
    """When the tries are used up the error says that the same may work later."""
    server.turns[PATH] += [503]
    store = S3Store(
        "bucket", endpoint=server.url, region="us-east-1", skip_signature=True,
        client_options={"allow_http": True}, retry_config={"max_retries": 0},
    )  # fmt: skip
    with pytest.raises(UnavailableError, match="projects/P/images/I"):
        ImageObjects(store, "P").get("I")
