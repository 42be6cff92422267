"""Credentials, region and clients; and what AWS refuses, as sentences."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
from botocore import exceptions
from botocore.config import Config

from .errors import AccountError
from .stage import Stage

#: Gives the boto3 client of a service; in another region than the stage's where one is named.
Clients = Callable[..., Any]

_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
_WRONG = {"InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "AuthFailure"}
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403", "Forbidden"}
_NO_CREDENTIALS = (
    exceptions.NoCredentialsError,
    exceptions.PartialCredentialsError,
    exceptions.CredentialRetrievalError,
    exceptions.TokenRetrievalError,
    exceptions.SSOError,
    exceptions.ProfileNotFound,
)
_NO_ANSWER = (exceptions.ConnectionError, exceptions.HTTPClientError)


@dataclass(frozen=True, kw_only=True)
class Account:
    """Whose AWS this is."""

    number: str
    identity: str
    region: str
    clients: Clients
    names_region: bool = False  # on the command line, so that the next command has to name it too

    def stage(self, name: str) -> Stage:
        """A stage of this account."""
        return Stage(name=name, account=self.number, region=self.region, names_region=self.names_region)


def connect(region: str | None, again: str) -> Account:
    """Finds credentials and region where every AWS tool does.

    Args:
        region: that of the command line; otherwise AWS_REGION, AWS_DEFAULT_REGION or the profile's.
        again: the command that is running.

    Raises:
        AccountError: there are no credentials, or no region.
    """
    with translated(again):
        session = boto3.Session(region_name=region or os.environ.get("AWS_REGION"))
        if not session.region_name:
            raise AccountError("No AWS region is set.", f"AWS_REGION=us-east-1 {again}")
        clients = _clients(session)
        with _region_checked(session, again):
            identity = clients("sts").get_caller_identity()
    return Account(
        number=identity["Account"],
        identity=identity["Arn"],
        region=session.region_name,
        clients=clients,
        names_region=bool(region),
    )


@contextmanager
def _region_checked(session: boto3.Session, again: str) -> Iterator[None]:
    """An unknown region has no endpoint; one that is newer than the SDK has, so it is tried first."""
    try:
        yield
    except (exceptions.InvalidRegionError, *_NO_ANSWER) as error:
        partitions = session.get_available_partitions()
        known = {name for each in partitions for name in session.get_available_regions("ec2", each)}
        if session.region_name in known:
            raise
        raise AccountError(
            f"AWS has no region {session.region_name!r}.", f"{_without_region(again)} REGION=us-east-1"
        ) from error


def _without_region(command: str) -> str:
    return " ".join(part for part in command.split() if not part.startswith("REGION="))


def _clients(session: boto3.Session) -> Clients:
    made: dict[tuple[str, str | None], Any] = {}
    # Standard retries with a jitter: CloudFormation throttles whoever asks for events often.
    config = Config(retries={"mode": "standard", "max_attempts": 6}, connect_timeout=10)

    def client(service: str, region: str | None = None) -> Any:
        key = (service, region)
        if key not in made:
            made[key] = session.client(service, region_name=region, config=config)
        return made[key]

    return client


def code_of(error: exceptions.ClientError) -> str:
    return str(error.response["Error"]["Code"])


@contextmanager
def translated(again: str) -> Iterator[None]:
    """What AWS says to a person who isn't let in, as an AccountError; all else passes through.

    Args:
        again: the command to repeat once that is mended.
    """
    try:
        yield
    except exceptions.NoRegionError as error:
        raise AccountError("No AWS region is set.", f"AWS_REGION=us-east-1 {again}") from error
    except _NO_CREDENTIALS as error:
        raise AccountError(f"There are no AWS credentials: {_plain(error)}.", "aws configure") from error
    except _NO_ANSWER as error:
        raise AccountError(f"AWS doesn't answer: {_plain(error)}.", again) from error
    except exceptions.ClientError as error:
        raise _refused(error, again) from error


def _refused(error: exceptions.ClientError, again: str) -> AccountError:
    code = code_of(error)
    if code in _EXPIRED:
        return AccountError("The AWS credentials have expired.", "aws sso login")
    if code in _WRONG:
        return AccountError("AWS doesn't know these credentials.", "aws configure")
    if code in _DENIED:
        action = error.operation_name
        return AccountError(
            f"These credentials may not call {action}: {_plain(error)}. Use some that may.",
            f"AWS_PROFILE=administrator {again}",
        )
    return AccountError(f"AWS refuses {error.operation_name}: {_plain(error)} ({code}).", again)


def _plain(error: Exception) -> str:
    if isinstance(error, exceptions.ClientError):
        return str(error.response["Error"].get("Message") or code_of(error)).rstrip(".")
    return str(error).rstrip(".")
