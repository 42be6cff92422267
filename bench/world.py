"""The services on top of a simulated AWS, and projects of any size in it."""

from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields, replace
from hashlib import sha256
from random import Random
from typing import Any

from chalicelib.adapters.aws import Aws
from chalicelib.bootstrap import Ports, Services, assemble, aws_ports
from chalicelib.contract.attributes import marshal, to_item
from chalicelib.contract.ids import ulid
from chalicelib.contract.objects import image_key, thumbnail_key
from chalicelib.contract.records import Image, ImageStatus, Label, Project
from chalicelib.contract.tables import IMAGES, LABELS, PROJECTS, SHA256_MARKER
from chalicelib.settings import Settings

from .aws import SimulatedAws

NOW = "2026-01-31T08:15:00.000Z"
PREFIX = "bench-"
_START = 1_769_000_000_000  # milliseconds: a moment at which nothing else was made
_CLASSES = 20


def simulated_ports(aws: Aws) -> Ports:
    """The adapters over these clients; where they were made, `bench.aws.ENVIRONMENT` must be set."""
    required = {each.name: "bench" for each in fields(Settings) if each.default is MISSING}
    return aws_ports(Settings(**required | {"table_prefix": PREFIX}), aws)


class _Silent:
    """Metrics are printed where logs are; a report has other lines."""

    def count(self, name: str, value: int = 1) -> None: ...

    def warn(self, message: str, **context: Any) -> None: ...


@dataclass(frozen=True, slots=True)
class World:
    """A simulated AWS, and the services in front of it."""

    simulated: SimulatedAws
    aws: Aws
    ports: Ports
    services: Services

    @classmethod
    def make(cls, latency_seconds: float = 0.01) -> "World":
        simulated = SimulatedAws(latency_seconds)
        aws = simulated.attach(Aws())
        ports = replace(simulated_ports(aws), telemetry=_Silent())
        return cls(simulated, aws, ports, assemble(ports))

    def add_project(self, **changes: Any) -> Project:
        """A project of nobody, without a call."""
        project = Project(
            project_id=self.ports.ids.new(),
            user_id=self.ports.ids.new(),
            project_name="bench",
            description="",
            task_type="classification",
            created_at=NOW,
            **changes,
        )
        self.simulated.tables.put(PREFIX + PROJECTS, [to_item(project)])
        return project

    def fill(self, project: Project, count: int, *, labelled: bool, with_objects: bool = False) -> None:
        """Accepted images, as ingest leaves them: each with its row and its marker; without a call."""
        tables, bucket = self.simulated.tables, self.simulated.bucket
        for image in images(project, count):
            marker = {"ProjectID": project.project_id, "ImageID": f"{SHA256_MARKER}{image.sha256}"}
            named = marker | {"OriginalID": image.image_id, "FileName": image.file_name}
            tables.put(PREFIX + IMAGES, [to_item(image), marshal(named)])
            if labelled:
                tables.put(PREFIX + LABELS, [to_item(_label(image))])
            if with_objects:
                bucket.put(image_key(project.project_id, image.image_id), b"", "image/jpeg")
                bucket.put(thumbnail_key(project.project_id, image.image_id), b"", "image/jpeg")


def file_name(number: int) -> str:
    return f"photos/IMG_{number:06}.jpg"


def images(project: Project, count: int) -> Iterator[Image]:
    """Accepted images with everything that a row has; the same in every run."""
    random = Random(7)
    upload_id = ulid(_START, 0)
    for number in range(count):
        image_id = ulid(_START + number, random.getrandbits(80))
        yield Image(
            project_id=project.project_id,
            image_id=image_id,
            status=ImageStatus.ACCEPTED,
            upload_time=NOW,
            file_name=file_name(number),
            file_path=image_key(project.project_id, image_id),
            content_type="image/jpeg",
            size_bytes=random.randrange(10_000, 5_000_000),
            width=4000,
            height=3000,
            sha256=sha256(image_id.encode()).hexdigest(),
            etag=f"{random.getrandbits(128):032x}",
            upload_id=upload_id,
            perceptual_hash=f"{random.getrandbits(128):032x}",
        )


def _label(image: Image) -> Label:
    return Label(
        project_id=image.project_id,
        label_id=image.image_id,
        image_id=image.image_id,
        label=f"class {(image.size_bytes or 0) % _CLASSES:02}",
        updated_at=NOW,
    )
