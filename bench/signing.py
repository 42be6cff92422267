"""Announcing files and signing them: one policy a batch, beside a presigned URL for each file."""

import json
import math
import time
from collections.abc import Callable

from chalicelib.contract.objects import incoming_key
from chalicelib.routes.body import read_json
from chalicelib.schemas.uploads import UploadAnswer, UploadCreate
from chalicelib.services.uploads import NAMES_A_PART, AnnouncedFile

from .report import Check, Section
from .world import World, file_name

FILES_A_BATCH = 10_000
_PEERS = 1000  # presigned URLs each cost the same: a sample says it


def run(world: World, files: int, files_a_batch: int = FILES_A_BATCH) -> Section:
    """Announces `files` files in batches, and counts the CPU time; the simulation's is in it."""
    project_id = world.add_project().project_id
    batches = [range(start, start + files_a_batch) for start in range(0, files, files_a_batch)]
    announced = [[AnnouncedFile(file_name(n), 5_000_000, "image/jpeg") for n in each] for each in batches]
    world.services.posted_uploads.open(project_id, announced[0][:1])  # makes the clients
    with world.simulated.counted() as calls:
        world.services.posted_uploads.open(project_id, announced[0])
    services = _cpu(lambda: [world.services.posted_uploads.open(project_id, each) for each in announced])
    body = json.dumps({"files": [_json(number) for number in batches[0]]}).encode()
    request = _cpu(lambda: _request(world, project_id, body))
    peers = min(_PEERS, files)
    peer = _cpu(lambda: _presign(world, project_id, peers)) / peers
    own = services / (len(batches) * files_a_batch)
    return Section(
        "signing",
        [
            Check("CPU a file, µs", own * 1e6, 20),
            Check("calls of AWS a batch", calls.total(), 1 + math.ceil(files_a_batch / NAMES_A_PART)),
        ],
        {
            "CPU a presigned URL, µs": round(peer * 1e6),
            "times less than a presigned URL": round(peer / own),
            "CPU a file with the body read, checked and answered, µs": round(
                request / files_a_batch * 1e6, 1
            ),
        },
    )


def _request(world: World, project_id: str, body: bytes) -> str:
    """All that an HTTP request does, but for its admission."""
    asked = UploadCreate.model_validate(read_json(body))
    files = [AnnouncedFile(each.file_name, each.size_bytes, each.content_type) for each in asked.files]
    opened = world.services.posted_uploads.open(project_id, files)
    return UploadAnswer.of(opened).model_dump_json(by_alias=True)


def _json(number: int) -> dict[str, object]:
    return {"fileName": file_name(number), "sizeBytes": 5_000_000, "contentType": "image/jpeg"}


def _presign(world: World, project_id: str, count: int) -> None:
    for number in range(count):
        params = {"Bucket": "bench", "Key": incoming_key(project_id, "upload", file_name(number))}
        world.aws.s3.generate_presigned_url("put_object", Params=params, ExpiresIn=3600)


def _cpu(call: Callable[[], object]) -> float:
    """CPU seconds of all threads, the best of three: whatever else ran can only add."""
    return min(_timed(call) for _ in range(3))


def _timed(call: Callable[[], object]) -> float:
    started = time.process_time()
    call()
    return time.process_time() - started
