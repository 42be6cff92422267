"""The keys of the objects in the one bucket.

What comes in, and what imports and exports leave, stands apart from the projects, since the bucket's
event filter and its lifecycle rules know a prefix only.
"""

from dataclasses import dataclass

INCOMING = "incoming"
TRANSFERS = "transfers"


def incoming_prefix(project_id: str, upload_id: str) -> str:
    """Where the files of one upload land; a POST policy allows nothing else."""
    return f"{INCOMING}/{project_id}/{upload_id}/"


def incoming_key(project_id: str, upload_id: str, image_id: str) -> str:
    return incoming_prefix(project_id, upload_id) + image_id


def image_key(project_id: str, image_id: str) -> str:
    return f"projects/{project_id}/images/{image_id}"


def thumbnail_key(project_id: str, image_id: str) -> str:
    return f"projects/{project_id}/thumbnails/{image_id}"


def version_key(project_id: str, dataset_hash: str) -> str:
    """The manifest of a data set; its key is made of its content, so it never changes."""
    return f"projects/{project_id}/versions/{dataset_hash}.jsonl.gz"


def transfer_key(project_id: str, transfer_id: str, name: str) -> str:
    """An object of an import or an export: `archive`, `report.jsonl`, `export.zip`. Kept seven days."""
    return f"{TRANSFERS}/{project_id}/{transfer_id}/{name}"


def project_prefixes(project_id: str) -> tuple[str, ...]:
    """Every object of a project is below one of these."""
    return tuple(f"{each}/{project_id}/" for each in (INCOMING, TRANSFERS, "projects"))


def session_key(project_id: str, session_id: str, name: str) -> str:
    """An object of a run: `results.json`, `artifacts/model.onnx`."""
    return f"projects/{project_id}/sessions/{session_id}/{name}"


def checkpoint_prefix(project_id: str, session_id: str) -> str:
    """The checkpoints of a run; none is left when it is over."""
    return session_key(project_id, session_id, "checkpoints/")


def checkpoint_key(project_id: str, session_id: str, name: str) -> str:
    """A state that a later attempt goes on from: `<generation>-<attempt>-<epoch>-<step>-<hash>`."""
    return checkpoint_prefix(project_id, session_id) + name


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
