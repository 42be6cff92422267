"""The signing key changes while its tokens are in use."""

import json
import random
from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest

from chalicelib import bootstrap
from chalicelib.adapters.security import JwtTokens
from chalicelib.adapters.signing import SecretVersions, SigningKeys
from chalicelib.contract.errors import UnauthenticatedError
from chalicelib.contract.ids import ulid
from chalicelib.services.account_ports import AccessClaims, RefreshClaims
from chalicelib.services.key_rotation import KeyRotation
from infra.local.aws import EmbeddedAws
from tests.fakes import FakeClock

STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")


@pytest.mark.injects(
    "a rotation of the signing key while four processes sign and read tokens, some with made-up keys",
    times=4,
    soak=300,
    outcome="no token fails before its time",
)
def test_a_rotation_under_traffic_fails_no_token(stack: EmbeddedAws, environment: None, times: int) -> None:
    """Four caches of different ages, steps that come twice, tokens up to 30 days old: all are read."""
    text = json.dumps({"kid": "first", "key": "k" * 64})
    arn = stack.client("secretsmanager").create_secret(Name=f"rotated-{uuid4()}", SecretString=text)["ARN"]
    traffic = _Traffic(SecretVersions(bootstrap.aws(), arn), random.Random(9))
    for _ in range(times):
        # Tokens that lived through the whole time between two rotations, and those of the last moment.
        traffic.run(timedelta(days=31), operations=10)
        traffic.run(timedelta(minutes=10), operations=20)
        traffic.rotate()
        traffic.run(timedelta(minutes=30), operations=80)
    assert (traffic.rotations, traffic.failed) == (times, [])
    assert min(traffic.read.values()) > 0
    assert traffic.refused > 0, "made-up keys have been tried"


class _Traffic:
    """Processes that sign and read tokens, by one clock."""

    def __init__(self, secret: SecretVersions, chance: random.Random) -> None:
        self.rotations = self.refused = 0
        self.read: Counter[str] = Counter(access=0, refresh=0)
        self._secret = secret
        self._chance = chance
        self._clock = FakeClock()
        self._processes = [JwtTokens(SigningKeys(secret, self._clock), self._clock) for _ in range(4)]
        self._tokens: list[tuple[str, str, Any, datetime]] = []
        self.failed: list[str] = []

    def run(self, span: timedelta, operations: int) -> None:
        """Signs and reads at random moments of a span."""
        end = self._clock.now() + span
        for part in sorted(self._chance.random() for _ in range(operations)):
            self._clock.moment = end - (1 - part) * span
            [does] = self._chance.choices([self._sign, self._read, self._make_up], [30, 50, 20])
            does()
        self._clock.moment = end

    def rotate(self) -> None:
        """Takes the four steps, with traffic between them, and some of them twice."""
        version, rotation = str(uuid4()), KeyRotation(self._secret, self._clock)
        for step in STEPS:
            for _ in range(self._chance.choice([1, 2])):
                rotation.run(step, version)
            # Made-up keys have each process read the secret every ten seconds, each at moments of its own.
            self.run(timedelta(seconds=15), operations=250)
        self.rotations += 1

    def _sign(self) -> None:
        process = self._chance.choice(self._processes)
        access, refresh = AccessClaims(ulid(1), 1), RefreshClaims(ulid(1), 1, ulid(2), ulid(3))
        now = self._clock.now()
        made = [
            ("access", process.access(access), access, now + timedelta(seconds=process.access_seconds)),
            ("refresh", process.refresh(refresh), refresh, now + timedelta(seconds=process.refresh_seconds)),
        ]
        self._tokens.append(self._chance.choice(made))

    def _read(self) -> None:
        now = self._clock.now()
        # A token's moment is in whole seconds.
        self._tokens = [each for each in self._tokens if now + timedelta(seconds=1) < each[3]]
        if not self._tokens:
            return
        # Half of the tokens are of this moment.
        kind, token, claims, _ = self._chance.choice(self._chance.choice([self._tokens, self._tokens[-3:]]))
        try:
            found: Any = getattr(self._chance.choice(self._processes), f"read_{kind}")(token)
        except UnauthenticatedError:
            self.failed.append(f"{kind} {now}")
            return
        assert found == claims
        self.read[kind] += 1

    def _make_up(self) -> None:
        made_up = jwt.encode({"sub": "U"}, "x" * 64, "HS256", headers={"kid": str(uuid4())})
        with pytest.raises(UnauthenticatedError):
            self._chance.choice(self._processes).read_access(made_up)
        self.refused += 1
