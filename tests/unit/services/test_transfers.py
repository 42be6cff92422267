"""Imports and exports as the API has them: parts, states, and jobs that die."""

from dataclasses import replace

import pytest

from chalicelib.bootstrap import assemble
from chalicelib.contract.datasets import FORMATS, TransferStatus
from chalicelib.contract.errors import ConflictError, NotFoundError, UnavailableError, UnprocessableError
from chalicelib.contract.objects import transfer_key
from chalicelib.services.run_ports import JobSeen
from chalicelib.services.starting import SUBMIT_REFUSED
from chalicelib.services.times import rfc3339
from chalicelib.services.transfer_jobs import failure_of
from chalicelib.services.transfers import MAX_ARCHIVE_BYTES, part_sizes
from data_job.formats import NEEDS_IMAGES, SUPPORTED
from tests.fakes import fake_ports
from tests.support import Crash, Crashes, make_project

SIZE = 20 << 20  # bytes: three parts
REFUSED = UnavailableError("no such queue", code=SUBMIT_REFUSED)


class World:
    def __init__(self, **overrides) -> None:
        self.ports = fake_ports(**overrides)
        services = assemble(self.ports)
        self.imports, self.exports, self.runner = services.imports, services.exports, services.transfer_runner
        self.project = make_project()

    def open(self, size: int = SIZE) -> str:
        return self.imports.open(self.project, "a.zip", size, None).transfer.transfer_id

    def send(self, import_id: str, *numbers: int) -> None:
        transfer = self.row(import_id)
        key = transfer_key(transfer.project_id, import_id, "archive")
        for number in numbers:
            content = bytes(part_sizes(transfer.size_bytes)[number - 1])
            self.ports.large_objects.put_part(key, transfer.multipart_id, number, content)

    def complete(self):
        import_id = self.open()
        self.send(import_id, 1, 2, 3)
        return self.imports.complete(self.project, import_id).transfer

    def row(self, transfer_id: str, kind: str = "import"):
        return self.ports.transfers.get(self.project.project_id, kind, transfer_id)

    def status(self, import_id: str) -> str:
        return self.imports.get(self.project, import_id).transfer.status


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize("size", [1, 8 << 20, (8 << 20) + 1, 2_500_000_000, MAX_ARCHIVE_BYTES])
def test_the_parts_of_an_archive(size):
    """The parts add up to the archive, are few enough to sign at once, and none but the last is small."""
    sizes = part_sizes(size)
    assert sum(sizes) == size
    assert len(sizes) <= 300
    assert all(each >= 5 << 20 for each in sizes[:-1])
    assert len({*sizes[:-1]}) <= 1


def test_an_announced_archive_has_a_url_for_each_part(world):
    """An import begins `uploading`, with every part to be sent."""
    shown = world.imports.open(world.project, "a.zip", SIZE, "coco")
    assert (shown.transfer.status, shown.transfer.format) == ("uploading", "coco")
    assert [each.number for each in shown.parts] == [1, 2, 3]
    assert all(f"part={each.number}&" in each.url for each in shown.parts)
    assert world.ports.transfer_jobs.seen == {}


def test_what_is_missing_is_asked_for_again(world):
    """While parts are missing an import stays `uploading`, names them, and can't be completed."""
    import_id = world.open()
    world.send(import_id, 2)
    assert [each.number for each in world.imports.get(world.project, import_id).parts] == [1, 3]
    with pytest.raises(ConflictError) as refused:
        world.imports.complete(world.project, import_id)
    assert (refused.value.code, refused.value.extra) == ("parts-missing", {"missing": [1, 3]})
    assert world.status(import_id) == "uploading"


def test_completing_starts_one_job_however_often(world):
    """Once all is there the import waits for its one job, and repeats answer the present state."""
    done = world.complete()
    assert done.status == "queued"
    assert done.batch_job_id == "job-0000"
    again = world.imports.complete(world.project, done.transfer_id)
    assert again.transfer == done
    assert len(world.ports.transfer_jobs.seen) == 1


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_while_completing_is_mended(after):
    """Killed at any call, `complete` can be repeated, or the status asked for, until there is a job."""
    calls, at = 1, 0
    while at < calls:
        at += 1
        world = World()
        import_id = world.open()
        world.send(import_id, 1, 2, 3)
        crashes = Crashes(at, after=after)
        names = ("transfers", "large_objects", "transfer_jobs")
        wrapped = replace(world.ports, **{each: crashes.wrap(getattr(world.ports, each)) for each in names})
        try:
            assemble(wrapped).imports.complete(world.project, import_id)
        except Crash:
            calls = max(calls, at + 1)
        world.ports.clock.advance(minutes=4)
        world.imports.complete(world.project, import_id)
        world.imports.get(world.project, import_id)
        row = world.row(import_id)
        assert (row.status, row.batch_job_id) == ("queued", "job-0000"), f"at call {at}"
        assert len(world.ports.transfer_jobs.seen) == 1
    assert at > 5


