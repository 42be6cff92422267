"""The log of a run over the API: what its containers really write, and what isn't there."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.local.aws import EmbeddedAws
from infra.local.batch import Runner
from infra.local.signatures import CREDENTIALS
from infra.local.stack import compute, machine_environment
from tests.images import image
from tests.integration.conftest import Api
from tests.integration.logged import leave_log
from tests.integration.test_api_keys import make_key
from tests.integration.test_api_training import _set

TINY = {"architecture": "mobilenet_v3_small", "pretrained": False, "imageSize": 32, "batchSize": 4}
OWN = {"logger", "level", "time", "message"}


@pytest.fixture
def project(api: Api) -> str:
    """The path of a project that can be trained on."""
    path = api.project()
    api.send_files(f"{path}/data/images", [(f"{n}.png", image(n)) for n in range(8)])
    api.call("POST", f"{path}/data/labels", {"labels": {f"{n}.png": "ab"[n % 2] for n in range(8)}})
    return path


@pytest.fixture
def session(api: Api, project: str) -> str:
    """The path of a run that waits."""
    return f"{project}/training/{api.call('POST', f'{project}/training/start').json['sessionId']}"


@pytest.fixture
def runner(stack: EmbeddedAws, tmp_path: Path) -> Iterator[Runner]:
    """Runs what is started within the test; SIGTERM may take a while to be heard on a busy machine."""
    with compute(stack, machine_environment(), tmp_path) as runners:
        yield runners["JobQueue"]


def _get(api: Api, session: str, **query: Any) -> Any:
    given = "&".join(f"{name}={value}" for name, value in query.items() if value is not None)
    answer = api.call("GET", f"{session}/logs?{given}")
    assert answer.status == 200, answer.body
    return answer.json


def _job(stack: EmbeddedAws, session: str) -> dict[str, Any]:
    filters = [{"name": "JOB_NAME", "values": [session.rsplit("/", 1)[1]]}]
    [job] = stack.client("batch").list_jobs(jobQueue=stack.outputs["JobQueue"], filters=filters)[
        "jobSummaryList"
    ]
    return dict(job)


def _followed(
    api: Api, session: str, is_enough: Callable[[Any], bool], cursor: str | None = None, limit: int = 200
) -> tuple[list[Any], str | None]:
    """The lines as they come until there is one such, or none will come any more; and the cursor behind."""
    lines: list[Any] = []
    deadline = time.monotonic() + 120
    while True:
        answer = _get(api, session, cursor=cursor, limit=limit)
        lines += answer["items"]
        cursor = answer["nextCursor"]
        if cursor is None or any(is_enough(each) for each in answer["items"]):
            return lines, cursor
        assert time.monotonic() < deadline, lines
        if not answer["hasMore"]:
            time.sleep(0.1)


def test_both_attempts_of_a_run_are_followed_while_they_train(
    api: Api, project: str, stack: EmbeddedAws, runner: Runner, tmp_path: Path
) -> None:
    """Epochs as they come; the machine goes, and the next attempt's lines follow, until it is killed.

    Read again when all is over it is the same, by pages of any length, and what the containers wrote.
    """
    api.call("PUT", f"{project}/training/configure", {**TINY, "epochs": 1000})
    session_id = api.call("POST", f"{project}/training/start").json["sessionId"]
    session = f"{project}/training/{session_id}"
    lines, cursor = _followed(api, session, lambda each: "metrics" in each)
    assert api.call("GET", f"{session}/status").json["status"] == "running"
    assert lines[-1]["metrics"]["valLoss"] > 0
    job_id = _job(stack, session)["jobId"]
    runner.reclaim(job_id)
    more, cursor = _followed(api, session, lambda each: each["attempt"] == 2 and "metrics" in each, cursor)
    lines += more
    runner.kill(job_id)
    while _job(stack, session)["status"] != "FAILED":
        time.sleep(0.05)
    _set(stack, project, session_id, Status="failed")
    more, _ = _followed(api, session, lambda _: False, cursor)
    lines += more

    attempts = [each["attempt"] for each in lines]
    assert attempts == sorted(attempts)
    assert set(attempts) == {1, 2}
    assert any(each["message"].startswith("going on from ") for each in lines if each["attempt"] == 2)

    files = [tmp_path / f"{session_id}-{attempt}.log" for attempt in (1, 2)]
    written = [json.loads(each) for file in files for each in file.read_text().splitlines()]
    assert [(int(each["attempt"]), each["message"]) for each in written] == [
        (each["attempt"], each["message"]) for each in lines
    ]
    machine = make_key(api, "read")
    for limit in (1, 1000):
        assert _followed(machine, session, lambda _: False, limit=limit) == (lines, None)
    assert CREDENTIALS.secret_key not in json.dumps(lines)
    assert all(each.keys() <= OWN | {"attempt", "metrics", "exception"} for each in lines)


def test_by_the_hundred_every_line_comes_once(api: Api, session: str, stack: EmbeddedAws) -> None:
    """A page may end anywhere, also among lines of the same millisecond."""
    leave_log(stack, session.rsplit("/", 1)[1], [f"line {number}" for number in range(1050)])
    answer = _get(api, session, limit=100)
    lines, pages = [each["message"] for each in answer["items"]], 1
    while answer["hasMore"]:
        answer = _get(api, session, limit=100, cursor=answer["nextCursor"])
        lines += [each["message"] for each in answer["items"]]
        pages += 1
    assert lines == [f"line {number}" for number in range(1050)]
    assert pages == 11
    assert answer["nextCursor"]  # its job isn't over
    assert _get(api, session, cursor=answer["nextCursor"])["items"] == []


def test_lines_that_are_none_of_ours_are_shown(api: Api, session: str, stack: EmbeddedAws) -> None:
    """As they are, at level INFO; what can't be in an answer as it is breaks nothing."""
    odd = ["a warning", '{"message": "\\ud83d", "metrics": {"epoch": "two"}, "level": 7}', "x" * 20_000]
    odd.append('{"message": "step 5", "metrics": {"loss": 0.5}}')  # shown by its figures it would say nothing
    leave_log(stack, session.rsplit("/", 1)[1], odd)
    found = _get(api, session)["items"]
    assert [each["message"][:9] for each in found] == ["a warning", "?", "x" * 9, "step 5"]
    assert {each["level"] for each in found} == {"INFO"}
    assert not any("metrics" in each or "exception" in each for each in found)
    assert len(found[2]["message"]) < 9_000


