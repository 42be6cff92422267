"""An import: what the archive says into an index on disk, then its images, then their labels."""

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from io import BufferedReader
from itertools import islice
from pathlib import Path

from chalicelib.contract.datasets import Transfer
from chalicelib.contract.errors import UnprocessableError
from chalicelib.contract.objects import transfer_key
from chalicelib.contract.records import Image, ImageStatus, Project, Upload
from chalicelib.contract.tables import UPLOAD_MARKER
from chalicelib.services.acceptance import Acceptance
from chalicelib.services.directory import Directory, RefusedError
from chalicelib.services.times import rfc3339
from chalicelib.services.transfer_book import ARCHIVE, REPORT
from chalicelib.services.uploads import NAMES_A_PART, counted_as, packed_names

from .annotations import Found, Problem, Where
from .archive import Archive
from .formats import detect, read
from .index import Annotation, Index, Member
from .intake import Intake, chunks
from .judge import fitting
from .labels import LabelWriter
from .ports import Ports
from .progress import Progress
from .remote import RemoteFile
from .report import Report

#: Longer than all attempts of a job together: after that nothing more comes, and a file that has no
#: row has expired.
_OPEN = timedelta(hours=60)
_TICK_EVERY = 1000


class Import:
    """One attempt at one import. Every step may repeat, and every attempt ends in the same state.

    Args:
        ports: the world.
        progress: where to report to.
        project: that the data comes into.
        transfer: the import.
        folder: an empty one for files of its own.
    """

    def __init__(
        self, ports: Ports, progress: Progress, project: Project, transfer: Transfer, folder: Path
    ) -> None:
        self._ports = ports
        self._progress = progress
        self._project = project
        self._transfer = transfer
        self._index = Index(folder)
        self._report = Report(folder)
        self._labels = LabelWriter(
            ports.images,
            ports.labels,
            ports.clock,
            (transfer.project_id, transfer.transfer_id),
            self._index,
            self._report,
        )
        self._counts: Counter[str] = Counter()

    def run(self) -> None:
        """Takes in what is valid, and reports the rest.

        Raises:
            DarkroomError: nothing can be taken from the archive, or AWS is busy.
            NotOursError: this attempt must go no further.
        """
        archive_key = self._key(ARCHIVE)
        with closing(self._report), closing(self._index):
            with (
                BufferedReader(RemoteFile(self._ports.large_objects, archive_key)) as file,
                Archive(file, self._transfer.file_name or "") as archive,
            ):
                self._read(archive)
            self._label_others()
            self._report.send(self._ports.large_objects, self._key(REPORT))
            self._progress.complete(self._transfer, **self._state())
        # At the very end: another attempt needs it until the import is over.
        self._ports.store.delete([archive_key])

    def _read(self, archive: Archive) -> None:
        for path, size in archive.images():
            self._index.add_image(path, size, name=path)
        self._counts["files"] = self._index.images
        self._counts["ignored"] = archive.ignored
        format_name = self._transfer.format or detect(archive)
        self._tick(format=format_name)
        number = 0
        for number, each in enumerate(read(format_name, archive), 1):
            self._note(each)
            if number % _TICK_EVERY == 0:
                self._tick()
        if not number and (self._index.images or self._transfer.format):
            raise UnprocessableError(
                f"nothing in the archive is in the format {format_name}",
                code="annotations-missing",
                hint="Add the annotations, or leave the format out to have it found out.",
            )
        if self._index.images:
            self._take_images(archive)

    def _note(self, item: Found | Problem) -> None:
        if isinstance(item, Problem):
            self._report.add_problem(item)
            return
        try:
            value = fitting(item, self._project.task_type)
        except RefusedError as refused:
            self._report.add(item.where, refused.code, refused.message)
            value = None
        annotation = Annotation(value, item.split, item.where)
        if item.path is None:
            noted = self._index.annotate_other(item.name, annotation)
        else:
            noted = self._index.annotate(item.path, item.name, annotation)
        if noted is not True:
            self._report.disagreement(item.where, noted)

    def _take_images(self, archive: Archive) -> None:
        upload = self._announce()
        ports = self._ports
        acceptance = Acceptance(ports.images, ports.store, ports.inspector, ports.clock)
        with Intake(ports.images, acceptance, ports.clock, upload) as intake:
            for members in chunks(self._index.members()):
                self._progress.check_project(self._transfer)
                outcomes = intake.take(archive, members)
                self._count(members, outcomes)
                self._labels.label(members, outcomes)
                self._tick()

    def _announce(self) -> Upload:
        """Makes the import an upload as well: so its files are reconciled like those of any other."""
        transfer, count = self._transfer, self._index.images
        upload = Upload(
            project_id=transfer.project_id,
            image_id=UPLOAD_MARKER + transfer.transfer_id,
            upload_id=transfer.transfer_id,
            expected=count,
            parts=-(-count // NAMES_A_PART),
            created_at=transfer.created_at,
            closes_at=rfc3339(self._ports.clock.now() + _OPEN),
            expires_at=transfer.expires_at,
            is_import=True,
        )
        self._ports.uploads.add(upload, packed_names(list(self._index.names())), [])
        return upload

    def _count(self, members: Sequence[Member], outcomes: Sequence[Image]) -> None:
        for member, image in zip(members, outcomes, strict=True):
            self._counts[counted_as(image)] += 1
            where = Where(member.path)
            if image.status == ImageStatus.REJECTED and image.reject_reason:
                self._report.add(where, image.reject_reason["code"], image.reject_reason["message"])
            elif image.status == ImageStatus.DUPLICATE:
                self._report.add(where, "duplicate", f"the project has these bytes as {image.duplicate_of}")

    def _label_others(self) -> None:
        """Labels for images that aren't in the archive: those of the project, by file name or id."""
        others, directory = self._index.others(), None
        while batch := list(islice(others, _TICK_EVERY)):
            directory = directory or Directory(self._ports.images.known(self._project.project_id))
            self._progress.check_project(self._transfer)
            self._labels.label_by_name(directory, batch)
            self._tick()

    def _tick(self, **changes: object) -> None:
        self._progress.tick(self._transfer, **self._state(), **changes)

    def _state(self) -> dict[str, object]:
        done = sum(self._counts[each] for each in ("accepted", "duplicate", "rejected"))
        files = self._counts["files"]
        counts = {**self._counts, "pending": files - done, "labelled": self._index.labelled}
        return {
            "counts": {name: counts.get(name, 0) for name in _COUNTS},
            "problems": dict(sorted(self._report.counts.items())),
            "examples": self._report.examples,
            "progress": round(99 * done / files, 1) if files else 0,
        }

    def _key(self, name: str) -> str:
        return transfer_key(self._transfer.project_id, self._transfer.transfer_id, name)


_COUNTS = ("files", "accepted", "duplicate", "rejected", "pending", "labelled", "ignored")
