"""The stage's keys as the functions see them, on the embedded AWS's Secrets Manager."""

import json
from collections.abc import Iterator
from datetime import timedelta
from threading import Barrier, Thread
from typing import Any
from uuid import uuid4

import pytest
from botocore.awsrequest import AWSResponse

from chalicelib.adapters.aws import Aws
from chalicelib.adapters.security import JwtTokens
from chalicelib.adapters.signing import KEPT, LEAST_AGE, SecretVersions, SigningKeys
from chalicelib.contract.errors import UnauthenticatedError, UnavailableError
from chalicelib.contract.signing import KeyRing
from chalicelib.services.account_ports import AccessClaims, RefreshClaims
from chalicelib.services.key_rotation import OVERLAP, KeyRotation
from tests.fakes import FakeClock

ACCESS = AccessClaims("U", 3)
A_MOMENT = timedelta(seconds=1)


@pytest.fixture(scope="module")
def aws(stack) -> Iterator[Aws]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in stack.credentials.items():
            patch.setenv(name, value)
        yield Aws()


@pytest.fixture
def calls(aws) -> Iterator[list[str]]:
    """The calls that leave for Secrets Manager from now on."""
    made: list[str] = []

    def note(event_name: str, **_: Any) -> None:
        made.append(event_name)

    aws.secrets.meta.events.register("before-send", note)
    yield made
    aws.secrets.meta.events.unregister("before-send", note)


@pytest.fixture
def secret(stack) -> str:
    """A secret of its own for each test."""
    text = json.dumps({"kid": "1", "key": "k" * 64})
    return stack.client("secretsmanager").create_secret(Name=f"signing-{uuid4()}", SecretString=text)["ARN"]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def keys(aws, secret, clock) -> SigningKeys:
    return SigningKeys(SecretVersions(aws, secret), clock)


@pytest.fixture
def tokens(keys, clock) -> JwtTokens:
    return JwtTokens(keys, clock)


def _rotate(aws, secret, clock) -> None:
    """Plays Secrets Manager."""
    version = str(uuid4())
    for step in ("createSecret", "setSecret", "testSecret", "finishSecret"):
        KeyRotation(SecretVersions(aws, secret), clock).run(step, version)


def _is_valid(tokens: JwtTokens, token: str) -> bool:
    try:
        return tokens.read_access(token) == ACCESS
    except UnauthenticatedError:
        return False


def test_the_key_of_the_stack_signs_tokens(aws, stack, clock):
    """The key that the template makes is long enough, and signs tokens that can be read."""
    tokens = JwtTokens(SigningKeys(SecretVersions(aws, stack.outputs["SigningSecret"]), clock), clock)
    assert tokens.read_access(tokens.access(ACCESS)) == ACCESS


@pytest.mark.parametrize(
    "change", [{"key": ""}, {"key": "k" * 31}, {"previous": {"kid": "0", "key": "k" * 31}}], ids=str
)
def test_a_short_key_is_refused(aws, stack, secret, keys, change):
    """A key of 31 bytes fails at once, since HMAC-SHA-256 wants 32."""
    text = json.dumps({"kid": "1", "key": "k" * 64} | change)
    stack.client("secretsmanager").put_secret_value(SecretId=secret, SecretString=text)
    with pytest.raises(RuntimeError, match="32"):
        _ = keys.current


def test_a_token_outlives_one_rotation_and_not_two(aws, secret, tokens, clock):
    """What was signed before a rotation stays valid through it; a second one ends it."""
    token = tokens.access(ACCESS)
    _rotate(aws, secret, clock)
    clock.advance(seconds=KEPT.total_seconds())
    assert _is_valid(tokens, token)
    _rotate(aws, secret, clock)
    clock.advance(seconds=KEPT.total_seconds())
    assert not _is_valid(tokens, token)


def test_a_refresh_token_outlives_a_rotation_too(aws, secret, tokens, clock):
    """A rotation logs nobody out."""
    claims = RefreshClaims("U", 3, "F", "T")
    token = tokens.refresh(claims)
    _rotate(aws, secret, clock)
    clock.advance(seconds=KEPT.total_seconds())
    assert tokens.read_refresh(token) == claims


