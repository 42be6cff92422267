"""Images and labels in DynamoDB."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..contract.attributes import Item, from_item, marshal, to_item
from ..contract.ids import FIRST, LAST
from ..contract.records import INGEST_FAILED, Image, ImageStatus, Label
from ..contract.tables import IMAGES, LABELS, SHA256_MARKER
from ..services.data_ports import Known, Original
from .dynamodb import Tables

#: A file has one row; only a failure of our own is replaced by another try.
_MAY_WRITE = "attribute_not_exists(#ImageID) OR #RejectReason.#code = :failed"
_FAILED = {"failed": INGEST_FAILED}
_IN_RANGE = "#ProjectID = :project AND #ImageID BETWEEN :first AND :last"


class DynamoImages:
    """Rows of images sort before the markers that share the table: `sha256#…` and `upload#…`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def get(self, project_id: str, image_id: str) -> Image | None:
        item = self._tables.get(IMAGES, image_row(project_id, image_id))
        return from_item(Image, item) if item else None

    def accept(self, image: Image) -> str | None:
        marker_key = image_row(image.project_id, SHA256_MARKER + (image.sha256 or ""))
        marker = marshal(marker_key | {"OriginalID": image.image_id, "FileName": image.file_name})
        row_is_free, hash_is_free = self._tables.transact(
            [
                self._tables.put_action(IMAGES, to_item(image), _MAY_WRITE, _FAILED),
                self._tables.put_action(IMAGES, marker, "attribute_not_exists(#ImageID)"),
            ]
        )
        if row_is_free and hash_is_free:
            return None
        if not row_is_free:
            return image.image_id
        return self._original(marker_key) or self.accept(image)

    def record(self, image: Image) -> None:
        self._tables.put(IMAGES, to_item(image), _MAY_WRITE, _FAILED)

    def add_alias(self, project_id: str, image_id: str, file_name: str) -> None:
        self._tables.update(
            IMAGES,
            image_row(project_id, image_id),
            "ADD #Aliases :names",
            "#Status = :accepted AND #FileName <> :name AND NOT contains(#Aliases, :name)",
            {"names": {file_name}, "name": file_name, "accepted": ImageStatus.ACCEPTED},
        )

    def find_by_sha256(self, project_id: str, hashes: Sequence[str]) -> Mapping[str, Original]:
        keys = [(IMAGES, image_row(project_id, SHA256_MARKER + each)) for each in hashes]
        found = (item for _, item in self._tables.get_many(keys))
        return {
            each["ImageID"]["S"].removeprefix(SHA256_MARKER): Original(
                each["OriginalID"]["S"], each["FileName"]["S"]
            )
            for each in found
        }

    def list(
        self, project_id: str, limit: int, after: str | None, status: ImageStatus | None
    ) -> Sequence[Image]:
        condition = "#ProjectID = :project AND #ImageID BETWEEN :first AND :last"
        # BETWEEN includes its ends, and no id stands between one and the same with a space behind it.
        values = {"project": project_id, "first": f"{after} " if after else FIRST, "last": LAST}
        where = "#Status = :status" if status else "#Status <> :status"
        values["status"] = status or ImageStatus.DELETED
        items = self._tables.query(IMAGES, condition, values, where=where, limit=limit)
        return [from_item(Image, each) for each in items]

    def between(self, project_id: str, first: str, last: str) -> Iterator[Image]:
        values = {"project": project_id, "first": first, "last": last}
        return (from_item(Image, each) for each in self._tables.query(IMAGES, _IN_RANGE, values))

    def known(self, project_id: str) -> Iterator[Known]:
        items = self._tables.query(
            IMAGES,
            _IN_RANGE,
            {"project": project_id, "first": FIRST, "last": LAST, "accepted": ImageStatus.ACCEPTED},
            select=("ImageID", "FileName", "Aliases", "Width", "Height"),
            where="#Status = :accepted",
        )
        return map(_known, items)

    def delete(self, image: Image, expires_at: int) -> bool:
        tombstone = to_item(image.tombstone(expires_at))
        actions = [
            # Without this a late deletion would take the mark of an image with the same bytes.
            self._tables.put_action(IMAGES, tombstone, "#Status = :status", {"status": image.status}),
            self._tables.delete_action(LABELS, {"ProjectID": image.project_id, "LabelID": image.image_id}),
        ]
        if image.status == ImageStatus.ACCEPTED:
            marker = image_row(image.project_id, SHA256_MARKER + (image.sha256 or ""))
            actions.append(self._tables.delete_action(IMAGES, marker))
        return all(self._tables.transact(actions))

    def _original(self, marker_key: Mapping[str, Any]) -> str | None:
        """The image of a marker; None where it was deleted just now."""
        marker = self._tables.get(IMAGES, marker_key)
        return marker["OriginalID"]["S"] if marker else None


def image_row(project_id: str, image_id: str) -> dict[str, str]:
    """The key of a row of the Images table."""
    return {"ProjectID": project_id, "ImageID": image_id}


def _known(item: Item) -> Known:
    names = (item["FileName"]["S"], *item.get("Aliases", {}).get("SS", ()))
    return Known(item["ImageID"]["S"], names, int(item["Width"]["N"]), int(item["Height"]["N"]))


class DynamoLabels:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def put(self, labels: Sequence[Label]) -> None:
        self._tables.put_many(LABELS, (to_item(each) for each in labels))

    def between(self, project_id: str, first: str, last: str) -> Mapping[str, Label]:
        condition = "#ProjectID = :project AND #LabelID BETWEEN :first AND :last"
        values = {"project": project_id, "first": first, "last": last}
        found = (from_item(Label, each) for each in self._tables.query(LABELS, condition, values))
        return {each.image_id: each for each in found}

    def all(self, project_id: str) -> Iterator[Label]:
        found = self._tables.query(LABELS, "#ProjectID = :project", {"project": project_id})
        return (from_item(Label, each) for each in found)

    def page(self, project_id: str, limit: int, after: str | None) -> Sequence[Label]:
        condition = "#ProjectID = :project AND #LabelID > :after"
        values = {"project": project_id, "after": after or "0"}
        found = self._tables.query(LABELS, condition, values, limit=limit)
        return [from_item(Label, each) for each in found]
