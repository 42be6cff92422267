"""The bucket."""

import logging
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import HTTPClientError, IncompleteReadError, ResponseStreamingError

from chalicelib.contract.errors import TrainingError
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

    objects: ObjectStore
    project_id: str

    def get(self, image_id: str) -> bytes:
        """An image's bytes.

        Raises:
            TrainingError: `missing-object`.
        """
        key = image_key(self.project_id, image_id)
        body = self.objects.find(key)
        if body is None:
            raise TrainingError(
                f"The object {key} is not in the bucket: the image was deleted after its data set was "
                "made. Start again on the present data.",
                code="missing-object",
            )
        return body
