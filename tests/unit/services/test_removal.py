"""The removal of deleted projects: everything of theirs, and nothing of their neighbours'."""

from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from itertools import count

import pytest

from chalicelib.bootstrap import Ports, assemble
from chalicelib.contract.config import TrainingConfig
from chalicelib.contract.errors import UnavailableError
from chalicelib.contract.objects import project_prefixes, session_key, transfer_key
from chalicelib.contract.records import EpochMetrics, Project
from chalicelib.contract.states import Status
from chalicelib.contract.tables import CONFIGURATIONS, IMAGES, LABELS, SESSIONS
from chalicelib.services.direct_uploads import SentFile
from chalicelib.services.removal import QUIET
from chalicelib.services.run_ports import JobSeen
from chalicelib.services.times import rfc3339
from chalicelib.services.uploads import AnnouncedFile
from tests.fakes import FakeStore, fake_ports
from tests.support import NOW, Crash, Crashes, make_label, make_session, new_id

USER = new_id()


class World:
    """A project with something of everything, and its neighbour of the same user with the same."""

    def __init__(self, ports: Ports | None = None) -> None:
        self.ports = ports or fake_ports()
        self.services = assemble(self.ports)
        self.sessions_of: dict[str, list[str]] = defaultdict(list)
        self.doomed, self.neighbour = (self._project(name) for name in ("doomed", "neighbour"))
        self.neighbours = self.everything_of(self.neighbour)

    def _project(self, name: str) -> Project:
        project = self.services.projects.create(USER, name, "", "classification")
        sent = [SentFile(f"{n}.png", b"image %d" % n) for n in range(3)]
        outcomes = self.services.direct_uploads.store(project.project_id, sent)
        self.ports.labels.put([make_label(project.project_id, each.image.image_id) for each in outcomes])
        self._post(project, b"image 9")
        self.services.training.configure(project, TrainingConfig())
        self._session(project, Status.COMPLETED, end_time=NOW)
        self.ports.store.put(transfer_key(project.project_id, "T", "archive"), b"zip", "application/zip")
        self.ports.store.multiparts.append(transfer_key(project.project_id, "U", "archive"))
        return project

    def _post(self, project: Project, *contents: bytes) -> None:
        """Posts and takes in a file for each content, of an upload that announces one more."""
        files = [AnnouncedFile(f"p{n}.png", 5, "image/png") for n in range(1 + len(contents))]
        opened = self.services.posted_uploads.open(project.project_id, files)
        for (_, _, key), content in zip(opened.images, contents, strict=False):
            self.ports.store.put(key, content, "image/png")
            self.services.ingest.take(key)
        self.open_key = opened.images[-1][2]

    def _session(self, project: Project, status: Status, **changes: object) -> None:
        session = make_session(project.project_id, status, **changes)
        self.ports.sessions.add(session)
        self.sessions_of[project.project_id].append(session.session_id)
        figures = dict.fromkeys(("train_loss", "train_accuracy", "val_loss", "val_accuracy"), 0.5)
        rates = dict.fromkeys(("learning_rate", "images_per_second", "epoch_seconds"), 1.0)
        self.ports.metrics.rows += [
            EpochMetrics(
                session_id=session.session_id, epoch=n, created_at=NOW, expires_at=1, **figures, **rates
            )
            for n in (1, 2)
        ]
        self.ports.store.put(session_key(project.project_id, session.session_id, "results.json"), b"{}", "")

    def delete(self) -> Project:
        """Deletes the doomed project; its row as the removal finds it."""
        self.services.projects.delete(self.doomed)
        return self.ports.projects.rows[self.doomed.project_id]

    def run(self, **later: float) -> int:
        self.ports.clock.advance(**later)
        return assemble(self.ports).removal.run(self.ports.clock.now() + timedelta(minutes=4))

    def everything_of(self, project: Project) -> dict:
        """Every row and every object of a project."""
        project_id = project.project_id
        sessions = list(self.ports.rows.keys(SESSIONS, project_id))
        metrics = self.ports.metrics.rows
        found = {
            table: list(self.ports.rows.keys(table, project_id)) for table in (IMAGES, LABELS, CONFIGURATIONS)
        }
        found["sessions"] = sessions
        found["metrics"] = [each for each in metrics if each.session_id in self.sessions_of[project_id]]
        below = project_prefixes(project_id)
        found["objects"] = {k: v for k, v in self.ports.store.objects.items() if k.startswith(below)}
        found["multiparts"] = [each for each in self.ports.store.multiparts if each.startswith(below)]
        found["project"] = self.ports.projects.rows.get(project_id)
        return found

    def assert_gone(self) -> None:
        """Nothing of the doomed project is left, and the neighbour is what it was."""
        left = self.everything_of(self.doomed)
        assert not any(left.values()), left
        assert self.everything_of(self.neighbour) == self.neighbours


