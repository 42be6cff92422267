"""The one bucket: images, thumbnails and what runs leave behind."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote, urlsplit

from botocore.exceptions import ClientError

from ..contract.errors import RejectedImageError, UnavailableError
from ..services.ports import ANY_TYPE, PostPolicy, StoredObject
from .aws import Aws, error_code, unavailable

_A_CALL = 1000
_WORKERS = 8
_GONE = {"NoSuchKey", "404"}


class S3ObjectStore:
    def __init__(self, aws: Aws, bucket: str) -> None:
        self._aws = aws
        self._bucket = bucket

    def sign_post(self, prefix: str, max_bytes: int, seconds: int) -> PostPolicy:
        signed = self._aws.s3.generate_presigned_post(
            self._bucket,
            prefix + "${filename}",
            Conditions=[
                ["starts-with", "$key", prefix],
                ["starts-with", "$Content-Type", "image/"],
                ["content-length-range", 1, max_bytes],
            ],
            ExpiresIn=seconds,
        )
        # The client sends each image's own key.
        fields = {name: value for name, value in signed["fields"].items() if name != "key"}
        return PostPolicy(signed["url"], fields)

    def sign_get(
        self, key: str, seconds: int, file_name: str | None = None, content_type: str = ANY_TYPE
    ) -> str:
        params: dict[str, Any] = {"Bucket": self._bucket, "Key": key, "ResponseContentType": content_type}
        if file_name:
            # Saved, and not opened as a page. RFC 6266: the name survives whatever characters it has.
            params["ResponseContentDisposition"] = f"attachment; filename*=UTF-8''{quote(file_name, safe='')}"
        return str(self._aws.s3.generate_presigned_url("get_object", Params=params, ExpiresIn=seconds))

    def origins(self) -> frozenset[str]:
        urls = (self.sign_get("a", 60), self.sign_post("a", 1, 60).url)
        return frozenset(f"{url.scheme}://{url.netloc}" for url in map(urlsplit, urls))

    def put(self, key: str, content: bytes, content_type: str) -> str:
        with unavailable():
            answer = self._aws.s3.put_object(
                Bucket=self._bucket, Key=key, Body=content, ContentType=content_type
            )
        return str(answer["ETag"]).strip('"')

    def get(self, key: str, max_bytes: int) -> bytes | None:
        try:
            with unavailable():
                answer = self._aws.s3.get_object(Bucket=self._bucket, Key=key)
                if answer["ContentLength"] > max_bytes:
                    answer["Body"].close()
                    raise RejectedImageError(f"the object has over {max_bytes} bytes", code="file-too-large")
                return bytes(answer["Body"].read())
        except ClientError as error:
            if error_code(error) not in _GONE:
                raise
            return None

    def delete(self, keys: Iterable[str]) -> None:
        objects = [{"Key": each} for each in keys]
        chunks = [objects[start : start + _A_CALL] for start in range(0, len(objects), _A_CALL)]
        if chunks:
            with ThreadPoolExecutor(min(_WORKERS, len(chunks))) as pool:
                for errors in pool.map(self._delete, chunks):
                    if errors:
                        raise UnavailableError(f"S3 did not delete {errors} objects", retry_after_seconds=5)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        pages = self._aws.s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        with unavailable():
            for page in pages:
                for each in page.get("Contents", ()):
                    yield StoredObject(each["Key"], each["Size"], each["LastModified"])

    def abort_uploads(self, prefix: str) -> int:
        pages = self._aws.s3.get_paginator("list_multipart_uploads").paginate(
            Bucket=self._bucket, Prefix=prefix
        )
        count = 0
        with unavailable():
            for each in (upload for page in pages for upload in page.get("Uploads", ())):
                self._abort(each["Key"], each["UploadId"])
                count += 1
        return count

    def _delete(self, objects: Sequence[Mapping[str, str]]) -> int:
        """How many of up to 1,000 objects were not deleted."""
        with unavailable():
            answer = self._aws.s3.delete_objects(
                Bucket=self._bucket, Delete={"Objects": objects, "Quiet": True}
            )
        return len(answer.get("Errors", ()))

    def _abort(self, key: str, upload_id: str) -> None:
        try:
            self._aws.s3.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload_id)
        except ClientError as error:
            if error_code(error) != "NoSuchUpload":  # it ended at this moment
                raise
