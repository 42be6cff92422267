"""Rows that were restored beside objects that weren't: what each says that the other doesn't.

A row without its object is taken back, since nothing can be made of it; an object without a row is
deleted, since nothing leads to it. Both stay recoverable for `RecoveryDays`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from chalicelib.adapters.dynamodb import Tables
from chalicelib.adapters.versions import name_row
from chalicelib.bootstrap import Ports
from chalicelib.contract.datasets import DatasetVersion
from chalicelib.contract.ids import FIRST, LAST
from chalicelib.contract.objects import RESULTS, image_key, session_key, thumbnail_key, version_key
from chalicelib.contract.records import Failure, ImageStatus, Session
from chalicelib.contract.states import Phase, Status
from chalicelib.contract.tables import IMAGES, PROJECTS, SESSIONS
from chalicelib.services.acceptance import MAX_IMAGE_BYTES
from chalicelib.services.ports import StoredObject
from chalicelib.services.times import rfc3339
from chalicelib.services.uploads import UPLOAD_KEPT

#: A request stores its objects before their rows, and takes seconds.
YOUNG = timedelta(hours=1)
_PAGE = 100
_OVER = ("SUCCEEDED", "FAILED")


@dataclass(frozen=True, slots=True)
class Finding:
    """`code` says what is wrong, `name` of what: a key, or an id."""

    code: str
    project_id: str
    name: str


@dataclass
class _Project:
    """What S3 has of a project."""

    project_id: str
    objects: dict[str, StoredObject] = field(default_factory=dict)


class Reconciliation:
    """Compares each project's images, versions and sessions with its objects.

    Args:
        ports: of the stage.
        tables: of the stage.
        repairs: whether to mend what is found; without it nothing is changed.
    """

    def __init__(self, ports: Ports, tables: Tables, *, repairs: bool) -> None:
        self._ports = ports
        self._tables = tables
        self._repairs = repairs
        self._now = ports.clock.now()

    def run(self, project_ids: Sequence[str]) -> Iterator[Finding]:
        """What is wrong, project by project; each finding is mended once it was taken.

        Args:
            project_ids: those that have a row.
        """
        stored: dict[str, _Project] = {each: _Project(each) for each in project_ids}
        for each in self._ports.store.list("projects/"):
            project_id = each.key.split("/")[1]
            project = stored.setdefault(project_id, _Project(project_id))
            project.objects[each.key] = each
        for project in stored.values():
            known: set[str] = set()
            if project.project_id in project_ids:
                yield from self._images(project, known)
                yield from self._versions(project, known)
                yield from self._sessions(project, known)
            yield from self._unknown(project, known)

    def _images(self, project: _Project, known: set[str]) -> Iterator[Finding]:
        expires_at = int((self._now + UPLOAD_KEPT).timestamp())
        for image in self._ports.images.between(project.project_id, FIRST, LAST):
            if image.status != ImageStatus.ACCEPTED:
                continue
            key, thumbnail = (each(project.project_id, image.image_id) for each in (image_key, thumbnail_key))
            if key not in project.objects:
                yield Finding("image-without-object", project.project_id, image.image_id)
                if self._repairs:
                    self._ports.images.delete(image, expires_at)
                continue
            known |= {key, thumbnail}
            if thumbnail not in project.objects:
                yield Finding("image-without-thumbnail", project.project_id, image.image_id)
                if self._repairs:
                    self._make_thumbnail(key, thumbnail)

    def _make_thumbnail(self, key: str, thumbnail: str) -> None:
        content = self._ports.store.get(key, MAX_IMAGE_BYTES)
        if content is not None:
            self._ports.store.put(thumbnail, self._ports.inspector.inspect(content).thumbnail, "image/jpeg")

    def _versions(self, project: _Project, known: set[str]) -> Iterator[Finding]:
        before: str | None = None
        while page := self._ports.versions.list(project.project_id, _PAGE, before):
            for version in page:
                key = version_key(project.project_id, version.dataset_hash)
                if key in project.objects:
                    known.add(key)
                    continue
                yield Finding("version-without-manifest", project.project_id, version.version_id)
                if self._repairs:
                    self._forget_version(version)
            before = page[-1].version_id

    def _forget_version(self, version: DatasetVersion) -> None:
        """With its name, which may then be given again."""
        rows = [version.image_id, *([name_row(version.name)] if version.name else [])]
        self._ports.rows.delete(IMAGES, version.project_id, rows)

    def _sessions(self, project: _Project, known: set[str]) -> Iterator[Finding]:
        before: str | None = None
        while page := self._ports.sessions.list(project.project_id, _PAGE, before):
            alive = [each for each in page if not each.is_over]
            jobs = self._ports.jobs.describe([each.batch_job_id for each in alive if each.batch_job_id])
            for session in page:
                prefix = session_key(project.project_id, session.session_id, "")
                known |= {each for each in project.objects if each.startswith(prefix)}
                results = project.objects.get(prefix + RESULTS)
                job = jobs.get(session.batch_job_id or "")
                if session.is_over or (job and job.status not in _OVER):
                    continue
                yield Finding(
                    "session-completed-since" if results else "session-without-job",
                    project.project_id,
                    session.session_id,
                )
                if self._repairs:
                    self._end(session, results)
            before = page[-1].session_id

    def _end(self, session: Session, results: StoredObject | None) -> None:
        """A run's results are written last: with them it has completed since the backup."""
        if results:
            self._complete(session, results.key, results.modified)
            return
        message = "the stage was restored to a moment in the middle of this run; start again"
        failure = Failure(code="restored-midway", message=message)
        self._ports.sessions.end(session, Status.FAILED, rfc3339(self._now), failure)

    def _complete(self, session: Session, key: str, at: datetime) -> None:
        values: dict[str, Any] = {"to": Status.COMPLETED, "done": Phase.DONE, "at": rfc3339(at), "key": key}
        self._tables.update(
            SESSIONS,
            {"ProjectID": session.project_id, "SessionID": session.session_id},
            "SET #Status = :to, #Phase = :done, #EndTime = :at, #ResultsKey = :key, #Progress = :all"
            " REMOVE #Active",
            "#Status = :from AND #Generation = :generation",
            values | {"all": 100, "from": session.status, "generation": session.generation},
        )

    def _unknown(self, project: _Project, known: set[str]) -> Iterator[Finding]:
        """Objects that no row leads to, unless one may be about to."""
        doomed = [
            each.key
            for each in project.objects.values()
            if each.key not in known and each.modified <= self._now - YOUNG
        ]
        yield from (Finding("object-without-row", project.project_id, key) for key in doomed)
        if self._repairs:
            self._ports.store.delete(doomed)


def projects_of(client: Any, prefix: str) -> list[str]:
    """The ids of the projects that have a row; those that are being removed too."""
    pages = client.get_paginator("scan").paginate(
        TableName=prefix + PROJECTS, ProjectionExpression="ProjectID", ConsistentRead=True
    )
    return [each["ProjectID"]["S"] for page in pages for each in page["Items"]]
