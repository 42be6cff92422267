"""Imports and exports of whole data sets."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from . import endpoints
from .downloads import Download, fetch, refuse
from .endpoints import Endpoint
from .errors import NotFoundError, TransferError, UploadError, WaitTimeoutError
from .files import locked, write_private
from .models import Export, Import
from .models.transfers import Part
from .progress import OnProgress, tell
from .storage import ExpiredError

if TYPE_CHECKING:
    from .project import Project

T = TypeVar("T", Import, Export)
_PARTS_AT_A_TIME = 4
_FIRST_LOOK, _LONGEST_LOOK = 0.3, 5.0


class Importer:
    """Sends an archive in parts and waits for its import.

    Args:
        project: to which.
        archive: a zip, or an annotation file.
        format_name: of the annotations; None: seen from the content.
        on_progress: told how far it is.
    """

    def __init__(
        self, project: "Project", archive: Path, format_name: str | None, on_progress: OnProgress
    ) -> None:
        self._project = project
        self._transport = project.client.transport
        self._archive = archive
        self._format = format_name
        self._on_progress = on_progress

    def run(self, timeout_seconds: float | None) -> Import:
        """Sends what is missing, and waits; see `Project.import_archive`."""
        try:
            stat = self._archive.stat()
        except OSError as error:
            raise UploadError(f"cannot read {self._archive}: {error.strerror}") from error
        identity = [
            self._project.client.url, self._project.id, str(self._archive.resolve()),
            stat.st_size, stat.st_mtime_ns, self._format,
        ]  # fmt: skip
        name = sha256(json.dumps(identity).encode()).hexdigest()[:32]
        kept = self._project.client.state / "imports" / f"{name}.json"
        with locked(kept.with_suffix(".lock"), wait=False) as is_held:
            if not is_held:
                raise UploadError(f"another process is importing {self._archive}", code="already-uploading")
            begun = self._send(self._begin(kept, stat.st_size))
            completed = self._call(endpoints.COMPLETE_IMPORT, begun)
            kept.unlink(missing_ok=True)
        return _over(
            lambda: self._call(endpoints.IMPORT, completed),
            "reading",
            self._on_progress,
            timeout_seconds,
        )

    def _call(self, endpoint: Endpoint[Import], begun: Import) -> Import:
        return self._transport.call(endpoint, project=self._project.id, transfer=begun.import_id)

    def _begin(self, kept: Path, size: int) -> Import:
        """The import that an earlier, interrupted call began, or a new one."""
        if kept.exists():
            key, import_id = json.loads(kept.read_text())
            try:
                if import_id:
                    earlier = self._transport.call(
                        endpoints.IMPORT, project=self._project.id, transfer=import_id
                    )
                    if earlier.status != "failed":
                        return earlier
                    key = str(uuid4())
            except NotFoundError:
                key = str(uuid4())
        else:
            key = str(uuid4())
        write_private(kept, json.dumps([key, None]))
        body = {"fileName": self._archive.name, "sizeBytes": size, "format": self._format}
        begun = self._transport.call(endpoints.OPEN_IMPORT, body=body, once=key, project=self._project.id)
        write_private(kept, json.dumps([key, begun.import_id]))
        return begun

    def _send(self, begun: Import) -> Import:
        while begun.parts:
            self._send_parts(begun)
            begun = self._call(endpoints.IMPORT, begun)
        return begun

    def _send_parts(self, begun: Import) -> None:
        """Sends the missing parts; where a URL has run out, the rest waits for fresh ones."""
        size = begun.part_size_bytes or 0
        parts = begun.parts or []
        done = begun.size_bytes - min(begun.size_bytes, len(parts) * size)

        def send(part: Part) -> int:
            with self._archive.open("rb") as file:
                file.seek((part.part_number - 1) * size)
                content = file.read(min(size, begun.size_bytes - file.tell()))
            self._project.client.storage.put(part.url, content)
            return len(content)

        with ThreadPoolExecutor(_PARTS_AT_A_TIME) as pool:
            tasks = [pool.submit(send, each) for each in parts]
            sent = 0
            try:
                for task in tasks:
                    done += task.result()
                    sent += 1
                    tell(self._on_progress, "sending", done, begun.size_bytes, "bytes")
            except ExpiredError:
                if not sent:
                    raise
            finally:
                pool.shutdown(cancel_futures=True)


def export(
    project: "Project",
    target: Path,
    asked: dict[str, Any],
    on_progress: OnProgress,
    timeout_seconds: float | None,
    force: bool,
) -> Path:
    """Starts an export, waits for it, and downloads it; see `Project.export`."""
    transport = project.client.transport
    path = target / "export.zip" if target.is_dir() else target
    if path.exists() and not force:
        refuse([path], "file")
    started = transport.call(endpoints.START_EXPORT, body=asked, once=True, project=project.id)

    def look() -> Export:
        return transport.call(endpoints.EXPORT, project=project.id, transfer=started.export_id)

    done = _over(look, "writing", on_progress, timeout_seconds)
    download = Download(
        identity=done.export_id, url=lambda: look().url or "", target=path, size_bytes=done.size_bytes
    )
    return fetch(project.client.storage, download, transport.retries, on_progress)


def _over(look: Callable[[], T], phase: str, on_progress: OnProgress, timeout_seconds: float | None) -> T:
    """Waits until a transfer is over."""
    began, pause = time.monotonic(), _FIRST_LOOK
    while (found := look()).status not in ("completed", "failed"):
        tell(on_progress, phase, found.progress, 100, "%")
        if timeout_seconds is not None and time.monotonic() - began > timeout_seconds:
            raise WaitTimeoutError(f"it was not over after {timeout_seconds:.0f} s", hint="It goes on.")
        time.sleep(pause)
        pause = min(1.3 * pause, _LONGEST_LOOK)
    if found.status == "failed":
        code, sentence = (found.failure.code, found.failure.message) if found.failure else (None, "it failed")
        raise TransferError(sentence, code=code)
    return found
