"""Uploads in DynamoDB: they share the Images table, behind the images."""

from collections.abc import Sequence

from ..contract.attributes import from_item, marshal, to_item
from ..contract.records import Image, Upload
from ..contract.tables import IMAGES, UPLOAD_MARKER
from .dynamodb import Tables
from .images import image_row


class DynamoUploads:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def add(self, upload: Upload, name_parts: Sequence[bytes], refused: Sequence[Image]) -> None:
        # Without a condition: nobody else has these ids, but a repeat with the same content.
        self._tables.put_many(IMAGES, [to_item(each) for each in refused])
        for part, names in enumerate(name_parts):
            key = image_row(upload.project_id, _part(upload, part))
            self._tables.put(IMAGES, marshal(key | {"Names": names, "ExpiresAt": upload.expires_at}))
        # Last, so that an upload that can be read has all its parts.
        self._tables.put(IMAGES, to_item(upload), "attribute_not_exists(#ImageID)")

    def get(self, project_id: str, upload_id: str) -> Upload | None:
        item = self._tables.get(IMAGES, image_row(project_id, UPLOAD_MARKER + upload_id))
        return from_item(Upload, item) if item else None

    def extend(self, upload: Upload, closes_at: str) -> bool:
        return self._tables.update(
            IMAGES,
            image_row(upload.project_id, upload.image_id),
            "SET #ClosesAt = :at",
            "attribute_exists(#ImageID) AND #ClosesAt <= :at",
            {"at": closes_at},
        )

    def names(self, upload: Upload, part: int) -> bytes:
        item = self._tables.get(IMAGES, image_row(upload.project_id, _part(upload, part)))
        if item is None:
            raise LookupError(f"part {part} of upload {upload.upload_id} is gone")
        return bytes(item["Names"]["B"])


def _part(upload: Upload, part: int) -> str:
    return f"{upload.image_id}#{part:04}"
