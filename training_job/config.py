"""What the container is told: its environment, its configuration, and the processors it may use."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self, TypeVar

from chalicelib.contract.config import TrainingConfig
from chalicelib.contract.errors import TrainingError

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class JobEnvironment:
    """Which session this process trains. The job definition, SubmitJob and Batch each set a part."""

    table_prefix: str
    bucket: str
    project_id: str
    session_id: str
    generation: int
    batch_job_id: str
    attempt: int  # from 1; Batch counts it up with every retry
    training_device: str = "auto"  # or cuda: to fail where there is none

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """From the variables of the same names in capitals; job and attempt are Batch's AWS_BATCH_JOB_….

        Raises:
            RuntimeError: a variable is not set, or is no number; the message names it.
        """
        variables = {each.name: each.name.upper() for each in fields(cls)}
        variables |= {"batch_job_id": "AWS_BATCH_JOB_ID", "attempt": "AWS_BATCH_JOB_ATTEMPT"}
        if "TRAINING_DEVICE" not in environment:
            del variables["training_device"]
        missing = [variable for variable in variables.values() if not environment.get(variable)]
        if missing:
            raise RuntimeError(f"environment variables not set: {', '.join(missing)}")
        values: dict[str, Any] = {name: environment[variable] for name, variable in variables.items()}
        for name in ("generation", "attempt"):
            values[name] = _number(variables[name], values[name])
        # A machine of a job of several has its number behind the job's id.
        values["batch_job_id"] = values["batch_job_id"].partition("#")[0]
        return cls(**values)


def _number(variable: str, text: str) -> int:
    if not text.isdecimal():
        raise RuntimeError(f"environment variable {variable} is a number, not {text!r}")
    return int(text)


def read_training_config(document: Mapping[str, Any]) -> TrainingConfig:
    """The configuration that a session was started with.

    Raises:
        TrainingError: `corrupt-config`.
    """
    try:
        return TrainingConfig.from_json(document).resolved()
    except (TypeError, ValueError) as error:
        raise TrainingError(
            f"The session's configuration can't be used: {error}. Configure the training again.",
            code="corrupt-config",
        ) from error


def available_cores(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Processors this process may keep busy: its affinity, or its cgroup's CPU quota if that is less.

    More threads than that wait for one another, and training slows down several times.
    """
    cores = len(os.sched_getaffinity(0))
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
    except OSError:  # cgroup v1, or not a container
        return cores
    return cores if quota == "max" else max(1, min(cores, int(quota) // int(period)))


def given(value: T | None) -> T:
    """A parameter that `TrainingConfig.resolved` has filled in.

    Raises:
        ValueError: it was not resolved.
    """
    if value is None:
        raise ValueError("the configuration is not resolved")
    return value