def test_everything_goes_and_the_neighbour_stays():
    """After the last form has run out, no row, object or multipart upload of the project is left."""
    world = World()
    world.delete()
    assert world.run(minutes=5) == 1
    left = world.everything_of(world.doomed)
    assert left.pop("project").removing
    assert not any(left.values())
    assert world.run(minutes=70) == 0
    world.assert_gone()
    assert world.ports.telemetry.counts["ProjectsRemoved"] == 1


def test_the_projects_row_outlives_the_last_form():
    """Until nothing admitted or signed before the deletion can arrive, passes repeat and the row stays."""
    world = World()
    deleted = world.delete()
    world.run(seconds=1)
    assert world.run(seconds=QUIET.total_seconds() - 2) == 1
    assert world.ports.projects.rows[deleted.project_id] == deleted
    assert world.run(seconds=1) == 0


def test_a_full_pass_must_find_nothing_before_the_row_goes():
    """What the first late pass finds keeps the row for another one."""
    world = World()
    world.delete()
    assert world.run(hours=9) == 1
    assert world.run() == 0
    world.assert_gone()


@pytest.mark.parametrize("after", [False, True])
def test_a_removal_that_dies_at_any_call_ends_at_nothing(after):
    """Killed at each call in turn, before or after its effect, the next ticks end at zero all the same."""
    for at in count(1):
        world = World()
        world.delete()
        world.ports.clock.advance(hours=2)
        crashes = Crashes(at, after=after)
        names = ("projects", "rows", "store", "sessions", "jobs", "metrics")
        wrapped = {name: crashes.wrap(getattr(world.ports, name)) for name in names}
        removal = assemble(replace(world.ports, **wrapped)).removal
        try:
            for _ in range(2):
                removal.run(world.ports.clock.now() + timedelta(minutes=4))
        except Crash:
            assert world.everything_of(world.neighbour) == world.neighbours
        while world.run():
            assert world.ports.projects.rows[world.doomed.project_id].removing
        world.assert_gone()
        if crashes.calls < at:
            break
    assert at > 25


def test_killed_over_and_over_it_ends_at_nothing():
    """A process that dies at its tenth call each time gets through in the end."""
    world = World()
    world.delete()
    world.ports.clock.advance(hours=2)
    for _ in range(50):
        crashes = Crashes(10, after=True)
        ports = replace(
            world.ports, rows=crashes.wrap(world.ports.rows), store=crashes.wrap(world.ports.store)
        )
        try:
            if assemble(ports).removal.run(world.ports.clock.now() + timedelta(minutes=4)) == 0:
                break
        except Crash:
            continue
    world.assert_gone()


def test_time_that_is_over_ends_a_pass_and_the_next_goes_on():
    """A tick without time left deletes a group at most of each kind, and enough ticks delete all."""
    world = World()
    world.delete()
    world.ports.clock.advance(hours=2)
    ticks = 0
    while assemble(world.ports).removal.run(world.ports.clock.now() + timedelta(microseconds=1)):
        ticks += 1
        assert ticks < 20
    world.assert_gone()
    assert assemble(world.ports).removal.run(world.ports.clock.now()) == 0


