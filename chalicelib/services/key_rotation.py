"""Replacing the key that signs tokens, without ending anybody's login.

Secrets Manager asks for four steps, each at least once; every one may repeat. Source: AWS Secrets
Manager, "Lambda rotation functions".
"""

import secrets
from datetime import timedelta

from ..contract.signing import KeyRing, SigningKey
from .account_ports import SigningSecret
from .ports import Clock

#: 576 bits, in the letters of URLs.
_RANDOM_BYTES = 72
#: From the making of a key until it signs. Its rotation takes seconds, and whoever checks tokens reads
#: the keys every five minutes: so nobody meets a token by a key that he doesn't know.
OVERLAP = timedelta(minutes=15)


class KeyRotation:
    def __init__(self, secret: SigningSecret, clock: Clock) -> None:
        self._secret = secret
        self._clock = clock

    def run(self, step: str, version: str) -> None:
        """Takes one step of a rotation.

        Args:
            step: by Secrets Manager's name.
            version: id of the secret's version that the rotation makes.

        Raises:
            ValueError: there is no such step.
            RuntimeError: what would become current does not keep the key that is, or has one that is
                too short.
        """
        current = KeyRing.parse(self._secret.current())
        if current.current.key_id == version:
            return  # It is over, and this step comes again.
        match step:
            case "createSecret":
                self._create(version, current)
            case "setSecret":
                pass  # Nobody else has to be told: whoever checks a token reads the secret.
            case "testSecret":
                # Without a pending value it is no rotation: Secrets Manager tries a new schedule so.
                if (pending := self._secret.pending(version)) is not None:
                    _check(pending, current)
            case "finishSecret":
                _check(self._secret.pending(version) or "", current)
                self._secret.make_current(version)
            case _:
                raise ValueError(f"a rotation has no step {step!r}")

    def _create(self, version: str, current: KeyRing) -> None:
        if self._secret.pending(version) is None:
            new = SigningKey(version, secrets.token_urlsafe(_RANDOM_BYTES))
            signs_from = (self._clock.now() + OVERLAP).timestamp()
            self._secret.put_pending(version, current.rotated(new, signs_from).serialize())


def _check(pending: str, current: KeyRing) -> None:
    if not pending or current.current not in KeyRing.parse(pending):
        raise RuntimeError("the new version does not keep the current key")
