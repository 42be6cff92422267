"""Reading a run's log: attempts in order, each line once, and why there are none."""

import json
from datetime import timedelta

import pytest

from chalicelib.bootstrap import Ports, assemble
from chalicelib.contract.records import Session
from chalicelib.contract.states import Status
from chalicelib.services.log_lines import MAX_EXCEPTION, MAX_MESSAGE
from chalicelib.services.log_ports import JobStreams, LogEvent
from chalicelib.services.run_logs import MAX_CHARACTERS, SETTLED_SECONDS, Log, Position
from tests.fakes import fake_ports
from tests.support import make_session

AT = 1_769_000_000_000


@pytest.fixture
def ports() -> Ports:
    return fake_ports()


def _written(ports: Ports, *attempts: list[str] | None, status: Status = Status.COMPLETED) -> Session:
    """A run whose job had these attempts; of one without a list the stream is gone."""
    names = [f"stream-{number}" for number, _ in enumerate(attempts)]
    is_over = status in (Status.COMPLETED, Status.FAILED, Status.STOPPED)
    ended = ports.clock.now() - timedelta(minutes=1) if is_over else None
    ports.job_logs.jobs["job"] = JobStreams(names, is_over, ended)
    for number, (name, lines) in enumerate(zip(names, attempts, strict=True)):
        if lines is not None:
            ports.job_logs.written[name] = [
                LogEvent(AT + 1000 * number + place // 3, line) for place, line in enumerate(lines)
            ]
    return make_session(status=status, batch_job_id="job", attempt=len(attempts))


def _read(ports: Ports, session: Session, since: Position | None = None, limit: int = 200) -> Log:
    return assemble(ports).run_logs.read(session, since, limit)


def _told(log: Log) -> list[str]:
    return [each.message for each in log.lines]


@pytest.mark.parametrize("limit", [1, 2, 7, 100, 101, 1000])
def test_every_line_comes_once_and_in_order(ports: Ports, limit: int) -> None:
    """However long a page is, and wherever it ends: three lines have the same time, as bursts have."""
    lines = [[f"{attempt}:{number}" for number in range(100)] for attempt in (1, 2)]
    session = _written(ports, *lines)
    found, position = [], None
    while True:
        log = _read(ports, session, position, limit)
        assert len(log.lines) <= limit
        found += log.lines
        if log.position is None:
            break
        assert log.has_more
        position = log.position
    assert [each.message for each in found] == [*lines[0], *lines[1]]
    assert [each.attempt for each in found] == [1] * 100 + [2] * 100


def test_whoever_watches_gets_what_came_since(ports: Ports) -> None:
    """At the end of a run that goes on there is a position, and nothing more; then the new lines alone."""
    session = _written(ports, ["a", "b"], status=Status.RUNNING)
    first = _read(ports, session)
    assert (_told(first), first.has_more, first.missing) == (["a", "b"], False, None)
    again = _read(ports, session, first.position)
    assert (again.lines, again.position) == ([], first.position)
    stream = ports.job_logs.written["stream-0"]
    # In the very millisecond of the last one as well.
    ports.job_logs.written["stream-0"] = [*stream, LogEvent(stream[-1].at, "c"), LogEvent(AT + 9, "d")]
    assert _told(_read(ports, session, again.position)) == ["c", "d"]


def test_a_new_attempt_follows_the_one_before(ports: Ports) -> None:
    """Whoever had read to the end of the first one reads on in the second, once it has begun."""
    session = _written(ports, ["a"], status=Status.RUNNING)
    position = _read(ports, session).position
    ports.job_logs.jobs["job"] = JobStreams(["stream-0", None, "later"], is_over=False)
    assert _told(_read(ports, session, position)) == []
    ports.job_logs.written["later"] = [LogEvent(AT, "b")]
    log = _read(ports, session, position)
    assert [(each.attempt, each.message) for each in log.lines] == [(3, "b")]
    assert log.missing is None


def test_the_end_is_not_told_before_the_last_lines_have_arrived(ports: Ports) -> None:
    """A run says that it is over, and its job too, some seconds before CloudWatch has all of it."""
    session = _written(ports, ["a"])
    now = ports.clock.now()
    for is_over, ended in ((False, None), (True, now), (True, now - timedelta(seconds=SETTLED_SECONDS - 1))):
        ports.job_logs.jobs["job"] = JobStreams(["stream-0"], is_over, ended)
        assert _read(ports, session).position is not None
    ports.job_logs.jobs["job"] = JobStreams(["stream-0"], True, now - timedelta(seconds=SETTLED_SECONDS))
    assert _read(ports, session).position is None


def test_a_run_whose_job_has_ended_is_asked_until_it_is_over(ports: Ports) -> None:
    """The session follows its job within minutes, and until then there is a position."""
    session = _written(ports, ["a"], status=Status.RUNNING)
    ports.job_logs.jobs["job"] = JobStreams(["stream-0"], True, ports.clock.now() - timedelta(minutes=9))
    assert _read(ports, session).position is not None


@pytest.mark.parametrize(
    ("job", "status", "own", "code"),
    [
        (None, Status.QUEUED, {}, "not-started"),
        (JobStreams([], is_over=False), Status.QUEUED, {"batch_job_id": "job"}, "not-started"),
        (JobStreams([None], is_over=False), Status.RUNNING, {"batch_job_id": "job"}, "not-started"),
        (None, Status.STOPPED, {}, "never-started"),
        (JobStreams([], is_over=True), Status.STOPPED, {"batch_job_id": "job"}, "never-started"),
        (JobStreams([None], is_over=True), Status.FAILED, {"batch_job_id": "job"}, "never-started"),
        (None, Status.COMPLETED, {"batch_job_id": "job", "attempt": 1}, "job-forgotten"),
        (JobStreams(["none"], is_over=True), Status.FAILED, {"batch_job_id": "job"}, "log-gone"),
        (JobStreams(["empty"], is_over=True), Status.FAILED, {"batch_job_id": "job"}, "log-gone"),
    ],
)
def test_where_there_are_no_lines_it_says_why(ports, job, status, own, code):
    """It is no error; a run that isn't over is asked again, another is not."""
    if job:
        ports.job_logs.jobs["job"] = job
    ports.job_logs.written["empty"] = []
    log = _read(ports, make_session(status=status, **own))
    assert log.lines == []
    assert log.missing
    assert log.missing.code == code
    assert (log.position is None) == (code != "not-started")


def test_of_a_log_that_is_gone_in_part_the_rest_is_shown(ports: Ports) -> None:
    """The first attempt's stream isn't kept any longer."""
    log = _read(ports, _written(ports, None, ["b"]))
    assert (_told(log), log.position) == (["b"], None)
    assert log.missing
    assert log.missing.code == "log-gone"


def test_a_stream_that_is_not_there_yet_is_no_loss(ports: Ports) -> None:
    """The container runs, and has written nothing."""
    log = _read(ports, _written(ports, None, status=Status.RUNNING))
    assert (log.lines, log.missing, log.has_more) == ([], None, False)
    assert log.position == Position()


def test_a_made_up_position_is_a_place_in_ones_own_log(ports: Ports) -> None:
    """Beyond the last attempt, or the last line, there is nothing."""
    session = _written(ports, ["a"])
    for made_up in (Position(9, AT, 1), Position(1, AT + 10**9, 0), Position(1, AT, 999)):
        log = _read(ports, session, made_up)
        assert (log.lines, log.position) == ([], None)


def test_lines_that_are_gone_leave_no_page_without_room(ports: Ports) -> None:
    """A cursor counts five lines that aren't kept any longer, and the page ends with the attempt."""
    session = _written(ports, ["a"], ["b"])
    first = _read(ports, session, Position(1, AT - 1, 5), limit=1)
    assert (_told(first), first.has_more) == (["a"], True)
    assert _told(_read(ports, session, first.position, limit=1)) == ["b"]


def _line(ports: Ports, text: str):
    [line] = _read(ports, _written(ports, [text])).lines
    return line


def test_a_line_of_ours_has_its_parts(ports: Ports) -> None:
    """Time, level, logger, rank, figures of an epoch and a traceback; no ids, which the reader has."""
    own = {
        "time": "2026-01-21T12:53:20.000Z", "level": "ERROR", "message": "unforeseen", "logger": "training",
        "sessionId": "s", "jobId": "j", "attempt": "7", "rank": "3", "exception": "Traceback",
        "metrics": {"epoch": 2},
    }  # fmt: skip
    line = _line(ports, json.dumps(own))
    assert (line.time, line.level, line.message, line.logger) == tuple(own[name] for name in list(own)[:4])
    assert (line.attempt, line.rank, line.exception, line.metrics) == (1, 3, "Traceback", {"epoch": 2})


@pytest.mark.parametrize(
    "text",
    [
        "a warning of a library", "5", "[1]", '"text"', "null", '{"no": "message"}', '{"message": 5}',
        "[" * 5000, '{"message": "cut in the m',
    ],
    ids=lambda each: each[:20],
)  # fmt: skip
def test_another_line_is_shown_as_it_is(ports: Ports, text: str) -> None:
    """At level INFO, at the time at which it was written."""
    line = _line(ports, text)
    assert (line.message, line.level, line.logger) == (text, "INFO", None)
    assert line.time == "2026-01-21T12:53:20.000Z"


def test_a_line_that_looks_like_ours_breaks_nothing(ports: Ports) -> None:
    """Members of other types are left out, and half of a surrogate pair is written as a question mark."""
    odd = {"message": "\ud83d", "level": 5, "time": [], "rank": "-1", "metrics": "many", "exception": {}}
    line = _line(ports, json.dumps(odd))
    assert (line.message, line.level, line.rank, line.metrics, line.exception) == (
        "?",
        "INFO",
        None,
        None,
        None,
    )


@pytest.mark.parametrize(
    ("own", "shown"),
    [
        ("12:53:19", "2026-01-21T12:53:20.000Z"),
        ("2026-01-21 12:53:19", "2026-01-21T12:53:20.000Z"),
        ("0001-01-01T00:00:00+14:00", "2026-01-21T12:53:20.000Z"),
        ("20260121T135319+0100", "2026-01-21T12:53:19.000Z"),
    ],
    ids=["no day", "no zone", "no such moment", "another form"],
)
def test_the_time_of_a_line_is_one(ports: Ports, own: str, shown: str) -> None:
    """As every time in an answer: a library's own is taken where it says which moment it means."""
    assert _line(ports, json.dumps({"message": "m", "time": own})).time == shown


def test_what_is_long_is_cut(ports: Ports) -> None:
    """Of a message the beginning is shown, of a traceback the end, and how much is left out."""
    long = {"message": "m" * (MAX_MESSAGE + 5), "exception": "t" * MAX_EXCEPTION + "the error"}
    line = _line(ports, json.dumps(long))
    assert line.message.endswith("m… (5 characters more)")
    assert line.exception
    assert line.exception.startswith("(9 characters before) …t")
    assert line.exception.endswith("the error")


def test_an_answer_of_long_lines_ends_sooner(ports: Ports) -> None:
    """And the next one goes on there."""
    lines = [f"{number}:" + "x" * MAX_MESSAGE for number in range(200)]
    session = _written(ports, lines)
    first = _read(ports, session)
    assert sum(each.size for each in first.lines) <= MAX_CHARACTERS
    assert first.has_more
    found, position = list(first.lines), first.position
    while position:
        log = _read(ports, session, position)
        found, position = [*found, *log.lines], log.position
    assert [each.message[:4] for each in found] == [each[:4] for each in lines]