def test_a_run_that_waits_has_none_yet(api: Api, session: str) -> None:
    """With a cursor to come back with; once it was stopped there will be none."""
    waiting = _get(api, session)
    assert (waiting["items"], waiting["hasMore"], waiting["missing"]["code"]) == ([], False, "not-started")
    assert _get(api, session, cursor=waiting["nextCursor"])["nextCursor"] == waiting["nextCursor"]
    api.call("POST", f"{session}/stop")
    over = _get(api, session, cursor=waiting["nextCursor"])
    assert (over["items"], over["nextCursor"], over["missing"]["code"]) == ([], None, "never-started")


def test_a_job_that_batch_has_forgotten_is_no_error(
    api: Api, project: str, session: str, stack: EmbeddedAws
) -> None:
    """An empty list, and why."""
    _set(stack, project, session.rsplit("/", 1)[1], Status="completed", JobID="a-job-of-last-year", Attempt=1)
    answer = _get(api, session)
    assert (answer["items"], answer["nextCursor"], answer["missing"]["code"]) == ([], None, "job-forgotten")


@pytest.mark.parametrize(
    "cursor",
    [
        "none",
        "{other}-1-0-0",
        "{own}-0-0-0",
        "{own}-1-0",
        "{own}-1-0-0-0",
        "{own}-1--1-0",
        "{own}",
        "{own}-1-0-0%0A",
    ],
)
def test_a_foreign_or_made_up_cursor_is_refused(api: Api, session: str, cursor: str) -> None:
    """422 that points at it: another run's names no place in this one's log."""
    own = session.rsplit("/", 1)[1]
    other = own[:-1] + ("1" if own[-1] == "0" else "0")
    answer = api.call("GET", f"{session}/logs?cursor={cursor.format(own=own, other=other)}")
    assert (answer.status, answer.problem()) == (422, "invalid-query")
    assert [each["pointer"] for each in answer.json["errors"]] == ["?cursor"]


@pytest.mark.parametrize("limit", [0, 1001, "many"])
def test_a_limit_has_bounds(api: Api, session: str, limit: Any) -> None:
    """1 to 1,000."""
    answer = api.call("GET", f"{session}/logs?limit={limit}")
    assert (answer.status, answer.problem()) == (422, "invalid-query")
