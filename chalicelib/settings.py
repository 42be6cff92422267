"""The environment, read once into one frozen object."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
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
    signing_secret: str  # id of the Secrets Manager secret: {"kid": …, "key": …}

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """Settings from the variables of the same names in capitals.

        Raises:
            RuntimeError: a variable is not set; the message names it.
        """
        names = [each.name for each in fields(cls)]
        missing = [name.upper() for name in names if not environment.get(name.upper())]
        if missing:
            raise RuntimeError(f"environment variables not set: {', '.join(missing)}")
        return cls(**{name: environment[name.upper()] for name in names})
