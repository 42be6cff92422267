"""Which images a run trains on: a manifest that was written before its session."""

from dataclasses import dataclass

from chalicelib.contract.errors import TrainingError
from chalicelib.contract.manifest import Entry, unpack
from chalicelib.contract.objects import version_key
from chalicelib.contract.records import TaskType

from .objects import ObjectStore


@dataclass(frozen=True, slots=True)
class Manifest:
    """The images that a task can use, sorted by id; `dataset_hash` is the SHA-256 of the stored lines."""

    entries: tuple[Entry, ...]
    dataset_hash: str

    @property
    def class_names(self) -> list[str]:
        return sorted({name for entry in self.entries for name in entry.classes})


def class_of(entry: Entry) -> str:
    """The class of an image.

    Raises:
        TypeError: its label is a list of boxes, which no entry for classification has.
    """
    if not isinstance(entry.label, str):
        raise TypeError(f"the label of {entry.image_id} is no class")
    return entry.label


@dataclass(frozen=True, slots=True)
class ManifestRepository:
    """The manifests of a project's dataset versions."""

    objects: ObjectStore
    project_id: str

    def get(self, dataset_hash: str | None, task_type: TaskType = "classification") -> Manifest:
        """The manifest with that hash: of its images those with a class, or for detection with boxes.

        Raises:
            TrainingError: `no-dataset`, `missing-object`, `corrupt-manifest`.
        """
        if dataset_hash is None:
            raise TrainingError(
                "The session was started before sessions named a dataset version. Start again.",
                code="no-dataset",
            )
        content = self.objects.find(version_key(self.project_id, dataset_hash))
        if content is None:
            raise TrainingError(
                f"The manifest of the data set {dataset_hash} is not in the bucket any more. Start again "
                "with the present data.",
                code="missing-object",
            )
        return read_manifest(content, dataset_hash, task_type)


def read_manifest(content: bytes, dataset_hash: str, task_type: TaskType) -> Manifest:
    """A stored manifest; see `ManifestRepository.get`.

    Raises:
        TrainingError: `corrupt-manifest`.
    """
    kind = list if task_type == "detection" else str
    entries = tuple(each for each in _entries(content, dataset_hash) if isinstance(each.label, kind))
    return Manifest(entries, dataset_hash)


def _entries(content: bytes, dataset_hash: str) -> list[Entry]:
    try:
        return list(unpack(content, dataset_hash))
    except ValueError as error:
        raise TrainingError(
            f"The manifest can't be used: {error}. Start again with the present data.",
            code="corrupt-manifest",
        ) from error
