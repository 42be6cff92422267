"""Events of landed images, ten a batch: the handler as it is, beside the same with one thread."""

import json
import multiprocessing
import os
import time
from collections.abc import Sequence
from io import BytesIO

from PIL import Image

from chalicelib.contract.pictures import MAX_PIXELS
from chalicelib.contract.records import Project
from chalicelib.events.queues import Message, handle_each
from chalicelib.services.uploads import AnnouncedFile

from .aws import ENVIRONMENT
from .memory import peak_of_all
from .report import Check, Section
from .world import World

MESSAGES_A_BATCH = 10
_SIDE = 400
_LARGE_SIDE = 5000  # 25 megapixels: 100 MB decoded
_BYTES_A_PIXEL = 4
Objects = Sequence[tuple[str, int]]


def run(world: World, images: int, large_side: int = _LARGE_SIDE) -> Section:
    """Takes in `images` files with each handler, and ten large ones in processes of their own."""
    project = world.add_project()
    seconds = {}
    for workers in (MESSAGES_A_BATCH, 1):
        landed = land(world, project, images, _SIDE, first=images * workers)
        with world.simulated.counted() as calls:
            seconds[workers] = _handle(world, landed, workers)
    together, alone = (_peak_bytes(workers, large_side) for workers in (MESSAGES_A_BATCH, 1))
    largest = MAX_PIXELS * _BYTES_A_PIXEL
    return Section(
        "ingest",
        [
            Check(
                "images/s, times those of one message at a time",
                seconds[1] / seconds[MESSAGES_A_BATCH],
                4,
                at_least=True,
            ),
            Check("peak memory more than one at a time, in largest images", (together - alone) / largest, 1),
        ],
        {
            "images/s": round(images / seconds[MESSAGES_A_BATCH], 1),
            "images/s, one message at a time": round(images / seconds[1], 1),
            "calls of AWS an image": round(calls.total() / images, 2),
            f"peak memory, ten of {large_side}² pixels at once, MB": round(together / 1e6),
            "peak memory, one at a time, MB": round(alone / 1e6),
        },
    )


def land(world: World, project: Project, count: int, side: int, first: int = 0) -> Objects:
    """Announces files and puts them into the bucket, without latency; (key, bytes) of each."""
    files = [AnnouncedFile(f"{number}.jpg", 1, "image/jpeg") for number in range(count)]
    opened = world.services.posted_uploads.open(project.project_id, files)
    landed = []
    for number, (_, _, key) in enumerate(opened.images):
        stored = world.simulated.bucket.put(key, picture(first + number, side), "image/jpeg")
        landed.append((key, len(stored.content)))
    return landed


def picture(number: int, side: int) -> bytes:
    """A JPEG with as much in it as a photograph; each number is another."""
    target = BytesIO()
    noise = Image.effect_noise((max(side // 16, 1),) * 2, 40 + number % 50).resize((side, side))
    noise.putpixel((number % side, number // side), 255)
    Image.merge("RGB", (noise, noise.rotate(90), noise.rotate(180))).save(target, "JPEG", quality=90)
    return target.getvalue()


def _handle(world: World, landed: Objects, workers: int) -> float:
    """Seconds that the handler of the queue takes for all of them."""

    def take(message: Message) -> None:
        key, size = json.loads(message["body"])
        world.services.ingest.take(key, size)

    started = time.perf_counter()
    for start in range(0, len(landed), MESSAGES_A_BATCH):
        some = enumerate(landed[start : start + MESSAGES_A_BATCH])
        records = [{"messageId": str(number), "body": json.dumps(each)} for number, each in some]
        failed = handle_each({"Records": records}, take, workers=workers)
        if failed["batchItemFailures"]:
            raise RuntimeError(f"{len(failed['batchItemFailures'])} messages failed")
    return time.perf_counter() - started


def _peak_bytes(workers: int, side: int) -> int:
    """The peak memory of a process that takes in ten images of this size."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_take_large, (workers, side))


def _take_large(workers: int, side: int) -> int:
    os.environ.update(ENVIRONMENT)
    world = World.make(0)
    landed = land(world, world.add_project(), 1, side)
    [(key, size)] = landed
    content = world.simulated.bucket.objects[key].content
    more = land(world, world.add_project(), MESSAGES_A_BATCH, 8)
    for number, (each, _) in enumerate(more):
        # Bytes behind its end make a JPEG another file, and no other picture.
        world.simulated.bucket.put(each, content + bytes([number]), "image/jpeg")
    with peak_of_all() as peak:
        _handle(world, [(each, size + 1) for each, _ in more], workers)
    return peak.size_bytes
