"""Imports and exports of whole data sets, from the side of the API; data_job does the work."""

from collections.abc import Sequence
from dataclasses import replace

from ..contract.datasets import FormatName, Transfer, TransferStatus
from ..contract.errors import ConflictError, UnprocessableError
from ..contract.objects import transfer_key
from ..contract.records import Failure, Project, TaskType
from .transfer_book import ARCHIVE, URL_SECONDS, PartUrl, ShownTransfer, TransferBook
from .transfer_ports import LargeObjects, Part
from .versions import Versions

MAX_ARCHIVE_BYTES = 10_000_000_000
_MEBIBYTE = 1 << 20
#: Few enough parts to sign all of them in one request, and none under S3's five MiB.
_MIN_PART_BYTES, _MOST_PARTS = 8 * _MEBIBYTE, 300
#: The formats that name one class an image, or only boxes; the others take both.
_ONLY_FOR: dict[FormatName, TaskType] = {
    "imagefolder": "classification",
    "csv": "classification",
    "voc": "detection",
}
#: They say nothing of an image that isn't in the archive.
_NEED_IMAGES: frozenset[FormatName] = frozenset(("imagefolder", "yolo"))


class Imports:
    def __init__(self, book: TransferBook, objects: LargeObjects) -> None:
        self._book = book
        self._objects = objects

    def open(
        self,
        project: Project,
        file_name: str,
        size_bytes: int,
        format_name: FormatName | None,
        key: str | None = None,
        request_id: str | None = None,
    ) -> ShownTransfer:
        """Announces an archive and says where each part of it is to be sent.

        With an idempotency key the same request again is the same import.
        """
        draft, replayed = self._book.draft(
            project.project_id,
            "import",
            key,
            request_id,
            format=format_name,
            file_name=file_name,
            size_bytes=size_bytes,
        )
        if not replayed:
            multipart_id = self._objects.begin(_archive(draft), "application/octet-stream")
            self._book.transfers.add(replace(draft, multipart_id=multipart_id))
        # Of two requests at once with one key only one has its multipart upload in the row.
        return replace(self.get(project, draft.transfer_id), replayed=replayed)

    def get(self, project: Project, import_id: str) -> ShownTransfer:
        """How far it is; while it is sent, the parts that are missing, with fresh URLs."""
        transfer = self._book.get(project.project_id, "import", import_id)
        if transfer.status != TransferStatus.UPLOADING:
            return self._book.show(transfer)
        parts = self._parts(transfer)
        if parts is None:
            return self._book.show(self._fail_unless_sent(transfer))
        return self._with_urls(transfer, _missing(transfer, parts))

    def list(self, project: Project, limit: int, before: str | None) -> Sequence[ShownTransfer]:
        found = self._book.transfers.list(project.project_id, "import", limit, before)
        return [self._book.show(each) for each in found]

    def complete(self, project: Project, import_id: str) -> ShownTransfer:
        """Makes the parts one archive and starts the job. A repeat changes nothing.

        Raises:
            ConflictError: parts are missing; `missing` has their numbers.
        """
        transfer = self._book.get(project.project_id, "import", import_id)
        if transfer.status != TransferStatus.UPLOADING:
            return self._book.show(transfer)
        parts = self._parts(transfer)
        if parts is None:
            transfer = self._fail_unless_sent(transfer)
        elif missing := _missing(transfer, parts):
            raise ConflictError(
                f"{len(missing)} of {len(part_sizes(transfer.size_bytes or 0))} parts are missing",
                code="parts-missing",
                hint="GET the import: it has a fresh URL for each of them.",
                extra={"missing": missing},
            )
        else:
            self._objects.finish(_archive(transfer), transfer.multipart_id or "", parts)
        self._book.runner.queue(transfer)
        return self._book.show(self._book.get(project.project_id, "import", import_id))

    def _parts(self, transfer: Transfer) -> Sequence[Part] | None:
        return self._objects.parts(_archive(transfer), transfer.multipart_id or "")

    def _fail_unless_sent(self, transfer: Transfer) -> Transfer:
        """S3 knows the upload no more: given up after days, or complete, and only the row isn't yet."""
        if self._objects.find(_archive(transfer)):
            return transfer
        message = "the archive was not sent in time; import it again"
        self._book.runner.fail(transfer, Failure(code="upload-expired", message=message))
        return self._book.get(transfer.project_id, "import", transfer.transfer_id)

    def _with_urls(self, transfer: Transfer, numbers: Sequence[int]) -> ShownTransfer:
        key, multipart_id = _archive(transfer), transfer.multipart_id or ""
        sizes = part_sizes(transfer.size_bytes or 0)
        urls = [
            PartUrl(
                number, self._objects.sign_part(key, multipart_id, number, sizes[number - 1], URL_SECONDS)
            )
            for number in numbers
        ]
        return ShownTransfer(transfer, parts=urls)


class Exports:
    def __init__(self, book: TransferBook, versions: Versions) -> None:
        self._book = book
        self._versions = versions

    def start(
        self,
        project: Project,
        format_name: FormatName,
        with_images: bool,
        version_id: str | None,
        key: str | None = None,
        request_id: str | None = None,
    ) -> ShownTransfer:
        """Starts an export of the present data, or of a version.

        With an idempotency key the same request again is the same export.

        Raises:
            UnprocessableError: the format can't hold the labels of such a project, or not without images.
            NotFoundError: the project has no such version.
        """
        task_type = _ONLY_FOR.get(format_name, project.task_type)
        if task_type != project.task_type:
            raise UnprocessableError(
                f"{format_name} holds the labels of {task_type} only",
                code="format-not-for-task",
                hint="Choose coco, yolo, manifest or darkroom.",
            )
        if format_name in _NEED_IMAGES and not with_images:
            raise UnprocessableError(
                f"{format_name} says nothing of images that aren't there",
                code="format-needs-images",
                hint="Export with images, or choose another format.",
            )
        if version_id is not None:
            self._versions.get(project.project_id, version_id)
        transfer, replayed = self._book.draft(
            project.project_id,
            "export",
            key,
            request_id,
            format=format_name,
            with_images=with_images,
            version_id=version_id,
        )
        if replayed:
            return replace(self.get(project, transfer.transfer_id), replayed=True)
        self._book.transfers.add(transfer)
        self._book.runner.submit(transfer)
        return self._book.show(transfer)

    def get(self, project: Project, export_id: str) -> ShownTransfer:
        return self._book.show(self._book.get(project.project_id, "export", export_id))

    def list(self, project: Project, limit: int, before: str | None) -> Sequence[ShownTransfer]:
        found = self._book.transfers.list(project.project_id, "export", limit, before)
        return [self._book.show(each) for each in found]


def part_sizes(size_bytes: int) -> list[int]:
    """The sizes of an archive's parts, in bytes; all but the last are alike."""
    size = max(_MIN_PART_BYTES, -(-size_bytes // _MOST_PARTS // _MEBIBYTE) * _MEBIBYTE)
    return [min(size, size_bytes - start) for start in range(0, size_bytes, size)]


def _missing(transfer: Transfer, parts: Sequence[Part]) -> list[int]:
    """The numbers of the parts that aren't there in their full size."""
    there = {each.number: each.size_bytes for each in parts}
    wanted = enumerate(part_sizes(transfer.size_bytes or 0), 1)
    return [number for number, size in wanted if there.get(number) != size]


def _archive(transfer: Transfer) -> str:
    return transfer_key(transfer.project_id, transfer.transfer_id, ARCHIVE)
