"""What the adapters do where another's transaction holds a row, and where an answer is lost."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ReadTimeoutError
from botocore.httpsession import URLLib3Session

from chalicelib.adapters.accounts import DynamoProjects, DynamoUsers
from chalicelib.adapters.aws import Aws
from chalicelib.adapters.dynamodb import Tables
from chalicelib.adapters.training import DynamoIdempotencyKeys, DynamoSessions
from chalicelib.contract.errors import ContendedError
from chalicelib.services.run_ports import Limits
from tests.support import make_project, make_session, make_user, new_id

LIMITS = Limits(per_project=2, per_user=2)
NOW = datetime(2026, 1, 31, 8, 15, tzinfo=UTC)


class _Raw:
    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self._body


def _conflict(request: Any) -> AWSResponse:
    body = {
        "__type": "com.amazonaws.dynamodb#TransactionCanceledException",
        "message": "cancelled",
        "CancellationReasons": [{"Code": "None"}, {"Code": "TransactionConflict"}, {"Code": "None"}],
    }
    return AWSResponse(request.url, 400, {}, _Raw(json.dumps(body).encode()))


def _lose(request: Any) -> None:
    """The request gets through, and its answer doesn't come."""
    URLLib3Session().send(request)
    raise ReadTimeoutError(endpoint_url=request.url)


@pytest.fixture
def aws(stack, monkeypatch) -> Aws:
    """Clients of the test's own, which don't wait between their tries."""
    for name, value in stack.credentials.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    return Aws()


@pytest.fixture
def tables(aws, stack) -> Tables:
    return Tables(aws, stack.outputs["TablePrefix"])


@pytest.fixture
def session(tables):
    """One that isn't put yet, of a project and a user that are there."""
    user = make_user()
    project = make_project(user_id=user.user_id)
    DynamoUsers(tables).add(user)
    DynamoProjects(tables).add(project)
    return make_session(project.project_id, user_id=user.user_id)


def _disturb(aws: Aws, operation: str, handle: Any, times: int) -> list[None]:
    """Does this to the first calls; the list grows with each."""
    done: list[None] = []

    def disturb(request: Any, **_: Any) -> Any:
        if len(done) == times:
            return None
        done.append(None)
        return handle(request)

    aws.dynamodb.meta.events.register_first(f"before-send.dynamodb.{operation}", disturb)
    return done


@pytest.mark.parametrize("conflicts", [1, 5])
def test_a_session_waits_for_others_of_its_user(aws, tables, session, conflicts):
    """Starts that meet on their user's row are tried again, and none is refused for it."""
    done = _disturb(aws, "TransactWriteItems", _conflict, conflicts)
    assert DynamoSessions(tables).add(session, LIMITS) is None
    assert DynamoSessions(tables).get(session.project_id, session.session_id) == session
    assert len(done) == conflicts


def test_a_session_doesnt_wait_for_ever(aws, tables, session):
    """After six tries within two seconds it is said when to come again, and nothing is put."""
    done = _disturb(aws, "TransactWriteItems", _conflict, 99)
    with pytest.raises(ContendedError) as refused:
        DynamoSessions(tables).add(session, LIMITS)
    assert refused.value.retry_after_seconds == 1
    assert len(done) == 6
    assert DynamoSessions(tables).get(session.project_id, session.session_id) is None


def test_a_session_whose_put_lost_its_answer_counts_once(aws, tables, session):
    """The SDK sends the transaction again, which finds the session there: it is no refusal."""
    _disturb(aws, "TransactWriteItems", _lose, 1)
    sessions = DynamoSessions(tables)
    assert sessions.add(session, LIMITS) is None
    other = make_session(session.project_id, user_id=session.user_id)
    assert sessions.add(other, LIMITS) is None


def test_a_key_whose_claim_lost_its_answer_is_its_own(aws, tables):
    """The SDK sends the claim again, which finds its own: the request isn't told that it is in flight."""
    key, keys = new_id(), DynamoIdempotencyKeys(tables)
    done = _disturb(aws, "PutItem", _lose, 1)
    begun = keys.begin(key, "hash", NOW, {"sessionId": "first"})
    assert (begun.plan, begun.is_again, begun.answer) == ({"sessionId": "first"}, False, None)
    assert len(done) == 1
    keys.abandon(key, begun.lock)
    assert keys.begin(key, "other", NOW, {}).plan == {}
