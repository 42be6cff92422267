"""What there is of a stage, found by name and by tag, whether a stack still knows it or not."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from . import artifacts
from .account import Clients, code_of
from .stage import Stage

#: What deregistering leaves: Batch shows such job definitions for 180 days, and they cost nothing.
_GHOSTS = (":job-definition/",)
_COUNTED_OBJECTS = 20_000


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """What holds data or images, or a name that the next stack needs; physical names.

    Attributes:
        protected: tables that DynamoDB refuses to delete.
    """

    tables: list[str]
    protected: list[str]
    buckets: list[str]
    repositories: list[str]
    log_groups: list[str]

    @property
    def unprotected(self) -> list[str]:
        """Tables that DynamoDB deletes for whoever may."""
        return [each for each in self.tables if each not in self.protected]

    def names(self) -> Iterator[tuple[str, str]]:
        """Kind and name of each."""
        for kind, names in (
            ("table", self.tables),
            ("bucket", self.buckets),
            ("image repository", self.repositories),
            ("log group", self.log_groups),
        ):
            for name in names:
                yield kind, name


def take(clients: Clients, stage: Stage) -> Inventory:
    """Looks for what bears the stage's name."""
    dynamodb = clients("dynamodb")
    there = list(tables(dynamodb, stage))
    return Inventory(
        tables=there,
        protected=[each for each in there if _is_protected(dynamodb, each)],
        buckets=[
            name
            for name in (stage.bucket, stage.artifact_bucket)
            if artifacts.exists(clients("s3"), stage, name)
        ],
        repositories=[each for each in _repositories(clients("ecr")) if each.startswith(stage.prefix)],
        log_groups=list(_log_groups(clients("logs"), stage)),
    )


def tables(dynamodb: Any, stage: Stage) -> Iterator[str]:
    """Names of the stage's tables."""
    for page in dynamodb.get_paginator("list_tables").paginate():
        yield from (each for each in page["TableNames"] if each.startswith(stage.prefix))


def has_only_empty_data(clients: Clients, stage: Stage) -> bool:
    """Whether there are tables, and not one item in them, nor any object in the bucket."""
    dynamodb, s3 = clients("dynamodb"), clients("s3")
    there = list(tables(dynamodb, stage))
    # DynamoDB counts items every six hours only.
    if not there or any(dynamodb.scan(TableName=each, Limit=1)["Items"] for each in there):
        return False
    if not artifacts.exists(s3, stage, stage.bucket):
        return True
    found = s3.list_object_versions(Bucket=stage.bucket, MaxKeys=1, ExpectedBucketOwner=stage.account)
    return not found.get("Versions") and not found.get("DeleteMarkers")


def _is_protected(dynamodb: Any, table: str) -> bool:
    try:
        described = dynamodb.describe_table(TableName=table)["Table"]
    except ClientError as error:
        if is_gone(error):
            return False
        raise
    return bool(described.get("DeletionProtectionEnabled"))


def _repositories(ecr: Any) -> Iterator[str]:
    for page in ecr.get_paginator("describe_repositories").paginate():
        yield from (each["repositoryName"] for each in page["repositories"])


def log_group_prefixes(stage: Stage) -> list[str]:
    """Beginnings of the log groups' names: our own, and those that services make by themselves."""
    services = ("/aws/lambda/", "/aws/codebuild/", "/aws/apigateway/", "/aws/vendedlogs/")
    return [f"/{stage.stack_name}/", *(f"{each}{stage.prefix}" for each in services)]


def _log_groups(logs: Any, stage: Stage) -> Iterator[str]:
    paginator = logs.get_paginator("describe_log_groups")
    for prefix in log_group_prefixes(stage):
        for page in paginator.paginate(logGroupNamePrefix=prefix):
            yield from (each["logGroupName"] for each in page["logGroups"])


def tagged(clients: Clients, stage: Stage) -> list[str]:
    """ARNs of all that bears the stage's tags, or is of its stack; for a while also of what is gone."""
    filters: list[list[Mapping[str, Any]]] = [
        [{"Key": key, "Values": [value]} for key, value in stage.tags.items()],
        [{"Key": "aws:cloudformation:stack-name", "Values": [stage.stack_name]}],
    ]
    paginator = clients("resourcegroupstaggingapi").get_paginator("get_resources")
    found = {
        each["ResourceARN"]
        for each_filter in filters
        for page in paginator.paginate(TagFilters=each_filter)
        for each in page["ResourceTagMappingList"]
    }
    return sorted(arn for arn in found if not any(ghost in arn for ghost in _GHOSTS))


@dataclass(frozen=True, slots=True)
class Objects:
    """Versions of objects in a bucket, delete markers included.

    Attributes:
        is_all: whether there are no more than were counted.
    """

    count: int = 0
    size_bytes: int = 0
    is_all: bool = True

    def __str__(self) -> str:
        return f"{'' if self.is_all else 'more than '}{self.count:,} object{'s' * (self.count != 1)}"


def objects(s3: Any, stage: Stage, bucket: str) -> Objects:
    """Counts what is in a bucket, a page of 1,000 at a time and not for ever."""
    paginator = s3.get_paginator("list_object_versions")
    count = size = 0
    for page in paginator.paginate(Bucket=bucket, ExpectedBucketOwner=stage.account):
        if count >= _COUNTED_OBJECTS:
            return Objects(count, size, is_all=False)
        versions = page.get("Versions", [])
        count += len(versions) + len(page.get("DeleteMarkers", []))
        size += sum(each["Size"] for each in versions)
    return Objects(count, size)


def image_count(ecr: Any, repository: str) -> int:
    """Images in a repository."""
    pages = ecr.get_paginator("describe_images").paginate(repositoryName=repository)
    return sum(len(page["imageDetails"]) for page in pages)


def is_gone(error: ClientError) -> bool:
    """Whether AWS says that there is no such thing: an earlier run has deleted it."""
    code, message = code_of(error), error.response["Error"].get("Message", "")
    # Batch has one code for all that a client does wrong.
    is_batch = code == "ClientException" and "does not exist" in message
    return "NotFound" in code or code.startswith("NoSuch") or code == "404" or is_batch
