"""API keys: made once, checked with every request."""

import re
from datetime import timedelta
from hashlib import sha256

import pytest

from chalicelib.bootstrap import assemble
from chalicelib.contract.errors import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    UnauthenticatedError,
    UnavailableError,
    UnprocessableError,
)
from chalicelib.services.access import Admitted
from chalicelib.services.api_keys import MOST_KEYS
from tests.fakes import fake_ports
from tests.support import make_project, make_user, new_id


class World:
    """A user with a project."""

    def __init__(self) -> None:
        self.ports = fake_ports()
        self.services = assemble(self.ports)
        self.project = make_project(user_id=new_id())
        self.user_id = self.project.user_id
        self.ports.users.add(make_user(user_id=self.user_id))
        self.ports.projects.add(self.project)

    @property
    def user(self):
        return self.ports.users.get(self.user_id)

    def make(self, *scopes: str, **expiry: float) -> str:
        """A key, by the arguments of `timedelta` when it expires."""
        until = self.ports.clock.now() + timedelta(**expiry) if expiry else None
        return self.services.api_keys.make(self.user, "a machine", scopes or ["read"], until)[1]

    def admit(self, key: str, scope: str | None = "read", project_id: str | None = None) -> Admitted:
        return self.services.access.admit(f"Bearer {key}", project_id, None, scope)


@pytest.fixture
def world() -> World:
    return World()


def test_a_key_lets_in_with_its_scopes(world):
    """Each of its scopes is enough for what needs it; the project is there to be used."""
    key = world.make("train", "read")
    for scope in ("read", "train"):
        admitted = world.admit(key, scope, world.project.project_id)
        assert (admitted.user.user_id, admitted.project) == (world.user_id, world.project)


@pytest.mark.parametrize("scope", ["upload", "train", None])
def test_another_scope_is_refused_whatever_the_path_names(world, scope):
    """Own, foreign and unknown projects give one answer: the scope is missing."""
    key, foreign = world.make("read"), make_project()
    world.ports.projects.add(foreign)
    answers = set()
    for project_id in (world.project.project_id, foreign.project_id, new_id(), "no id", None):
        with pytest.raises(ForbiddenError) as refused:
            world.admit(key, scope, project_id)
        answers.add((refused.value.code, refused.value.detail, refused.value.hint))
    assert {code for code, *_ in answers} == {"scope-missing"}
    assert len(answers) == 1


def test_a_foreign_project_is_not_there_for_a_key(world):
    """With the right scope, what isn't the user's is 404 as for a token."""
    foreign = make_project()
    world.ports.projects.add(foreign)
    with pytest.raises(NotFoundError):
        world.admit(world.make(), "read", foreign.project_id)


def test_only_a_hash_of_the_secret_is_kept(world):
    """The row has SHA-256 of 32 random bytes' text, and nothing else of the secret."""
    key = world.make()
    form = re.fullmatch(r"dk_(\w{26})_(\w{26})_([\w-]{43})", key)
    key_id, user_id, secret = form.groups()
    assert user_id == world.user_id
    assert world.user.api_key(key_id).secret_sha256 == sha256(secret.encode()).hexdigest()
    assert secret not in str(world.user)
    assert len({world.make() for _ in range(MOST_KEYS - 1)}) == MOST_KEYS - 1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda key: key[:-1],
        lambda key: key + "A",
        lambda key: key[:-1] + ("A" if key[-1] != "A" else "B"),
        lambda key: key.replace("dk_", "dk_0", 1),
        lambda key: f"dk_{new_id()}_{key.split('_', 2)[2]}",
        lambda key: "_".join([*key.split("_")[:2], new_id(), key.split("_", 3)[3]]),
        lambda key: "dk_",
        lambda key: key.lower(),
        lambda key: key + "\n",
        lambda key: key[:3] + key[3:].replace("_", " "),
    ],
)
def test_what_is_no_key_gets_one_answer(world, spoil):
    """A key that is cut, changed, another's or unknown is 401, in the same words."""
    with pytest.raises(UnauthenticatedError) as refused:
        world.admit(spoil(world.make()))
    assert (refused.value.code, refused.value.detail) == ("unauthenticated", "this API key doesn't work")


def test_a_key_of_another_user_does_not_open_with_ones_own_id(world):
    """The secret belongs to one user's row: with another user's id in it a key is none."""
    other = World()
    world.ports.users.add(make_user(user_id=other.user_id))
    forged = world.make().replace(world.user_id, other.user_id)
    with pytest.raises(UnauthenticatedError):
        world.admit(forged)


def test_a_key_works_until_its_time_is_over(world):
    """To its last moment, and not from then on."""
    key = world.make(hours=1)
    world.ports.clock.advance(seconds=3599)
    assert world.admit(key)
    world.ports.clock.advance(seconds=1)
    with pytest.raises(UnauthenticatedError) as refused:
        world.admit(key)
    assert refused.value.code == "key-expired"
    assert world.ports.telemetry.counts["ApiKeysRefused"] == 1


def test_a_key_that_would_have_expired_is_not_made(world):
    """A moment that is over is pointed at."""
    with pytest.raises(UnprocessableError) as refused:
        world.make(seconds=0.0, days=-1)
    assert [each.pointer for each in refused.value.errors] == ["/expiresAt"]
    assert world.user.api_keys is None


def test_a_revoked_key_ends_at_once(world):
    """The next request is refused; another user can't revoke it, nor learn that it is there."""
    key = world.make()
    key_id = key.split("_")[1]
    stranger = make_user()
    for user, wanted in ((stranger, key_id), (world.user, new_id()), (world.user, "no id")):
        with pytest.raises(NotFoundError) as refused:
            world.services.api_keys.revoke(user, wanted)
        assert refused.value.code == "key-not-found"
    assert world.admit(key)
    world.services.api_keys.revoke(world.user, key_id)
    with pytest.raises(UnauthenticatedError):
        world.admit(key)


def test_keys_outlive_sessions(world):
    """Ending every login, as a change of the password does, leaves machines at work."""
    key = world.make()
    world.ports.users.end_all_logins(world.user_id, 1)
    assert world.admit(key)


def test_a_use_is_noted_every_five_minutes(world):
    """The first use is written, and the first after five minutes; those between are not."""
    key, seen = world.make(), []
    for _ in range(11):
        world.admit(key)
        seen.append(world.user.api_key(key.split("_")[1]).last_used_at)
        world.ports.clock.advance(minutes=1)
    assert len(set(seen[:6])) == 1
    assert len(set(seen)) == 2


def test_a_refused_request_is_no_use(world):
    """Neither a missing scope nor a foreign project writes anything."""
    key = world.make()
    for project_id, scope in ((None, "train"), (new_id(), "read")):
        with pytest.raises((ForbiddenError, NotFoundError)):
            world.admit(key, scope, project_id)
    assert world.user.api_key(key.split("_")[1]).last_used_at is None


def test_a_note_that_cannot_be_written_fails_no_request(world, monkeypatch):
    """While DynamoDB takes no writes, reads go on."""

    def busy(*_):
        raise UnavailableError("AWS is busy")

    monkeypatch.setattr(world.ports.api_keys, "note_use", busy)
    assert world.admit(world.make())


def test_a_user_has_so_many_keys(world):
    """The one beyond 20 is refused with what to do; the list has the newest first."""
    ids = [world.make().split("_")[1] for _ in range(MOST_KEYS)]
    with pytest.raises(ConflictError) as refused:
        world.make()
    assert (refused.value.code, MOST_KEYS) == ("too-many-keys", 20)
    assert [each.key_id for each in world.services.api_keys.list(world.user)] == ids[::-1]
