"""The stage's signing keys in Secrets Manager: reading them, and rotating them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from threading import Lock

from botocore.exceptions import ClientError

from ..contract.errors import UnavailableError
from ..contract.signing import KeyRing, SigningKey
from ..services.account_ports import SigningSecret
from ..services.ports import Clock
from .aws import Aws, error_code, unavailable

_CURRENT, _PENDING = "AWSCURRENT", "AWSPENDING"
#: How long after its rotation a key that is neither current nor previous may still be taken.
KEPT = timedelta(minutes=5)
#: Tokens that name unknown keys, which anybody can send, cause at most one call in this time.
LEAST_AGE = timedelta(seconds=10)


class SigningKeys:
    """The keys of a stage, read when the first token is seen, and again when they may have changed."""

    def __init__(self, secret: SigningSecret, clock: Clock) -> None:
        self._secret = secret
        self._clock = clock
        self._reading = Lock()
        self._ring: KeyRing | None = None
        self._tried_at: datetime | None = None

    @property
    def current(self) -> SigningKey:
        """The key to sign with.

        Raises:
            RuntimeError: the secret has no keys, or shorter ones than HMAC-SHA-256 wants: nothing is signed,
                and nobody let in.
            UnavailableError: Secrets Manager didn't answer, and never has.
        """
        return self._known().signing(self._clock.now().timestamp())

    @property
    def every(self) -> Sequence[SigningKey]:
        """All keys that are in use, newest first; raises as `current`."""
        return self._known().keys

    def find(self, key_id: str) -> str | None:
        """The key of an id, current or previous; an unknown id has the secret read again.

        Raises:
            RuntimeError, UnavailableError: as `current`.
        """
        return self._known().find(key_id) or self._known(LEAST_AGE).find(key_id)

    def _known(self, max_age: timedelta = KEPT) -> KeyRing:
        ring = self._ring
        if ring is not None and not self._is_older(max_age):
            return ring
        with self._reading:
            if self._ring is None or self._is_older(max_age):
                self._refresh()
            assert self._ring is not None  # noqa: S101 - or _refresh has raised
            return self._ring

    def _is_older(self, age: timedelta) -> bool:
        return self._tried_at is None or self._clock.now() - self._tried_at >= age

    def _refresh(self) -> None:
        self._tried_at = self._clock.now()
        try:
            text = self._secret.current()
        except UnavailableError:
            if self._ring is None:
                raise
            return  # those that were read go on: keys change seldom
        try:
            self._ring = KeyRing.parse(text)
        except RuntimeError:
            self._ring = None
            raise


class SecretVersions:
    """The versions of the secret, for its rotation."""

    def __init__(self, aws: Aws, secret_id: str) -> None:
        self._aws = aws
        self._secret_id = secret_id

    def current(self) -> str:
        return self._read(VersionStage=_CURRENT)

    def pending(self, version: str) -> str | None:
        try:
            return self._read(VersionId=version, VersionStage=_PENDING)
        except ClientError as error:
            if error_code(error) != "ResourceNotFoundException":
                raise
            return None

    def put_pending(self, version: str, text: str) -> None:
        with unavailable():
            self._aws.secrets.put_secret_value(
                SecretId=self._secret_id,
                ClientRequestToken=version,
                SecretString=text,
                VersionStages=[_PENDING],
            )

    def make_current(self, version: str) -> None:
        current = self._current_version()
        try:
            with unavailable():
                self._aws.secrets.update_secret_version_stage(
                    SecretId=self._secret_id,
                    VersionStage=_CURRENT,
                    MoveToVersionId=version,
                    RemoveFromVersionId=current,
                )
        except ClientError as error:
            # The SDK repeats a call whose answer was lost, and by then another version is current: this one.
            if error_code(error) != "InvalidParameterException" or self._current_version() != version:
                raise

    def _current_version(self) -> str:
        with unavailable():
            stages = self._aws.secrets.describe_secret(SecretId=self._secret_id)["VersionIdsToStages"]
        [current] = [each for each, its_stages in stages.items() if _CURRENT in its_stages]
        return str(current)

    def _read(self, **which: str) -> str:
        with unavailable():
            answer = self._aws.secrets.get_secret_value(SecretId=self._secret_id, **which)
        return str(answer["SecretString"])
