"""Configuring and starting a run."""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from ..contract.config import TrainingConfig
from ..contract.errors import UnavailableError, UnprocessableError
from ..contract.records import Configuration, Failure, Project, Session
from ..contract.results import MAX_CLASSES
from ..contract.states import Status
from ..contract.tables import ACTIVE
from .data_ports import Labels
from .gallery import classes_of
from .ports import Clock, Configurations, IdempotencyKeys, Ids, JobGateway, Sessions, Telemetry
from .times import rfc3339

#: On top of the run's own limit: downloading before it, evaluating and exporting after it.
JOB_MARGIN_SECONDS = 3600
#: A class with fewer labelled images can't be both trained on and validated.
MIN_IMAGES_A_CLASS = 2
MIN_CLASSES = 2
#: AWS said no, so there is no job; anything else that goes wrong leaves that open.
SUBMIT_REFUSED = "submit-refused"


@dataclass(frozen=True, slots=True)
class Started:
    session_id: str
    status: Status
    replayed: bool  # an earlier request with the same idempotency key had started it


class Training:
    def __init__(
        self,
        configurations: Configurations,
        sessions: Sessions,
        labels: Labels,
        jobs: JobGateway,
        idempotency: IdempotencyKeys,
        telemetry: Telemetry,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._configurations = configurations
        self._sessions = sessions
        self._labels = labels
        self._jobs = jobs
        self._idempotency = idempotency
        self._telemetry = telemetry
        self._clock = clock
        self._ids = ids

    def configure(self, project: Project, config: TrainingConfig) -> Configuration:
        """Stores a new version, with every default filled in, and makes it the current one."""
        document = config.resolved().to_json()
        configuration = Configuration(
            project_id=project.project_id,
            config_id=self._ids.new(),
            learning_rate=document.pop("learningRate"),
            epochs=document.pop("epochs"),
            batch_size=document.pop("batchSize"),
            other_parameters=document,
            created_at=rfc3339(self._clock.now()),
        )
        self._configurations.add(configuration)
        return configuration

    def configuration(self, project: Project) -> Configuration:
        """The current version; a project that has none gets the defaults as its first."""
        if project.current_config_id:
            current = self._configurations.get(project.project_id, project.current_config_id)
            if current is not None:
                return current
        return self.configure(project, TrainingConfig())

    def start(self, project: Project, key: str | None = None, request_hash: str = "") -> Started:
        """Starts a run; with an idempotency key, the same request again answers the same.

        Raises:
            UnprocessableError: the data can't be trained on (`not-trainable`, with the counts), or
                the key was used for another request.
            ConflictError: a request with this key is still being carried out.
            UnavailableError: AWS Batch refused the job; the session is `failed`.
        """
        if key is None:
            return self._start(project)
        return self._once(f"start#{project.project_id}#{key}", request_hash, lambda: self._start(project))

    def _once(self, key: str, request_hash: str, start: Callable[[], Started]) -> Started:
        earlier = self._idempotency.begin(key, request_hash, self._clock.now())
        if earlier is not None:
            return Started(earlier["sessionId"], Status(earlier["status"]), replayed=True)
        with ExitStack() as failing:
            failing.callback(self._idempotency.abandon, key)
            started = start()
            failing.pop_all()
        self._idempotency.finish(key, {"sessionId": started.session_id, "status": started.status})
        return started

    def _start(self, project: Project) -> Started:
        self._refuse_untrainable(project)
        configuration = self.configuration(project)
        session = Session(
            project_id=project.project_id,
            session_id=self._ids.new(),
            user_id=project.user_id,
            config_id=configuration.config_id,
            config=configuration.to_json(),
            status=Status.QUEUED,
            start_time=rfc3339(self._clock.now()),
            active=ACTIVE,
        )
        self._sessions.add(session)
        self._submit(session)
        self._telemetry.count("SessionsStarted")
        return Started(session.session_id, session.status, replayed=False)

    def _submit(self, session: Session) -> None:
        seconds = session.config["maxRuntimeMinutes"] * 60 + JOB_MARGIN_SECONDS
        try:
            batch_job_id = self._jobs.submit(session, seconds)
        except UnavailableError as error:
            if error.code != SUBMIT_REFUSED:
                # The job may well exist: the sweep looks for it by its name.
                self._telemetry.warn("the answer of SubmitJob was lost", sessionId=session.session_id)
                return
            failure = Failure(code=error.code, message=error.detail)
            self._sessions.end(session, Status.FAILED, rfc3339(self._clock.now()), failure)
            raise
        if not self._sessions.set_job(session, batch_job_id):
            self._jobs.terminate(batch_job_id, "its session ended before it began")

    def _refuse_untrainable(self, project: Project) -> None:
        if project.task_type == "detection":
            raise UnprocessableError(
                "this version trains classification projects only", code="task-not-supported"
            )
        classes: Counter[str] = Counter()
        labelled = 0
        for label in self._labels.all(project.project_id):
            labelled += 1
            classes.update(classes_of(label.label))
        if len(classes) > MAX_CLASSES:
            raise UnprocessableError(
                f"the labels name {len(classes)} classes; up to {MAX_CLASSES} can be trained",
                code="too-many-classes",
                hint="Check that the labels are classes, not names of single images.",
            )
        enough = [name for name, count in classes.items() if count >= MIN_IMAGES_A_CLASS]
        if len(enough) < MIN_CLASSES:
            raise UnprocessableError(
                f"training needs {MIN_CLASSES} or more classes of {MIN_IMAGES_A_CLASS} labelled images each",
                code="not-trainable",
                hint="Upload and label more images, then start again.",
                extra={"counts": _counts(labelled, classes)},
            )


def _counts(labelled: int, classes: Mapping[str, int]) -> dict[str, Any]:
    return {"labelled": labelled, "classes": dict(sorted(classes.items()))}
