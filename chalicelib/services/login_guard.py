"""Slows down who guesses passwords, and not the account's owner.

Failures of addresses from which the account's owner has never logged in share one count, however many
addresses there are. An address that did so within the last 30 days has a count of its own: so the owner
doesn't wait for strangers. An attempt is counted before its password is looked at, and taken back when
it is right: a hundred guesses at one moment are a hundred guesses.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address, ip_network

from ..contract.errors import TooManyRequestsError
from ..contract.records import LoginAttempts
from .account_ports import Attempts, Pseudonyms
from .ports import Clock, Telemetry

#: Failures after which the next attempt has to wait: 1 second, and twice as long each time.
FREE = 5
LONGEST_SECONDS = 60
FORGOTTEN_SECONDS = 24 * 3600
KNOWN_SECONDS = 30 * 24 * 3600
#: Of writing a count that others write at the same moment; each that comes first brings the wait nearer.
_TRIES = 2 * FREE


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that was counted."""

    counted_as: str
    address: str  # under which the address becomes known


class LoginGuard:
    def __init__(
        self, attempts: Attempts, pseudonyms: Pseudonyms, telemetry: Telemetry, clock: Clock
    ) -> None:
        self._attempts = attempts
        self._pseudonyms = pseudonyms
        self._telemetry = telemetry
        self._clock = clock

    def begin(self, account: str, address: str) -> Attempt:
        """Counts an attempt.

        Args:
            account: a user's id, or what stands in its place for a login that nobody has.
            address: the network address that it comes from.

        Raises:
            TooManyRequestsError: the next one may come later.
        """
        strangers = self._pseudonyms.of(account)[0]
        own = self._pseudonyms.of(f"{account} {_network(address)}")
        for _ in range(_TRIES):
            now = self._clock.now()
            seen = self._count(strangers, own, now)
            waits = seen.allowed_at - now.timestamp() if seen else 0
            if waits > 0:
                raise self._delayed(waits)
            counted_as = seen.user_id if seen else strangers
            if self._attempts.replace(seen, _one_more(counted_as, seen, now)):
                return Attempt(counted_as, own[0])
        raise self._delayed(1)

    def succeed(self, attempt: Attempt) -> None:
        """The password was right: the address is known from now on."""
        moment = int(self._clock.now().timestamp())
        if attempt.counted_as != attempt.address:
            self.take_back(attempt)
        self._attempts.remember(_record(attempt.address, 0, moment, moment, moment + KNOWN_SECONDS))

    def take_back(self, attempt: Attempt) -> None:
        """The password was not looked at, or is right."""
        self._attempts.forgive(attempt.counted_as)

    def _count(self, strangers: str, own: Sequence[str], now: datetime) -> LoginAttempts | None:
        """The count that an attempt belongs to; None where there is none."""
        rows = self._attempts.get([strangers, *own])
        known = (rows[each] for each in own if each in rows and rows[each].known_until > now.timestamp())
        return next(known, rows.get(strangers))

    def _delayed(self, seconds: float) -> TooManyRequestsError:
        self._telemetry.count("LoginsDelayed")
        return TooManyRequestsError(
            "too many wrong passwords for this account",
            code="too-many-attempts",
            hint="Wait for Retry-After. An address from which you logged in lately doesn't wait for others.",
            retry_after_seconds=max(1, math.ceil(seconds)),
        )


def _network(address: str) -> str:
    """An address, or the network of an IPv6 address: a connection has 2^64 of them."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return str(ip_network((parsed, 64), strict=False)) if parsed.version == 6 else str(parsed)


def _one_more(name: str, seen: LoginAttempts | None, now: datetime) -> LoginAttempts:
    moment = now.timestamp()
    earlier = seen.failures if seen and seen.counted_until > moment else 0
    known_until = seen.known_until if seen else 0
    until = int(moment) + FORGOTTEN_SECONDS
    return _record(name, earlier + 1, moment + _delay(earlier + 1), until, known_until)


def _record(
    name: str, failures: int, allowed_at: float, counted_until: int, known_until: int
) -> LoginAttempts:
    return LoginAttempts(
        user_id=name,
        failures=failures,
        allowed_at=allowed_at,
        counted_until=counted_until,
        known_until=known_until,
        expires_at=max(counted_until, known_until),
    )


def _delay(failures: int) -> int:
    """Seconds."""
    return 0 if failures < FREE else min(LONGEST_SECONDS, 2 ** (failures - FREE))
