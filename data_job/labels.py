"""Labels and splits of an import, onto the images that they are of."""

from collections.abc import Iterator, Mapping, Sequence

from chalicelib.contract.errors import UnavailableError
from chalicelib.contract.records import Image, ImageStatus, Label, SplitName
from chalicelib.services.data_ports import Images, Labels
from chalicelib.services.directory import Directory, RefusedError
from chalicelib.services.ports import Clock
from chalicelib.services.times import rfc3339

from .index import Annotation, Index, Member
from .judge import stored_value
from .patience import patiently
from .report import Report

_TAKEN = (ImageStatus.ACCEPTED, ImageStatus.DUPLICATE)


class LabelWriter:
    """Of what is said of one image the first counts, and whatever disagrees is reported.

    Args:
        images: of the project.
        labels: of the project.
        clock: the time.
        upload: the ids of the project and of the import.
        index: what was labelled so far.
        report: where problems go.
    """

    def __init__(
        self,
        images: Images,
        labels: Labels,
        clock: Clock,
        upload: tuple[str, str],
        index: Index,
        report: Report,
    ) -> None:
        self._images = images
        self._labels = labels
        self._clock = clock
        self._project_id, self._upload_id = upload
        self._index = index
        self._report = report

    def label(self, members: Sequence[Member], outcomes: Sequence[Image]) -> None:
        """Labels what became of some files of the archive; of a duplicate, the image that it is one of."""
        said = [
            (member.annotation, image.duplicate_of or image.image_id)
            for member, image in zip(members, outcomes, strict=True)
            if member.annotation and image.status in _TAKEN
        ]
        accepted = {each.image_id: each for each in outcomes if each.status == ImageStatus.ACCEPTED}
        others = self._read([image_id for _, image_id in said if image_id not in accepted])
        rows = {**others, **accepted}
        self._store([(annotation, rows.get(image_id)) for annotation, image_id in said])

    def label_by_name(self, directory: Directory, named: Sequence[tuple[str, Annotation]]) -> None:
        """Labels images of the project that go by these names, or ids."""
        said = []
        for name, annotation in named:
            try:
                said.append((annotation, directory.find(name).image_id))
            except RefusedError as refused:
                code, advice = refused.code, ""
                if code == "unknown-image":
                    code, advice = "image-missing", ", nor has the archive: add it, or mend the name"
                self._report.add(annotation.where, code, f"{name[:200]!r}: {refused.message}{advice}")
        rows = self._read([image_id for _, image_id in said])
        self._store([(annotation, rows.get(image_id)) for annotation, image_id in said])

    def _read(self, image_ids: Sequence[str]) -> dict[str, Image]:
        if not image_ids:
            return {}
        return dict(self._images.get_many(self._project_id, list(dict.fromkeys(image_ids))))

    def _store(self, said: Sequence[tuple[Annotation, Image | None]]) -> None:
        there = list(self._present(said))
        self._labels.put([label for each in there for label in self._labelled(*each)])
        splits = {image_id: split for each in there for image_id, split in self._split(*each)}
        if splits:
            patiently(lambda: self._keep(splits))

    def _keep(self, splits: Mapping[str, SplitName]) -> None:
        held = self._images.set_splits(self._project_id, splits)
        missed = [each for each, holds in zip(splits, held, strict=True) if not holds]
        if any(each.status == ImageStatus.ACCEPTED for each in self._read(missed).values()):
            raise UnavailableError("the images' rows are busy")

    def _present(self, said: Sequence[tuple[Annotation, Image | None]]) -> Iterator[tuple[Annotation, Image]]:
        for annotation, image in said:
            if image and image.status == ImageStatus.ACCEPTED:
                yield annotation, image
            else:
                self._report.add(annotation.where, "image-missing", "the image was deleted from the project")

    def _labelled(self, annotation: Annotation, image: Image) -> Iterator[Label]:
        if annotation.value is None:
            return
        try:
            value = stored_value(annotation.value, image)
        except RefusedError as refused:
            self._report.add(annotation.where, refused.code, refused.message)
            return
        noted = self._index.label(image.image_id, value, annotation.where)
        if noted is not True:
            self._report.disagreement(annotation.where, noted)
            return
        yield Label(
            project_id=image.project_id,
            label_id=image.image_id,
            image_id=image.image_id,
            label=value,
            updated_at=rfc3339(self._clock.now()),
        )

    def _split(self, annotation: Annotation, image: Image) -> Iterator[tuple[str, SplitName]]:
        if annotation.split in (None, image.split):
            return
        if image.split and image.upload_id == self._upload_id:
            message = f"the same bytes are in {image.split} already, and stay there"
            self._report.add(annotation.where, "conflicting-split", message)
        elif annotation.split:
            yield image.image_id, annotation.split
