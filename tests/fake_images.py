"""In-memory images and labels."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from threading import RLock

from chalicelib.contract.records import Image, ImageStatus, Label, Upload
from chalicelib.services.data_ports import Known, Original


class FakeLabels:
    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], Label] = {}

    def put(self, labels: Sequence[Label]) -> None:
        self.rows |= {(each.project_id, each.image_id): each for each in labels}

    def between(self, project_id: str, first: str, last: str) -> Mapping[str, Label]:
        return {each.image_id: each for each in self.all(project_id) if first <= each.image_id <= last}

    def all(self, project_id: str) -> Iterator[Label]:
        return (row for (project, _), row in sorted(self.rows.items()) if project == project_id)

    def page(self, project_id: str, limit: int, after: str | None) -> Sequence[Label]:
        return [each for each in self.all(project_id) if each.image_id > (after or "")][:limit]


class FakeImages:
    def __init__(self, labels: FakeLabels) -> None:
        self.rows: dict[tuple[str, str], Image] = {}
        self._hashes: dict[tuple[str, str | None], str] = {}
        self._labels = labels
        self._lock = RLock()

    def get(self, project_id: str, image_id: str) -> Image | None:
        return self.rows.get((project_id, image_id))

    def accept(self, image: Image) -> str | None:
        mark = image.project_id, image.sha256
        with self._lock:
            if not self._may_write(image):
                return image.image_id
            if mark in self._hashes:
                return self._hashes[mark]
            self._hashes[mark] = image.image_id
            self.rows[image.project_id, image.image_id] = image
        return None

    def record(self, image: Image) -> None:
        with self._lock:
            if self._may_write(image):
                self.rows[image.project_id, image.image_id] = image

    def add_alias(self, project_id: str, image_id: str, file_name: str) -> None:
        with self._lock:
            row = self.get(project_id, image_id)
            if row and row.status == ImageStatus.ACCEPTED and row.file_name != file_name:
                names = (row.aliases or frozenset()) | {file_name}
                self.rows[project_id, image_id] = replace(row, aliases=names)

    def find_by_sha256(self, project_id: str, hashes: Sequence[str]) -> Mapping[str, Original]:
        return {
            each: self._original(project_id, each) for each in hashes if (project_id, each) in self._hashes
        }

    def _original(self, project_id: str, digest: str) -> Original:
        image_id = self._hashes[project_id, digest]
        return Original(image_id, self.rows[project_id, image_id].file_name or "")

    def list(
        self, project_id: str, limit: int, after: str | None, status: ImageStatus | None
    ) -> Sequence[Image]:
        rows = (each for each in self.between(project_id, "", "~") if each.image_id > (after or ""))
        shown = (each for each in rows if status or each.status != ImageStatus.DELETED)
        return [each for each in shown if status in (None, each.status)][:limit]

    def between(self, project_id: str, first: str, last: str) -> Iterator[Image]:
        rows = (row for (project, _), row in sorted(self.rows.items()) if project == project_id)
        return (each for each in rows if first <= each.image_id <= last)

    def known(self, project_id: str) -> Iterator[Known]:
        for each in self.list(project_id, len(self.rows), None, ImageStatus.ACCEPTED):
            names = (each.file_name or "", *(each.aliases or ()))
            yield Known(each.image_id, names, each.width or 0, each.height or 0)

    def delete(self, image: Image, expires_at: int) -> bool:
        key = image.project_id, image.image_id
        with self._lock:
            if key not in self.rows or self.rows[key].status != image.status:
                return False
            if image.status == ImageStatus.ACCEPTED:
                self._hashes.pop((image.project_id, image.sha256), None)
            self._labels.rows.pop(key, None)
            self.rows[key] = image.tombstone(expires_at)
        return True

    def _may_write(self, image: Image) -> bool:
        row = self.get(image.project_id, image.image_id)
        return row is None or row.may_be_retried


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

    def names(self, upload: Upload, part: int) -> bytes:
        return self.rows[upload.project_id, upload.upload_id][1][part]
