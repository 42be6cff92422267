"""Images and labels in DynamoDB."""

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

from ..contract.attributes import Item, from_item, marshal, to_item
from ..contract.ids import FIRST, LAST
from ..contract.records import INGEST_FAILED, Image, ImageStatus, Label, SplitName
from ..contract.tables import IMAGES, LABELS, PROJECTS, SHA256_MARKER
from ..services.data_ports import MAX_ALIASES, Arrival, Known, Original
from .dynamodb import Tables
from .transactions import carry_out

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

    def record(self, image: Image) -> bool:
        return self._tables.put(IMAGES, to_item(image), _MAY_WRITE, _FAILED)

    def add_alias(self, project_id: str, image_id: str, file_name: str) -> None:
        self._tables.update(
            IMAGES,
            image_row(project_id, image_id),
            "ADD #Aliases :names",
            "#Status = :accepted AND #FileName <> :name AND NOT contains(#Aliases, :name)"
            " AND (attribute_not_exists(#Aliases) OR size(#Aliases) < :most)",
            {"names": {file_name}, "name": file_name, "accepted": ImageStatus.ACCEPTED, "most": MAX_ALIASES},
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

    def get_many(self, project_id: str, image_ids: Sequence[str]) -> Mapping[str, Image]:
        keys = [(IMAGES, image_row(project_id, each)) for each in image_ids]
        found = (from_item(Image, item) for _, item in self._tables.get_many(keys))
        return {each.image_id: each for each in found}

    def between(self, project_id: str, first: str, last: str, limit: int | None = None) -> Iterator[Image]:
        values = {"project": project_id, "first": first, "last": last}
        found = self._tables.query(IMAGES, _IN_RANGE, values, limit=limit)
        return (from_item(Image, each) for each in found)

    def known(self, project_id: str, keys: Set[str] | None = None) -> Iterator[Known]:
        items = self._tables.query(
            IMAGES,
            _IN_RANGE,
            {"project": project_id, "first": FIRST, "last": LAST, "accepted": ImageStatus.ACCEPTED},
            select=("ImageID", "FileName", "Aliases", "Width", "Height"),
            where="#Status = :accepted",
        )
        return (_known(each) for each in items if keys is None or _is_named(each, keys))

    def set_splits(self, project_id: str, splits: Mapping[str, SplitName | None]) -> Sequence[bool]:
        changes = [[self._split_action(image_row(project_id, each), splits[each])] for each in splits]
        return carry_out(self._tables, changes)

    def delete(self, image: Image, expires_at: int) -> bool:
        return all(self.delete_many([image], expires_at))

    def delete_many(self, images: Sequence[Image], expires_at: int) -> Sequence[bool]:
        return carry_out(self._tables, [self._delete_actions(each, expires_at) for each in images])

    def _split_action(self, row: Mapping[str, Any], split: SplitName | None) -> Any:
        change = "SET #Split = :split" if split else "REMOVE #Split"
        values = {"split": split, "accepted": ImageStatus.ACCEPTED}
        return self._tables.update_action(IMAGES, row, change, "#Status = :accepted", values)

    def _delete_actions(self, image: Image, expires_at: int) -> list[Any]:
        tombstone = to_item(image.tombstone(expires_at))
        actions = [
            # Without this a late deletion would take the mark of an image with the same bytes.
            self._tables.put_action(IMAGES, tombstone, "#Status = :status", {"status": image.status}),
            self._tables.delete_action(LABELS, {"ProjectID": image.project_id, "LabelID": image.image_id}),
        ]
        if image.status == ImageStatus.ACCEPTED:
            marker = image_row(image.project_id, SHA256_MARKER + (image.sha256 or ""))
            actions.append(self._tables.delete_action(IMAGES, marker))
        return actions

    def _original(self, marker_key: Mapping[str, Any]) -> str | None:
        """The image of a marker; None where it was deleted just now."""
        marker = self._tables.get(IMAGES, marker_key)
        return marker["OriginalID"]["S"] if marker else None


class DynamoArrivals:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def read(self, project_id: str, image_id: str) -> Arrival | None:
        keys = [(PROJECTS, {"ProjectID": project_id}), (IMAGES, image_row(project_id, image_id))]
        found = dict(self._tables.get_many(keys))
        if PROJECTS not in found or "DeletedAt" in found[PROJECTS]:
            return None
        return Arrival(from_item(Image, found[IMAGES]) if IMAGES in found else None)


def image_row(project_id: str, image_id: str) -> dict[str, str]:
    """The key of a row of the Images table."""
    return {"ProjectID": project_id, "ImageID": image_id}


def _is_named(item: Item, keys: Set[str]) -> bool:
    if item["ImageID"]["S"] in keys or item["FileName"]["S"] in keys:
        return True
    return "Aliases" in item and not keys.isdisjoint(item["Aliases"]["SS"])


def _known(item: Item) -> Known:
    names = (item["FileName"]["S"], *item.get("Aliases", {}).get("SS", ()))
    return Known(item["ImageID"]["S"], names, int(item["Width"]["N"]), int(item["Height"]["N"]))


class DynamoLabels:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def put(self, labels: Sequence[Label]) -> None:
        self._tables.put_many(LABELS, (to_item(each) for each in labels))

    def between(self, project_id: str, first: str, last: str) -> Mapping[str, Label]:
        return {each.image_id: each for each in self.all(project_id, first, last)}

    def all(
        self, project_id: str, first: str = FIRST, last: str = LAST, limit: int | None = None
    ) -> Iterator[Label]:
        condition = "#ProjectID = :project AND #LabelID BETWEEN :first AND :last"
        values = {"project": project_id, "first": first, "last": last}
        found = self._tables.query(LABELS, condition, values, limit=limit)
        return (from_item(Label, each) for each in found)

    def replace(self, changes: Sequence[tuple[Label, Label]]) -> Sequence[bool]:
        return carry_out(self._tables, [[self._replace_action(*each)] for each in changes])

    def _replace_action(self, seen: Label, new: Label) -> Any:
        unchanged = "#UpdatedAt = :at AND #Label = :label"
        return self._tables.put_action(
            LABELS, to_item(new), unchanged, {"at": seen.updated_at, "label": seen.label}
        )
