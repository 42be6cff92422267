"""An upload from the first look into the folder to the last label."""

import time
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from ..models import Image, Label, UploadStatus
from ..progress import OnProgress, tell
from .announced import Announcer, Open
from .journal import Journal, journal_of
from .labels import Wanted, wanted_of
from .pictures import Picture, search
from .report import FileProblem, UploadReport
from .sender import Sender
from .tagging import tag

if TYPE_CHECKING:
    from ..project import Project

#: Sent files are waited for as long as one of them is taken in within so many seconds.
STALL_SECONDS = 120.0
_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.3, 5.0
#: Of a project with far more images than the folder not all are listed: the server knows duplicates too.
_LEAST_LISTED, _LISTED_A_FILE = 1000, 100


class Uploader:
    """Uploads one folder to one project.

    Args:
        project: to which.
        folder: with its subfolders; or one image.
        labels: see `Project.upload`.
        on_progress: told how far it is.
        workers: files that are sent at a time.
    """

    def __init__(
        self,
        project: "Project",
        folder: Path,
        labels: str | Path | Mapping[str, Label] | None,
        on_progress: OnProgress,
        workers: int,
    ) -> None:
        self._project = project
        self._folder = folder
        self._labels = labels
        self._on_progress = on_progress
        self._workers = workers
        self._report = UploadReport(project_id=project.id)
        self._known: dict[str, Image] = {}  # by SHA-256
        self._taken: dict[str, str] = {}  # SHA-256 -> image id, of what this upload brought
        self._others: dict[str, str] = {}  # SHA-256 -> image id, of what turned out to be there
        self._refused: set[str] = set()
        self._done = self._total = 0

    def run(self) -> UploadReport:
        """Uploads what is missing, and labels all of it; an interrupted upload of the folder goes on."""
        found = search(self._folder, self._on_progress)
        wanted = wanted_of(self._labels, found.pictures)
        report = self._report
        report.images, report.ignored = len(found.pictures), found.ignored
        report.problems += found.problems
        report.label_problems += wanted.problems
        client = self._project.client
        with journal_of(client.state, client.url, self._project.id, self._folder) as journal:
            self._send_missing(journal, {each.sha256: each for each in reversed(found.pictures)})
            self._count(found.pictures)
            self._tag(found.pictures, wanted)
            if not report.pending:
                journal.finish()
        return report

    def _send_missing(self, journal: Journal, pictures: Mapping[str, Picture]) -> None:
        most = max(_LEAST_LISTED, _LISTED_A_FILE * len(pictures))
        for image in islice(self._project.images(status="accepted"), most):
            if image.sha256 and image.sha256 in pictures:
                self._known[image.sha256] = image
        announcer = Announcer(self._project, journal)
        batches = list(announcer.unfinished(pictures, self._known.keys()))
        for each in batches:
            announcer.drop_deleted(each.batch, self._known)
        announced = {sha256 for each in batches for sha256 in each.batch.ids}
        new = [each for sha256, each in pictures.items() if sha256 not in self._known.keys() | announced]
        self._total = len(pictures)
        self._done = self._total - len(new) - sum(len(each.to_send) for each in batches)
        for each in batches:
            self._send(announcer, journal, each)
        for each in announcer.new(sorted(new, key=lambda picture: picture.name)):
            batches.append(each)
            self._send(announcer, journal, each)
        for each in batches:
            self._settle(announcer, each, pictures)

    def _send(self, announcer: Announcer, journal: Journal, opened: Open) -> None:
        if opened.form is None or not opened.to_send:
            return
        sender = Sender(
            self._project.client.storage,
            journal,
            opened.batch,
            opened.form,
            lambda: announcer.renewed(opened.batch),
            self._on_sent,
        )
        sender.send(opened.to_send, self._workers)
        self._refuse(sender.problems, {each.name: each.sha256 for each in opened.to_send})

    def _on_sent(self, _: Picture) -> None:
        self._done += 1
        self._report.sent += 1
        tell(self._on_progress, "sending", self._done, self._total, "files")

    def _refuse(self, problems: list[FileProblem], hashes: Mapping[str, str]) -> None:
        for each in problems:
            if each.file_name in hashes:
                self._report.problems.append(each)
                self._refused.add(hashes[each.file_name])

    def _settle(self, announcer: Announcer, opened: Open, pictures: Mapping[str, Picture]) -> None:
        """Waits until all that was sent is taken in, and notes what became of it."""
        batch = opened.batch
        status = self._settled(announcer, opened)
        rejected = [FileProblem(each.file_name, each.code, each.message) for each in status.rejected_files]
        hashes = {name: sha256 for name, _, _, sha256 in batch.files if sha256 in pictures}
        self._refuse(rejected, hashes)
        pending = {each.image_id for each in status.pending_files}
        present = {}
        if status.duplicate:
            query = {"uploadId": status.upload_id, "status": "duplicate"}
            present = {each.image_id: each.duplicate_of for each in self._project.images(**query)}
        for sha256, image_id in batch.ids.items():
            if sha256 in self._refused or image_id in pending:
                continue
            if image_id in present:
                self._others[sha256] = present[image_id] or ""
            else:
                self._taken[sha256] = image_id

    def _settled(self, announcer: Announcer, opened: Open) -> UploadStatus:
        batch = opened.batch
        last, changed, pause = len(batch.sent), time.monotonic(), _PAUSE_SECONDS
        while True:
            status = announcer.status(batch)
            waiting = len(batch.sent & {each.image_id for each in status.pending_files})
            tell(self._on_progress, "checking", len(batch.sent) - waiting, len(batch.sent), "files")
            if waiting < last:
                last, changed, pause = waiting, time.monotonic(), _PAUSE_SECONDS
            if not waiting or time.monotonic() - changed > STALL_SECONDS:
                return status
            time.sleep(pause)
            pause = min(1.3 * pause, _LONGEST_PAUSE_SECONDS)

    def _count(self, pictures: list[Picture]) -> None:
        report, taken = self._report, dict(self._taken)
        for each in pictures:
            if each.sha256 in self._refused:
                continue
            if taken.pop(each.sha256, None):
                report.uploaded += 1
            elif each.sha256 in self._taken or each.sha256 in self._others or each.sha256 in self._known:
                report.present += 1
            else:
                report.pending += 1

    def _tag(self, pictures: list[Picture], wanted: Wanted) -> None:
        ids = {sha256: each.image_id for sha256, each in self._known.items()} | self._others | self._taken
        shown = {each.image_id: each for each in self._known.values()}
        tag(self._project, self._report, pictures, wanted, ids, shown, self._on_progress)
