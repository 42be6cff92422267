"""The four steps of a rotation, in and out of order."""

import json

import pytest

from chalicelib.contract.signing import KeyRing, SigningKey
from chalicelib.services.key_rotation import KeyRotation
from tests.fakes import FakeClock, FakeSigningSecret

STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")


@pytest.fixture
def secret() -> FakeSigningSecret:
    return FakeSigningSecret()


def _ring(secret: FakeSigningSecret) -> KeyRing:
    return KeyRing.parse(secret.current())


@pytest.mark.parametrize("times", [1, 2])
def test_a_rotation_keeps_the_current_key_as_the_previous_one(secret, times):
    """The new key is long and under the version's id, the old one is previous; each step may repeat."""
    before = _ring(secret)
    for step in [each for each in STEPS for _ in range(times)]:
        KeyRotation(secret, FakeClock()).run(step, "v2")
    after = _ring(secret)
    assert (after.previous, after.current.key_id) == (before.current, "v2")
    assert len(after.current.key) >= 64
    assert secret.made_current == ["v2"]


def test_after_two_rotations_the_first_key_is_gone(secret):
    """A secret never holds more than two keys."""
    first = _ring(secret).current
    for version in ("v2", "v3"):
        for step in STEPS:
            KeyRotation(secret, FakeClock()).run(step, version)
    ring = _ring(secret)
    assert ([ring.find(each) is None for each in ("v3", "v2", first.key_id)]) == [False, False, True]


def test_a_creation_that_comes_again_changes_no_key(secret):
    """A repeated step must not make another key: the first may be written already."""
    for _ in range(2):
        KeyRotation(secret, FakeClock()).run("createSecret", "v2")
    made = secret.pending("v2")
    KeyRotation(secret, FakeClock()).run("createSecret", "v2")
    assert secret.pending("v2") == made


@pytest.mark.parametrize("step", ["testSecret", "finishSecret"])
def test_what_would_log_everybody_out_is_refused(secret, step):
    """A pending version without the current key fails, and what is current stays."""
    before = secret.current()
    secret.put_pending("v2", KeyRing(SigningKey("v2", "x" * 64)).serialize())
    with pytest.raises(RuntimeError, match="keep the current key"):
        KeyRotation(secret, FakeClock()).run(step, "v2")
    assert (secret.current(), secret.made_current) == (before, [])


@pytest.mark.parametrize(
    "text",
    ["", "{}", "null", '"a"', '{"kid": "1"}', '{"kid": "1", "key": 5}', '{"kid": "1", "key": "short"}',
     '{"kid": "", "key": "0123456789abcdef0123456789abcdef"}',
     '{"kid": "1", "key": "0123456789abcdef0123456789abcdef", "signsFrom": "soon"}'],
)  # fmt: skip
@pytest.mark.parametrize("step", STEPS)
def test_a_rotation_does_not_start_from_keys_that_cannot_be_used(text, step):
    """An empty, short or unreadable secret fails every step, and nothing is written."""
    secret = FakeSigningSecret(text)
    with pytest.raises(RuntimeError):
        KeyRotation(secret, FakeClock()).run(step, "v2")
    assert (secret.current(), secret.pending("v2"), secret.made_current) == (text, None, [])


@pytest.mark.parametrize("step", ["testSecret", "finishSecret"])
@pytest.mark.parametrize(
    "new", [SigningKey("v2", ""), SigningKey("v2", "k" * 31), SigningKey("1", "k" * 64)], ids=repr
)
def test_a_key_that_cannot_be_used_never_becomes_current(secret, step, new):
    """A pending key that is empty, short, or under the id of the current one fails."""
    before = secret.current()
    kept = _ring(secret).current.to_json()
    secret.put_pending("v2", json.dumps(new.to_json() | {"previous": kept}))
    with pytest.raises(RuntimeError):
        KeyRotation(secret, FakeClock()).run(step, "v2")
    assert (secret.current(), secret.made_current) == (before, [])


def test_a_schedule_can_be_tried_and_an_empty_version_not_be_finished(secret):
    """Secrets Manager tries `testSecret` alone with an empty version; such a one never becomes current."""
    KeyRotation(secret, FakeClock()).run("testSecret", "v2")
    with pytest.raises(RuntimeError, match="keep the current key"):
        KeyRotation(secret, FakeClock()).run("finishSecret", "v2")
    assert secret.made_current == []


def test_an_unknown_step_is_an_error(secret):
    """What Secrets Manager may ask one day must not look as if it had been done."""
    with pytest.raises(ValueError, match="'undoSecret'"):
        KeyRotation(secret, FakeClock()).run("undoSecret", "v2")