def test_an_upload_that_s3_gave_up_has_failed(world):
    """When S3 has forgotten the parts the import says so, and doesn't ask for them for ever."""
    import_id = world.open()
    world.ports.large_objects.uploads.clear()
    assert world.status(import_id) == "failed"
    assert world.row(import_id).failure_reason["code"] == "upload-expired"
    assert world.imports.complete(world.project, import_id).transfer.status == "failed"


def test_a_job_that_batch_refuses_fails_the_transfer(world):
    """Where AWS Batch says no, the caller gets to know, and the export is over."""
    world.ports.transfer_jobs.error = REFUSED
    with pytest.raises(UnavailableError):
        world.exports.start(world.project, "csv", True, None)
    [row] = world.exports.list(world.project, 10, None)
    assert (row.transfer.status, row.transfer.failure_reason["code"]) == ("failed", SUBMIT_REFUSED)


@pytest.mark.parametrize("loses_answer", [True, False])
def test_a_lost_answer_of_submit_job_is_made_good(world, loses_answer):
    """Whether the job was made or not: minutes later the status finds it, or starts it."""
    jobs = world.ports.transfer_jobs
    jobs.error, jobs.loses_answer = UnavailableError("no answer"), loses_answer
    export_id = world.exports.start(world.project, "csv", True, None).transfer.transfer_id
    assert world.row(export_id, "export").batch_job_id is None
    jobs.error = None
    world.exports.get(world.project, export_id)
    assert world.row(export_id, "export").batch_job_id is None
    world.ports.clock.advance(minutes=4)
    assert world.exports.get(world.project, export_id).transfer.batch_job_id == "job-0000"
    assert len(jobs.seen) == 1


def test_an_events_failure_ends_a_transfer_once(world):
    """A job that died ends its transfer with a reason; what comes later changes nothing."""
    done = world.complete()
    died = JobSeen("job-0000", "FAILED", "Essential container in task exited", 1)
    world.runner.job_changed(world.project.project_id, "import", done.transfer_id, died)
    failed = world.row(done.transfer_id)
    assert (failed.status, failed.failure_reason["code"]) == ("failed", "job-died")
    world.runner.job_changed(
        world.project.project_id, "import", done.transfer_id, replace(died, reason="timeout")
    )
    assert world.row(done.transfer_id) == failed


@pytest.mark.parametrize("status", ["RUNNABLE", "RUNNING", "SUCCEEDED"])
def test_events_of_a_job_that_lives_change_nothing(world, status):
    """Only a failure ends a transfer by an event; a second job that ended at once must not."""
    done = world.complete()
    seen = JobSeen("job-0000", status)
    world.runner.job_changed(world.project.project_id, "import", done.transfer_id, seen)
    assert world.row(done.transfer_id) == done


def test_events_of_other_jobs_are_passed_over(world):
    """A job that isn't the transfer's can't end it, nor can one of an unknown transfer."""
    done = world.complete()
    died = JobSeen("job-9999", "FAILED")
    world.runner.job_changed(world.project.project_id, "import", done.transfer_id, died)
    world.runner.job_changed(world.project.project_id, "export", done.transfer_id, died)
    assert world.row(done.transfer_id) == done


@pytest.mark.parametrize(
    ("seen", "code"),
    [
        (JobSeen("job-0000", "FAILED", "Essential container in task exited", 137), "killed"),
        (JobSeen("job-0000", "SUCCEEDED"), "ended-without-result"),
        (None, "job-gone"),
        (JobSeen("job-0000", "RUNNING"), None),
    ],
)
def test_a_lost_event_is_seen_by_asking(world, seen, code):
    """Where the worker has been silent for minutes, asking for the status looks at the job itself."""
    done = world.complete()
    jobs = world.ports.transfer_jobs.seen
    jobs.clear() if seen is None else jobs.update({"job-0000": seen})
    assert world.status(done.transfer_id) == "queued"
    world.ports.clock.advance(minutes=4)
    assert world.status(done.transfer_id) == ("failed" if code else "queued")
    assert (world.row(done.transfer_id).failure_reason or {}).get("code") == code


def test_a_job_of_a_moment_ago_may_not_be_known_yet(world):
    """An archive that took an hour to send isn't failed by a Batch that doesn't list its new job yet."""
    import_id = world.open()
    world.ports.clock.advance(minutes=60)
    world.send(import_id, 1, 2, 3)
    world.imports.complete(world.project, import_id)
    world.ports.transfer_jobs.seen.clear()
    assert world.status(import_id) == "queued"


