"""What an attempt may write to its session, and what it may no longer write."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from training_project import NOW, Project, project_in

from chalicelib.contract.errors import LostClaimError
from chalicelib.contract.records import Failure
from chalicelib.contract.states import Status
from infra.local.aws import EmbeddedAws


@pytest.fixture
def project(stack: EmbeddedAws, tmp_path: Path) -> Iterator[Project]:
    with project_in(stack, tmp_path) as project:
        yield project


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.FAILED, Status.STOPPED])
def test_session_that_is_over_is_not_claimed(project: Project, status: Status) -> None:
    """A terminal state never changes."""
    project.add_session(status=status)
    before = project.session
    with pytest.raises(LostClaimError):
        project.repository(attempt=1).claim()
    assert project.session == before


def test_fence_holds_for_every_write(project: Project) -> None:
    """No write of an attempt that was replaced gets through: live, epoch, failure or end."""
    project.add_session()
    first, second = project.repository(attempt=1), project.repository(attempt=2)
    first.claim()
    second.claim()
    metrics = project.epoch_metrics()
    before = project.session
    writes: list[Callable[[], object]] = [
        lambda: first.update({"Progress": 50}),
        lambda: first.add_epoch(metrics, {"Progress": 50}),
        lambda: first.fail(Failure(code="x", message="x")),
        lambda: first.end(Status.COMPLETED, {}),
        first.claim,
    ]
    for write in writes:
        with pytest.raises(LostClaimError):
            write()
    assert (project.session, project.history) == (before, [])
    second.add_epoch(metrics, {"Progress": 50})
    assert (project.session.progress, len(project.history)) == (50, 1)


@dataclass
class Deaf:
    """DynamoDB, of whose answers every other one is lost."""

    dynamodb: Any
    calls: int = 0

    def update_item(self, **request: Any) -> Any:
        answer = self.dynamodb.update_item(**request)
        self.calls += 1
        if self.calls % 2:
            raise EndpointConnectionError(endpoint_url="x")
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self.dynamodb, name)


def test_what_is_sent_again_counts_once(project: Project) -> None:
    """A claim or an end whose answer was lost, and that is sent again, still succeeds."""
    project.add_session()
    deaf = Deaf(project.dynamodb)
    repository = replace(project.repository(attempt=1), dynamodb=deaf)
    assert repository.claim().attempt == 1
    repository.fail(Failure(code="x", message="x"))
    assert (project.session.status, deaf.calls) == (Status.FAILED, 4)


def test_an_end_by_others_is_no_end_of_its_own(project: Project) -> None:
    """A session that the sweep has ended in the same way stays as it is."""
    project.add_session()
    repository = project.repository(attempt=1)
    repository.claim()
    project.set(Status=Status.FAILED, EndTime=NOW)
    before = project.session
    with pytest.raises(LostClaimError):
        repository.fail(Failure(code="x", message="x"))
    assert project.session == before


def test_conflicting_transaction_is_tried_again(project: Project) -> None:
    """A transaction that met another write of the row is repeated, and any other refusal is raised."""
    project.add_session()
    repository, codes = project.repository(attempt=1), ["TransactionConflict", "ThrottlingError"]
    repository.claim()
    error_class = project.dynamodb.exceptions.TransactionCanceledException

    def refuse(**_: Any) -> None:
        if codes:
            reasons = {"CancellationReasons": [{"Code": codes.pop(0)}], "Error": {"Code": "x"}}
            raise error_class(reasons, "TransactWriteItems")

    project.dynamodb.meta.events.register("before-call.dynamodb.TransactWriteItems", refuse)
    with pytest.raises(ClientError, match="TransactWriteItems"):
        repository.add_epoch(project.epoch_metrics(), {"Progress": 1})
    assert codes == []
