"""Removing what is left of deleted projects: rows, objects, and last the project's own row.

What is left is the state: a pass deletes whatever it finds, and so goes on after any crash. See
docs/adr/0009-removal.md for the order and the wait.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import TypeVar

from ..contract.errors import DarkroomError
from ..contract.objects import project_prefixes
from ..contract.records import Project, Session
from ..contract.tables import CONFIGURATIONS, IMAGES, LABELS, METRICS, SESSIONS
from .ports import Clock, ObjectStore, Projects, Rows, Telemetry
from .projects import run_pages, stop_run
from .runs import Runs
from .times import parse
from .uploads import UPLOAD_OPEN

T = TypeVar("T")
#: After this nothing that was begun before the deletion can bring a row or an object any more: a
#: form signed in the last moment has run out, and the event of its last file been handled.
QUIET = UPLOAD_OPEN + timedelta(minutes=15)
#: A job that is ended has 30 seconds, and may have an object on its way.
JOB_GONE = timedelta(minutes=5)
#: Whole calls, as many as go out at the same time: 16 of 25 rows, 8 of 1,000 objects.
ROWS_AT_ONCE = 400
OBJECTS_AT_ONCE = 8000


class Removal:
    """One pass over each deleted project a tick; a project is gone after a pass that found nothing."""

    def __init__(
        self,
        projects: Projects,
        rows: Rows,
        store: ObjectStore,
        runs: Runs,
        telemetry: Telemetry,
        clock: Clock,
    ) -> None:
        self._projects = projects
        self._rows = rows
        self._store = store
        self._runs = runs
        self._telemetry = telemetry
        self._clock = clock

    def run(self, until: datetime) -> int:
        """Works on every deleted project; returns how many are still there.

        Args:
            until: when to end, within a call or two; the projects share the time alike.
        """
        projects = list(self._projects.removing())
        left = len(projects)
        for number, project in enumerate(projects):
            now = self._clock.now()
            if now >= until:
                break
            try:
                left -= self.remove(project, now + (until - now) / (len(projects) - number))
            except DarkroomError as error:
                # The next tick sees it again; the others must not wait for it.
                self._telemetry.warn(error.detail, projectId=project.project_id)
        return left

    def remove(self, project: Project, until: datetime) -> bool:
        """Deletes what a pass finds of a deleted project; whether nothing is left, its row included.

        Raises:
            UnavailableError: AWS left something undone; what was deleted stays deleted.
        """
        began, project_id = self._clock.now(), project.project_id
        found = self._remove_runs(project_id, until)
        found += sum(
            self._remove_partition(each, project_id, until) for each in (LABELS, IMAGES, CONFIGURATIONS)
        )
        found += sum(self._remove_below(each, until) for each in project_prefixes(project_id))
        if found or began < parse(project.deleted_at or "") + QUIET:
            return False
        self._projects.forget(project_id)
        self._telemetry.count("ProjectsRemoved")
        return True

    def _remove_runs(self, project_id: str, until: datetime) -> int:
        """A run's row goes when its job is gone, since the sweep that ends jobs finds them by it."""
        found = 0
        for page in run_pages(self._runs, project_id):
            found += len(page)
            for session in page:
                stop_run(self._runs, session)
            over = [each.session_id for each in page if self._is_gone(each)]
            for session_id in over:
                self._remove_partition(METRICS, session_id, until)
            if self._clock.now() >= until:
                break  # there may be metrics left, which only their session's row leads to
            self._rows.delete(SESSIONS, project_id, over)
        return found

    def _remove_partition(self, table: str, partition: str, until: datetime) -> int:
        keys = self._rows.keys(table, partition)
        return self._drain(keys, lambda some: self._rows.delete(table, partition, some), ROWS_AT_ONCE, until)

    def _remove_below(self, prefix: str, until: datetime) -> int:
        aborted = self._store.abort_uploads(prefix)  # first: no part becomes an object any more
        keys = (each.key for each in self._store.list(prefix))
        return aborted + self._drain(keys, self._store.delete, OBJECTS_AT_ONCE, until)

    def _drain(
        self, found: Iterator[T], delete: Callable[[Sequence[T]], None], size: int, until: datetime
    ) -> int:
        """Deletes what comes, `size` at a time, until it is time to end; returns how many those were."""
        count = 0
        while some := list(islice(found, size)):
            delete(some)
            count += len(some)
            if self._clock.now() >= until:
                break
        return count

    def _is_gone(self, session: Session) -> bool:
        return (
            session.is_over and self._clock.now() >= parse(session.end_time or session.start_time) + JOB_GONE
        )
