"""The bucket of what a deployment sends: packages, templates and image sources, each by its hash."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from .account import code_of
from .errors import NameTakenError
from .stage import Stage

#: Of a bucket that isn't the expected owner's.
_ANOTHERS = {"403", "Forbidden", "AccessDenied"}
_MISSING = {"404", "NoSuchKey", "NotFound"}


def ensure(s3: Any, stage: Stage) -> None:
    """Makes the bucket, or sees that it is as it should be.

    Raises:
        NameTakenError: another account has a bucket of that name.
    """
    name = stage.artifact_bucket
    # us-east-1 is the one region that may not be named.
    where = {} if stage.region == "us-east-1" else {"LocationConstraint": stage.region}
    try:
        s3.create_bucket(Bucket=name, **({"CreateBucketConfiguration": where} if where else {}))
    except ClientError as error:
        if code_of(error) == "BucketAlreadyExists":
            raise taken(stage, name) from error
        if code_of(error) != "BucketAlreadyOwnedByYou":
            raise
    _protect(s3, stage)


def taken(stage: Stage, bucket: str) -> NameTakenError:
    """The error for a bucket that belongs to somebody else."""
    other = f"{stage.name[:15]}2"
    return NameTakenError(
        f"The bucket name {bucket} is taken by another AWS account, and no two may have the same."
        " A stage of another name has other buckets.",
        f"cp infra/stages/{stage.name}.json infra/stages/{other}.json"
        f" && {replace(stage, name=other).make('deploy')}",
    )


def _protect(s3: Any, stage: Stage) -> None:
    own = {"Bucket": stage.artifact_bucket, "ExpectedBucketOwner": stage.account}
    closed = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    s3.put_public_access_block(**own, PublicAccessBlockConfiguration=dict.fromkeys(closed, True))
    s3.put_bucket_ownership_controls(
        **own, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    )
    encrypted = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    s3.put_bucket_encryption(**own, ServerSideEncryptionConfiguration={"Rules": [encrypted]})
    s3.put_bucket_tagging(
        **own, Tagging={"TagSet": [{"Key": key, "Value": value} for key, value in stage.tags.items()]}
    )
    s3.put_bucket_policy(**own, Policy=json.dumps(_only_tls(stage)))


def _only_tls(stage: Stage) -> dict[str, Any]:
    arn = f"arn:{partition(stage.region)}:s3:::{stage.artifact_bucket}"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "OnlyOverTls",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [arn, f"{arn}/*"],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ],
    }


def partition(region: str) -> str:
    """The part of AWS that a region is in, as ARNs name it."""
    for beginning, name in (("cn-", "aws-cn"), ("us-gov-", "aws-us-gov")):
        if region.startswith(beginning):
            return name
    return "aws"


def send(s3: Any, stage: Stage, key: str, content: bytes | Path) -> bool:
    """Puts an object whose key is made of its content; False if it was there already."""
    own = {"Bucket": stage.artifact_bucket, "Key": key, "ExpectedBucketOwner": stage.account}
    if _is_there(s3, own):
        return False
    body = content.read_bytes() if isinstance(content, Path) else content
    s3.put_object(**own, Body=body, ChecksumAlgorithm="SHA256")
    return True


def _is_there(s3: Any, own: dict[str, str]) -> bool:
    try:
        s3.head_object(**own)
    except ClientError as error:
        if code_of(error) in _MISSING:
            return False
        raise
    return True


def url(stage: Stage, key: str) -> str:
    """An object's address, as CloudFormation takes it."""
    suffix = "amazonaws.com.cn" if partition(stage.region) == "aws-cn" else "amazonaws.com"
    return f"https://{stage.artifact_bucket}.s3.{stage.region}.{suffix}/{key}"


def exists(s3: Any, stage: Stage, bucket: str) -> bool:
    """Whether this account has a bucket.

    Raises:
        NameTakenError: another account has it.
    """
    try:
        s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=stage.account)
    except ClientError as error:
        if code_of(error) in _MISSING:
            return False
        if code_of(error) in _ANOTHERS:
            raise taken(stage, bucket) from error
        raise
    return True
