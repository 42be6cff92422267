"""Projects: where images, labels and training sessions belong."""

from collections.abc import Iterator, Sequence
from contextlib import suppress

from ..contract.errors import ConflictError
from ..contract.records import Project, Session, TaskType
from ..contract.states import Status
from .ports import Clock, Ids, Projects
from .runs import Runs
from .times import rfc3339

_RUNS_A_PAGE = 100


class ProjectBook:
    def __init__(self, projects: Projects, runs: Runs, clock: Clock, ids: Ids) -> None:
        self._projects = projects
        self._runs = runs
        self._clock = clock
        self._ids = ids

    def create(self, user_id: str, project_name: str, description: str, task_type: TaskType) -> Project:
        project = Project(
            project_id=self._ids.new(),
            user_id=user_id,
            project_name=project_name,
            description=description,
            task_type=task_type,
            created_at=rfc3339(self._clock.now()),
        )
        self._projects.add(project)
        return project

    def list(self, user_id: str, limit: int, before: str | None) -> Sequence[Project]:
        return self._projects.list(user_id, limit, before)

    def rename(self, project: Project, project_name: str | None, description: str | None) -> Project:
        if project_name is None and description is None:
            return project
        return self._projects.rename(project.project_id, project_name, description)

    def delete(self, project: Project) -> None:
        """Hides a project at once, with everything below it, and ends its runs: nobody could stop them.

        `removal.Removal` takes away what is left of it.
        """
        self._projects.delete(project.project_id, rfc3339(self._clock.now()))
        for page in run_pages(self._runs, project.project_id):
            for session in page:
                stop_run(self._runs, session)


def run_pages(runs: Runs, project_id: str) -> Iterator[Sequence[Session]]:
    """Every run of a project, newest first."""
    before: str | None = None
    while page := runs.list(project_id, _RUNS_A_PAGE, before):
        yield page
        before = page[-1].session_id


def stop_run(runs: Runs, session: Session) -> None:
    """Ends a run, unless it is over or asked to end already; also a job that outlived its run."""
    if (session.is_over or session.stop_requested_at) and not _never_ran(session):
        return
    with suppress(ConflictError):  # it ended by itself at this moment
        runs.stop(session)


def _never_ran(session: Session) -> bool:
    """Whether it was stopped before its job began: only who stops it ends the job."""
    return session.status == Status.STOPPED and not session.attempt
