"""How a job ends, as Batch sees it."""

import pytest

from chalicelib.contract.errors import UnavailableError
from chalicelib.contract.records import Failure
from data_job.__main__ import exit_code
from data_job.job import JobEnvironment
from data_job.progress import NotOursError

ENVIRONMENT = {
    "TABLE_PREFIX": "p-",
    "BUCKET": "b",
    "PROJECT_ID": "P",
    "TRANSFER_ID": "T",
    "TRANSFER_KIND": "export",
    "AWS_BATCH_JOB_ATTEMPT": "2",
}


def _raise(error: Exception):
    raise error


@pytest.mark.parametrize(
    ("work", "code"),
    [
        (lambda: None, 0),
        (lambda: Failure(code="archive-not-zip", message="no zip"), 1),
        (lambda: _raise(NotOursError("another attempt's")), 0),
        (lambda: _raise(UnavailableError("busy")), 75),
    ],
)
def test_the_exit_code_tells_batch_what_to_do(work, code):
    """Only a busy AWS asks for another attempt; a failure that is told is final."""
    assert exit_code(work) == code


def test_the_environment_is_read_once():
    """Each variable has its place, and the attempt is a number."""
    read = JobEnvironment.read(ENVIRONMENT)
    assert (read.table_prefix, read.bucket, read.project_id) == ("p-", "b", "P")
    assert (read.transfer_id, read.kind, read.attempt) == ("T", "export", 2)


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_a_variable_that_is_missing_is_named(name):
    """A job definition that lacks a variable fails at once, by its name."""
    rest = {key: value for key, value in ENVIRONMENT.items() if key != name}
    with pytest.raises(RuntimeError, match=name):
        JobEnvironment.read(rest)
