"""An id of somebody else's, in every place of every route, is an id that never was."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest

from app import app
from chalicelib.contract.ids import ulid_at
from chalicelib.routes.api import STAGE
from chalicelib.routes.documentation import BLUEPRINTS
from tests.integration.conftest import Api
from tests.integration.reliability.foreign import Slot, World, comparable, send, slots
from tests.integration.test_api_keys import LOGIN_ONLY, make_key

FILES = [{"fileName": "n.png", "sizeBytes": 9, "contentType": "image/png"}]
#: What each endpoint below a project takes, such that it would write if it were let.
BODIES: dict[str, Any] = {
    "change_project": {"description": "taken over"},
    "open_upload": {"files": FILES},
    "delete_images": {"filter": {"status": "accepted"}},
    "store_labels": {"labels": {"0.png": "b"}},
    "store_splits": {"splits": {"0.png": "val"}},
    "rename_classes": {"renames": {"a": "c"}},
    "create_version": {"name": "mine now"},
    "open_import": {"fileName": "a.zip", "sizeBytes": 9},
    "start_export": {"format": "darkroom"},
    "configure": {"epochs": 7},
    "start": {},
}
#: What a body with the id in a slot is, and with which status an unknown id there is documented to answer.
IN_BODY: dict[tuple[str, str], tuple[Callable[[str], Any], int]] = {
    ("delete_images", "/imageIds/[]"): (lambda each: {"imageIds": [each]}, 207),
    ("delete_images", "/filter/uploadId"): (lambda each: {"filter": {"uploadId": each}}, 200),
    ("delete_images", "/cursor"): (lambda each: {"filter": {"status": "accepted"}, "cursor": each}, 200),
    ("store_labels", "/labels/{}"): (lambda each: {"labels": {each: "b"}}, 422),
    ("store_splits", "/splits/{}"): (lambda each: {"splits": {each: "val"}}, 422),
    ("rename_classes", "/cursor"): (lambda each: {"renames": {"a": "c"}, "cursor": each}, 200),
    ("start_export", "/versionId"): (lambda each: {"format": "darkroom", "versionId": each}, 404),
    ("start", "/versionId"): (lambda each: {"versionId": each}, 404),
}
#: In a query: a cursor is a place in one's own list, and a filter by what isn't there finds nothing.
IN_QUERY = {"cursor": 200, "uploadId": 200, "with": 404}
#: A log's cursor names its run: another one's is no place in it.
CURSORS_OF_ONE_RUN = {"logs"}
#: The parameter of a path that has the kind of id that a slot of another name takes.
KINDS = {
    "/imageIds/[]": "imageId",
    "/labels/{}": "imageId",
    "/splits/{}": "imageId",
    "/filter/uploadId": "uploadId",
    "/versionId": "versionId",
    "with": "versionId",
}
#: By endpoint, what its cursor is an id of; images, where it isn't here.
CURSORS = {
    "list_projects": "projectId",
    "list_versions": "versionId",
    "list_imports": "importId",
    "list_exports": "exportId",
    "list_sessions": "sessionId",
    "logs": "sessionId",
}
#: Names that are no ids.
NO_IDS = {("rename_classes", "/renames/{}")}
OWNERS, CREDENTIALS = ("another user's", "another project's"), ("token", "key")
SLOTS = [each for each in slots() if (each.endpoint, each.name) not in NO_IDS]
ENDPOINTS = {each.name: each for blueprint in BLUEPRINTS for each in blueprint.endpoints}


@dataclass(frozen=True, slots=True)
class Probe:
    """An id in a slot: whose it is, and by what the request is admitted."""

    slot: Slot
    owner: str
    credential: str

    @property
    def is_possible(self) -> bool:
        """One's other project is no foreign one, nor are the keys foreign there; some routes take no key."""
        is_ones_own = self.owner == OWNERS[1] and self.slot.name in ("projectId", "keyId")
        is_ones_own |= self.owner == OWNERS[1] and self.slot.endpoint == "list_projects"
        declared = ENDPOINTS[self.slot.endpoint]
        needs_token = (declared.method, declared.path) in LOGIN_ONLY and self.credential == "key"
        # A key is admitted to what a token is: it needs the one kind of foreign id alone.
        is_twice = self.owner == OWNERS[1] and self.credential == "key"
        return not (is_ones_own or needs_token or is_twice)


PROBES = [
    each for each in (Probe(*parts) for parts in product(SLOTS, OWNERS, CREDENTIALS)) if each.is_possible
]

#: A round is every probe: so many, or more where routes were added.
ROUND = 140


def test_every_slot_has_a_case() -> None:
    """A route, or a place for an id in one, that is new is asked for here, or this fails."""
    routed = {
        (method, f"/{STAGE}{path}")
        for path, methods in app.routes.items()
        for method in methods
        if method != "OPTIONS"
    }
    assert routed == {(each.method, each.path) for each in ENDPOINTS.values()}
    in_body = {(each.endpoint, each.name) for each in SLOTS if each.place == "body"}
    assert in_body == IN_BODY.keys()
    assert {each.name for each in SLOTS if each.place == "query"} == IN_QUERY.keys()
    with_bodies = {name for name, each in ENDPOINTS.items() if each.body and "{projectId}" in each.path}
    assert with_bodies == BODIES.keys()


