"""A project: its data, its configuration, its runs."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from . import endpoints, transfers
from .batches import batches, joined
from .endpoints import Endpoint
from .errors import InvalidRequestError
from .models import (
    Configuration,
    FormatName,
    Image,
    Import,
    Label,
    LabelledImage,
    LabelProblem,
    LabelsReport,
    ProjectInfo,
    RunInfo,
    SplitName,
    Summary,
    decode,
)
from .progress import OnProgress
from .run import Run
from .upload.report import UploadReport
from .upload.uploader import Uploader

if TYPE_CHECKING:
    from .client import Client

T = TypeVar("T")
Labels = Literal["folders"] | str | Path | Mapping[str, Label] | None


class Project:
    """A project; `info` is what was known of it when it was fetched."""

    def __init__(self, client: "Client", info: ProjectInfo) -> None:
        self.client = client
        self.info = info

    @property
    def id(self) -> str:
        return self.info.project_id

    def delete(self) -> None:
        """Deletes the project and all that is in it."""
        self.client.transport.call(endpoints.DELETE_PROJECT, project=self.id)

    def upload(
        self,
        folder: str | Path,
        *,
        labels: Labels = None,
        on_progress: OnProgress = None,
        workers: int = 8,
    ) -> UploadReport:
        """Uploads the images of a folder that the project hasn't got yet, and labels all of them.

        An upload that was interrupted goes on where it was when the same folder is uploaded again.

        Args:
            folder: searched with its subfolders; or one image.
            labels: "folders": the subfolder is the class (and train, val or test above it the
                split); a CSV or JSON file; a mapping of file names to labels; None: none.
            on_progress: told how far it is.
            workers: files that are sent at a time.

        Raises:
            UploadError: there is no image, or another process uploads the same folder.
            ConfigurationError: the labels can't be read.
        """
        return Uploader(self, Path(folder), labels, on_progress, workers).run()

    def label(self, labels: Mapping[str, Label]) -> LabelsReport:
        """Labels images, by image id or file name; what can't be stored is among the report's items."""
        return joined(self._stored(endpoints.STORE_LABELS, {"labels": each}) for each in batches(labels))

    def split(self, splits: Mapping[str, SplitName | None]) -> list[LabelProblem]:
        """Keeps images for a split, by image id or file name; returns what couldn't be stored."""
        reports = [self._stored(endpoints.STORE_SPLITS, {"splits": each}) for each in batches(splits)]
        return [problem for each in reports for problem in each.items]

    def _stored(self, endpoint: Endpoint[T], body: Any) -> T:
        """The report; where nothing at all could be stored, the problem is the report."""
        try:
            return self.client.transport.call(endpoint, body=body, project=self.id)
        except InvalidRequestError as error:
            if "summary" not in error.document:
                raise
            return decode(endpoint.answer, error.document)

    def images(self, **filters: str | bool) -> Iterator[Image]:
        """The images, oldest first; filters are the API's: status, label, labelled, split, uploadId."""
        return self.client.transport.pages(endpoints.IMAGES, query=filters, project=self.id)

    def labels(self) -> Iterator[LabelledImage]:
        return self.client.transport.pages(endpoints.LABELS, project=self.id)

    def summary(self) -> Summary:
        """Counts, and whether the data can be trained on."""
        return self.client.transport.call(endpoints.SUMMARY, project=self.id)

    def import_archive(
        self,
        archive: str | Path,
        *,
        format: FormatName | None = None,
        on_progress: OnProgress = None,
        timeout_seconds: float | None = None,
    ) -> Import:
        """Imports a data set; one whose sending was interrupted goes on.

        Args:
            archive: a zip, or an annotation file.
            format: of the annotations; by default seen from the content.
            on_progress: told how far it is.
            timeout_seconds: how long to wait for the import when all is sent.

        Raises:
            TransferError: the import failed.
            WaitTimeoutError: it isn't over yet.
        """
        return transfers.Importer(self, Path(archive), format, on_progress).run(timeout_seconds)

    def export(
        self,
        target: str | Path,
        *,
        format: FormatName = "darkroom",
        with_images: bool = True,
        version_id: str | None = None,
        force: bool = False,
        on_progress: OnProgress = None,
        timeout_seconds: float | None = None,
    ) -> Path:
        """Exports the labelled images, or a dataset version, into a zip; returns its path.

        Args:
            target: a file, or a folder, which gets an `export.zip`.
            format: of the annotations.
            with_images: or the annotations alone.
            version_id: a dataset version; by default the data as it is now.
            force: overwrite a file that is there.
            on_progress: told how far it is.
            timeout_seconds: how long it is waited for; by default until it is over.

        Raises:
            DownloadError: there is such a file, or it doesn't arrive.
            TransferError: the export failed.
            WaitTimeoutError: it isn't over yet.
        """
        asked = {"format": format, "withImages": with_images, "versionId": version_id}
        return transfers.export(self, Path(target), asked, on_progress, timeout_seconds, force)

    def configure(self, **parameters: Any) -> Configuration:
        """Sets the training parameters; what is left out gets a default that trains well.

        Args:
            parameters: as the API has them, in snake_case or camelCase.
        """
        body = {_camel(name): value for name, value in parameters.items()}
        return self.client.transport.call(endpoints.CONFIGURE, body=body, project=self.id)

    def configuration(self) -> Configuration:
        return self.client.transport.call(endpoints.CONFIGURATION, project=self.id)

    def train(self, *, version_id: str | None = None, **parameters: Any) -> Run:
        """Starts a run; with parameters, configures first.

        Args:
            version_id: a dataset version; by default the data as it is now.
            parameters: as for `configure`.
        """
        if parameters:
            self.configure(**parameters)
        body = {"versionId": version_id} if version_id else {}
        started = self.client.transport.call(endpoints.START, body=body, once=True, project=self.id)
        return Run(self, started.session_id)

    def runs(self) -> Iterator[RunInfo]:
        """The runs, newest first."""
        return self.client.transport.pages(endpoints.RUNS, project=self.id)

    def run(self, session_id: str) -> Run:
        return Run(self, session_id)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
