"""What the AWS adapters do when AWS is busy, and how often they ask it."""

import json
import time
from collections import Counter
from collections.abc import Callable
from uuid import uuid4

import pytest
import urllib3
from botocore.auth import S3SigV4PostAuth
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError, ReadTimeoutError

from chalicelib.adapters.aws import Aws, unavailable
from chalicelib.adapters.batch import BatchGateway
from chalicelib.adapters.dynamodb import Tables
from chalicelib.adapters.s3 import S3ObjectStore
from chalicelib.bootstrap import assemble
from chalicelib.contract.attributes import marshal
from chalicelib.contract.errors import ContendedError, UnavailableError, UnprocessableError
from chalicelib.contract.tables import LABELS, PROJECTS, USERS
from chalicelib.services.uploads import AnnouncedFile
from tests.fakes import fake_ports
from tests.support import make_session, new_id


@pytest.fixture
def aws(stack, monkeypatch) -> Aws:
    """Clients of the test's own: what it does to their events ends with it."""
    for name, value in stack.credentials.items():
        monkeypatch.setenv(name, value)
    return Aws()


@pytest.fixture
def tables(aws, stack) -> Tables:
    return Tables(aws, stack.outputs["TablePrefix"])


class _Raw:
    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_):
        yield self._body


def _answer(status: int, body: dict) -> AWSResponse:
    return AWSResponse("https://aws.example", status, {}, _Raw(json.dumps(body).encode()))


def _answer_first(client, event: str, answers: list[AWSResponse]) -> Counter:
    """Answers the first calls in AWS's place, behind the SDK's own retries; returns the count of calls."""
    calls: Counter = Counter()

    def handle(**_):
        calls[event] += 1
        return answers.pop(0) if answers else None

    client.meta.events.register_first(f"before-send.{event}", handle)
    return calls


def _label(project_id: str, number: int) -> dict:
    return marshal({"ProjectID": project_id, "LabelID": f"{number:026}", "ImageID": f"{number}"})


def test_what_a_batch_write_left_undone_is_written(aws, tables):
    """UnprocessedItems are sent again, and nothing else is."""
    project_id = new_id()
    items = [_label(project_id, number) for number in range(3)]
    left = {tables.name(LABELS): [{"PutRequest": {"Item": each}} for each in items]}
    calls = _answer_first(
        aws.dynamodb, "dynamodb.BatchWriteItem", [_answer(200, {"UnprocessedItems": left})] * 2
    )
    tables.put_many(LABELS, items)
    assert calls.total() == 3
    assert len(list(tables.query(LABELS, "#ProjectID = :p", {"p": project_id}))) == 3


def test_what_a_batch_read_left_undone_is_read(aws, tables):
    """UnprocessedKeys are asked for again, and the items of both answers are found."""
    project_id = new_id()
    item = marshal({"ProjectID": project_id, "UserID": "U"})
    tables.put(PROJECTS, item)
    user = {"UserID": {"S": "U"}}
    partial = {
        "Responses": {tables.name(USERS): [user]},
        "UnprocessedKeys": {tables.name(PROJECTS): {"Keys": [marshal({"ProjectID": project_id})]}},
    }
    calls = _answer_first(aws.dynamodb, "dynamodb.BatchGetItem", [_answer(200, partial)])
    found = tables.get_many([(USERS, {"UserID": "U"}), (PROJECTS, {"ProjectID": project_id})])
    assert found == [(USERS, user), (PROJECTS, item)]
    assert calls.total() == 2


@pytest.mark.parametrize(("count", "calls"), [(0, 0), (1, 1), (25, 1), (26, 2), (60, 3)])
def test_a_batch_write_takes_25_items_a_call(aws, tables, count, calls):
    """n items are ceil(n / 25) writes."""
    seen = _answer_first(aws.dynamodb, "dynamodb.BatchWriteItem", [])
    project_id = new_id()
    tables.put_many(LABELS, [_label(project_id, number) for number in range(count)])
    assert seen.total() == calls
    assert len(list(tables.query(LABELS, "#ProjectID = :p", {"p": project_id}))) == count


def test_a_batch_read_takes_100_keys_a_call(aws, tables):
    """101 keys are two reads."""
    seen = _answer_first(aws.dynamodb, "dynamodb.BatchGetItem", [])
    assert tables.get_many([(USERS, {"UserID": str(number)}) for number in range(101)]) == []
    assert seen.total() == 2


