"""Jobs of the running stack that do what a test says, in place of a training."""

import json
from dataclasses import dataclass
from typing import Any

from chalicelib.contract.records import Session
from infra.local.aws import client_of
from tests.browser.seeding import Tables

#: What such a job may call: a line as the training writes it.
PRELUDE = """
import json, os, sys, time
attempt = int(os.environ["AWS_BATCH_JOB_ATTEMPT"])
def say(message, level="INFO", **more):
    now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    print(json.dumps({"time": now, "level": level, "message": message, **more}), flush=True)
"""


@dataclass(frozen=True)
class Jobs:
    """The job queue behind some tables."""

    batch: Any
    queue: str
    definition: str

    @classmethod
    def behind(cls, tables: Tables) -> "Jobs":
        batch = client_of("batch", tables.dynamodb.meta.endpoint_url)
        name = f"{tables.prefix}training"
        [queue] = batch.describe_job_queues(jobQueues=[name])["jobQueues"]
        return cls(batch, queue["jobQueueArn"], name)

    def submit(self, session: Session, code: str) -> str:
        """Runs Python as the job of a session, and returns its id."""
        identity = {"PROJECT_ID": session.project_id, "SESSION_ID": session.session_id}
        identity["GENERATION"] = str(session.generation)
        answer = self.batch.submit_job(
            jobName=session.session_id,
            jobQueue=self.queue,
            jobDefinition=self.definition,
            containerOverrides={
                "command": ["python", "-c", PRELUDE + code],
                "environment": [{"name": name, "value": value} for name, value in identity.items()],
            },
        )
        return str(answer["jobId"])


def figures(epoch: int) -> str:
    """An epoch's, as Python's source."""
    own = {"epoch": epoch, "trainLoss": 0.5, "valLoss": 0.4, "valAccuracy": 0.9}
    return json.dumps(own | {"imagesPerSecond": 100.0, "epochSeconds": 2.0})
