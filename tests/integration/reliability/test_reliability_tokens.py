"""Tokens that are forged, and keys that can't be used."""

import base64
import hmac
import itertools
import json
import os
import random
import re
from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import jwt
import pytest

from chalicelib import bootstrap
from chalicelib.adapters.security import JwtTokens
from chalicelib.adapters.signing import SecretVersions, SigningKeys
from chalicelib.contract.ids import ulid
from chalicelib.contract.signing import KeyRing
from chalicelib.routes.documentation import BLUEPRINTS
from chalicelib.services.account_ports import AccessClaims
from chalicelib.services.key_rotation import KeyRotation
from chalicelib.settings import Settings
from infra.local.aws import EmbeddedAws
from tests.fakes import FakeClock
from tests.integration.conftest import Api

CLOSED = [each for blueprint in BLUEPRINTS for each in blueprint.endpoints if not each.public]
STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")


@pytest.fixture(scope="module")
def signing(environment: None) -> KeyRing:
    """The keys of the stack, which a forger has not; but a test that breaks one thing at a time must."""
    return KeyRing.parse(SecretVersions(bootstrap.aws(), Settings.read(os.environ).signing_secret).current())


def _part(document: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


def _signed(header: dict[str, Any], claims: dict[str, Any], key: str, digest: str = "sha256") -> str:
    text = f"{_part(header)}.{_part(claims)}"
    signature = hmac.digest(key.encode(), text.encode(), digest)
    return f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def _forgeries(token: str, signing: KeyRing) -> dict[str, str]:
    """Tokens that differ from a good one in one thing, by what that is."""
    key, header = signing.current.key, jwt.get_unverified_header(token)
    claims = jwt.decode(token, options={"verify_signature": False})
    head, body, signature = token.split(".")

    def claim(**changes: Any) -> str:
        changed = {name: value for name, value in (claims | changes).items() if value is not None}
        return _signed(header, changed, key)

    def headed(digest: str = "sha256", by: str = key, **changes: Any) -> str:
        changed = {name: value for name, value in (header | changes).items() if value is not None}
        return _signed(changed, claims, by, digest)

    other = "refresh" if claims["aud"] == "access" else "access"
    return {
        "no algorithm": f"{_part(header | {'alg': 'none'})}.{body}.",
        "no algorithm, in capitals": f"{_part(header | {'alg': 'NONE'})}.{body}.",
        "no algorithm, signed": headed(alg="none"),
        "HS384": headed("sha384", alg="HS384"),
        "HS512": headed("sha512", alg="HS512"),
        "RS256 with a secret": headed(alg="RS256"),
        "algorithm left out": headed(alg=None),
        "a key of one's own beside it": headed(by="mine" * 16, jwk={"kty": "oct", "k": _part("mine" * 16)}),
        "empty key": headed(by=""),
        "key of somebody else": headed(by="x" * 64),
        "unknown kid": headed(kid="made up"),
        "kid that is a path": headed(by="", kid="../../../../dev/null"),
        "kid that is no text": headed(kid=["1"]),
        "no kid": headed(kid=None),
        "critical header": headed(crit=["exp"]),
        "other audience": claim(aud="other"),
        "no audience": claim(aud=None),
        "other type": claim(aud=other),
        "other issuer": claim(iss="other"),
        "no issuer": claim(iss=None),
        "expired": claim(iat=1, exp=2),
        "expiry in words": claim(exp="never"),
        "expiry that is no number": claim(exp=float("nan")),
        "no expiry": claim(exp=None),
        "no subject": claim(sub=None),
        "no version": claim(ver=None),
        "earlier version": claim(ver=claims["ver"] - 1),
        "somebody who isn't there": claim(sub=ulid(1)),
        "other body": f"{head}.{_part(claims | {'sub': ulid(1)})}.{signature}",
        "no signature": f"{head}.{body}.",
        "half a signature": f"{head}.{body}.{signature[:20]}",
        "two parts": f"{head}.{body}",
        "another part": f"{token}.{signature}",
        "nothing": "",
    }


@pytest.mark.injects(
    "a token that differs from a good one in one of 34 things, sent to a closed route, refresh or logout",
    times=1_000,
    soak=50_000,
    outcome="401, and the good one goes on working",
)
def test_a_forged_token_opens_nothing(nobody: Api, signing: KeyRing, times: int) -> None:
    """None, swapped algorithms, wrong key ids, audiences, issuers, types and times are 401 everywhere."""
    name = f"u-{uuid4().hex[:12]}"
    user = {"username": name, "email": f"{name}@example.org", "password": "a long enough password"}
    assert nobody.call("POST", "/api/users", user).status == 201
    given = nobody.call("POST", "/api/auth/login", {"login": name, "password": user["password"]}).json
    access = _forgeries(given["accessToken"], signing)
    refresh = _forgeries(given["refreshToken"], signing)
    sent: Counter[str] = Counter()
    targets: list[Callable[[str], tuple[int, str]]] = [_closed(nobody, each) for each in CLOSED]
    public = [_public(nobody, path) for path in ("/api/auth/refresh", "/api/auth/logout")]
    cases = [(kind, send, access[kind]) for send in targets for kind in access]
    # A user's version and existence are no part of the token that ends a login: it ends its own family alone.
    cases += [
        (kind, send, refresh[kind])
        for send, kinds in zip(
            public,
            (set(refresh), set(refresh) - {"earlier version", "somebody who isn't there"}),
            strict=True,
        )
        for kind in sorted(kinds)
    ]
    random.Random(9).shuffle(cases)
    for kind, send, token in itertools.islice(itertools.cycle(cases), times):
        status, code = send(token)
        assert (status, code in ("unauthenticated", "token-expired")) == (401, True), (kind, status, code)
        sent[kind] += 1
    assert sent.total() == times
    assert sent.keys() == access.keys()
    assert len(access) == 34
    # What they were made from still works: no forgery ended its login.
    assert Api(nobody.client, given["accessToken"]).call("GET", "/api/users/me").status == 200
    assert nobody.call("POST", "/api/auth/refresh", {"refreshToken": given["refreshToken"]}).status == 200


def _closed(nobody: Api, endpoint: Any) -> Callable[[str], tuple[int, str]]:
    path = re.sub(r"{\w+}", ulid(1), endpoint.path)

    def send(token: str) -> tuple[int, str]:
        header = {"Authorization": f"Bearer {token}"}
        answer = nobody.send(endpoint.method, path, b"{}", endpoint.content_type, **header)
        return answer.status, answer.problem()

    return send


def _public(nobody: Api, path: str) -> Callable[[str], tuple[int, str]]:
    def send(token: str) -> tuple[int, str]:
        answer = nobody.call("POST", path, {"refreshToken": token})
        return answer.status, answer.problem()

    return send


UNUSABLE = [
    "", "null", "{}", '{"kid": "1"}', '{"kid": "1", "key": ""}', '{"kid": "1", "key": "short"}',
    '{"kid": "1", "key": 5}', json.dumps({"kid": "1", "key": "k" * 31}),
    json.dumps({"kid": "", "key": "k" * 64}),
    json.dumps({"kid": "1", "key": "k" * 64, "previous": {"kid": "0", "key": ""}}),
    json.dumps({"kid": "1", "key": "k" * 64, "previous": {"kid": "1", "key": "l" * 64}}),
]  # fmt: skip


@pytest.mark.injects(
    "a signing secret that is empty, unreadable or has an empty or short key",
    times=len(UNUSABLE),
    soak=len(UNUSABLE),
    outcome="nothing is signed, read or rotated; the secret stays as it is",
)
def test_nothing_starts_with_keys_that_cannot_be_used(
    stack: EmbeddedAws, environment: None, times: int
) -> None:
    """A service refuses to sign and to let in, and a rotation to begin, by each kind of unusable key."""
    client = stack.client("secretsmanager")
    clock = FakeClock()
    token = JwtTokens(KeyRing.parse(json.dumps({"kid": "1", "key": "k" * 64})), clock).access(
        AccessClaims("U", 1)
    )
    refused = 0
    for text in itertools.islice(itertools.cycle(UNUSABLE), times):
        made = {"SecretString": text} if text else {"SecretString": " "}  # Secrets Manager takes no empty one
        arn = client.create_secret(Name=f"unusable-{uuid4()}", **made)["ARN"]
        secret = SecretVersions(bootstrap.aws(), arn)
        tokens = JwtTokens(SigningKeys(secret, clock), clock)
        attempts: list[Callable[[], Any]] = [
            lambda tokens=tokens: tokens.access(AccessClaims("U", 1)),  # type: ignore[misc]
            lambda tokens=tokens: tokens.read_access(token),  # type: ignore[misc]
            *(
                lambda step=step, secret=secret: KeyRotation(secret, clock).run(step, str(uuid4()))
                for step in STEPS
            ),  # type: ignore[misc]
        ]
        for attempt in attempts:
            with pytest.raises(RuntimeError):
                attempt()
        stages = client.describe_secret(SecretId=arn)["VersionIdsToStages"]
        assert list(stages.values()) == [["AWSCURRENT"]]
        refused += 1
    assert refused == times
