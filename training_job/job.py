"""The composition root: what a run works with, made from its environment."""

from dataclasses import dataclass
from threading import Event
from typing import Self

import torch

from .aws import Clients
from .config import JobEnvironment
from .manifest import ManifestRepository
from .objects import ImageObjects, ObjectStore
from .report import ReportStore
from .sessions import SessionRepository


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One attempt to train one session."""

    sessions: SessionRepository
    manifests: ManifestRepository
    images: ImageObjects
    reports: ReportStore
    device: torch.device
    needs_gpu: bool
    stop: Event  # set when the user wants the run to end

    @classmethod
    def create(cls, environment: JobEnvironment, clients: Clients) -> Self:
        objects = ObjectStore(clients.s3, environment.bucket)
        session = {"project_id": environment.project_id, "session_id": environment.session_id}
        generation, attempt = environment.generation, environment.attempt
        return cls(
            sessions=SessionRepository(
                dynamodb=clients.dynamodb,
                table_prefix=environment.table_prefix,
                generation=generation,
                attempt=attempt,
                **session,
            ),
            manifests=ManifestRepository(objects, environment.project_id),
            images=ImageObjects(objects, environment.project_id),
            reports=ReportStore(objects=objects, generation=generation, attempt=attempt, **session),
            device=torch.device("cuda" if torch.cuda.is_available() else "cpu"),
            needs_gpu=environment.training_device == "cuda",
            stop=Event(),
        )
