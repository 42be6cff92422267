"""API keys, in the fake and in DynamoDB alike."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib.contract.records import ApiKey
from tests.support import NOW, make_user, new_id

LATER, LATEST = "2026-01-31T08:20:00.000Z", "2026-01-31T08:25:00.000Z"


def _key(**changes) -> ApiKey:
    own = {"key_id": new_id(), "name": "a machine", "scopes": ["read"], "secret_sha256": new_id()}
    return ApiKey(**(own | {"created_at": NOW} | changes))


@pytest.fixture
def user_id(ports) -> str:
    user = make_user()
    ports.users.add(user)
    return user.user_id


def test_a_key_stands_in_its_users_row(ports, user_id):
    """What was added is what the user's row has, and what admission reads."""
    first, second = _key(), _key(scopes=["train", "upload"], expires_at=LATER)
    assert ports.api_keys.add(user_id, first, 2)
    assert ports.api_keys.add(user_id, second, 2)
    user = ports.admission_reader.read(user_id, None, None).user
    assert user == ports.users.get(user_id)
    assert (user.api_key(first.key_id), user.api_key(second.key_id)) == (first, second)
    assert user.api_key(new_id()) is None


def test_no_more_keys_than_the_most(ports, user_id):
    """The key beyond the most isn't added, and is once another has gone."""
    first = _key()
    assert [ports.api_keys.add(user_id, each, 2) for each in (first, _key(), _key())] == [True, True, False]
    ports.api_keys.revoke(user_id, first.key_id)
    assert ports.api_keys.add(user_id, _key(), 2)
    assert len(ports.users.get(user_id).api_keys) == 2


def test_keys_made_at_one_moment_are_no_more_than_the_most(ports, user_id):
    """Of 12 that are added at the same time, the first ever among them, exactly the most remain."""
    with ThreadPoolExecutor(12) as pool:
        added = list(pool.map(lambda each: ports.api_keys.add(user_id, each, 5), [_key() for _ in range(12)]))
    assert added.count(True) == len(ports.users.get(user_id).api_keys) == 5


def test_a_repeated_addition_is_one(ports, user_id):
    """The same key again, as after a lost answer, is added and changes nothing, even at the most."""
    key = _key()
    assert [ports.api_keys.add(user_id, key, 1) for _ in range(3)] == [True] * 3
    assert list(ports.users.get(user_id).api_keys) == [key.key_id]


def test_nobody_has_no_keys(ports):
    """Nothing makes a row of a user who isn't there."""
    unknown = new_id()
    assert not ports.api_keys.add(unknown, _key(), 2)
    ports.api_keys.revoke(unknown, new_id())
    ports.api_keys.note_use(unknown, new_id(), NOW, NOW)
    assert ports.users.get(unknown) is None


def test_a_revoked_key_is_gone(ports, user_id):
    """Revoking takes one key away; what is gone already stays gone."""
    key, other = _key(), _key()
    for each in (key, other):
        ports.api_keys.add(user_id, each, 2)
    for _ in range(2):
        ports.api_keys.revoke(user_id, key.key_id)
    assert list(ports.users.get(user_id).api_keys) == [other.key_id]


def test_a_use_is_noted_seldom_and_never_of_a_revoked_key(ports, user_id):
    """A use is noted where none is since the given moment; of a key that is gone nothing is kept."""
    key = _key()
    ports.api_keys.add(user_id, key, 1)
    ports.api_keys.note_use(user_id, key.key_id, LATER, NOW)
    assert ports.users.get(user_id).api_key(key.key_id).last_used_at == LATER
    ports.api_keys.note_use(user_id, key.key_id, LATEST, NOW)
    assert ports.users.get(user_id).api_key(key.key_id).last_used_at == LATER
    ports.api_keys.note_use(user_id, key.key_id, LATEST, LATEST)
    assert ports.users.get(user_id).api_key(key.key_id).last_used_at == LATEST
    ports.api_keys.revoke(user_id, key.key_id)
    ports.api_keys.note_use(user_id, key.key_id, LATEST, LATEST)
    assert not ports.users.get(user_id).api_keys
