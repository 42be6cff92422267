"""Requests: sent again where that helps, never where it could do harm; errors as one tree."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from darkroom import endpoints, errors
from darkroom.endpoints import Endpoint
from darkroom.logins import ApiKey
from darkroom.retries import retry_after_seconds
from darkroom.transport import Transport, normalized

from tests.client.conftest import URL, Pauses, Server, problem

PROJECT = {
    "projectId": "p", "projectName": "pets", "description": "", "taskType": "detection", "createdAt": "now",
}  # fmt: skip
STARTED = httpx.Response(202, json={"sessionId": "s", "status": "queued"})
FOUND = httpx.Response(200, json=PROJECT)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.InvalidRequestError),
        (401, errors.AuthenticationError),
        (403, errors.ForbiddenError),
        (404, errors.NotFoundError),
        (409, errors.ConflictError),
        (413, errors.InvalidRequestError),
        (422, errors.InvalidRequestError),
        (429, errors.RateLimitedError),
        (500, errors.ServerError),
        (503, errors.ServerError),
    ],
)
def test_a_problem_becomes_an_error_of_the_tree(
    transport: Transport, server: Server, status: int, kind: type[errors.DarkroomError]
) -> None:
    """Each status has its class, with all that the problem says."""
    wrong = [{"pointer": "/epochs", "message": "too many"}]
    server.answers = [problem(status, "a-code", hint="do this", errors=wrong)]
    with pytest.raises(errors.DarkroomError) as caught:
        transport.call(endpoints.PROJECT, project="p")
    error = caught.value
    if status != 401:  # an API key that is refused is told as that
        assert (error.code, error.detail, error.hint) == ("a-code", "a sentence", "do this")
        assert (error.status, error.request_id) == (status, "r-1")
        assert error.errors == (errors.FieldProblem("/epochs", "too many"),)
    assert type(error) is kind


@pytest.mark.parametrize("content", [b"<html>", b"[]", b'{"message": "Forbidden"}', b""])
def test_an_error_that_is_no_problem_is_one_all_the_same(
    transport: Transport, server: Server, content: bytes
) -> None:
    """A proxy on the way answers what it likes; the status decides."""
    server.answers = [httpx.Response(404, content=content)]
    with pytest.raises(errors.NotFoundError, match="404"):
        transport.call(endpoints.PROJECT, project="p")


def test_success_that_is_no_json_is_told(transport: Transport, server: Server) -> None:
    """A page of some other server isn't taken for an answer."""
    server.answers = [httpx.Response(200, content=b"<html>")]
    with pytest.raises(errors.UnexpectedAnswerError, match="no JSON"):
        transport.call(endpoints.PROJECT, project="p")


@pytest.mark.parametrize(
    "failure",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("cut off"),
        httpx.Response(502),
        problem(503, "unavailable"),
        httpx.Response(504),
        problem(429, "too-many-requests"),
    ],
    ids=repr,
)
def test_reading_is_tried_again(
    transport: Transport, server: Server, pauses: Pauses, failure: httpx.Response | Exception
) -> None:
    """What passes is waited for, each time longer, and a person is told."""
    server.answers = [failure, failure, FOUND]
    assert transport.call(endpoints.PROJECT, project="p").project_name == "pets"
    assert len(server.requests) == 3
    assert 0.25 <= pauses.seconds[0] <= 0.5 <= pauses.seconds[1] <= 1
    assert [each.attempt for each in pauses.told] == [1, 2]


def test_it_gives_up(transport: Transport, server: Server, pauses: Pauses) -> None:
    """After six attempts it says that nothing answers, and with which hint."""
    server.answers = [httpx.ConnectError("refused")]
    with pytest.raises(errors.ServerUnreachableError, match=r"darkroom\.example does not answer") as caught:
        transport.call(endpoints.PROJECT, project="p")
    assert len(server.requests) == 6
    assert sum(pauses.seconds) < 30
    assert caught.value.hint


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_honoured(transport: Transport, server: Server, pauses: Pauses, as_date: bool) -> None:
    """As seconds and as a date."""
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=8), usegmt=True)
    header = date if as_date else "7"
    server.answers = [problem(429, "too-many-requests", {"Retry-After": header}), FOUND]
    transport.call(endpoints.PROJECT, project="p")
    [waited] = pauses.seconds
    assert 5 <= waited <= 8


