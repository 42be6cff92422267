"""The composition root: what a transfer works with, made from its environment."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from chalicelib.adapters.aws import Aws
from chalicelib.adapters.clock import SystemClock, UlidIds
from chalicelib.adapters.dynamodb import Tables
from chalicelib.adapters.images import DynamoImages, DynamoLabels
from chalicelib.adapters.isolation import IsolatedInspector
from chalicelib.adapters.large_objects import S3LargeObjects
from chalicelib.adapters.s3 import S3ObjectStore
from chalicelib.adapters.transfers import DynamoProjectReader, DynamoTransfers
from chalicelib.adapters.uploads import DynamoUploads
from chalicelib.adapters.versions import DynamoVersions
from chalicelib.contract.datasets import Transfer, TransferKind
from chalicelib.contract.errors import DarkroomError, UnavailableError
from chalicelib.contract.records import Failure

from .exporting import Export
from .importing import Import
from .ports import Ports
from .progress import NotOursError, Progress

_LOG = logging.getLogger("data_job")


@dataclass(frozen=True, kw_only=True, slots=True)
class JobEnvironment:
    """Which transfer this process carries out. The job definition, SubmitJob and Batch each set a part."""

    table_prefix: str
    bucket: str
    project_id: str
    transfer_id: str
    kind: TransferKind
    attempt: int  # from 1; Batch counts it up with every retry

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """Raises RuntimeError where a variable is not set; the message names it."""
        try:
            return cls(
                table_prefix=environment["TABLE_PREFIX"],
                bucket=environment["BUCKET"],
                project_id=environment["PROJECT_ID"],
                transfer_id=environment["TRANSFER_ID"],
                kind="import" if environment["TRANSFER_KIND"] == "import" else "export",
                attempt=int(environment["AWS_BATCH_JOB_ATTEMPT"]),
            )
        except KeyError as error:
            raise RuntimeError(f"environment variable not set: {error.args[0]}") from error


def aws_ports(environment: JobEnvironment, aws: Aws) -> Ports:
    """The ports of a stage in AWS, embedded or real."""
    tables, clock = Tables(aws, environment.table_prefix), SystemClock()
    return Ports(
        clock=clock,
        ids=UlidIds(clock),
        projects=DynamoProjectReader(tables),
        transfers=DynamoTransfers(tables),
        images=DynamoImages(tables),
        uploads=DynamoUploads(tables),
        labels=DynamoLabels(tables),
        versions=DynamoVersions(tables),
        store=S3ObjectStore(aws, environment.bucket),
        large_objects=S3LargeObjects(aws, environment.bucket),
        inspector=IsolatedInspector(on_crash=lambda why: _LOG.warning("a decoder was lost: %s", why)),
    )


def carry_out(
    ports: Ports, project_id: str, kind: TransferKind, transfer_id: str, attempt: int, folder: Path
) -> Failure | None:
    """Claims a transfer and carries it out.

    Returns:
        Why it failed, in which another attempt would fail as well; None where it is completed.

    Raises:
        NotOursError: it is over, or another attempt's, or its project is deleted.
        UnavailableError: AWS is busy; another attempt may do better.
    """
    progress = Progress(ports.transfers, ports.projects, ports.clock, attempt)
    project, transfer = progress.claim(project_id, kind, transfer_id)
    work = Import if kind == "import" else Export
    try:
        work(ports, progress, project, transfer, folder).run()
    except (UnavailableError, NotOursError):
        raise
    except DarkroomError as error:
        detail = f"{error.detail}. {error.hint}" if error.hint else error.detail
        return _fail(progress, transfer, Failure(code=error.code, message=detail))
    except Exception as error:  # noqa: BLE001 - the outermost layer: its user must see that it failed
        _LOG.exception("unforeseen")
        message = (
            f"The {kind} ended with an unforeseen {type(error).__name__}; the job's log has the details."
        )
        return _fail(progress, transfer, Failure(code="internal-error", message=message))
    return None


def _fail(progress: Progress, transfer: Transfer, failure: Failure) -> Failure:
    progress.fail(transfer, failure)
    return failure
