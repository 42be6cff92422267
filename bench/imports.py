"""An import of a zip of many files, in a process of its own, whose memory at its peak counts."""

import multiprocessing
import os
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import md5
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO
from zipfile import ZipFile

from chalicelib.contract.attributes import to_item
from chalicelib.contract.datasets import Transfer, TransferStatus, transfer_row
from chalicelib.contract.objects import transfer_key
from chalicelib.contract.records import Project
from chalicelib.contract.tables import IMAGES, LABELS
from chalicelib.services.transfer_book import ARCHIVE
from data_job.job import JobEnvironment, aws_ports, carry_out

from .aws import ENVIRONMENT
from .bucket import Stored
from .ingest import picture
from .memory import peak_bytes
from .report import Check, Section
from .world import NOW, PREFIX, World

FILES = 50_000
_SIDE = 16
_CLASSES = 20


def run(_: World, files: int) -> Section:
    """Imports a zip of `files` images, a folder a class; what AWS keeps of it is in the figure."""
    with TemporaryDirectory() as folder, multiprocessing.get_context("spawn").Pool(1) as pool:
        _write(Path(folder) / "data.zip", files)
        peak, before, seconds = pool.apply(_import, (folder, files))
    return Section(
        "import",
        [Check(f"peak memory of a zip of {files} files, MB", peak / 1e6, 300)],
        {"of it before the import began, MB": round(before / 1e6), "files/s": round(files / seconds)},
    )


def _import(folder: str, files: int) -> tuple[int, int, float]:
    """Peak bytes, those before the import began, and its seconds."""
    os.environ.update(ENVIRONMENT)
    world = World.make(0)
    project = world.add_project()
    with (Path(folder) / "data.zip").open("rb") as file:
        transfer = _announce(world, project, _OnDisk(file))
        before, started = peak_bytes(), time.perf_counter()
        _carry_out(world, transfer, Path(folder))
        seconds = time.perf_counter() - started
    tables = world.simulated.tables
    if tables.count(PREFIX + LABELS, project.project_id) != files:
        raise RuntimeError("not every file became a labelled image")
    return peak_bytes(), before, seconds


def _write(path: Path, files: int) -> None:
    content = picture(0, _SIDE)
    with ZipFile(path, "w") as archive:
        for number in range(files):
            # Bytes behind its end make a JPEG another file, and no other picture.
            archive.writestr(f"class {number % _CLASSES:02}/{number:06}.jpg", content + number.to_bytes(4))


def _announce(world: World, project: Project, content: "_OnDisk") -> Transfer:
    transfer_id = world.ports.ids.new()
    transfer = Transfer(
        project_id=project.project_id,
        image_id=transfer_row("import", transfer_id),
        transfer_id=transfer_id,
        kind="import",
        format=None,
        status=TransferStatus.QUEUED,
        created_at=NOW,
        expires_at=2_000_000_000,
        file_name="data.zip",
        size_bytes=len(content),
    )
    world.simulated.tables.put(PREFIX + IMAGES, [to_item(transfer)])
    key = transfer_key(project.project_id, transfer_id, ARCHIVE)
    stored = Stored(content, "application/zip", '"archive"', datetime.now(UTC))  # type: ignore[arg-type]
    world.simulated.bucket.objects[key] = stored
    return transfer


def _carry_out(world: World, transfer: Transfer, folder: Path) -> None:
    environment = JobEnvironment(
        table_prefix=PREFIX,
        bucket="bench",
        project_id=transfer.project_id,
        transfer_id=transfer.transfer_id,
        kind="import",
        attempt=1,
    )
    ports = aws_ports(environment, world.aws)
    ports = replace(ports, store=_Nowhere())  # type: ignore[arg-type]
    failure = carry_out(ports, transfer.project_id, "import", transfer.transfer_id, 1, folder)
    if failure:
        raise RuntimeError(failure.message)


class _OnDisk:
    """A large object's content, which the simulation reads as it would bytes: by slices."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file.fileno()

    def __len__(self) -> int:
        return os.fstat(self._file).st_size

    def __getitem__(self, part: slice) -> bytes:
        return os.pread(self._file, part.stop - part.start, part.start)


class _Nowhere:
    """A store of what nobody reads again: the images would fill the memory that is measured."""

    def put(self, key: str, content: bytes, content_type: str) -> str:
        del key, content_type
        return md5(content, usedforsecurity=False).hexdigest()

    def delete(self, keys: Iterable[str]) -> None:
        del keys