@pytest.mark.parametrize(
    ("job", "code"),
    [
        (JobSeen("j", "FAILED", "Job attempt duration exceeded timeout"), "timed-out"),
        (JobSeen("j", "FAILED", "Your Spot Task was interrupted."), "spot-reclaimed"),
        (JobSeen("j", "FAILED", None, 143), "spot-reclaimed"),
        (JobSeen("j", "FAILED", None, 75), "out-of-reach"),
        (JobSeen("j", "FAILED", "OutOfMemoryError: container killed"), "killed"),
        (JobSeen("j", "FAILED", None, 2), "job-died"),
    ],
)
def test_a_dead_jobs_reason_has_a_code(job, code):
    """Each way in which a job dies without a word has its own code."""
    assert failure_of(job).code == code


def test_urls_are_given_for_what_there_is(world):
    """A report has a URL where it has lines, the zip where the export is complete, for their seven days."""
    export_id = world.exports.start(world.project, "csv", True, None).transfer.transfer_id
    assert world.exports.get(world.project, export_id).result_url is None
    row = world.row(export_id, "export")
    for problems, has_report in (({}, False), ({"image-missing": 1}, True)):
        ended_at = rfc3339(world.ports.clock.now())
        changes = {"status": TransferStatus.COMPLETED, "problems": problems, "ended_at": ended_at}
        world.ports.transfers.change(row, changes, list(TransferStatus))
        shown = world.exports.get(world.project, export_id)
        assert "/export.zip?" in shown.result_url
        assert (shown.report_url is not None) is has_report
    world.ports.clock.advance(days=8)
    late = world.exports.get(world.project, export_id)
    assert (late.transfer.status, late.result_url, late.report_url) == ("completed", None, None)


@pytest.mark.parametrize("task_type", ["classification", "detection"])
@pytest.mark.parametrize("format_name", FORMATS)
def test_an_export_starts_where_the_format_can_be_written(format_name, task_type):
    """The API takes exactly the pairs of format and task that the worker can write."""
    world = World()
    project = make_project(task_type=task_type)
    if (format_name, task_type) in SUPPORTED:
        assert world.exports.start(project, format_name, True, None).transfer.status == "queued"
        return
    with pytest.raises(UnprocessableError) as refused:
        world.exports.start(project, format_name, True, None)
    assert refused.value.code == "format-not-for-task"


@pytest.mark.parametrize("format_name", FORMATS)
def test_labels_alone_are_exported_where_they_can_be_imported(world, format_name):
    """A format that says nothing of images that aren't in the archive is refused without images."""
    project = make_project(task_type="detection" if format_name == "voc" else "classification")
    if format_name not in NEEDS_IMAGES:
        assert world.exports.start(project, format_name, False, None).transfer.status == "queued"
        return
    with pytest.raises(UnprocessableError) as refused:
        world.exports.start(project, format_name, False, None)
    assert refused.value.code == "format-needs-images"


def test_what_is_not_there_is_not_found(world):
    """An id of another project, of the other kind, or that is none, is not found."""
    import_id = world.open()
    for project, kind, each in (
        (make_project(), world.imports, import_id),
        (world.project, world.exports, import_id),
        (world.project, world.imports, "nonsense"),
    ):
        with pytest.raises(NotFoundError):
            kind.get(project, each)


def test_a_key_makes_one_import(world):
    """The same request with the same key is the same import, with fresh URLs for what is missing."""

    def asked(size: int):
        return world.imports.open(world.project, "a.zip", size, None, "key")

    first = asked(SIZE)
    world.send(first.transfer.transfer_id, 1, 3)
    again = asked(SIZE)
    assert (again.transfer.transfer_id, again.replayed) == (first.transfer.transfer_id, True)
    assert [each.number for each in again.parts] == [2]
    assert not first.replayed
    with pytest.raises(UnprocessableError) as refused:
        asked(SIZE + 1)
    assert refused.value.code == "idempotency-key-reused"


def test_a_key_makes_one_export(world):
    """The same request with the same key is the same export, and one job; without a key it is a new one."""
    ids = [
        world.exports.start(world.project, "csv", True, None, key).transfer.transfer_id
        for key in ("key", "key", None, "other")
    ]
    assert ids[0] == ids[1]
    assert len({*ids}) == 3
    assert len(world.ports.transfer_jobs.seen) == 3


def test_a_key_whose_request_died_makes_its_import(world):
    """Killed between the key and the row, the same request again makes the import."""
    crashes = Crashes(1, after=False)
    wrapped = replace(world.ports, large_objects=crashes.wrap(world.ports.large_objects))
    with pytest.raises(Crash):
        assemble(wrapped).imports.open(world.project, "a.zip", SIZE, None, "key")
    made = world.imports.open(world.project, "a.zip", SIZE, None, "key")
    assert (made.transfer.status, made.replayed) == ("uploading", False)
