"""One key starts one run, and no more runs begin than are allowed."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import cycle, islice, product
from typing import Any

import pytest
import urllib3

from app import app
from chalicelib.bootstrap import assemble
from chalicelib.contract.errors import ConflictError, TooManyRequestsError
from chalicelib.services.run_ports import Limits
from infra.local.aws import EmbeddedAws
from infra.local.server import Server
from tests.fakes import fake_ports
from tests.integration.conftest import Api
from tests.integration.reliability.stage import Stage, project_of
from tests.support import Crash, Crashes, make_image, make_label

PER_PROJECT, PER_USER = 7, 10


@pytest.fixture
def stage(stack: EmbeddedAws, api: Api) -> Stage:
    return Stage(stack, api)


@pytest.fixture
def url(environment: None) -> Iterator[str]:
    """Where the API listens: over HTTP, each request has a thread of its own, as in Lambda."""
    with Server(app, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@dataclass
class Client:
    """Sends the same start again and again, all of its threads at the same time."""

    url: str
    token: str | None
    pool: urllib3.PoolManager

    def start(self, key: str, body: bytes = b"{}") -> urllib3.BaseHTTPResponse:
        headers = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": key}
        headers["Content-Type"] = "application/json"
        return self.pool.request("POST", self.url, body=body, headers=headers, retries=False)


@pytest.mark.injects(
    "the same start with the same key, all at once",
    times=50,
    soak=1000,
    outcome="one session, one job; the others 202 with `Idempotent-Replayed`, or 409 with Retry-After",
)
def test_one_key_starts_one_run(stage: Stage, url: str, times: int) -> None:
    """However many ask with one key at the same time, one run is started, and all of them come to know it."""
    with project_of(stage) as (project, version), urllib3.PoolManager(maxsize=50, block=True) as pool:
        client = Client(f"{url}/api/projects/{project.project_id}/training/start", stage.api.token, pool)
        body = f'{{"versionId": "{version}"}}'.encode()
        with ThreadPoolExecutor(50) as threads:
            answers = list(threads.map(lambda _: client.start("the key", body), range(times)))
        counts = Counter(each.status for each in answers)
        assert counts.keys() <= {202, 409}
        assert counts.total() == times
        started = [each for each in answers if each.status == 202]
        assert [each.headers.get("Idempotent-Replayed") for each in started].count(None) == 1
        for each in answers:
            assert int(each.headers["Retry-After"]) > 0
            assert each.status == 202 or each.json()["code"] == "request-in-flight"
        again = client.start("the key", body)
        assert (again.status, again.headers["Idempotent-Replayed"]) == (202, "true")
        [session] = stage.sessions(project.project_id)
        assert {each.json()["sessionId"] for each in (*started, again)} == {session.session_id}
        assert len(stage.jobs(project.project_id)[session.session_id]) == 1
        other = client.start("the key", b"{}")
        assert (other.status, other.json()["code"]) == (422, "idempotency-key-reused")


@pytest.mark.injects(
    f"starts at once where a project may have {PER_PROJECT} runs and its user {PER_USER}",
    times=100,
    soak=2000,
    outcome="exactly as many sessions and jobs; the others 429 `too-many-sessions` with Retry-After",
)
def test_starts_pass_no_limit(stage: Stage, times: int) -> None:
    """In two projects of one user, all at once: no limit is passed, and none is left unused."""
    with ExitStack() as stack:
        projects = [stack.enter_context(project_of(stage)) for _ in range(2)]
        training = stage.services(Limits(PER_PROJECT, PER_USER)).training

        def start(number: int) -> str:
            project, version = projects[number % 2]
            try:
                return training.start(project, version_id=version).session_id
            except TooManyRequestsError as error:
                return error.code if error.retry_after_seconds and error.hint else "says not what to do"

        with ThreadPoolExecutor(50) as pool:
            answers = Counter(pool.map(start, range(times)))
        assert answers.pop("too-many-sessions") == times - PER_USER
        in_each = [stage.sessions(project.project_id) for project, _ in projects]
        put = [each for sessions in in_each for each in sessions]
        assert answers.keys() == {each.session_id for each in put}
        assert max(map(len, in_each)) <= PER_PROJECT
        jobs = [found for project, _ in projects for found in stage.jobs(project.project_id).values()]
        assert [len(each) for each in jobs] == [1] * PER_USER
        _frees(stage, put[:3], start)


def _frees(stage: Stage, ending: list[Any], start: Any) -> None:
    """Three that end make room for three, and not for a fourth."""
    for each in ending:
        stage.services().runs.stop(each)
    assert [start(number) for number in range(8)].count("too-many-sessions") == 5


class _World:
    """A project on the fakes, whose process dies at one of its calls."""

    PORTS = ("sessions", "jobs", "idempotency", "versions", "configurations")

    def __init__(self, at: int = 0, *, after: bool = False) -> None:
        self.ports = fake_ports()
        self.crashes = Crashes(at, after=after)
        self.project = assemble(self.ports).projects.create("U", "cats", "", "classification")
        for label in ("cat", "cat", "dog", "dog"):
            image = make_image(self.project.project_id)
            self.ports.images.accept(image)
            self.ports.labels.put([make_label(self.project.project_id, image.image_id, label)])

    def start(self, *, dying: bool) -> Any:
        ports = self.ports
        if dying:
            wrapped = {name: self.crashes.wrap(getattr(ports, name)) for name in self.PORTS}
            ports = fake_ports(**{name: getattr(ports, name) for name in ports.__slots__} | wrapped)
        return assemble(ports).training.start(self.project, "key", "hash")

    def is_held(self) -> bool:
        """Whether a repetition is refused for now."""
        try:
            self.start(dying=False)
        except ConflictError as error:
            return error.code == "request-in-flight"
        return False

    def sweep(self, **later: float) -> None:
        self.ports.clock.advance(**later)
        assemble(self.ports).oversight.sweep()

    def is_right(self) -> bool:
        """One session, and one job that lives where it isn't over."""
        [session] = self.ports.sessions.rows.values()
        live = [
            each.batch_job_id
            for each in self.ports.jobs.seen.values()
            if each.status not in ("SUCCEEDED", "FAILED")
        ]
        return live == ([] if session.is_over else [session.batch_job_id])


def _calls_of_a_start() -> int:
    world = _World()
    world.start(dying=True)
    return world.crashes.calls


@pytest.mark.injects(
    "the process that holds a key dies, before or after any of its calls",
    times=100,
    soak=100_000,
    outcome="409 for a minute; then the repetition goes on with the same session, which has one job",
)
def test_a_start_that_died_is_gone_on_with(times: int) -> None:
    """A repetition never starts a second run for its key, with or without a sweep in between."""
    died, held = 0, 0
    points = product(range(1, _calls_of_a_start() + 1), (False, True), (0, 3))
    for at, after, minutes in islice(cycle(points), times):
        world = _World(at, after=after)
        with pytest.raises(Crash):
            world.start(dying=True)
        died += 1
        held += world.is_held()
        world.ports.clock.advance(seconds=61)
        if minutes:
            world.sweep(minutes=minutes)
        first = world.start(dying=False)
        assert world.start(dying=False).session_id == first.session_id
        world.sweep(minutes=3)
        assert world.is_right(), (at, after, minutes)
    assert died == times
    assert held > times / 2  # all but those that died before they had the key, or after they had answered