def test_a_run_in_progress_is_ended_before_its_row_goes():
    """A live session is asked to stop, its job is terminated, and only then its rows are removed."""
    world = World()
    started = rfc3339(world.ports.clock.now())
    world._session(world.doomed, Status.RUNNING, start_time=started, batch_job_id="job-7")
    world.ports.jobs.seen["job-7"] = JobSeen("job-7", "RUNNING")
    world.delete()
    world.run(minutes=5)
    [session] = world.ports.sessions.list(world.doomed.project_id, 9, None)
    assert session.status == Status.RUNNING
    assert session.stop_requested_at
    world.ports.clock.advance(minutes=6)
    world.services.oversight.sweep()
    assert world.ports.jobs.seen["job-7"].status == "FAILED"
    world.run()
    [session] = world.ports.sessions.list(world.doomed.project_id, 9, None)
    assert session.status == Status.STOPPED  # the job may have an object on its way
    world.run(minutes=5)
    world.run(hours=2)
    world.assert_gone()


def test_a_run_that_was_started_at_the_same_moment_is_ended_too():
    """A session that an admitted request added after the deletion is stopped by the removal."""
    world = World()
    world.delete()
    world._session(world.doomed, Status.QUEUED, start_time=rfc3339(world.ports.clock.now()))
    world.run()
    assert not list(world.ports.sessions.active())
    world.run(hours=2)
    world.run()
    world.assert_gone()


def test_an_upload_in_flight_leaves_nothing():
    """Files posted under a form that was signed before the deletion end nowhere, noticed or not."""
    world = World()
    world._post(world.doomed, b"image 10")
    world.delete()
    world.run()
    world.ports.store.put(world.open_key, b"image late", "image/png")
    world.services.ingest.take(world.open_key)
    world.ports.store.put(world.open_key, b"image lost", "image/png")
    world.run(minutes=59)
    world.run(minutes=30)
    world.assert_gone()


class Stubborn(FakeStore):
    """S3 refuses to delete what is below one prefix."""

    refused = "none"

    def delete(self, keys):
        if any(self.refused in each for each in keys):
            raise UnavailableError("S3 did not delete 1 objects")
        super().delete(keys)


def test_one_projects_failure_does_not_stop_the_others():
    """What AWS leaves undone is in the log and waits for the next tick; the other projects go on."""
    store = Stubborn()
    world = World(fake_ports(store=store))
    world.delete()
    world.ports.clock.advance(minutes=1)
    world.services.projects.delete(world.neighbour)
    store.refused = world.doomed.project_id
    assert world.run(hours=2) == 2
    assert world.run() == 1
    assert world.neighbour.project_id not in world.ports.projects.rows
    assert world.ports.telemetry.warnings == ["S3 did not delete 1 objects"] * 2
    store.refused = "none"
    assert world.run() + world.run() == 1
    assert world.ports.store.objects == {}


def test_projects_share_the_time():
    """A project that uses up its share leaves the other's share to the other."""
    world = World()
    deleted = [world.delete()]
    world.services.projects.delete(world.neighbour)
    deleted.append(world.ports.projects.rows[world.neighbour.project_id])
    shares, removal = [], assemble(world.ports).removal

    def remove(project, until):
        shares.append((until - world.ports.clock.now()).total_seconds())
        world.ports.clock.moment = until
        return False

    removal.remove = remove
    assert removal.run(world.ports.clock.now() + timedelta(minutes=4)) == 2
    assert shares == [120, 120]


def test_an_empty_pass_is_a_handful_of_calls():
    """A pass that finds nothing asks each table and each prefix once."""
    world = World()
    world.delete()
    for _ in range(2):
        world.run(minutes=5)
    crashes = Crashes(0, after=False)
    names = ("projects", "rows", "store", "sessions", "jobs", "metrics")
    wrapped = {name: crashes.wrap(getattr(world.ports, name)) for name in names}
    assemble(replace(world.ports, **wrapped)).removal.run(world.ports.clock.now() + timedelta(minutes=4))
    assert crashes.calls == 1 + 1 + 3 + 2 * 3