def test_a_query_follows_its_pages(aws, tables):
    """Items of 90 KB come in pages of a megabyte, and all of them come."""
    project_id = new_id()
    for number in range(15):
        tables.put(LABELS, _label(project_id, number) | {"Label": {"S": "x" * 90_000}})
    seen = _answer_first(aws.dynamodb, "dynamodb.Query", [])
    assert len(list(tables.query(LABELS, "#ProjectID = :p", {"p": project_id}))) == 15
    assert seen.total() > 1


def _busy(code: str, status: int = 400) -> AWSResponse:
    return _answer(status, {"__type": f"com.amazonaws.dynamodb#{code}", "message": "slow down"})


def test_a_busy_table_is_asked_again(aws, tables):
    """A single throttled call is retried by the SDK, and nobody notices."""
    calls = _answer_first(aws.dynamodb, "dynamodb.GetItem", [_busy("ProvisionedThroughputExceededException")])
    assert tables.get(USERS, {"UserID": "nobody"}) is None
    assert calls.total() == 2


@pytest.mark.parametrize("conflicts", [1, 5, 6])
def test_a_row_in_a_transaction_is_waited_for(aws, tables, conflicts, monkeypatch):
    """What the SDK doesn't retry is tried six times, a moment later each; then it says when to try again."""
    pauses = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    calls = _answer_first(
        aws.dynamodb, "dynamodb.PutItem", [_busy("TransactionConflictException")] * conflicts
    )
    if conflicts < 6:
        assert tables.put(USERS, marshal({"UserID": "busy"}))
    else:
        with pytest.raises(ContendedError) as refused:
            tables.put(USERS, marshal({"UserID": "busy"}))
        assert refused.value.retry_after_seconds == 1
    assert calls.total() == len(pauses) == min(conflicts + 1, 6)
    assert sum(pauses) < 2.5


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("ProvisionedThroughputExceededException", 400, UnavailableError),
        ("ThrottlingException", 400, UnavailableError),
        ("RequestLimitExceeded", 400, UnavailableError),
        ("LimitExceededException", 400, UnavailableError),
        ("TransactionInProgressException", 400, UnavailableError),
        ("InternalServerError", 500, UnavailableError),
        ("SlowDown", 503, UnavailableError),
        ("RequestTimeout", 400, UnavailableError),
        ("ValidationException", 400, ClientError),
        ("AccessDeniedException", 403, ClientError),
        ("NoSuchBucket", 404, ClientError),
    ],
)
def test_busy_is_told_from_wrong(code, status, expected):
    """Throttling and failures on AWS's side are unavailable; what we asked wrongly is raised as it is."""
    answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    with pytest.raises(expected), unavailable():
        raise ClientError(answer, "Operation")


def test_an_error_of_our_own_is_not_called_busy(aws, tables):
    """A request that AWS finds wrong stays the error that it is."""
    _answer_first(aws.dynamodb, "dynamodb.PutItem", [_busy("ValidationException")])
    with pytest.raises(ClientError, match="ValidationException"):
        tables.put(USERS, marshal({"UserID": "wrong"}))


def test_a_transaction_in_conflict_is_unavailable(aws, tables):
    """A transaction that another one got in the way of may work later; it is no failed condition."""
    body = {
        "__type": "com.amazonaws.dynamodb#TransactionCanceledException",
        "message": "cancelled",
        "CancellationReasons": [{"Code": "TransactionConflict"}, {"Code": "None"}],
    }
    _answer_first(aws.dynamodb, "dynamodb.TransactWriteItems", [_answer(400, body)])
    with pytest.raises(UnavailableError):
        tables.transact([tables.delete_action(USERS, {"UserID": str(n)}) for n in range(2)])


def test_a_row_that_is_too_large_for_a_transaction_is_the_callers_fault(aws, tables):
    """A transaction that can never work says so; it isn't "try again"."""
    body = {
        "__type": "com.amazonaws.dynamodb#TransactionCanceledException",
        "message": "cancelled",
        "CancellationReasons": [{"Code": "None"}, {"Code": "ValidationError"}],
    }
    _answer_first(aws.dynamodb, "dynamodb.TransactWriteItems", [_answer(400, body)])
    with pytest.raises(UnprocessableError, match="400 KB"):
        tables.transact([tables.delete_action(USERS, {"UserID": str(n)}) for n in range(2)])


