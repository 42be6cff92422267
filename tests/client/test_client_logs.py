"""A run's log as the client gives it: followed, in JSON, and where the server is away."""

import json
import re
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import httpx
import pytest
from darkroom import logs
from darkroom.cli import logs as command
from darkroom.client import Client
from darkroom.errors import ServerUnreachableError
from darkroom.models import LogLine, LogPage, ProjectInfo, Reason, RunStatus, decode
from darkroom.project import Project
from darkroom.transport import Transport

from tests.client.conftest import Server

GONE = {"code": "job-forgotten", "message": "AWS Batch has forgotten the job"}


def page(*messages: str, cursor: str | None = None, more: bool = False, **members: Any) -> LogPage:
    items = [
        {"time": "2026-01-01T00:00:00Z", "level": "INFO", "message": each, "attempt": 1} for each in messages
    ]
    document = {"items": items, "nextCursor": cursor, "hasMore": more, **members}
    return decode(LogPage, document)


class Answers:
    """Answers one after another; notes the cursors that are asked with, and the pauses between."""

    def __init__(self, *answers: LogPage | Exception) -> None:
        self._answers = list(answers)
        self.cursors: list[str | None] = []
        self.pauses: list[float] = []

    def read(self, cursor: str | None) -> LogPage:
        self.cursors.append(cursor)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def lines(self, **options: Any) -> list[str]:
        return [each.message for each in logs.lines(self.read, sleep=self.pauses.append, **options)]


def test_what_there_is_comes_without_a_pause() -> None:
    """Page after page while there is more already; what may come later isn't waited for."""
    answers = Answers(page("a", cursor="1", more=True), page("b", cursor="2"))
    assert answers.lines() == ["a", "b"]
    assert (answers.cursors, answers.pauses) == ([None, "1"], [])


def test_a_run_is_followed_until_nothing_will_come() -> None:
    """Asked again with the cursor after a pause, which grows where nothing is new."""
    quiet = [page(cursor="2") for _ in range(8)]
    answers = Answers(page("a", cursor="1"), page("b", cursor="2"), *quiet, page("c"))
    assert answers.lines(follow=True) == ["a", "b", "c"]
    assert answers.cursors == [None, "1", *["2"] * 9]
    assert answers.pauses[:2] == [logs.FIRST_LOOK] * 2
    assert answers.pauses == sorted(answers.pauses)
    assert answers.pauses[-1] == logs.LONGEST_LOOK


def test_a_server_that_is_away_is_outwaited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Following goes on where it was, a quarter of an hour long; each line comes once."""
    away = ServerUnreachableError("away")
    answers = Answers(page("a", cursor="1"), away, away, page("b"))
    assert answers.lines(follow=True) == ["a", "b"]
    assert answers.cursors == [None, "1", "1", "1"]

    hours = iter(range(100))
    monkeypatch.setattr(logs.time, "monotonic", lambda: 3600.0 * (1 + next(hours)))
    with pytest.raises(ServerUnreachableError):
        Answers(page("a", cursor="1"), away, away).lines(follow=True)
    with pytest.raises(ServerUnreachableError):
        Answers(away).lines()


def test_why_there_are_none_is_told_once() -> None:
    """Each reason, and not with every page."""
    told: list[str] = []
    waiting = {"missing": {"code": "not-started", "message": "no container has started yet"}}
    answers = Answers(page(cursor="1", **waiting), page(cursor="1", **waiting), page("a", missing=GONE))
    assert answers.lines(follow=True, on_missing=lambda each: told.append(each.code)) == ["a"]
    assert told == ["not-started", "job-forgotten"]


@pytest.mark.parametrize("has_cursor", [False, True])
def test_a_run_asks_its_endpoint(server: Server, transport: Transport, has_cursor: bool) -> None:
    """With the cursor of before, and no cursor at first."""
    first = {"items": [], "nextCursor": "S-1-2-3", "hasMore": True}
    last = {"items": [], "nextCursor": None, "hasMore": False}
    server.answers = [httpx.Response(200, json=each) for each in (first, last)]
    own = {"projectId": "P", "projectName": "p", "description": "", "taskType": "detection", "createdAt": ""}
    project = Project(Client(transport), decode(ProjectInfo, own))
    assert list(project.run("R").logs()) == []
    request = server.requests[has_cursor]
    assert request.url.path == "/api/projects/P/training/R/logs"
    assert request.url.params.get("cursor") == ("S-1-2-3" if has_cursor else None)


FIGURES = {"epoch": 2, "trainLoss": 0.5, "valLoss": 0.25, "valAccuracy": 0.75, "imagesPerSecond": 99.6}
LINES = [
    {"message": "training"},
    {"message": "epoch 2", "metrics": FIGURES},
    {"message": "unforeseen\x1b[2J", "level": "CRITICAL", "attempt": 2, "exception": "Traceback:\n  here"},
]


class FakeRun:
    """A run with a log, or with epochs alone."""

    def __init__(self, lines: list[dict[str, Any]]) -> None:
        own = {"time": "2026-01-01T00:00:00Z", "level": "INFO", "attempt": 1}
        self._lines = [decode(LogLine, own | each) for each in lines]

    def logs(self, *, follow: bool, on_missing: Any) -> Iterator[LogLine]:
        assert not follow
        if not self._lines:
            on_missing(decode(Reason, GONE))
        yield from self._lines

    def status(self, *, history: bool) -> Any:
        own = {"sessionId": "R", "configId": "C", "status": "failed", "progress": 9, "phase": "training"}
        own |= {"startTime": "t", "failure": {"code": "c", "message": "the loss is infinite"}}
        return decode(RunStatus, own | {"history": [FIGURES] if history else None})


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """What the command prints of a run with these lines: (stdout, stderr)."""

    def show(lines: list[dict[str, Any]], **options: Any) -> tuple[str, str]:
        monkeypatch.setattr(command, "opened", lambda *_: nullcontext(None))
        monkeypatch.setattr(command, "run_of", lambda *_: FakeRun(lines))
        command.logs.__wrapped__(**options)
        return tuple(capsys.readouterr())

    return show


def test_lines_are_readable(shown: Any) -> None:
    """Time, level and message; an epoch's figures, a traceback; what would move a cursor is taken out."""
    out, err = shown(LINES)
    first, second, third, *trace = out.splitlines()
    assert first == "2026-01-01T00:00:00Z INFO    training"
    figures = "epoch 2  train loss 0.5000  loss 0.2500  accuracy 0.7500  images/s 100"
    assert second == f"2026-01-01T00:00:00Z INFO    {figures}"
    assert third == "2026-01-01T00:00:00Z CRITICAL unforeseen\N{REPLACEMENT CHARACTER}[2J"
    assert trace == ["Traceback:", "  here"]
    assert err.splitlines() == ["attempt 2", "failed: the loss is infinite"]


def test_json_is_a_document_a_line(shown: Any) -> None:
    """In the API's spelling; nothing else is on stdout."""
    out, err = shown(LINES, as_json=True)
    documents = [json.loads(each) for each in out.splitlines()]
    assert [each["message"] for each in documents] == [each["message"] for each in LINES]
    assert documents[1]["metrics"]["valAccuracy"] == 0.75
    assert (documents[2]["attempt"], err) == (2, "")


def test_where_the_log_is_gone_its_epochs_are_shown(shown: Any) -> None:
    """On stderr why, and how the run ended."""
    out, err = shown([])
    assert re.fullmatch("epoch 2  train loss .*\n", out)
    assert err.splitlines() == [GONE["message"], "failed: the loss is infinite"]
