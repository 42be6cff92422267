"""Configuring a run, and whether it can be started."""

from dataclasses import replace
from typing import Any, get_args

from ..contract.config import (
    CLASSIFIERS_ALONE,
    CLASSIFIERS_AUGMENTATIONS,
    Architecture,
    TrainingConfig,
    task_of,
)
from ..contract.datasets import DatasetVersion
from ..contract.errors import FieldError, UnprocessableError
from ..contract.naming import camel
from ..contract.records import Configuration, Project, Session, TaskType
from ..contract.results import MAX_CLASSES
from ..contract.states import Status
from ..contract.tables import ACTIVE
from .ports import Clock, Ids
from .readiness import Reason, judge
from .run_ports import Configurations
from .starting import Started, Starting
from .times import rfc3339
from .versions import Versions


class Training:
    def __init__(
        self,
        configurations: Configurations,
        versions: Versions,
        starting: Starting,
        max_nodes: int,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._configurations = configurations
        self._versions = versions
        self._starting = starting
        self._max_nodes = max_nodes
        self._clock = clock
        self._ids = ids

    def configure(self, project: Project, config: TrainingConfig) -> Configuration:
        """Stores a new version, with every default filled in, and makes it the current one.

        Raises:
            UnprocessableError: the architecture, or another parameter, is for the other task.
        """
        document = _fitting(config, project.task_type).to_json()
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

    def start(
        self,
        project: Project,
        key: str | None = None,
        request_hash: str = "",
        version_id: str | None = None,
        request_id: str | None = None,
    ) -> Started:
        """Starts a run; with an idempotency key, the same request again answers the same.

        Args:
            project: whose data is trained on, with its current configuration.
            key: of the client's choice.
            request_hash: by which a request with a key that was used for another is known.
            version_id: a version of that data; the present data without it.
            request_id: stands in the log of the job.

        Raises:
            NotFoundError: there is no such version.
            UnprocessableError: the data can't be trained on (see `readiness`; with the counts), or
                the key was used for another request.
            ConflictError: a request with this key is still being carried out.
            TooManyRequestsError: as many runs as are allowed aren't over.
            UnavailableError: AWS Batch refused the job; the session is `failed`.
        """

        def draft(session_id: str) -> Session:
            return replace(self._draft(project, version_id, session_id), request_id=request_id)

        if key is None:
            return self._starting.start(draft)
        return self._starting.once(project.project_id, key, request_hash, draft)

    def _draft(self, project: Project, version_id: str | None, session_id: str) -> Session:
        """A session of the project's data and configuration, not yet stored."""
        version = self._version(project, version_id)
        configuration = self.configuration(project)
        self._check_nodes(configuration)
        return Session(
            project_id=project.project_id,
            session_id=session_id,
            user_id=project.user_id,
            config_id=configuration.config_id,
            config=configuration.to_json(),
            status=Status.QUEUED,
            start_time=rfc3339(self._clock.now()),
            version_id=version.version_id,
            version_name=version.name,
            dataset_hash=version.dataset_hash,
            active=ACTIVE,
        )

    def _version(self, project: Project, version_id: str | None) -> DatasetVersion:
        """The version that was asked for, or else one of the present data, which may be new."""
        if version_id is not None:
            return _trainable(project.task_type, self._versions.get(project.project_id, version_id))
        draft = self._versions.draft(project.project_id)
        _trainable(project.task_type, draft.version)
        return self._versions.keep(draft)

    def _check_nodes(self, configuration: Configuration) -> None:
        if configuration.other_parameters.get("nodes", 1) <= self._max_nodes:
            return
        message = f"is at most {self._max_nodes} in this installation (MaxNodes in infra/template.yaml)"
        raise UnprocessableError(
            "the training asks for more machines than it can get",
            code="too-many-nodes",
            errors=[FieldError("/nodes", message)],
        )


def _fitting(config: TrainingConfig, task_type: TaskType) -> TrainingConfig:
    if config.architecture is None or task_of(config.architecture) == task_type:
        _refuse_idle(config, task_type)
        return config.resolved(task_type)
    fitting = ", ".join(each for each in get_args(Architecture) if task_of(each) == task_type)
    message = (
        f"is for {task_of(config.architecture)}, and the project is for {task_type}; use one of {fitting}"
    )
    raise UnprocessableError(
        "the architecture doesn't fit the project's task",
        code="architecture-task",
        errors=[FieldError("/architecture", message)],
    )


def _refuse_idle(config: TrainingConfig, task_type: TaskType) -> None:
    """Parameters of classifiers alone would change nothing, and their user would never know."""
    if task_type == "classification":
        return
    defaults, reason = TrainingConfig(), "is for classification alone"
    named = {each: reason for each in CLASSIFIERS_ALONE if getattr(config, each) != getattr(defaults, each)}
    if config.augmentation in CLASSIFIERS_AUGMENTATIONS:
        named["augmentation"] = f"{config.augmentation} {reason}; use one of none, light, strong"
    if named:
        raise UnprocessableError(
            "some parameters mean nothing for detection",
            code="parameter-task",
            errors=[FieldError(f"/{camel(name)}", message) for name, message in named.items()],
        )


def _trainable(task_type: TaskType, version: DatasetVersion) -> DatasetVersion:
    """The version; where it can't be trained on, raises the first reason, with what was counted."""
    images, learnable = version.images, version.learnable_classes
    readiness = judge(task_type, images, images, version.classes, version.splits, learnable)
    for problem in readiness.problems:
        # Of too many classes the list would be larger than an answer should be.
        classes = version.classes if len(version.classes) <= MAX_CLASSES else {}
        raise _refusal(problem, labelled=version.images, classes=classes, splits=version.splits)
    return version


def _refusal(problem: Reason, **counts: Any) -> UnprocessableError:
    extra = {"counts": counts} if counts else None
    return UnprocessableError(problem.message, code=problem.code, hint=problem.hint, extra=extra)
