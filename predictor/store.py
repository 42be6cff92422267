"""Models and results in S3, which this function may read and no more."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError, IncompleteReadError

from chalicelib.contract.errors import ConflictError, UnavailableError

#: Without the right to list a bucket, S3 says of an object that isn't there that it is forbidden.
_GONE = {"NoSuchKey", "404", "AccessDenied", "403"}
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class S3Store:
    """One bucket; see `models.Store`."""

    s3: Any
    bucket: str

    @classmethod
    def of(cls, bucket: str) -> Self:
        config = Config(
            retries={"mode": "standard", "total_max_attempts": 3}, connect_timeout=3, read_timeout=10
        )
        return cls(boto3.client("s3", config=config), bucket)

    def read(self, key: str, max_bytes: int) -> bytes | None:
        with _available():
            if (found := self._get(key)) is None:
                return None
            if found["ContentLength"] > max_bytes:
                found["Body"].close()
                raise ConflictError("the results are too large to be read", code="results-too-large")
            return bytes(found["Body"].read())

    def download(self, key: str, path: Path) -> str | None:
        digest = hashlib.sha256()
        with _available(), path.open("wb") as file:
            if (found := self._get(key)) is None:
                return None
            for chunk in found["Body"].iter_chunks(_CHUNK_BYTES):
                digest.update(chunk)
                file.write(chunk)
        return digest.hexdigest()

    def _get(self, key: str) -> Any:
        try:
            return self.s3.get_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in _GONE:
                return None
            raise


@contextmanager
def _available() -> Iterator[None]:
    """Turns "slow down" and "no answer", which the SDK has retried, into `UnavailableError`."""
    try:
        yield
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] < 500:  # "slow down" is 503
            raise
        raise UnavailableError("S3 is busy") from error
    except (HTTPClientError, ConnectionError, IncompleteReadError) as error:
        raise UnavailableError("S3 didn't answer") from error
