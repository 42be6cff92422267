"""The environment, read once into one frozen object."""

import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Self

#: A scheme and a host, perhaps a port, and no wildcard.
_ORIGIN = re.compile(r"https?://[^\s/*,]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What a stage is made of; infra/template.yaml has an output for each."""

    table_prefix: str
    bucket: str
    job_queue: str
    job_definition: str
    data_job_queue: str  # of imports and exports
    data_job_definition: str
    predictor: str  # name of the function that tries models out
    training_logs: str  # log group of the training containers
    signing_secret: str  # id of the Secrets Manager secret: contract/signing.py
    nodes_job_queue: str = ""  # of trainings on several machines; a stage need not have it
    nodes_job_definition: str = ""
    max_nodes: str = "1"  # machines that one training may take
    max_sessions_per_project: str = "10"  # that aren't over; 0 for no limit
    max_sessions_per_user: str = "20"
    cors_origins: str = ""  # of pages elsewhere that may use the API, with commas between them

    @property
    def origins(self) -> frozenset[str]:
        return frozenset(self.cors_origins.split(",")) - {""}

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """Settings from the variables of the same names in capitals.

        Raises:
            RuntimeError: a variable without a default is not set, or one has no sense; the message names it.
        """
        values = {each.name: environment.get(each.name.upper()) or each.default for each in fields(cls)}
        missing = [name.upper() for name, value in values.items() if value is MISSING]
        if missing:
            raise RuntimeError(f"environment variables not set: {', '.join(missing)}")
        found = cls(**values)  # type: ignore[arg-type]
        if not all(_ORIGIN.fullmatch(each) for each in found.origins):
            raise RuntimeError("CORS_ORIGINS: origins such as https://app.example.org, commas between them")
        return found
