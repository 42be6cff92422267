"""Projects: where images, labels and training sessions belong."""

from collections.abc import Sequence
from contextlib import suppress

from ..contract.errors import ConflictError
from ..contract.records import Project, Session, TaskType
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
        """Hides a project at once, with everything below it, and ends its runs: nobody could stop them."""
        self._projects.delete(project.project_id, rfc3339(self._clock.now()))
        before: str | None = None
        while page := self._runs.list(project.project_id, _RUNS_A_PAGE, before):
            for session in page:
                if not session.is_over:
                    self._stop(session)
            before = page[-1].session_id

    def _stop(self, session: Session) -> None:
        with suppress(ConflictError):  # it ended by itself at this moment
            self._runs.stop(session)
