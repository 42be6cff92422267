"""Runs on the embedded AWS, looked after by the services as they will be some time from now."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib import bootstrap
from chalicelib.bootstrap import Services, assemble, aws_ports
from chalicelib.contract.attributes import from_item, to_item
from chalicelib.contract.records import Project, Session
from chalicelib.contract.tables import PROJECTS, SESSIONS
from chalicelib.services.run_ports import NO_LIMITS, Limits
from chalicelib.settings import Settings
from infra.local.aws import EmbeddedAws
from tests.images import image
from tests.integration.conftest import Api

JOBS_OVER = ("SUCCEEDED", "FAILED")


@dataclass(frozen=True)
class Job:
    job_id: str
    is_live: bool


@dataclass
class Later:
    ahead: timedelta

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass
class _Own:
    """The sessions port, whose list of the active ones has the test's own alone: the stack is shared."""

    port: Any
    ids: set[str]

    def active(self) -> Iterator[Session]:
        return (each for each in self.port.active() if each.session_id in self.ids)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.port, name)


@dataclass
class Stage:
    """Projects of one user with data that can be trained on, and the runs that a test starts."""

    stack: EmbeddedAws
    api: Api
    ids: set[str] = field(default_factory=set)

    def project(self) -> tuple[Project, str]:
        """A new project, and a version of its data."""
        path = self.api.project()
        files = [(f"{n}.png", image(n)) for n in range(4)]
        assert self.api.send_files(f"{path}/data/images", files).status == 201
        labels = {f"{n}.png": "ab"[n % 2] for n in range(4)}
        assert self.api.call("POST", f"{path}/data/labels", {"labels": labels}).status == 200
        assert self.api.call("PUT", f"{path}/training/configure", {"epochs": 1}).status == 200
        version = self.api.call("POST", f"{path}/data/versions", {"name": "first"}).json["versionId"]
        key = {"ProjectID": {"S": path.rsplit("/", 1)[1]}}
        row = self._dynamodb.get_item(TableName=self._table(PROJECTS), Key=key)["Item"]
        return from_item(Project, row), version

    def services(self, limits: Limits = NO_LIMITS, **ahead: float) -> Services:
        """The stage's services some time from now; their sweep sees the runs of `ids` alone."""
        ports = aws_ports(Settings.read(os.environ), bootstrap.aws())
        sessions = _Own(ports.sessions, self.ids)
        return assemble(replace(ports, sessions=sessions, limits=limits, clock=Later(timedelta(**ahead))))

    def sessions(self, project_id: str) -> list[Session]:
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table(SESSIONS),
            KeyConditionExpression="ProjectID = :project",
            ExpressionAttributeValues={":project": {"S": project_id}},
            ConsistentRead=True,
        )
        return [from_item(Session, each) for page in pages for each in page["Items"]]

    def put(self, session: Session) -> None:
        self.ids.add(session.session_id)
        self._dynamodb.put_item(TableName=self._table(SESSIONS), Item=to_item(session))

    def jobs(self, project_id: str) -> dict[str, list[Job]]:
        """The jobs of each run of a project."""
        found: dict[str, list[Job]] = {each.session_id: [] for each in self.sessions(project_id)}
        pages = (
            self.stack.client("batch")
            .get_paginator("list_jobs")
            .paginate(
                jobQueue=self.stack.outputs["JobQueue"], filters=[{"name": "JOB_NAME", "values": ["*"]}]
            )
        )
        for each in (job for page in pages for job in page["jobSummaryList"]):
            if each["jobName"] in found:
                found[each["jobName"]].append(Job(each["jobId"], each["status"] not in JOBS_OVER))
        return found

    def event_of(self, job_id: str) -> dict[str, Any]:
        """What SQS brings the handler of a job's present state."""
        [detail] = self.stack.client("batch").describe_jobs(jobs=[job_id])["jobs"]
        return {"messageId": job_id, "body": json.dumps({"detail": detail})}

    def clear(self, project_id: str) -> None:
        """Takes the runs away: the other tests' sweeps would look after them."""
        keys = [
            {"ProjectID": {"S": project_id}, "SessionID": {"S": each.session_id}}
            for each in self.sessions(project_id)
        ]
        for start in range(0, len(keys), 25):
            deletes = [{"DeleteRequest": {"Key": key}} for key in keys[start : start + 25]]
            self._dynamodb.batch_write_item(RequestItems={self._table(SESSIONS): deletes})

    @property
    def _dynamodb(self) -> Any:
        return self.stack.client("dynamodb")

    def _table(self, name: str) -> str:
        return self.stack.outputs["TablePrefix"] + name


@contextmanager
def project_of(stage: Stage) -> Iterator[tuple[Project, str]]:
    """A project with data, whose runs are taken away afterwards."""
    project, version = stage.project()
    try:
        yield project, version
    finally:
        stage.clear(project.project_id)
