"""Which images a run trains on: a manifest that was written before its session."""

from dataclasses import dataclass

from chalicelib.contract.errors import TrainingError
from chalicelib.contract.manifest import Entry, unpack
from chalicelib.contract.objects import version_key

from .objects import ObjectStore


@dataclass(frozen=True, slots=True)
class Manifest:
    """The images with a class, sorted by id; `dataset_hash` is the SHA-256 of the stored lines."""

    entries: tuple[Entry, ...]
    dataset_hash: str

    @property
    def class_names(self) -> list[str]:
        return sorted({class_of(entry) for entry in self.entries})


def class_of(entry: Entry) -> str:
    """The class of an image.

    Raises:
        TypeError: its label is a list of boxes, which no entry of a `Manifest` has.
    """
    if not isinstance(entry.label, str):
        raise TypeError(f"the label of {entry.image_id} is no class")
    return entry.label


@dataclass(frozen=True, slots=True)
class ManifestRepository:
    """The manifests of a project's dataset versions."""

    objects: ObjectStore
    project_id: str

    def get(self, dataset_hash: str | None) -> Manifest:
        """The manifest with that hash.

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
        return Manifest(_entries(content, dataset_hash), dataset_hash)


def _entries(content: bytes, dataset_hash: str) -> tuple[Entry, ...]:
    try:
        # A list of boxes is for detection; such an image has no class of its own.
        return tuple(each for each in unpack(content, dataset_hash) if isinstance(each.label, str))
    except ValueError as error:
        raise TrainingError(
            f"The manifest can't be used: {error}. Start again with the present data.",
            code="corrupt-manifest",
        ) from error
