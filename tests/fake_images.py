"""In-memory images and labels."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
from itertools import islice
from threading import RLock

from chalicelib.contract.records import Image, ImageStatus, Label, SplitName, Upload
from chalicelib.services.data_ports import MAX_ALIASES, Arrival, Known, Original
from tests.fake_tables import FakeProjects


class FakeLabels:
    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], Label] = {}

    def put(self, labels: Sequence[Label]) -> None:
        self.rows |= {(each.project_id, each.image_id): each for each in labels}

    def between(self, project_id: str, first: str, last: str) -> Mapping[str, Label]:
        return {each.image_id: each for each in self.all(project_id, first, last)}

    def all(
        self, project_id: str, first: str = "", last: str = "~", limit: int | None = None
    ) -> Iterator[Label]:
        rows = (row for (project, _), row in sorted(self.rows.items()) if project == project_id)
        return islice((each for each in rows if first <= each.image_id <= last), limit)

    def replace(self, changes: Sequence[tuple[Label, Label]]) -> Sequence[bool]:
        return [self._replace(*each) for each in changes]

    def _replace(self, seen: Label, new: Label) -> bool:
        key = seen.project_id, seen.image_id
        holds = self.rows.get(key) == seen
        if holds:
            self.rows[key] = new
        return holds


class FakeImages:
    def __init__(self, labels: FakeLabels) -> None:
        self.rows: dict[tuple[str, str], Image] = {}
        self.hashes: dict[tuple[str, str | None], str] = {}
        self._labels = labels
        self._lock = RLock()

    def get(self, project_id: str, image_id: str) -> Image | None:
        return self.rows.get((project_id, image_id))

    def accept(self, image: Image) -> str | None:
        mark = image.project_id, image.sha256
        with self._lock:
            if not self._may_write(image):
                return image.image_id
            if mark in self.hashes:
                return self.hashes[mark]
            self.hashes[mark] = image.image_id
            self.rows[image.project_id, image.image_id] = image
        return None

    def record(self, image: Image) -> bool:
        with self._lock:
            may_write = self._may_write(image)
            if may_write:
                self.rows[image.project_id, image.image_id] = image
        return may_write

    def add_alias(self, project_id: str, image_id: str, file_name: str) -> None:
        with self._lock:
            row = self.get(project_id, image_id)
            if row and row.status == ImageStatus.ACCEPTED and row.file_name != file_name:
                names = row.aliases or frozenset()
                if len(names) < MAX_ALIASES:
                    self.rows[project_id, image_id] = replace(row, aliases=names | {file_name})

    def find_by_sha256(self, project_id: str, hashes: Sequence[str]) -> Mapping[str, Original]:
        return {
            each: self._original(project_id, each) for each in hashes if (project_id, each) in self.hashes
        }

    def _original(self, project_id: str, digest: str) -> Original:
        image_id = self.hashes[project_id, digest]
        return Original(image_id, self.rows[project_id, image_id].file_name or "")

    def get_many(self, project_id: str, image_ids: Sequence[str]) -> Mapping[str, Image]:
        return {each: self.rows[project_id, each] for each in image_ids if (project_id, each) in self.rows}

    def between(self, project_id: str, first: str, last: str, limit: int | None = None) -> Iterator[Image]:
        rows = (row for (project, _), row in sorted(self.rows.items()) if project == project_id)
        return islice((each for each in rows if first <= each.image_id <= last), limit)

    def known(self, project_id: str, keys: Set[str] | None = None) -> Iterator[Known]:
        for each in self.between(project_id, "", "~"):
            if each.status != ImageStatus.ACCEPTED:
                continue
            names = (each.file_name or "", *(each.aliases or ()))
            if keys is None or not keys.isdisjoint((each.image_id, *names)):
                yield Known(each.image_id, names, each.width or 0, each.height or 0)

    def set_splits(self, project_id: str, splits: Mapping[str, SplitName | None]) -> Sequence[bool]:
        return [self._set_split(project_id, *each) for each in splits.items()]

    def delete_many(self, images: Sequence[Image], expires_at: int) -> Sequence[bool]:
        return [self.delete(each, expires_at) for each in images]

    def delete(self, image: Image, expires_at: int) -> bool:
        key = image.project_id, image.image_id
        with self._lock:
            if key not in self.rows or self.rows[key].status != image.status:
                return False
            if image.status == ImageStatus.ACCEPTED:
                self.hashes.pop((image.project_id, image.sha256), None)
            self._labels.rows.pop(key, None)
            self.rows[key] = image.tombstone(expires_at)
        return True

    def _set_split(self, project_id: str, image_id: str, split: SplitName | None) -> bool:
        with self._lock:
            row = self.get(project_id, image_id)
            holds = row is not None and row.status == ImageStatus.ACCEPTED
            if holds:
                self.rows[project_id, image_id] = replace(row, split=split)
        return holds

    def _may_write(self, image: Image) -> bool:
        row = self.get(image.project_id, image.image_id)
        return row is None or row.may_be_retried


class FakeArrivals:
    def __init__(self, projects: FakeProjects, images: FakeImages) -> None:
        self._projects = projects
        self._images = images

    def read(self, project_id: str, image_id: str) -> Arrival | None:
        project = self._projects.rows.get(project_id)
        if project is None or project.deleted_at:
            return None
        return Arrival(self._images.get(project_id, image_id))


class FakeUploads:
    def __init__(self, images: FakeImages) -> None:
        self.rows: dict[tuple[str, str], tuple[Upload, Sequence[bytes]]] = {}
        self._images = images

    def add(self, upload: Upload, name_parts: Sequence[bytes], refused: Sequence[Image]) -> None:
        self._images.rows |= {(each.project_id, each.image_id): each for each in refused}
        self.rows.setdefault((upload.project_id, upload.upload_id), (upload, name_parts))

    def get(self, project_id: str, upload_id: str) -> Upload | None:
        found = self.rows.get((project_id, upload_id))
        return found[0] if found else None

    def extend(self, upload: Upload, closes_at: str) -> bool:
        stored, names = self.rows.get((upload.project_id, upload.upload_id), (None, ()))
        holds = stored is not None and stored.closes_at <= closes_at
        if holds:
            self.rows[upload.project_id, upload.upload_id] = replace(stored, closes_at=closes_at), names
        return holds

    def names(self, upload: Upload, part: int) -> bytes:
        return self.rows[upload.project_id, upload.upload_id][1][part]
