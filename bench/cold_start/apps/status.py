"""What every app but Darkroom has behind its view: rows by one call, and a status as Darkroom answers it."""

import json
import os
from functools import cache
from typing import Any

import boto3
from argon2 import PasswordHasher
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

HASHER = PasswordHasher()
ROUTE = "/projects/{project_id}/training/{session_id}/status"


class Answer(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Dataset(Answer):
    version_id: str | None = None
    dataset_hash: str | None = None


class Metrics(Answer):
    epoch: int
    train_loss: float
    val_loss: float | None = None
    val_accuracy: float | None = None


class Status(Answer):
    session_id: str
    config_id: str
    dataset: Dataset | None = None
    status: str
    progress: int
    phase: str | None = None
    metrics: Metrics | None = None
    eta_seconds: int | None = None
    start_time: str
    end_time: str | None = None


@cache
def key() -> str:
    """The signing key, which Darkroom needs for the token."""
    secret = boto3.client("secretsmanager").get_secret_value(SecretId=os.environ["SIGNING_SECRET"])
    return str(json.loads(secret["SecretString"]))


@cache
def dynamodb() -> Any:
    return boto3.client("dynamodb")


def read_status(project_id: str, session_id: str) -> Status:
    """The session's status, with the project read beside it; the key is read the first time."""
    key()
    prefix = os.environ["TABLE_PREFIX"]
    project, session = {"S": project_id}, {"S": session_id}
    found = dynamodb().batch_get_item(
        RequestItems={
            f"{prefix}Projects": {"Keys": [{"ProjectID": project}]},
            f"{prefix}TrainingSessions": {"Keys": [{"ProjectID": project, "SessionID": session}]},
        }
    )["Responses"]
    [row] = found[f"{prefix}TrainingSessions"]
    return Status(
        session_id=session_id,
        config_id=row["ConfigID"]["S"],
        status=row["Status"]["S"],
        progress=int(row.get("Progress", {"N": "0"})["N"]),
        start_time=row["StartTime"]["S"],
    )