def test_a_new_key_is_known_everywhere_at_once(aws, secret, tokens, clock):
    """A token by a key made a moment ago is read by a function that has the old keys in memory."""
    tokens.access(ACCESS)
    _rotate(aws, secret, clock)
    clock.advance(seconds=LEAST_AGE.total_seconds())
    signing = KeyRing.parse(SecretVersions(aws, secret).current()).current
    elsewhere = JwtTokens(KeyRing(signing), clock)
    assert _is_valid(tokens, elsewhere.access(ACCESS))


def test_new_tokens_are_signed_by_the_new_key_when_everybody_has_read_it(aws, secret, keys, clock):
    """The old key signs until every function has had time to read the new one, and no longer."""
    assert keys.current.key_id == "1"
    _rotate(aws, secret, clock)
    clock.advance(seconds=(OVERLAP - A_MOMENT).total_seconds())
    assert keys.current.key_id == "1"
    assert keys.every[0].key_id != "1"
    clock.advance(seconds=1)
    assert keys.current.key_id != "1"
    assert OVERLAP >= 2 * KEPT


def test_a_lost_answer_ends_no_rotation(aws, secret, clock):
    """The SDK sends the last step's call again, whose effect it had: the new version is current."""
    sent = []

    def lose_first(**_: Any) -> int | None:
        sent.append(None)
        return 0 if len(sent) == 1 else None

    name = "needs-retry.secrets-manager.UpdateSecretVersionStage"
    before = KeyRing.parse(SecretVersions(aws, secret).current())
    aws.secrets.meta.events.register_first(name, lose_first)
    try:
        _rotate(aws, secret, clock)
    finally:
        aws.secrets.meta.events.unregister(name, lose_first)
    assert len(sent) == 2
    after = KeyRing.parse(SecretVersions(aws, secret).current())
    assert after.current != before.current
    assert before.current in after


def test_keys_that_became_unusable_are_refused_at_once(aws, stack, secret, tokens, clock):
    """With good keys in memory too, nothing is signed or read once the secret was spoiled."""
    token = tokens.access(ACCESS)
    stack.client("secretsmanager").put_secret_value(SecretId=secret, SecretString='{"kid": "1", "key": ""}')
    clock.advance(seconds=KEPT.total_seconds())
    for _ in range(2):
        with pytest.raises(RuntimeError, match="32"):
            tokens.read_access(token)
        with pytest.raises(RuntimeError, match="32"):
            tokens.access(ACCESS)


def test_unknown_keys_cost_one_call_in_ten_seconds(keys, calls, clock):
    """Tokens with made-up key ids have the secret read once, and are refused; floods cost no more."""
    assert keys.find("1") is not None
    clock.advance(seconds=LEAST_AGE.total_seconds())
    assert [keys.find(f"made up {n}") for n in range(50)] == [None] * 50
    assert len(calls) == 2
    clock.advance(seconds=LEAST_AGE.total_seconds())
    assert keys.find("made up") is None
    assert len(calls) == 3


def test_known_keys_cost_no_call(tokens, calls, clock):
    """Signing and reading go on for minutes on one read of the secret."""
    token = tokens.access(ACCESS)
    clock.advance(seconds=(KEPT - A_MOMENT).total_seconds())
    assert all(_is_valid(tokens, token) for _ in range(20))
    assert len(calls) == 1


def test_threads_share_one_read(keys, calls):
    """Requests that come at once, with nothing in memory, have the secret read once."""
    meeting, found = Barrier(8), []

    def ask() -> None:
        meeting.wait(timeout=10)
        found.append(keys.find("1"))

    threads = [Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (found, len(calls)) == (["k" * 64] * 8, 1)


def test_without_secrets_manager_the_keys_in_memory_go_on(aws, tokens, keys, clock, monkeypatch):
    """A refusal of Secrets Manager ends no login; a function that has read nothing yet says to try again."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    token = tokens.access(ACCESS)
    aws.secrets.meta.events.register_first("before-send", _busy)
    clock.advance(seconds=KEPT.total_seconds())
    try:
        assert _is_valid(tokens, token)
        with pytest.raises(UnavailableError):
            _ = SigningKeys(SecretVersions(aws, "any"), clock).current
    finally:
        aws.secrets.meta.events.unregister("before-send", _busy)


class _Raw:
    def stream(self, **_):
        yield b'{"__type": "InternalServiceError"}'


def _busy(request, **_) -> AWSResponse:
    return AWSResponse(request.url, 500, {}, _Raw())
