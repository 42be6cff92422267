"""The composition root: what a run works with, made from its environment."""

from dataclasses import dataclass, replace
from threading import Event
from typing import Self

import torch

from chalicelib.contract.config import TrainingConfig

from .aws import Clients
from .checkpoint_store import CheckpointStore
from .config import JobEnvironment
from .group import Group
from .manifest import ManifestRepository
from .objects import ImageObjects, ObjectStore
from .report import ReportStore
from .sessions import SessionRepository


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One attempt to train one session."""

    sessions: SessionRepository
    pulse: SessionRepository  # the same, for signs of life: it gives up soon
    manifests: ManifestRepository
    images: ImageObjects
    reports: ReportStore
    device: torch.device
    needs_gpu: bool
    stop: Event  # set when the user wants the run to end
    reclaimed: Event  # set when the machine goes, and a checkpoint is to be left
    objects: ObjectStore
    group: Group

    @classmethod
    def create(cls, environment: JobEnvironment, clients: Clients, group: Group | None = None) -> Self:
        objects = ObjectStore(clients.s3, environment.bucket)
        session = {"project_id": environment.project_id, "session_id": environment.session_id}
        generation, attempt = environment.generation, environment.attempt
        sessions = SessionRepository(
            dynamodb=clients.dynamodb,
            table_prefix=environment.table_prefix,
            generation=generation,
            attempt=attempt,
            batch_job_id=environment.batch_job_id,
            **session,
        )
        return cls(
            sessions=sessions,
            pulse=replace(sessions, dynamodb=clients.pulse()),
            manifests=ManifestRepository(objects, environment.project_id),
            images=ImageObjects(clients.bucket(environment.bucket), environment.project_id),
            reports=ReportStore(objects=objects, generation=generation, attempt=attempt, **session),
            device=(group or Group.alone()).device,
            needs_gpu=environment.training_device == "cuda",
            stop=Event(),
            reclaimed=Event(),
            objects=objects,
            group=group or Group.alone(),
        )

    def checkpoints(self, config: TrainingConfig, dataset_hash: str) -> CheckpointStore:
        """Those of this run alone: of the configuration and the data that it has."""
        identity = {"config": config.to_json(), "datasetHash": dataset_hash}
        return CheckpointStore(self.objects, self.sessions, identity, self.reclaimed)
