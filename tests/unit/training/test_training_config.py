from pathlib import Path

import pytest

from chalicelib.contract.config import TrainingConfig
from chalicelib.contract.errors import TrainingError
from training_job.config import JobEnvironment, available_cores, given, read_training_config

ENVIRONMENT = {
    "TABLE_PREFIX": "t-",
    "BUCKET": "b",
    "PROJECT_ID": "p",
    "SESSION_ID": "s",
    "GENERATION": "2",
    "AWS_BATCH_JOB_ATTEMPT": "3",
    "AWS_BATCH_JOB_ID": "j#0",
}


def test_environment_is_read_into_typed_values() -> None:
    """The numbers of the environment become numbers, and job and attempt are Batch's."""
    environment = JobEnvironment.read(ENVIRONMENT)
    assert environment.batch_job_id == "j"
    assert (environment.session_id, environment.generation, environment.attempt) == ("s", 2, 3)


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_missing_variable_is_named(name: str) -> None:
    """A variable that isn't set, or is empty, fails at once and by its name."""
    with pytest.raises(RuntimeError, match=name):
        JobEnvironment.read(ENVIRONMENT | {name: ""})


@pytest.mark.parametrize("name", ["GENERATION", "AWS_BATCH_JOB_ATTEMPT"])
def test_variable_that_is_no_number_is_named(name: str) -> None:
    """A generation or an attempt that is no number fails by the variable's name."""
    with pytest.raises(RuntimeError, match=name):
        JobEnvironment.read(ENVIRONMENT | {name: "two"})


@pytest.mark.parametrize(
    ("document", "word"),
    [({"learningRate": -1}, "learningRate"), ({"depth": 3}, "depth"), ({"epochs": []}, "list")],
)
def test_unusable_configuration_is_a_training_error(document: dict[str, object], word: str) -> None:
    """A configuration that can't be used ends the run with a code and names what is wrong."""
    with pytest.raises(TrainingError, match=word) as caught:
        read_training_config(document)
    assert caught.value.code == "corrupt-config"


def test_configuration_is_resolved() -> None:
    """What the session's configuration leaves open is filled in."""
    assert given(read_training_config({}).epochs) > 0
    with pytest.raises(ValueError, match="not resolved"):
        given(TrainingConfig().epochs)


@pytest.mark.parametrize(
    ("quota", "most"), [("max 100000", 10_000), ("50000 100000", 1), ("100000 100000", 1)]
)
def test_cores_respect_the_cgroup(tmp_path: Path, quota: str, most: int) -> None:
    """No more threads than the cgroup's CPU quota pays for, and at least one."""
    (tmp_path / "cpu.max").write_text(quota)
    assert 1 <= available_cores(tmp_path) <= most


def test_cores_without_a_cgroup(tmp_path: Path) -> None:
    """Without a cgroup the process's affinity counts."""
    assert available_cores(tmp_path) == available_cores(Path("/nonexistent")) >= 1
