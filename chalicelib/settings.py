"""The environment, read once into one frozen object."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Self


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What a stage is made of; infra/template.yaml has an output for each."""

    table_prefix: str
    bucket: str
    job_queue: str
    job_definition: str
    data_job_queue: str  # of imports and exports
    data_job_definition: str
    signing_secret: str  # id of the Secrets Manager secret: contract/signing.py
    nodes_job_queue: str = ""  # of trainings on several machines; a stage need not have it
    nodes_job_definition: str = ""
    max_nodes: str = "1"  # machines that one training may take
    max_sessions_per_project: str = "10"  # that aren't over; 0 for no limit
    max_sessions_per_user: str = "20"

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """Settings from the variables of the same names in capitals.

        Raises:
            RuntimeError: a variable without a default is not set; the message names it.
        """
        values = {each.name: environment.get(each.name.upper()) or each.default for each in fields(cls)}
        missing = [name.upper() for name, value in values.items() if value is MISSING]
        if missing:
            raise RuntimeError(f"environment variables not set: {', '.join(missing)}")
        return cls(**values)  # type: ignore[arg-type]