def _lose_answers(client, operation: str, count: int) -> Counter:
    """The first calls are carried out, and their answers lost; returns the count of calls."""
    calls: Counter = Counter()

    def lose(request, **_):
        calls[operation] += 1
        if calls[operation] <= count:
            urllib3.request(request.method, request.url, body=request.body, headers=dict(request.headers))
            raise ReadTimeoutError(endpoint_url=request.url)

    client.meta.events.register_first(f"before-send.dynamodb.{operation}", lose)
    return calls


def test_a_write_whose_answer_was_lost_holds(aws, tables):
    """The SDK sends it again, and its own first try doesn't make its condition fail."""
    user = marshal({"UserID": new_id(), "TokenID": "new", "Expires": 5})
    calls = _lose_answers(aws.dynamodb, "PutItem", 2)
    assert tables.put(USERS, user, "attribute_not_exists(#UserID)")
    assert calls.total() == 3
    key = {"UserID": user["UserID"]["S"]}
    _lose_answers(aws.dynamodb, "UpdateItem", 1)
    assert tables.update(USERS, key, "SET #TokenID = :to", "#TokenID = :old", {"to": "next", "old": "new"})
    _lose_answers(aws.dynamodb, "DeleteItem", 1)
    assert tables.delete(USERS, key, "#TokenID = :next", {"next": "next"})


def test_a_write_that_somebody_else_was_before_does_not_hold(aws, tables):
    """Also where the SDK has sent it twice: the row says whose write it has."""
    key = {"UserID": new_id()}
    tables.put(USERS, marshal(key | {"TokenID": "theirs"}))
    _answer_first(aws.dynamodb, "dynamodb.PutItem", [_busy("ThrottlingException")])
    assert not tables.put(USERS, marshal(key | {"TokenID": "ours"}), "attribute_not_exists(#UserID)")
    _answer_first(aws.dynamodb, "dynamodb.UpdateItem", [_busy("ThrottlingException")])
    change, values = "SET #TokenID = :to", {"to": "ours", "old": "ours before"}
    assert not tables.update(USERS, key, change, "#TokenID = :old", values)
    _answer_first(aws.dynamodb, "dynamodb.DeleteItem", [_busy("ThrottlingException")])
    assert not tables.delete(USERS, key, "#TokenID = :ours", {"ours": "ours"})


def test_a_transaction_whose_answer_was_lost_is_no_second_one(aws, tables):
    """The SDK's own tries have one token, and so have those of who sends the same actions again."""

    def put(name: str):
        return [tables.put_action(USERS, marshal({"UserID": name}), "attribute_not_exists(#UserID)")]

    calls = _lose_answers(aws.dynamodb, "TransactWriteItems", 2)
    assert tables.transact(put(new_id())) == [True]
    assert calls.total() == 3
    actions, token = put(new_id()), str(uuid4())
    assert [tables.transact(actions, token) for _ in range(2)] == [[True], [True]]
    assert tables.transact(actions) == [False]
    with pytest.raises(ClientError, match="IdempotentParameterMismatchException"):
        tables.transact(put(new_id()), token)


def test_a_forgotten_job_needs_no_end(aws, stack):
    """Batch forgets a job a week after its end, and then refuses to end it: nothing is left to be done."""
    gateway = BatchGateway(aws, stack.outputs["JobQueue"], stack.outputs["JobDefinition"])
    _answer_first(aws.batch, "batch.TerminateJob", [_batch_error(400, "ClientException")])
    gateway.terminate("forgotten", "it is late")
    _answer_first(aws.batch, "batch.TerminateJob", [_batch_error(403, "AccessDeniedException")])
    with pytest.raises(ClientError):
        gateway.terminate("forbidden", "it is late")


def _submit(aws, stack, answer: Callable | None = None) -> UnavailableError:
    gateway = BatchGateway(aws, stack.outputs["JobQueue"], stack.outputs["JobDefinition"])
    with pytest.raises(UnavailableError) as refused:
        gateway.submit(make_session(), 3600)
    return refused.value


def _batch_error(status: int, code: str) -> AWSResponse:
    answer = _answer(status, {"message": "no"})
    answer.headers["x-amzn-errortype"] = code
    return answer


