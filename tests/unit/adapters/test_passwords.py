"""Passwords: hashes, their number at a time, and those that everybody tries."""

from threading import Event, Thread

import pytest
from argon2 import PasswordHasher

from chalicelib.adapters import passwords
from chalicelib.adapters.passwords import Argon2Hasher, BoundedHasher, CommonPasswords
from chalicelib.adapters.pseudonyms import KeyedPseudonyms
from chalicelib.contract.errors import UnavailableError
from chalicelib.contract.signing import KeyRing, SigningKey
from chalicelib.services.names import folded
from tests.fakes import FakeHasher


def test_passwords_are_hashed_as_owasp_has_it():
    """argon2id with 19 MiB, two passes and one lane, salted anew each time."""
    hasher = Argon2Hasher()
    first, second = hasher.hash("secret"), hasher.hash("secret")
    assert first.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert first != second
    assert hasher.verify(first, "secret")
    assert not hasher.verify(first, "Secret")


@pytest.mark.parametrize("password_hash", ["", "secret", "$argon2id$v=19$broken", None])
def test_a_broken_hash_verifies_nothing(password_hash):
    """A damaged row refuses its user, as nobody is refused; it is no error."""
    assert not Argon2Hasher().verify(password_hash, "secret")


def test_nobodys_hash_costs_what_a_users_does():
    """It is a whole hash with the parameters of those that are made now."""
    hasher = Argon2Hasher()
    assert not hasher._hasher.check_needs_rehash(passwords._NOBODYS)
    assert len(passwords._NOBODYS) == len(hasher.hash("secret"))


def test_without_a_hash_no_password_is_right(monkeypatch):
    """Whoever found the password of nobody's hash is refused all the same."""
    hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
    monkeypatch.setattr(passwords, "_NOBODYS", hasher.hash("found"))
    assert not Argon2Hasher().verify(None, "found")


class SlowHasher(FakeHasher):
    """Begins hashes, and ends none before it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.ends = Event()
        self.has_begun = Event()

    def hash(self, password: str) -> str:
        made = super().hash(password)
        self.has_begun.set()
        assert self.ends.wait(timeout=60)
        return made


def test_hashes_wait_for_their_turn_and_too_many_are_refused():
    """Two at a time, three wait, the sixth is told to come again; then all five are done."""
    slow, done = SlowHasher(), []
    bounded = BoundedHasher(slow, at_once=2, waiting=3)
    threads = [Thread(target=lambda: done.append(bounded.verify("hash of a", "a"))) for _ in range(5)]
    for thread in threads:
        thread.start()
    while bounded._places._value:  # a thread takes its place as soon as it runs
        slow.has_begun.wait(timeout=0.001)
    with pytest.raises(UnavailableError) as refused:
        bounded.hash("b")
    assert refused.value.retry_after_seconds
    assert slow.hashings <= 2
    slow.ends.set()
    for thread in threads:
        thread.join()
    assert done == [True] * 5
    assert bounded.hash("b") == "hash of b"


def test_a_place_is_given_back_after_an_error():
    """A hash that fails doesn't take its place for ever."""

    class Failing(FakeHasher):
        def hash(self, password: str) -> str:
            raise MemoryError

    bounded = BoundedHasher(Failing(), at_once=1, waiting=0)
    for _ in range(3):
        with pytest.raises(MemoryError):
            bounded.hash("a")


def test_common_passwords_are_those_that_can_be_chosen():
    """The list has what everybody tries, folded, of 8 characters and more, and none of its own licence."""
    common = CommonPasswords()
    assert all(each in common for each in ("password", "12345678", "iloveyou", "password1"))
    assert not any(each in common for each in ("a long enough password", "Password", "", "# MIT License"))
    assert len(common.all) > 10_000
    assert all(each == folded(each) and each.isprintable() for each in common.all)


def test_a_pseudonym_is_by_each_key_and_tells_nothing():
    """Each key gives a name of its own, the newest first; the text isn't in it."""
    old, new = SigningKey("1", "a" * 64), SigningKey("2", "b" * 64)

    class Keys:
        def __init__(self, *keys: SigningKey) -> None:
            self.every = KeyRing(*keys).keys

    before, after = (
        KeyedPseudonyms(Keys(old)).of("192.0.2.1"),
        KeyedPseudonyms(Keys(new, old)).of("192.0.2.1"),
    )
    assert len(before) == 1
    assert after[1:] == before
    assert len({*after, *KeyedPseudonyms(Keys(new, old)).of("192.0.2.2")}) == 4
    assert all(len(each) == 64 and "192" not in each[:8] for each in KeyedPseudonyms(Keys(new)).of("\ud800"))
