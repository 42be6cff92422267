"""The four steps of a rotation, in and out of order."""

import pytest

from chalicelib.contract.signing import KeyRing, SigningKey
from chalicelib.services.key_rotation import KeyRotation
from tests.fakes import FakeSigningSecret

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
        KeyRotation(secret).run(step, "v2")
    after = _ring(secret)
    assert (after.previous, after.current.key_id) == (before.current, "v2")
    assert len(after.current.key) >= 64
    assert secret.made_current == ["v2"]


def test_after_two_rotations_the_first_key_is_gone(secret):
    """A secret never holds more than two keys."""
    first = _ring(secret).current
    for version in ("v2", "v3"):
        for step in STEPS:
            KeyRotation(secret).run(step, version)
    ring = _ring(secret)
    assert ([ring.find(each) is None for each in ("v3", "v2", first.key_id)]) == [False, False, True]


def test_a_creation_that_comes_again_changes_no_key(secret):
    """A repeated step must not make another key: the first may be written already."""
    for _ in range(2):
        KeyRotation(secret).run("createSecret", "v2")
    made = secret.pending("v2")
    KeyRotation(secret).run("createSecret", "v2")
    assert secret.pending("v2") == made


@pytest.mark.parametrize("step", ["testSecret", "finishSecret"])
def test_what_would_log_everybody_out_is_refused(secret, step):
    """A pending version without the current key fails, and what is current stays."""
    before = secret.current()
    secret.put_pending("v2", KeyRing(SigningKey("v2", "x" * 64)).serialize())
    with pytest.raises(RuntimeError, match="keep the current key"):
        KeyRotation(secret).run(step, "v2")
    assert (secret.current(), secret.made_current) == (before, [])


def test_a_schedule_can_be_tried_and_an_empty_version_not_be_finished(secret):
    """Secrets Manager tries `testSecret` alone with an empty version; such a one never becomes current."""
    KeyRotation(secret).run("testSecret", "v2")
    with pytest.raises(RuntimeError, match="keep the current key"):
        KeyRotation(secret).run("finishSecret", "v2")
    assert secret.made_current == []


def test_an_unknown_step_is_an_error(secret):
    """What Secrets Manager may ask one day must not look as if it had been done."""
    with pytest.raises(ValueError, match="'undoSecret'"):
        KeyRotation(secret).run("undoSecret", "v2")