@dataclass(frozen=True, slots=True)
class Worlds:
    """Who asks, and of whom."""

    own: World
    machine: Api
    foreign: Mapping[str, World]

    @classmethod
    def of(cls, nobody: Api) -> "Worlds":
        own = World.of(nobody.register())
        machine = make_key(own.api, "read", "upload", "train")
        assert machine.call("GET", "/api/users/me").status == 200  # its first use is written down
        # Made later, so that their ids as cursors have nothing after them.
        foreign = {OWNERS[0]: World.of(nobody.register()), OWNERS[1]: World.of(own.api)}
        return cls(own, machine, foreign)

    def probe(self, probe: Probe) -> list[str]:
        """What tells a foreign id from one that never was; nothing, if all is well."""
        slot, world = probe.slot, self.foreign[probe.owner]
        known = world.ids[_kind(slot)]
        unknown = ulid_at(known, 1_000_000)
        if slot.endpoint in CURSORS_OF_ONE_RUN and slot.name == "cursor":
            known, unknown = f"{known}-1-0-0", f"{unknown}-1-0-0"
        seen, never = (self._send(probe, world, each) for each in (known, unknown))
        wanted = {
            "path": lambda: 404,
            "query": lambda: 422 if slot.endpoint in CURSORS_OF_ONE_RUN else IN_QUERY[slot.name],
            "body": lambda: IN_BODY[slot.endpoint, slot.name][1],
        }[slot.place]()
        wrong = []
        if seen.status != wanted:
            wrong.append(f"status {seen.status}: {seen.body[:200]}")
        if comparable(seen, known) != comparable(never, unknown):
            wrong.append(f"{seen.body[:300]} is not {never.body[:300]}")
        if seen.calls != never.calls:
            wrong.append(f"{seen.calls} is not {never.calls}")
        if seen.writes or never.writes:
            wrong.append(f"writes {seen.writes} {never.writes}")
        return [f"{probe}: {each}" for each in wrong]

    def _send(self, probe: Probe, world: World, id_: str) -> Any:
        slot = probe.slot
        body = BODIES.get(slot.endpoint)
        query = ""
        # Where the project is foreign, all that the path names is its own: nothing but the project decides.
        ids = dict(world.ids if slot.name == "projectId" else self.own.ids)
        if slot.place == "path":
            ids[slot.name] = id_
        elif slot.place == "query":
            query = f"?{slot.name}={id_}"
        else:
            body = IN_BODY[slot.endpoint, slot.name][0](id_)
        api = self.machine if probe.credential == "key" else self.own.api
        return send(api, slot, ids, body, query)


def _kind(slot: Slot) -> str:
    if slot.name.removeprefix("/") == "cursor":
        return CURSORS.get(slot.endpoint, "imageId")
    return KINDS.get(slot.name, slot.name)


@pytest.mark.injects(
    "an id of another user or project, in each place for an id of each route, by token and by key",
    times=ROUND,
    soak=10 * ROUND,
    outcome="404, in a list or a body what an unknown id gets; the answer and the calls of AWS are those for"
    " an id that never was; no write",
)
def test_a_foreign_id_is_an_id_that_never_was(nobody: Api, times: int) -> None:
    """Nothing in the answer, nothing in the work for it, and nothing in the tables tells the two apart."""
    injected, wrong = 0, []
    for _ in range(times // ROUND):
        worlds = Worlds.of(nobody)
        for each in PROBES:
            wrong += worlds.probe(each)
            injected += 1
    assert not wrong, "\n".join(wrong)
    assert injected >= times


def test_the_owner_gets_in_with_the_same_ids(nobody: Api) -> None:
    """The ids that are refused to others open what they name: each route that reads is 200, or not yet."""
    world = World.of(nobody.register())
    for slot in SLOTS:
        if ENDPOINTS[slot.endpoint].method == "GET" and slot.place == "path":
            seen = send(world.api, slot, world.ids, None)
            assert seen.status == (409 if slot.endpoint == "results" else 200), str(slot)


def test_an_idempotency_key_of_somebody_else_replays_nothing(nobody: Api) -> None:
    """With the key of another user's request the answer is one's own."""
    key = {"Idempotency-Key": "the same everywhere"}
    worlds = [World.of(nobody.register()) for _ in range(2)]
    declared = [each for each in ENDPOINTS.values() if "Idempotency-Key" in each.headers and each.body]
    assert len(declared) >= 4
    for each in declared:
        answers = [
            world.api.call(each.method, each.path.format(**world.ids), BODIES[each.name], **key)
            for world in worlds
        ]
        assert {answer.status // 100 for answer in answers} == {2}
        assert len({answer.body for answer in answers}) == 2
        assert all("Idempotent-Replayed" not in answer.headers for answer in answers)