def test_a_retry_after_beyond_patience_is_handed_on(
    transport: Transport, server: Server, pauses: Pauses
) -> None:
    """Nobody sleeps for an hour: the caller is told when it may work."""
    server.answers = [problem(429, "too-many-requests", {"Retry-After": "3600"})]
    with pytest.raises(errors.RateLimitedError) as caught:
        transport.call(endpoints.PROJECT, project="p")
    assert caught.value.retry_after_seconds == 3600
    assert not pauses.seconds


@pytest.mark.parametrize("text", ["", "soon", "-5", "Thu, 99 Jan 2026"])
def test_a_retry_after_that_is_none_is_passed_over(text: str) -> None:
    """Then our own pauses hold."""
    assert retry_after_seconds({"retry-after": text}) is None


def create(transport: Transport) -> Any:
    return transport.call(endpoints.CREATE_PROJECT, body={"projectName": "pets"})


@pytest.mark.parametrize("failure", [httpx.ReadTimeout("slow"), httpx.ReadError("cut off")], ids=repr)
def test_making_something_is_not_tried_again_after_it_may_have_been_made(
    transport: Transport, server: Server, failure: Exception
) -> None:
    """Without an idempotency key two projects could come of it."""
    server.answers = [failure]
    with pytest.raises(errors.ServerUnreachableError):
        create(transport)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "failure", [httpx.ConnectError("refused"), problem(429, "too-many-requests")], ids=repr
)
def test_making_something_is_tried_again_where_nothing_was_made(
    transport: Transport, server: Server, failure: httpx.Response | Exception
) -> None:
    """A request that never left, or was refused for its number, did nothing."""
    server.answers = [failure, httpx.Response(201, json=PROJECT)]
    assert create(transport).project_id == "p"
    assert len(server.requests) == 2


def test_an_idempotency_key_makes_it_repeatable(transport: Transport, server: Server) -> None:
    """A start whose answer was lost is sent again under the same key; another start has another."""
    server.answers = [httpx.ReadTimeout("slow"), httpx.Response(503), STARTED]
    transport.call(endpoints.START, body={}, once=True, project="p")
    first = set(server.keys)
    assert len(server.keys) == 3
    assert len(first) == 1
    assert first != {None}
    transport.call(endpoints.START, body={}, once=True, project="p")
    assert server.keys[-1] not in first


def in_flight(seconds: str = "2") -> httpx.Response:
    return problem(409, "request-in-flight", {"Retry-After": seconds})


def test_a_start_that_is_still_being_carried_out_is_waited_for(
    transport: Transport, server: Server, pauses: Pauses
) -> None:
    """Its answer was lost and its key is locked: the same key asks again, more often than it has attempts."""
    server.answers = [httpx.ReadTimeout("slow"), *(in_flight() for _ in range(30)), STARTED]
    assert transport.call(endpoints.START, body={}, once=True, project="p").session_id == "s"
    assert len(set(server.keys)) == 1
    assert pauses.seconds[1:] == [2.0] * 30
    assert {each.attempt for each in pauses.told[1:]} == {2}


@pytest.mark.parametrize(("asked", "most"), [("2", 74), ("0", 75), ("76", 0)])
def test_what_is_carried_out_for_ever_is_not_waited_for(
    transport: Transport, server: Server, pauses: Pauses, asked: str, most: int
) -> None:
    """Longer than the API locks a key nobody waits, whatever Retry-After says."""
    server.answers = [in_flight(asked)]
    with pytest.raises(errors.ConflictError) as caught:
        transport.call(endpoints.START, body={}, once=True, project="p")
    assert caught.value.code == "request-in-flight"
    assert sum(pauses.seconds) == most


