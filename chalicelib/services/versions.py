"""Dataset versions: immutable, hashed states of a project's labelled images."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from ..contract.datasets import DatasetVersion
from ..contract.errors import ConflictError, NotFoundError, UnprocessableError
from ..contract.ids import is_ulid
from ..contract.manifest import Entry, pack, unpack
from ..contract.objects import version_key
from ..contract.records import Image, ImageStatus, Label
from ..contract.tables import VERSION_MARKER
from . import data_ports
from .comparison import Comparison, compare
from .data_ports import Images, Labels
from .joined import rows
from .ports import Clock, Ids, ObjectStore
from .times import rfc3339

URL_SECONDS = 3600
MAX_MANIFEST_BYTES = 200_000_000
#: A row has up to 400 KB, most of which are its classes: for each the name, and its count in up to 6.
MAX_CLASSES_BYTES, _COUNT_BYTES = 300_000, 6
#: In place of a version's id: the data as it is now.
CURRENT = "current"


@dataclass(frozen=True, slots=True)
class Draft:
    """A version that nobody has seen yet, and its manifest."""

    version: DatasetVersion
    content: bytes  # gzip


class Versions:
    def __init__(
        self,
        images: Images,
        labels: Labels,
        versions: data_ports.Versions,
        store: ObjectStore,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._images = images
        self._labels = labels
        self._versions = versions
        self._store = store
        self._clock = clock
        self._ids = ids

    def create(self, project_id: str, name: str, description: str | None) -> DatasetVersion:
        """Makes a version of the present data under a name of its own in the project.

        Raises:
            UnprocessableError: no image is labelled, or there are too many classes.
            ConflictError: another version has this name.
        """
        draft = self.draft(project_id)
        if not draft.version.images:
            raise UnprocessableError("no image has a label", code="nothing-labelled")
        named = replace(draft.version, name=name, description=description)
        self._put(draft)
        if not self._versions.add(named):
            raise ConflictError(
                f"the project has a version {name!r} already",
                code="version-name-taken",
                hint="Choose another name: a version never changes.",
            )
        return named

    def draft(self, project_id: str) -> Draft:
        """The present data as a version without a name; nothing is stored.

        Raises:
            UnprocessableError: it has too many classes.
        """
        tally = _Tally()
        with rows(self._images, self._labels, project_id) as found:
            packed = pack(tally.over(_entries(found)))
        if sum(len(each.encode()) + _COUNT_BYTES for each in tally.classes) > MAX_CLASSES_BYTES:
            raise UnprocessableError(
                f"the labels name {len(tally.classes)} classes, more than a version can hold",
                code="too-many-classes",
                hint="Check that the labels are classes, not names of single images.",
            )
        version_id = self._ids.new()
        version = DatasetVersion(
            project_id=project_id,
            image_id=VERSION_MARKER + version_id,
            version_id=version_id,
            dataset_hash=packed.dataset_hash,
            created_at=rfc3339(self._clock.now()),
            images=packed.images,
            classes=dict(sorted(tally.classes.items())),
            splits=dict(sorted(tally.splits.items())),
            learnable_classes=len(tally.learnable),
            size_bytes=tally.size_bytes,
        )
        return Draft(version, packed.content)

    def keep(self, draft: Draft) -> DatasetVersion:
        """Stores a draft, unless the newest version is of the same data: then that is the one."""
        for newest in self._versions.list(draft.version.project_id, 1, None):
            if newest.dataset_hash == draft.version.dataset_hash:
                return newest
        self._put(draft)
        self._versions.add(draft.version)
        return draft.version

    def list(self, project_id: str, limit: int, before: str | None, named: bool) -> Sequence[DatasetVersion]:
        """Newest first; with `named` those alone that were given a name."""
        return self._versions.list(project_id, limit, before, named)

    def get(self, project_id: str, version_id: str) -> DatasetVersion:
        version = self._versions.get(project_id, version_id) if is_ulid(version_id) else None
        if version is None:
            raise NotFoundError("no such dataset version", code="version-not-found")
        return version

    def manifest_url(self, version: DatasetVersion) -> str:
        """Where the manifest can be fetched, for an hour."""
        key = version_key(version.project_id, version.dataset_hash)
        return self._store.sign_get(key, URL_SECONDS, f"{version.version_id}.jsonl.gz")

    def compare(self, project_id: str, version_id: str, other_id: str) -> Comparison:
        """What changed from one version to another, or to `CURRENT`.

        Raises:
            ConflictError: the manifest of one of them was deleted.
        """
        version = self.get(project_id, version_id)
        if other_id != CURRENT:
            return compare(self._read(version), self._read(self.get(project_id, other_id)))
        with rows(self._images, self._labels, project_id) as found:
            return compare(self._read(version), _entries(found))

    def _read(self, version: DatasetVersion) -> Iterator[Entry]:
        content = self._store.get(version_key(version.project_id, version.dataset_hash), MAX_MANIFEST_BYTES)
        if content is None:
            raise ConflictError("the version's manifest was deleted", code="manifest-gone")
        return unpack(content, version.dataset_hash)

    def _put(self, draft: Draft) -> None:
        """Before the row: a version that can be read has its manifest."""
        key = version_key(draft.version.project_id, draft.version.dataset_hash)
        self._store.put(key, draft.content, "application/gzip")


@dataclass(slots=True)
class _Tally:
    """Counts entries on their way into a manifest: they pass by once."""

    classes: Counter[str] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)
    learnable: set[str] = field(default_factory=set)
    size_bytes: int = 0

    def over(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        for each in entries:
            self.classes.update(each.classes)
            self.size_bytes += each.size_bytes
            if each.split:
                self.splits[each.split] += 1
            if each.split in (None, "train"):
                self.learnable |= each.classes
            yield each


def _entries(found: Iterable[tuple[Image, Label | None]]) -> Iterator[Entry]:
    """The images that are accepted and labelled; every accepted image has been measured and hashed."""
    for image, label in found:
        if image.status == ImageStatus.ACCEPTED and label is not None:
            yield Entry(
                image_id=image.image_id,
                file_name=image.file_name or image.image_id,
                label=label.label,
                sha256=image.sha256 or "",
                size_bytes=image.size_bytes or 0,
                width=image.width or 0,
                height=image.height or 0,
                split=image.split,
                perceptual_hash=image.perceptual_hash,
            )
