"""The tokens that logins give."""

import base64
import hmac
import json
from datetime import timedelta

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.adapters.clock import SystemClock, UlidIds
from chalicelib.adapters.security import JwtTokens
from chalicelib.contract.errors import UnauthenticatedError
from chalicelib.contract.ids import is_ulid
from chalicelib.contract.signing import KeyRing, SigningKey
from chalicelib.services.account_ports import AccessClaims, RefreshClaims
from tests.fakes import FakeClock

KEY = "k" * 64
KEYS = KeyRing(SigningKey("1", KEY))
ACCESS = AccessClaims("U", 3)
REFRESH = RefreshClaims("U", 3, "F", "T")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def tokens(clock) -> JwtTokens:
    return JwtTokens(KEYS, clock)


def _encoded(claims, key=KEY, algorithm="HS256", **header) -> str:
    return jwt.encode(claims, key, algorithm, headers={"kid": "1", **header})


def _claims(clock, **changes) -> dict:
    moment = int(clock.now().timestamp())
    own = {"iss": "darkroom", "aud": "access", "sub": "U", "ver": 3, "jti": "J", "iat": moment}
    made = own | {"exp": moment + 60} | changes
    return {name: value for name, value in made.items() if value is not None}


def test_tokens_come_back(tokens):
    """What a token was made of is what is read from it."""
    assert tokens.read_access(tokens.access(ACCESS)) == ACCESS
    assert tokens.read_refresh(tokens.refresh(REFRESH)) == REFRESH


def test_a_hand_made_token_is_read(tokens, clock):
    """The table of bad tokens below starts from one that is good."""
    assert tokens.read_access(_encoded(_claims(clock))) == ACCESS


@pytest.mark.parametrize(
    "change",
    [{"exp": None}, {"iat": None}, {"iss": None}, {"aud": None}, {"sub": None}, {"jti": None}, {"ver": None},
     {"iss": "other"}, {"aud": "refresh"}, {"aud": "other"}, {"exp": 0}, {"sub": 5}],
    ids=str,
)  # fmt: skip
def test_a_token_with_a_wrong_claim_is_refused(tokens, clock, change):
    """Each claim must be there and be right, though the signature is good."""
    with pytest.raises(UnauthenticatedError):
        tokens.read_access(_encoded(_claims(clock, **change)))


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
@pytest.mark.parametrize(
    ("key", "algorithm"),
    [("x" * 64, "HS256"), (None, "none"), (KEY, "HS512"), (KEY, "HS384")],
)
def test_another_key_or_algorithm_is_refused(tokens, clock, key, algorithm):
    """No token passes that isn't signed by our key with our one algorithm."""
    with pytest.raises(UnauthenticatedError):
        tokens.read_access(_encoded(_claims(clock), key, algorithm))


def test_a_tampered_token_is_refused(tokens):
    """Another user's id in the place of one's own breaks the signature."""
    head, body, signature = tokens.access(ACCESS).split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    forged = base64.urlsafe_b64encode(json.dumps(claims | {"sub": "V"}).encode()).rstrip(b"=").decode()
    for token in (f"{head}.{forged}.{signature}", f"{head}.{body}.", f"{head}.{body}"):
        with pytest.raises(UnauthenticatedError):
            tokens.read_access(token)


@given(st.text(max_size=80) | st.text("abcABC019-_.", max_size=80))
def test_any_text_is_no_token(text):
    """Whatever stands in the place of a token is refused as one."""
    with pytest.raises(UnauthenticatedError):
        JwtTokens(KEYS, FakeClock()).read_access(text)


def test_the_two_kinds_are_not_each_other(tokens):
    """An access token refreshes nothing, and a refresh token opens nothing."""
    with pytest.raises(UnauthenticatedError):
        tokens.read_refresh(tokens.access(ACCESS))
    with pytest.raises(UnauthenticatedError):
        tokens.read_access(tokens.refresh(REFRESH))


@pytest.mark.parametrize(("kind", "seconds"), [("access", 900), ("refresh", 30 * 24 * 3600)])
def test_tokens_expire_to_the_second(tokens, clock, kind, seconds):
    """A token works in its last second and is `token-expired` in the next."""
    made = getattr(tokens, kind)(ACCESS if kind == "access" else REFRESH)
    read = getattr(tokens, f"read_{kind}")
    clock.advance(seconds=seconds - 1)
    assert read(made)
    clock.advance(seconds=1)
    with pytest.raises(UnauthenticatedError) as refused:
        read(made)
    assert refused.value.code == "token-expired"


class Changing:
    """Keys of a function that has read the secret again."""

    def __init__(self) -> None:
        self.ring = KEYS

    @property
    def current(self) -> SigningKey:
        return self.ring.current

    def find(self, key_id: str) -> str | None:
        return self.ring.find(key_id)


@pytest.mark.parametrize("key_id", ["2", "1"])
def test_a_token_that_was_good_is_refused_once_its_key_is_gone(clock, key_id):
    """That its signature was seen to be good holds for as long as the key does: by its id and its text."""
    keys = Changing()
    tokens = JwtTokens(keys, clock)
    token = tokens.access(ACCESS)
    assert tokens.read_access(token) == ACCESS
    keys.ring = KeyRing(SigningKey(key_id, "n" * 64))
    with pytest.raises(UnauthenticatedError):
        tokens.read_access(token)
    keys.ring = KeyRing(SigningKey("3", "o" * 64), previous=KEYS.current)
    assert tokens.read_access(token) == ACCESS


def test_a_signature_is_verified_once(tokens, monkeypatch):
    """Whoever watches a run shows one token many times; a bad one is looked at each time."""
    verified: list[str] = []
    decode = jwt.decode
    monkeypatch.setattr(
        jwt, "decode", lambda token, *more, **how: verified.append(token) or decode(token, *more, **how)
    )
    good, bad = tokens.access(ACCESS), tokens.access(ACCESS)[:-2] + "AA"
    for _ in range(3):
        assert tokens.read_access(good) == ACCESS
        with pytest.raises(UnauthenticatedError):
            tokens.read_access(bad)
    assert (verified.count(good), verified.count(bad)) == (1, 3)


def test_a_token_names_its_key(tokens):
    """The header says which key signed, so that keys can be changed."""
    assert jwt.get_unverified_header(tokens.access(ACCESS))["kid"] == "1"


@pytest.mark.parametrize("key_id", ["2", "", None, 1, ["1"]], ids=repr)
def test_a_token_of_no_known_key_is_refused(tokens, clock, key_id):
    """The signature is good, and still the token must name the key that made it."""
    token = jwt.encode(_claims(clock), KEY, "HS256")
    if key_id is not None:
        head = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "kid": key_id}).encode()).rstrip(b"=")
        signed = head.decode() + "." + token.split(".")[1]
        signature = hmac.digest(KEY.encode(), signed.encode(), "sha256")
        token = signed + "." + base64.urlsafe_b64encode(signature).rstrip(b"=").decode()
    with pytest.raises(UnauthenticatedError):
        tokens.read_access(token)


def test_ids_follow_the_clock(clock):
    """Ids are ULIDs that sort by the time of the clock; the system's clock is in UTC."""
    ids = UlidIds(clock)
    first = ids.new()
    clock.advance(milliseconds=1)
    assert is_ulid(first)
    assert first < ids.new()
    assert SystemClock().now().utcoffset() == timedelta(0)
