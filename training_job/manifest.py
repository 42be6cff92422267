"""Which images a run trains on, written down once: later labels and uploads never alter the run."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from chalicelib.contract.attributes import marshal, unmarshal
from chalicelib.contract.errors import TrainingError
from chalicelib.contract.ids import FIRST, LAST
from chalicelib.contract.objects import MANIFEST, image_key, session_key
from chalicelib.contract.records import ImageStatus
from chalicelib.contract.tables import IMAGES, LABELS

from .objects import ObjectStore


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One labelled image. `sha256` is empty where the row has none."""

    image_id: str
    label: str
    key: str
    file_name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The labelled images, sorted by id."""

    entries: tuple[Entry, ...]

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Self:
        return cls(tuple(sorted(entries, key=lambda entry: entry.image_id)))

    @classmethod
    def from_bytes(cls, document: bytes) -> Self:
        return cls.of(Entry(**each) for each in json.loads(document)["images"])

    def to_bytes(self) -> bytes:
        """Canonical JSON: the same images give the same bytes, in whatever order they were read."""
        document = {"images": [asdict(entry) for entry in self.entries]}
        return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    @property
    def dataset_hash(self) -> str:
        """SHA-256 of the document, in hexadecimal: what `sha256sum manifest.json` says."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    @property
    def class_names(self) -> list[str]:
        return sorted({entry.label for entry in self.entries})

    def check(self) -> None:
        """Whether there is something to learn and something to validate with.

        Raises:
            TrainingError: `no-trainable-data`.
        """
        classes = self.class_names
        if not classes:
            raise _untrainable("The project has no labelled image. Upload images and label them")
        if len(classes) < 2:
            raise _untrainable(f"All labelled images are of one class, {classes[0]!r}. Label a second class")
        if len(classes) == len(self.entries):
            raise _untrainable("Every class has one image only. Add images: a class needs at least two")


def _untrainable(detail: str) -> TrainingError:
    return TrainingError(f"{detail}, then start again.", code="no-trainable-data")


@dataclass(frozen=True, kw_only=True, slots=True)
class ManifestRepository:
    """A session's manifest: from the tables on the first attempt, from the bucket on later ones."""

    dynamodb: Any
    objects: ObjectStore
    table_prefix: str
    project_id: str
    session_id: str

    def get(self) -> Manifest:
        key = session_key(self.project_id, self.session_id, MANIFEST)
        stored = self.objects.find(key)
        if stored is not None:
            return Manifest.from_bytes(stored)
        manifest = Manifest.of(self._entries())
        self.objects.put(key, manifest.to_bytes(), "application/json")
        return manifest

    def _entries(self) -> Iterator[Entry]:
        labels = {row["ImageID"]: row["Label"] for row in self._rows(LABELS, "LabelID")}
        for image in self._rows(IMAGES, "ImageID"):
            label = labels.get(image["ImageID"])
            # A list of boxes is for detection; such an image has no class of its own.
            if image["Status"] == ImageStatus.ACCEPTED and isinstance(label, str):
                yield _entry(self.project_id, image, label)

    def _rows(self, table: str, sort_key: str) -> Iterator[dict[str, Any]]:
        pages = self.dynamodb.get_paginator("query").paginate(
            TableName=self.table_prefix + table,
            KeyConditionExpression="#ProjectID = :project AND #SortKey BETWEEN :first AND :last",
            ExpressionAttributeNames={"#ProjectID": "ProjectID", "#SortKey": sort_key},
            ExpressionAttributeValues=marshal({":project": self.project_id, ":first": FIRST, ":last": LAST}),
            ConsistentRead=True,
        )
        return (unmarshal(item) for page in pages for item in page["Items"])


def _entry(project_id: str, image: Mapping[str, Any], label: str) -> Entry:
    image_id = image["ImageID"]
    return Entry(
        image_id=image_id,
        label=label,
        key=image.get("FilePath") or image_key(project_id, image_id),
        file_name=image.get("FileName") or image_id,
        sha256=image.get("Sha256") or "",
    )
