"""What doesn't fit, or isn't there, is said before it costs anything."""

import pytest

from chalicelib.contract.errors import TrainingError
from training_job.config import JobEnvironment
from training_job.memory import available_bytes, check_memory

SESSION = {"TABLE_PREFIX": "t-", "BUCKET": "b", "PROJECT_ID": "p", "SESSION_ID": "s", "GENERATION": "1"}


def test_a_cache_that_does_not_fit_is_refused() -> None:
    """The kernel would kill the process later, without a word to the user."""
    check_memory(available_bytes() // 2)
    with pytest.raises(TrainingError, match="lower imageSize") as raised:
        check_memory(10**18)
    assert raised.value.code == "out-of-memory"


@pytest.mark.parametrize(("variable", "device"), [({}, "auto"), ({"TRAINING_DEVICE": "cuda"}, "cuda")])
def test_the_device_is_free_unless_the_job_definition_says(variable: dict[str, str], device: str) -> None:
    """Only where the job definition asks for it, a missing GPU is a failure."""
    environment = JobEnvironment.read(SESSION | {"AWS_BATCH_JOB_ATTEMPT": "1"} | variable)
    assert environment.training_device == device
