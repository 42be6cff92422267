"""The bucket."""

import logging
from dataclasses import dataclass
from typing import Any

import obstore
from botocore.exceptions import HTTPClientError, IncompleteReadError, ResponseStreamingError
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from chalicelib.contract.errors import TrainingError, UnavailableError
from chalicelib.contract.objects import image_key

_LOG = logging.getLogger(__name__)
# botocore repeats requests, but not a body that breaks off while it is read.
_BROKEN_OFF = (HTTPClientError, IncompleteReadError, ResponseStreamingError)
_READ_TRIES = 4


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """Small objects, whole. Safe to use from many threads."""

    s3: Any
    bucket: str

    def find(self, key: str) -> bytes | None:
        """The object's bytes, or None where there is none."""
        for left in reversed(range(_READ_TRIES)):
            try:
                body: bytes = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
                return body
            except self.s3.exceptions.NoSuchKey:
                return None
            except _BROKEN_OFF as error:
                if not left:
                    raise
                _LOG.warning("reading %s again: %s", key, error)
        raise AssertionError("unreachable")

    def put(self, key: str, body: bytes, content_type: str) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, ContentType=content_type)


@dataclass(frozen=True, slots=True)
class ImageObjects:
    """The bytes of a project's images. Safe to use from many threads."""

    bucket: S3Store
    project_id: str

    def get(self, image_id: str) -> bytes:
        """An image's bytes. Network errors, throttling and errors of the server are tried again.

        Raises:
            TrainingError: `missing-object`, `access-denied`.
            UnavailableError: S3 gave no answer for minutes.
        """
        key = image_key(self.project_id, image_id)
        try:
            return obstore.get(self.bucket, key).bytes().to_bytes()
        except FileNotFoundError as error:
            raise TrainingError(
                f"The object {key} is not in the bucket: the image was deleted after its data set was "
                "made. Start again on the present data.",
                code="missing-object",
            ) from error
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise TrainingError(
                f"The job may not read the object {key}. Allow its role s3:GetObject and s3:ListBucket on "
                "the bucket, then start again.",
                code="access-denied",
            ) from error
        except BaseError as error:
            raise UnavailableError(
                f"S3 didn't give the object {key}: {str(error).splitlines()[0]}"
            ) from error
