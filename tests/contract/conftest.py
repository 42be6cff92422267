"""The two worlds in which every test of this folder runs: the fakes, and the embedded AWS."""

import os
from collections.abc import Callable

import pytest

from chalicelib.adapters.aws import Aws
from chalicelib.bootstrap import Ports, aws_ports
from chalicelib.contract.attributes import to_item
from chalicelib.contract.records import EpochMetrics
from chalicelib.contract.tables import METRICS
from chalicelib.settings import Settings
from infra.local import jobs as jobs  # a job waits RUNNABLE: imported for its effect on moto
from infra.local.aws import EmbeddedAws
from tests.fakes import fake_ports
from tests.support import new_id


@pytest.fixture(scope="session")
def real(stack: EmbeddedAws) -> Ports:
    """The AWS adapters; their clients keep the environment in which they were made."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in stack.environment.items():
            patch.setenv(name, value)
        aws = Aws()
        assert all((aws.dynamodb, aws.s3, aws.batch, aws.secrets, aws.functions, aws.logs))
        return aws_ports(Settings.read(os.environ), aws)


@pytest.fixture(params=["fake", "aws"])
def ports(request: pytest.FixtureRequest) -> Ports:
    return fake_ports() if request.param == "fake" else request.getfixturevalue("real")


@pytest.fixture
def project_id() -> str:
    """A project of the test's own: the embedded AWS is shared."""
    return new_id()


@pytest.fixture
def add_epoch(ports: Ports, request: pytest.FixtureRequest) -> Callable[[EpochMetrics], None]:
    """Writes an epoch, as the training container does."""
    if hasattr(ports.metrics, "rows"):
        return ports.metrics.rows.append
    stack: EmbeddedAws = request.getfixturevalue("stack")
    table = stack.outputs["TablePrefix"] + METRICS
    client = stack.client("dynamodb")
    return lambda epoch: client.put_item(TableName=table, Item=to_item(epoch))


@pytest.fixture
def begin_multipart(ports: Ports, request: pytest.FixtureRequest) -> Callable[[str], object]:
    """Begins a multipart upload to a key, as a client does."""
    if hasattr(ports.store, "multiparts"):
        return ports.store.multiparts.append
    stack: EmbeddedAws = request.getfixturevalue("stack")
    client = stack.client("s3")
    return lambda key: client.create_multipart_upload(Bucket=stack.outputs["Bucket"], Key=key)
