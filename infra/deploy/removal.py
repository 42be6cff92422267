"""Ends, empties and deletes what CloudFormation can't delete by itself. Each may be called again."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError

from .errors import FailedError
from .inventory import is_gone
from .stage import Stage
from .waiting import within

_UNFINISHED = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING")
#: SIGTERM, the job's 30 s of grace and Batch's own bookkeeping.
_JOB_END_SECONDS = 300
_TABLE_SECONDS = 120


def end_jobs(batch: Any, stage: Stage, queues: Iterable[str], builds: Iterable[str], codebuild: Any) -> int:
    """Takes no more jobs, and ends those that are under way, image builds too.

    Returns:
        How many it ended.

    Raises:
        FailedError: jobs still run.
    """
    queues = list(queues)
    for queue in queues:
        with _unless_gone():
            batch.update_job_queue(jobQueue=queue, state="DISABLED")
    ended = {job for queue in queues for job in _unfinished(batch, queue)}
    for job in ended:
        batch.terminate_job(jobId=job, reason=f"{stage.stack_name} is being destroyed")
    stopped = [build for project in builds for build in _stop_builds(codebuild, project)]
    if not within(_JOB_END_SECONDS, lambda: not any(_is_busy(batch, queue) for queue in queues)):
        raise FailedError("Jobs have not ended in five minutes.", stage.make("destroy"))
    return len(ended) + len(stopped)


def _is_busy(batch: Any, queue: str) -> bool:
    return next(_unfinished(batch, queue), None) is not None


def _unfinished(batch: Any, queue: str) -> Iterator[str]:
    paginator = batch.get_paginator("list_jobs")
    with _unless_gone():
        for status in _UNFINISHED:
            for page in paginator.paginate(jobQueue=queue, jobStatus=status):
                yield from (each["jobId"] for each in page["jobSummaryList"])


def _stop_builds(codebuild: Any, project: str) -> Iterator[str]:
    with _unless_gone():
        newest = codebuild.list_builds_for_project(projectName=project, sortOrder="DESCENDING")["ids"][:20]
        builds = codebuild.batch_get_builds(ids=newest)["builds"] if newest else []
        for build in builds:
            if build["buildStatus"] == "IN_PROGRESS":
                codebuild.stop_build(id=build["id"])
                yield build["id"]


def empty_bucket(s3: Any, stage: Stage, bucket: str) -> None:
    """Deletes every version of every object, and what was being uploaded.

    Raises:
        FailedError: S3 keeps one; says which, and why.
    """
    own = {"Bucket": bucket, "ExpectedBucketOwner": stage.account}
    with _unless_gone():
        for page in s3.get_paginator("list_object_versions").paginate(**own):
            _delete_objects(s3, stage, own, [*page.get("Versions", []), *page.get("DeleteMarkers", [])])
        for page in s3.get_paginator("list_multipart_uploads").paginate(**own):
            for each in page.get("Uploads", []):
                s3.abort_multipart_upload(**own, Key=each["Key"], UploadId=each["UploadId"])


def _delete_objects(s3: Any, stage: Stage, own: Mapping[str, str], versions: list[Mapping[str, Any]]) -> None:
    """A page of a listing, which is as many as S3 deletes at a time."""
    if not versions:
        return
    objects = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in versions]
    errors = s3.delete_objects(**own, Delete={"Objects": objects, "Quiet": True}).get("Errors", [])
    if errors:
        first = errors[0]
        raise FailedError(
            f"S3 doesn't delete {first['Key']} in {own['Bucket']}: {first.get('Message', first['Code'])}",
            stage.make("destroy"),
        )


def delete_bucket(s3: Any, stage: Stage, bucket: str) -> None:
    """Empties and deletes a bucket."""
    empty_bucket(s3, stage, bucket)
    with _unless_gone():
        s3.delete_bucket(Bucket=bucket, ExpectedBucketOwner=stage.account)


def delete_table(dynamodb: Any, table: str) -> None:
    """Deletes a table, its protection first."""
    with _unless_gone():
        unprotect(dynamodb, table)
        dynamodb.delete_table(TableName=table)
        dynamodb.get_waiter("table_not_exists").wait(TableName=table)


def protect(dynamodb: Any, table: str) -> None:
    """Lets a table be deleted no more."""
    with _unless_gone():
        dynamodb.update_table(TableName=table, DeletionProtectionEnabled=True)
        within(_TABLE_SECONDS, lambda: _status(dynamodb, table) == "ACTIVE")


def unprotect(dynamodb: Any, table: str) -> None:
    """Lets a table be deleted."""
    dynamodb.update_table(TableName=table, DeletionProtectionEnabled=False)
    within(_TABLE_SECONDS, lambda: _status(dynamodb, table) == "ACTIVE")


def _status(dynamodb: Any, table: str) -> str:
    return str(dynamodb.describe_table(TableName=table)["Table"]["TableStatus"])


def delete_repository(ecr: Any, repository: str) -> None:
    """Deletes an image repository with its images."""
    with _unless_gone():
        ecr.delete_repository(repositoryName=repository, force=True)


def empty_repository(ecr: Any, repository: str) -> None:
    """Deletes the images of a repository."""
    with _unless_gone():
        for page in ecr.get_paginator("list_images").paginate(repositoryName=repository):
            if page["imageIds"]:
                ecr.batch_delete_image(repositoryName=repository, imageIds=page["imageIds"])


def delete_log_group(logs: Any, name: str) -> None:
    """Deletes a log group with all that it says."""
    with _unless_gone():
        logs.delete_log_group(logGroupName=name)


@contextmanager
def _unless_gone() -> Iterator[None]:
    """What an earlier run has deleted is no error."""
    try:
        yield
    except ClientError as error:
        if not is_gone(error):
            raise
