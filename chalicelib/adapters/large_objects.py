"""Objects that are sent to S3 and read from it in pieces."""

from collections.abc import Sequence
from typing import Any

from botocore.exceptions import ClientError

from ..contract.errors import UnprocessableError
from ..services.transfer_ports import ObjectSeen, Part
from .aws import Aws, error_code, unavailable

_NO_UPLOAD = "NoSuchUpload"
_GONE = {"NoSuchKey", "404", "412", "PreconditionFailed"}


class S3LargeObjects:
    def __init__(self, aws: Aws, bucket: str) -> None:
        self._aws = aws
        self._bucket = bucket

    def begin(self, key: str, content_type: str) -> str:
        with unavailable():
            answer = self._aws.s3.create_multipart_upload(ContentType=content_type, **self._object(key))
        return str(answer["UploadId"])

    def sign_part(self, key: str, multipart_id: str, number: int, size_bytes: int, seconds: int) -> str:
        # The length is signed as well: who has the URL can't store more than was announced.
        part = {"UploadId": multipart_id, "PartNumber": number, "ContentLength": size_bytes}
        params = self._object(key) | part
        return str(self._aws.s3.generate_presigned_url("upload_part", Params=params, ExpiresIn=seconds))

    def put_part(self, key: str, multipart_id: str, number: int, content: bytes) -> Part:
        with unavailable():
            answer = self._aws.s3.upload_part(
                UploadId=multipart_id, PartNumber=number, Body=content, **self._object(key)
            )
        return Part(number, len(content), answer["ETag"])

    def parts(self, key: str, multipart_id: str) -> Sequence[Part] | None:
        pages = self._aws.s3.get_paginator("list_parts").paginate(UploadId=multipart_id, **self._object(key))
        try:
            with unavailable():
                found = [each for page in pages for each in page.get("Parts", ())]
        except ClientError as error:
            if error_code(error) != _NO_UPLOAD:
                raise
            return None
        return [Part(each["PartNumber"], each["Size"], each["ETag"]) for each in found]

    def finish(self, key: str, multipart_id: str, parts: Sequence[Part]) -> None:
        document = {"Parts": [{"PartNumber": each.number, "ETag": each.etag} for each in parts]}
        try:
            with unavailable():
                self._aws.s3.complete_multipart_upload(
                    UploadId=multipart_id, MultipartUpload=document, **self._object(key)
                )
        except ClientError as error:
            if error_code(error) != _NO_UPLOAD:
                raise

    def find(self, key: str) -> ObjectSeen | None:
        try:
            with unavailable():
                answer = self._aws.s3.head_object(**self._object(key))
        except ClientError as error:
            if error_code(error) not in _GONE:
                raise
            return None
        return ObjectSeen(answer["ContentLength"], answer["ETag"])

    def read(self, key: str, etag: str, start: int, length: int) -> bytes:
        span = f"bytes={start}-{start + length - 1}"
        try:
            with unavailable():
                answer = self._aws.s3.get_object(Range=span, IfMatch=etag, **self._object(key))
                return bytes(answer["Body"].read())
        except ClientError as error:
            if error_code(error) not in _GONE:
                raise
            raise UnprocessableError(
                "the archive is gone, or was replaced while it was read", code="archive-gone"
            ) from error

    def _object(self, key: str) -> dict[str, Any]:
        return {"Bucket": self._bucket, "Key": key}
