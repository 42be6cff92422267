"""A thousand files whose events are dropped, repeated and reordered still add up, at every moment."""

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random

import pytest

from chalicelib.bootstrap import Ports, assemble
from chalicelib.contract.errors import NotFoundError
from chalicelib.contract.objects import image_key, thumbnail_key
from chalicelib.contract.records import ImageStatus
from chalicelib.services.posted_uploads import Reconciliation
from chalicelib.services.uploads import AnnouncedFile
from tests.fakes import fake_ports
from tests.support import Crash, Crashes, make_project

FAULTS = 0.3
UPLOADS, FILES = 10, 100
MAX_RECEIVES = 5
#: The ports that an ingest uses: it may die at any call of them.
PORTS = ("arrivals", "images", "uploads", "store", "inspector")


@dataclass
class Event:
    key: str
    receives: int = 0
    is_poison: bool = False  # its handler dies each time


class Client:
    """Uploads files over a world where everything goes wrong that can; the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.ports: Ports = fake_ports()
        self.ports.projects.add(make_project(project_id="P"))
        self.services = assemble(self.ports)
        self.queue: list[Event] = []
        self.deleted: set[bytes] = set()
        names = [[f"{u}-{n}.png" for n in range(FILES)] for u in range(UPLOADS)]
        opened = [self._open(each) for each in names]
        self.uploads = [each.upload.upload_id for each in opened]
        keys = [key for each in opened for _, _, key in each.images]
        self.contents = {key: self._content(number) for number, key in enumerate(keys)}
        self.sent = {key for key in keys if self.random.random() < 0.9}

    def _open(self, names: list[str]):
        return self.services.posted_uploads.open("P", [AnnouncedFile(each, 5, "image/png") for each in names])

    def _content(self, number: int) -> bytes:
        """Of ten files one is text, and two are copies of others."""
        if number % 10 == 0:
            return b"text %d" % number
        return b"image %d" % (self.random.randrange(number + 1) if number % 10 < 3 else number)

    def post(self, key: str) -> None:
        """S3 tells of each object once; three in ten events are lost, and three in ten come twice."""
        self.ports.store.put(key, self.contents[key], "image/png")
        draw = self.random.random()
        is_poison = self.random.random() < 0.02
        self.queue += [Event(key, is_poison=is_poison)] * (
            0 if draw < FAULTS else 2 if draw < 2 * FAULTS else 1
        )

    def receive(self) -> str | None:
        """One message, three times in ten not the oldest; it comes again when its handler dies."""
        if not self.queue:
            return None
        place = self.random.randrange(len(self.queue)) if self.random.random() < FAULTS else 0
        event = self.queue.pop(place)
        event = replace(event, receives=event.receives + 1)
        try:
            self._handle(event)
        except Crash:
            if event.receives < MAX_RECEIVES:
                self.queue.append(event)
            else:
                self.services.ingest.give_up(event.key)
        return event.key

    def _handle(self, event: Event) -> None:
        if not event.is_poison and self.random.random() > FAULTS:
            self.services.ingest.take(event.key)
            return
        at = 1 if event.is_poison else self.random.randint(1, 12)
        crashes = Crashes(at, after=self.random.random() < 0.5)
        ports = replace(self.ports, **{name: crashes.wrap(getattr(self.ports, name)) for name in PORTS})
        assemble(ports).ingest.take(event.key)

    def delete(self, key: str) -> None:
        """The owner deletes what became of a file, if anything did."""
        image_id = key.rsplit("/", 1)[1]
        row = self.ports.images.get("P", image_id)
        with suppress(NotFoundError):
            self.services.deletion.one("P", image_id)
            if row and (row.status == ImageStatus.ACCEPTED or row.may_be_retried):
                self.deleted.add(self.contents[key])

    def found(self, upload_id: str) -> Reconciliation:
        """The reconciliation of an upload, which adds up."""
        found = self.services.posted_uploads.reconcile("P", upload_id)
        assert found.upload.expected == FILES == sum(found.counts.values())
        assert found.counts["pending"] == len(found.pending) >= found.expired
        return found

    def failed(self) -> set[str]:
        """The keys of the files that failed through no fault of theirs."""
        rows = {each.image_id: each for each in self.ports.images.between("P", "", "~")}
        ids = {each: rows.get(each.rsplit("/", 1)[1]) for each in self.contents}
        return {key for key, row in ids.items() if row and row.may_be_retried}

    def incoming(self) -> set[str]:
        return {each for each in self.ports.store.objects if each.startswith("incoming/")}

    def upload_all(self) -> None:
        """Posts what is sent, in any order, while events come and images go; it adds up all the while."""
        waiting = self.random.sample(sorted(self.sent), len(self.sent))
        while waiting or self.queue:
            draw = self.random.random()
            if waiting and draw < 0.4:
                key = waiting.pop()
                self.post(key)
            elif draw < 0.42 and len(waiting) < len(self.sent):
                key = self.random.choice(sorted(self.sent - set(waiting)))
                self.post(key) if draw < 0.41 else self.delete(key)
            else:
                key = self.receive()
            if key:
                self.found(key.split("/")[2])

    def sweep(self) -> None:
        self.ports.clock.advance(minutes=16)
        self.services.ingest.sweep(self.ports.clock.now() + timedelta(minutes=1))


def _assert_no_image_is_lost_or_twice(client: Client) -> None:
    """Of all equal bytes exactly one is an image, with its two objects."""
    rows = [each for each in client.ports.images.rows.values() if each.status == ImageStatus.ACCEPTED]
    keys = {each.image_id: key for key in client.contents for each in rows if key.endswith(each.image_id)}
    count = Counter(client.contents[keys[each.image_id]] for each in rows)
    arrived = {client.contents[key] for key in client.sent - client.failed()}
    images = {each for each in arrived if each.startswith(b"image")}
    assert set(count.values()) == {1}
    assert images - client.deleted <= count.keys() <= images
    wanted = {make("P", each.image_id) for each in rows for make in (image_key, thumbnail_key)}
    stored = {each for each in client.ports.store.objects if each.startswith("projects/")}
    failed = {
        make("P", each.rsplit("/", 1)[1]) for each in client.failed() for make in (image_key, thumbnail_key)
    }
    assert wanted <= stored <= wanted | failed


@pytest.mark.parametrize("seed", range(2))
def test_a_thousand_files_add_up_through_every_fault(seed):
    """Events lost, repeated and out of order, handlers that die, posts and deletions in between.

    After the sweep for lost events what was never sent is pending, and nothing else; a renewal then
    brings the rest.
    """
    client = Client(seed)
    client.upload_all()
    lost = sum(client.found(each).counts["pending"] for each in client.uploads)
    assert lost > len(client.contents) - len(client.sent) + 100  # or the faults were none
    client.sweep()
    unsent = client.contents.keys() - client.sent
    founds = [client.found(each) for each in client.uploads]
    assert {image_id for each in founds for _, image_id in each.pending} == {
        each.rsplit("/", 1)[1] for each in unsent
    }
    failed = client.failed()
    assert failed
    assert client.incoming() <= failed
    _assert_no_image_is_lost_or_twice(client)

    client.ports.clock.advance(hours=1)
    assert sum(client.found(each).expired for each in client.uploads) == len(unsent)
    renewed = [client.services.posted_uploads.renew("P", each) for each in client.uploads]
    missing = {key for each in renewed for _, _, key in each.images}
    assert missing == unsent | failed
    for key in sorted(missing):
        client.ports.store.put(key, client.contents[key], "image/png")
        client.services.ingest.take(key)
    client.sent |= missing
    assert [client.found(each).pending for each in client.uploads] == [[]] * UPLOADS
    assert client.incoming() == client.failed() == set()
    _assert_no_image_is_lost_or_twice(client)
