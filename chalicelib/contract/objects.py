"""The keys of the objects in the one bucket.

What comes in stands apart from the projects, since the bucket's event filter and its lifecycle rule
know a prefix only.
"""

from dataclasses import dataclass

INCOMING = "incoming"


def incoming_prefix(project_id: str, upload_id: str) -> str:
    """Where the files of one upload land; a POST policy allows nothing else."""
    return f"{INCOMING}/{project_id}/{upload_id}/"


def incoming_key(project_id: str, upload_id: str, image_id: str) -> str:
    return incoming_prefix(project_id, upload_id) + image_id


def image_key(project_id: str, image_id: str) -> str:
    return f"projects/{project_id}/images/{image_id}"


def thumbnail_key(project_id: str, image_id: str) -> str:
    return f"projects/{project_id}/thumbnails/{image_id}"


def session_key(project_id: str, session_id: str, name: str) -> str:
    """An object of a run: `manifest.json`, `results.json`, `artifacts/model.onnx`."""
    return f"projects/{project_id}/sessions/{session_id}/{name}"


MANIFEST = "manifest.json"
RESULTS = "results.json"


@dataclass(frozen=True, slots=True)
class IncomingKey:
    project_id: str
    upload_id: str
    image_id: str

    @classmethod
    def parse(cls, key: str) -> "IncomingKey | None":
        """The parts of a key under `incoming/`; None where it is no such key."""
        match key.split("/"):
            case ["incoming", project_id, upload_id, image_id]:
                return cls(project_id, upload_id, image_id)
        return None