@pytest.mark.parametrize(
    ("status", "code", "meaning"),
    [
        (400, "ClientException", "submit-refused"),
        (403, "AccessDeniedException", "submit-refused"),
        (500, "ServerException", "unavailable"),
        (429, "TooManyRequestsException", "submit-busy"),
    ],
)
def test_a_job_is_refused_only_where_aws_said_no(aws, stack, status, code, meaning):
    """A no of AWS says whether it was busy; a failure on its side leaves open whether there is a job."""
    calls = _answer_first(aws.batch, "batch.SubmitJob", [_batch_error(status, code)] * 5)
    error = _submit(aws, stack)
    assert error.code == meaning
    assert error.retry_after_seconds == (60 if status in (400, 403) else 5)
    assert calls.total() == 1


def test_no_answer_is_unavailable(stack, monkeypatch):
    """Where nobody listens the call is unavailable, and whether there is a job isn't known."""
    for name, value in (stack.credentials | {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}).items():
        monkeypatch.setenv(name, value)
    assert _submit(Aws(), stack).code == "unavailable"


def test_a_job_gets_ids_only(aws, stack):
    """A job is named by its session, and its environment has four ids and its time limit."""
    gateway = BatchGateway(aws, stack.outputs["JobQueue"], stack.outputs["JobDefinition"])
    session = make_session(request_id="R")
    sent: list[dict] = []
    aws.batch.meta.events.register_first(
        "before-send.batch.SubmitJob", lambda request, **_: sent.append(json.loads(request.body))
    )
    gateway.submit(session, 3600)
    [body] = sent
    assert body["jobName"] == session.session_id
    assert body["timeout"] == {"attemptDurationSeconds": 3600}
    assert {each["name"]: each["value"] for each in body["containerOverrides"]["environment"]} == {
        "PROJECT_ID": session.project_id,
        "SESSION_ID": session.session_id,
        "GENERATION": "1",
        "REQUEST_ID": "R",
    }


@pytest.fixture
def store(aws, stack) -> S3ObjectStore:
    return S3ObjectStore(aws, stack.outputs["Bucket"])


class _CountingAuth(S3SigV4PostAuth):
    """botocore's own signer of POST policies; counts how often it signs."""

    signatures = 0

    def signature(self, string_to_sign, request):
        type(self).signatures += 1
        return super().signature(string_to_sign, request)


def test_a_thousand_uploads_are_one_real_signature(store, monkeypatch):
    """botocore signs once for a thousand files, and all of it takes under 100 ms of CPU at best of three."""
    import botocore.auth

    monkeypatch.setitem(botocore.auth.AUTH_TYPE_MAPS, "s3v4-presign-post", _CountingAuth)
    monkeypatch.setattr(_CountingAuth, "signatures", 0)
    uploads = assemble(fake_ports(store=store)).posted_uploads
    files = [AnnouncedFile(f"{number}.png", 5, "image/png") for number in range(1000)]
    uploads.open("P", files[:1])  # makes the client
    assert _CountingAuth.signatures == 1
    costs = [_cpu_seconds(lambda: uploads.open("P", files)) for _ in range(3)]
    assert _CountingAuth.signatures == 4
    assert min(costs) < 0.1


def _cpu_seconds(call: Callable[[], object]) -> float:
    started = time.process_time()
    call()
    return time.process_time() - started


def test_a_signed_form_takes_an_image(store):
    """What is posted with the signed fields and an image's own key lands under it, and can be fetched."""
    prefix = f"incoming/{new_id()}/{new_id()}/"
    policy = store.sign_post(prefix, 100, 60)
    fields = {**policy.fields, "key": prefix + "I", "Content-Type": "image/png"}
    form = [*fields.items(), ("file", ("a.png", b"bytes", "image/png"))]
    http = urllib3.PoolManager(retries=False)
    assert http.request("POST", policy.url, fields=form).status == 204
    assert store.get(prefix + "I", 100) == b"bytes"
    answer = http.request("GET", store.sign_get(prefix + "I", 60, "é + %.png"))
    assert (answer.status, answer.data) == (200, b"bytes")
    disposition = answer.headers["Content-Disposition"]
    assert disposition == "attachment; filename*=UTF-8''%C3%A9%20%2B%20%25.png"
    assert answer.headers["Content-Type"] == "application/octet-stream"
    shown = http.request("GET", store.sign_get(prefix + "I", 60, content_type="image/jpeg"))
    assert shown.headers["Content-Type"] == "image/jpeg"
    assert "Content-Disposition" not in shown.headers
    http.clear()
