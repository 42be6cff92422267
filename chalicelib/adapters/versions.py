"""Dataset versions in DynamoDB: they share the Images table, behind the images."""

from collections.abc import Sequence
from hashlib import sha256

from ..contract.attributes import from_item, marshal, to_item
from ..contract.datasets import DatasetVersion
from ..contract.ids import FIRST, LAST, ulid_at
from ..contract.tables import IMAGES, VERSION_MARKER, VERSION_NAME_MARKER
from ..services.names import folded
from .dynamodb import Tables
from .images import image_row

_NEW = "attribute_not_exists(#ImageID)"


class DynamoVersions:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def add(self, version: DatasetVersion) -> bool:
        if version.name is None:
            return self._tables.put(IMAGES, to_item(version), _NEW)
        marker = image_row(version.project_id, name_row(version.name)) | {"VersionID": version.version_id}
        return all(
            self._tables.transact(
                [
                    self._tables.put_action(IMAGES, to_item(version), _NEW),
                    self._tables.put_action(IMAGES, marshal(marker), _NEW),
                ]
            )
        )

    def get(self, project_id: str, version_id: str) -> DatasetVersion | None:
        item = self._tables.get(IMAGES, image_row(project_id, VERSION_MARKER + version_id))
        return from_item(DatasetVersion, item) if item else None

    def list(
        self, project_id: str, limit: int, before: str | None, named: bool = False
    ) -> Sequence[DatasetVersion]:
        last = ulid_at(before, -1) if before else LAST
        values = {"project": project_id, "first": VERSION_MARKER + FIRST, "last": VERSION_MARKER + last}
        items = self._tables.query(
            IMAGES,
            "#ProjectID = :project AND #ImageID BETWEEN :first AND :last",
            values,
            where="attribute_exists(#Name)" if named else None,
            descending=True,
            limit=limit,
        )
        return [from_item(DatasetVersion, each) for each in items]


def name_row(name: str) -> str:
    """Hashed: folding may make a name longer than a key can be."""
    return VERSION_NAME_MARKER + sha256(folded(name).encode()).hexdigest()
