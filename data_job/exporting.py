"""An export: a data set's images and labels into a zip, which goes to S3 while it is written."""

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from chalicelib.contract.datasets import DatasetVersion, FormatName, Transfer
from chalicelib.contract.errors import UnprocessableError
from chalicelib.contract.manifest import unpack
from chalicelib.contract.objects import image_key, transfer_key, version_key
from chalicelib.contract.records import Project
from chalicelib.services.acceptance import MAX_IMAGE_BYTES
from chalicelib.services.transfer_book import REPORT, RESULT
from chalicelib.services.versions import MAX_MANIFEST_BYTES, Versions

from .annotations import Where
from .formats import documents, image_path
from .names import Named, named
from .ports import Ports
from .progress import Progress
from .remote import RemoteWriter
from .report import Report

#: Images that are read ahead, in bytes; a larger one is read alone.
_AHEAD_BYTES = 64_000_000
_WORKERS = 16
_READABLE = 0o644 << 16


class Export:
    """One attempt at one export; another begins anew, as nothing is there before it is complete."""

    def __init__(
        self, ports: Ports, progress: Progress, project: Project, transfer: Transfer, folder: Path
    ) -> None:
        self._ports = ports
        self._progress = progress
        self._project = project
        self._transfer = transfer
        self._report = Report(folder)
        self._counts: Counter[str] = Counter()

    def run(self) -> None:
        """Writes the zip.

        Raises:
            DarkroomError: it can't be written, or AWS is busy.
            NotOursError: this attempt must go no further.
        """
        with closing(self._report):
            version, content = self._manifest()
            self._counts["images"] = version.images
            result_bytes = self._write(version, content)
            self._report.send(self._ports.large_objects, self._key(REPORT))
            self._progress.complete(self._transfer, **self._state(), result_bytes=result_bytes)

    def _write(self, version: DatasetVersion, content: bytes) -> int:
        """Writes the zip, and returns its size in bytes."""
        format_name: FormatName = self._transfer.format or "darkroom"
        task_type, classes = self._project.task_type, sorted(version.classes)

        def entries() -> Iterator[Named]:
            return named(unpack(content, version.dataset_hash), format_name)

        with RemoteWriter(self._ports.large_objects, self._key(RESULT), "application/zip") as target:
            with ZipFile(target, "w", allowZip64=True) as archive:
                for path, pieces in documents(format_name, entries, task_type, classes):
                    self._write_document(archive, path, pieces)
                if self._transfer.with_images:
                    self._write_images(archive, format_name, entries())
            target.finish()
        return target.size_bytes

    def _manifest(self) -> tuple[DatasetVersion, bytes]:
        """The version to export, and its manifest; of the present data one that nobody keeps."""
        ports, project_id = self._ports, self._transfer.project_id
        versions = Versions(ports.images, ports.labels, ports.versions, ports.store, ports.clock, ports.ids)
        if self._transfer.version_id is None:
            draft = versions.draft(project_id)
            return draft.version, draft.content
        version = versions.get(project_id, self._transfer.version_id)
        content = ports.store.get(version_key(project_id, version.dataset_hash), MAX_MANIFEST_BYTES)
        if content is None:
            raise UnprocessableError("the version's manifest was deleted", code="manifest-gone")
        return version, content

    def _write_document(self, archive: ZipFile, path: str, pieces: Iterable[bytes]) -> None:
        # Its size isn't known before its end, and may be over what the old format holds.
        with archive.open(_info(path, ZIP_DEFLATED), "w", force_zip64=True) as document:
            for each in pieces:
                document.write(each)
        self._tick()

    def _write_images(self, archive: ZipFile, format_name: FormatName, entries: Iterator[Named]) -> None:
        for each, content in self._fetched(entries):
            path = image_path(format_name, each, self._project.task_type)
            if content is None:
                self._counts["missing"] += 1
                self._report.add(Where(path), "image-missing", f"image {each.entry.image_id} was deleted")
            else:
                self._counts["written"] += 1
                archive.writestr(_info(path, ZIP_STORED), content)  # it is compressed already
            self._tick()

    def _fetched(self, entries: Iterator[Named]) -> Iterator[tuple[Named, bytes | None]]:
        """Each image with its bytes, which are read ahead as far as memory allows."""
        waiting: deque[tuple[Named, Future[bytes | None]]] = deque()
        ahead = 0
        with ThreadPoolExecutor(_WORKERS, thread_name_prefix="fetch") as pool:
            for each in entries:
                while waiting and ahead + each.entry.size_bytes > _AHEAD_BYTES:
                    first, content = waiting.popleft()
                    ahead -= first.entry.size_bytes
                    yield first, content.result()
                waiting.append((each, pool.submit(self._fetch, each)))
                ahead += each.entry.size_bytes
            for first, content in waiting:
                yield first, content.result()

    def _fetch(self, image: Named) -> bytes | None:
        key = image_key(self._transfer.project_id, image.entry.image_id)
        return self._ports.store.get(key, MAX_IMAGE_BYTES)

    def _tick(self) -> None:
        self._progress.tick(self._transfer, **self._state())

    def _state(self) -> dict[str, object]:
        done, images = self._counts["written"] + self._counts["missing"], self._counts["images"]
        return {
            "counts": {name: self._counts[name] for name in ("images", "written", "missing")},
            "problems": dict(self._report.counts),
            "examples": self._report.examples,
            "progress": round(99 * done / images, 1) if images else 0,
        }

    def _key(self, name: str) -> str:
        return transfer_key(self._transfer.project_id, self._transfer.transfer_id, name)


def _info(path: str, compression: int) -> ZipInfo:
    info = ZipInfo(path)  # without the time, so that the same data is the same file
    info.compress_type, info.external_attr = compression, _READABLE
    return info
