"""Rows written straight into the running stack's DynamoDB: what would take too long to make by hand."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from chalicelib.contract.attributes import to_item
from chalicelib.contract.ids import ulid_at
from chalicelib.contract.records import EpochMetrics, Image, ImageStatus, Session
from chalicelib.contract.states import Phase, Status
from examples.http import Client
from infra.local.aws import client_of

_A_WRITE = 25
MOMENT = "2026-01-01T12:00:00Z"


@dataclass(frozen=True)
class Tables:
    """The embedded AWS's tables, found by the address of an upload's form."""

    dynamodb: Any
    prefix: str

    @classmethod
    def behind(cls, client: Client, project_id: str) -> "Tables":
        announced = [{"fileName": "a.png", "sizeBytes": 1, "contentType": "image/png"}]
        form = client.call("POST", f"/api/projects/{project_id}/data/uploads", {"files": announced})
        address = urlsplit(form["url"])
        dynamodb = client_of("dynamodb", f"{address.scheme}://{address.netloc}")
        [users] = [name for name in dynamodb.list_tables()["TableNames"] if name.endswith("Users")]
        return cls(dynamodb, users.removesuffix("Users"))

    def put(self, table: str, records: Iterable[Any]) -> None:
        writes = [{"PutRequest": {"Item": to_item(each)}} for each in records]
        for start in range(0, len(writes), _A_WRITE):
            part = {self.prefix + table: writes[start : start + _A_WRITE]}
            assert not self.dynamodb.batch_write_item(RequestItems=part)["UnprocessedItems"]


def images(project_id: str, count: int) -> list[Image]:
    """Accepted images, whose bytes nobody stored."""
    return [
        Image(
            project_id=project_id,
            image_id=ulid_at(project_id, 1 + index),
            status=ImageStatus.ACCEPTED,
            upload_time=MOMENT,
            file_name=f"image-{index:05}.png",
            content_type="image/png",
            size_bytes=100,
            width=8,
            height=8,
        )
        for index in range(count)
    ]


def session(project_id: str, number: int, **members: Any) -> Session:
    """A run that is over."""
    given = {
        "project_id": project_id,
        "session_id": ulid_at(project_id, number),
        "user_id": "u",
        "config_id": "c",
        "config": {"epochs": 3, "learningRate": 0.001, "batchSize": 32, "pretrained": True},
        "status": Status.COMPLETED,
        "phase": Phase.DONE,
        "progress": 100,
        "start_time": MOMENT,
        "end_time": "2026-01-01T12:05:00Z",
        "metrics": {"epoch": 3, "valLoss": 0.2, "valAccuracy": 0.9},
    }
    return Session(**given | members)


def epochs(session_id: str, losses: Iterable[float]) -> list[EpochMetrics]:
    return [
        EpochMetrics(
            session_id=session_id,
            epoch=epoch,
            train_loss=loss,
            train_accuracy=1 - loss,
            val_loss=1.1 * loss,
            val_accuracy=1 - 1.1 * loss,
            learning_rate=0.001,
            images_per_second=100.0,
            epoch_seconds=2.0,
            created_at=MOMENT,
            expires_at=4_000_000_000,
        )
        for epoch, loss in enumerate(losses, start=1)
    ]