@pytest.mark.parametrize(
    ("code", "once"), [("request-in-flight", False), ("session-limit", True)], ids=["no key", "other"]
)
def test_another_conflict_is_told_at_once(
    transport: Transport, server: Server, pauses: Pauses, code: str, once: bool
) -> None:
    """Only the request's own key is waited for."""
    server.answers = [problem(409, code, {"Retry-After": "2"})]
    with pytest.raises(errors.ConflictError):
        transport.call(endpoints.START, body={}, once=once, project="p")
    assert pauses.seconds == []


def test_ids_are_quoted_and_queries_spelled(transport: Transport, server: Server) -> None:
    """Whatever an id is, it stays one part of the path; truth is spelled as JSON does."""
    server.answers = [httpx.Response(200, json={"items": [], "nextCursor": None})]
    list(transport.pages(endpoints.IMAGES, query={"labelled": True, "label": None}, project="a/../b?c"))
    [request] = server.requests
    assert request.url.raw_path == b"/api/projects/a%2F..%2Fb%3Fc/data/images?limit=100&labelled=true"


def test_every_page_is_read(transport: Transport, server: Server) -> None:
    """A list goes on until there is no cursor, over an empty page too."""
    pages = [([PROJECT], "x"), ([], "y"), ([PROJECT], None)]
    server.answers = [httpx.Response(200, json={"items": each, "nextCursor": to}) for each, to in pages]
    assert len(list(transport.pages(endpoints.PROJECTS))) == 2
    assert [each.url.params.get("cursor") for each in server.requests] == [None, "x", "y"]


def test_the_key_goes_to_the_api_alone(transport: Transport, server: Server) -> None:
    """A public endpoint gets no token, another one does; a redirect is not followed with it."""
    public: Endpoint[Any] = endpoints.LOGOUT
    server.answers = [httpx.Response(204), httpx.Response(302, headers={"Location": "https://evil.example"})]
    transport.call(public, body={"refreshToken": "r"})
    with pytest.raises(errors.DarkroomError):
        transport.call(endpoints.PROJECT, project="p")
    assert [each.headers.get("authorization") for each in server.requests] == [None, "Bearer dk_secret"]
    assert {each.url.host for each in server.requests} == {"darkroom.example"}


def test_a_refused_api_key_says_so(transport: Transport, server: Server) -> None:
    """There is no other key to try."""
    server.answers = [problem(401, "unauthenticated")]
    with pytest.raises(errors.AuthenticationError, match="API key"):
        transport.call(endpoints.PROJECT, project="p")
    assert len(server.requests) == 1


def test_json_is_sent_as_such(transport: Transport, server: Server) -> None:
    """In ASCII, so that no name of a file can't be sent."""
    server.answers = [httpx.Response(201, json=PROJECT)]
    transport.call(endpoints.CREATE_PROJECT, body={"projectName": "Käfer \udcff"})
    [request] = server.requests
    assert json.loads(request.content) == {"projectName": "Käfer \udcff"}
    assert request.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("https://a.example", "https://a.example"),
        (" https://a.example/ ", "https://a.example"),
        ("https://a.example/api", "https://a.example"),
        ("http://127.0.0.1:8000/api/", "http://127.0.0.1:8000"),
        (
            "https://x.execute-api.eu-west-1.amazonaws.com/api",
            "https://x.execute-api.eu-west-1.amazonaws.com",
        ),
    ],
)
def test_a_url_is_understood_with_and_without_its_stage(given: str, meant: str) -> None:
    """People copy what they see."""
    assert normalized(given) == meant


@pytest.mark.parametrize(
    "text", ["", "a.example", "ftp://a.example", "https://", "http://a:b", "http://[::1"]
)
def test_what_is_no_url_is_refused(text: str) -> None:
    """Before anything is sent."""
    with pytest.raises(errors.ConfigurationError):
        normalized(text)


def test_without_credentials_nothing_is_sent(transport: Transport, server: Server) -> None:
    """A client that isn't logged in says how to."""
    stranger = Transport(URL, None, transport.retries, transport.http)
    with pytest.raises(errors.AuthenticationError, match="not logged in"):
        stranger.call(endpoints.ME)
    assert not server.requests
    assert ApiKey("k").token() == "k"
