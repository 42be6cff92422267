"""A run: watching it, stopping it, and what comes of it."""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from . import endpoints
from .downloads import Download, fetch, refuse_to_overwrite
from .errors import NotFoundError, RunFailedError, ServerError, ServerUnreachableError, WaitTimeoutError
from .logs import PATIENCE, lines
from .models import Artifact, LogLine, LogPage, Reason, Results, RunInfo, RunStatus, decode
from .progress import OnProgress
from .transport import Transport

if TYPE_CHECKING:
    from .project import Project

#: Between two looks at a run, in seconds: the first, and the longest.
FIRST_LOOK, LONGEST_LOOK = 0.5, 5.0
#: Lines of a log that are asked for at a time.
_LOG_LINES = 1000
#: What an artifact is called on a disk.
_FILE_NAMES = {
    "safetensors": "model.safetensors",
    "onnx": "model.onnx",
    "config": "model.json",
    "labels": "labels.txt",
    "environment": "environment.json",
    "run": "run.json",
    "confusion-matrix": "confusion-matrix.png",
    "curves": "curves.png",
    "mistakes": "mistakes.png",
    "card": "README.md",
}


class Run:
    """A run of a project."""

    def __init__(self, project: "Project", session_id: str) -> None:
        self.project = project
        self.id = session_id

    def status(self, *, history: bool = False) -> RunStatus:
        """How it is doing; with `history` every epoch so far."""
        return self._transport.call(
            endpoints.STATUS, query={"history": history or None}, project=self.project.id, run=self.id
        )

    def wait(
        self,
        *,
        on_update: Callable[[RunStatus], None] | None = None,
        timeout_seconds: float | None = None,
    ) -> Self:
        """Waits until the run is over.

        Args:
            on_update: told of each change.
            timeout_seconds: how long to wait.

        Raises:
            RunFailedError: it failed; the reason is its sentence.
            WaitTimeoutError: it isn't over yet.
            ServerUnreachableError: the server didn't answer for a quarter of an hour.
        """
        last = self._watched(on_update or (lambda _: None), timeout_seconds)
        if last.status == "failed":
            code, sentence = ("run-failed", "the run failed")
            if last.failure:
                code, sentence = last.failure.code, f"the run failed: {last.failure.message}"
            raise RunFailedError(sentence, code=code)
        return self

    def _watched(self, on_update: Callable[[RunStatus], None], timeout_seconds: float | None) -> RunStatus:
        began = answered = time.monotonic()
        etag, pause = "", FIRST_LOOK
        while True:
            try:
                status, etag = self._look(etag)
                answered = time.monotonic()
            except (ServerUnreachableError, ServerError):
                if time.monotonic() - answered > PATIENCE:
                    raise
                status = None
            if status is not None:
                on_update(status)
                if status.is_over:
                    return status
            if timeout_seconds is not None and time.monotonic() - began > timeout_seconds:
                raise WaitTimeoutError(
                    f"the run was not over after {timeout_seconds:.0f} s", hint="It goes on."
                )
            time.sleep(pause)
            pause = FIRST_LOOK if status else min(pause * 1.5, LONGEST_LOOK)

    def _look(self, etag: str) -> tuple[RunStatus | None, str]:
        """What has changed since an answer, and the new answer's ETag; None where nothing has."""
        response = self._transport.send(
            endpoints.STATUS,
            headers={"If-None-Match": etag} if etag else {},
            project=self.project.id,
            run=self.id,
        )
        if response.status_code == 304:
            return None, etag
        return decode(RunStatus, response.json()), response.headers.get("etag", "")

    def logs(
        self, *, follow: bool = False, on_missing: Callable[[Reason], None] = lambda _: None
    ) -> Iterator[LogLine]:
        """What its containers wrote, oldest first, attempt after attempt.

        Args:
            follow: until the run is over and nothing will come any more; otherwise what there is.
            on_missing: told why there are no lines, or not all, such as that they aren't kept any longer.

        Raises:
            ServerUnreachableError: the server didn't answer; when following, for a quarter of an hour.
        """

        def read(cursor: str | None) -> LogPage:
            query = {"limit": _LOG_LINES, "cursor": cursor}
            return self._transport.call(endpoints.LOGS, query=query, project=self.project.id, run=self.id)

        return lines(read, follow=follow, on_missing=on_missing)

    def stop(self) -> RunInfo:
        """Asks it to stop; one that is training keeps its best weights so far."""
        return self._transport.call(endpoints.STOP, project=self.project.id, run=self.id)

    def results(self) -> Results:
        """Accuracy, loss, confusion matrix, model and files.

        Raises:
            ConflictError: it isn't completed, or failed.
        """
        return self._transport.call(endpoints.RESULTS, project=self.project.id, run=self.id)

    def download(
        self,
        format: str = "onnx",
        target: str | Path | None = None,
        *,
        force: bool = False,
        on_progress: OnProgress = None,
    ) -> Path:
        """Downloads a file of the run, checked by its SHA-256; one that is there already is left as it is.

        Args:
            format: an artifact's, such as onnx, safetensors or card.
            target: a file, or a folder; by default the present folder.
            force: overwrite a file of another content.
            on_progress: told how far it is.

        Raises:
            NotFoundError: the run has no such file.
            DownloadError: it doesn't arrive, isn't what was promised, or would overwrite another file.
        """
        return self.download_all([format], target, force=force, on_progress=on_progress)[format]

    def download_all(
        self,
        formats: Sequence[str],
        target: str | Path | None = None,
        *,
        force: bool = False,
        on_progress: OnProgress = None,
    ) -> dict[str, Path]:
        """Downloads files of the run; none where one would overwrite another. See `download`."""
        downloads = {each: self._download_of(each, target) for each in formats}
        if not force:
            refuse_to_overwrite(downloads.values())
        storage, retries = self.project.client.storage, self._transport.retries
        return {name: fetch(storage, each, retries, on_progress) for name, each in downloads.items()}

    def _download_of(self, format: str, target: str | Path | None) -> Download:
        found = self._artifact(format)
        path = Path(target or ".")
        if target is None or path.is_dir():
            path = path / file_name(format)
        return Download(
            identity=found.sha256,
            url=_first(found.url, lambda: self._artifact(format).url),
            target=path,
            size_bytes=found.size_bytes,
            sha256=found.sha256,
        )

    def _artifact(self, format_name: str) -> Artifact:
        artifacts = self.results().artifacts
        found = next((each for each in artifacts if each.format == format_name), None)
        if found is None:
            known = ", ".join(each.format for each in artifacts)
            raise NotFoundError(
                f"the run has no {format_name!r}", code="no-such-artifact", hint=f"It has {known}."
            )
        return found

    @property
    def _transport(self) -> Transport:
        return self.project.client.transport


def _first(value: str, then: Callable[[], str]) -> Callable[[], str]:
    """Gives a value once, and afterwards what `then` gives."""
    values = [value]
    return lambda: values.pop() if values else then()


def file_name(format_name: str) -> str:
    """What an artifact is called on a disk; a name that a server made up stays in its folder."""
    return _FILE_NAMES.get(format_name) or re.sub("[^A-Za-z0-9-]", "_", format_name)
