"""The way into AWS, made once. AWS_ENDPOINT_URL and the other AWS_* variables are boto3's own."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from obstore.auth.boto3 import Boto3CredentialProvider
from obstore.store import S3Store

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

_RETRY: "RetryConfig" = {
    "max_retries": 10,
    "retry_timeout": timedelta(minutes=2),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=15), "base": 2},
}
# botocore renews credentials at the latest ten minutes before they expire: so long they are good for.
_CREDENTIALS_LAST = timedelta(minutes=10)

#: Of signs of life: `chalicelib/services/silence.py` looks a second time after more than all of it.
PULSE_TRIES, PULSE_CONNECT_SECONDS, PULSE_READ_SECONDS = 2, 2, 5


@dataclass(frozen=True, slots=True)
class Clients:
    """Low-level clients, safe to use from many threads, and the session that they are of."""

    dynamodb: Any
    s3: Any
    session: boto3.session.Session

    @classmethod
    def create(cls) -> Self:
        session = boto3.session.Session()
        config = Config(
            retries={"mode": "standard", "total_max_attempts": 8}, connect_timeout=5, read_timeout=30
        )
        return cls(session.client("dynamodb", config=config), session.client("s3", config=config), session)

    def pulse(self) -> Any:
        """A DynamoDB client that knows within 15 seconds whether a sign of life got through.

        The next one is as good; and one that waited out a slow answer would come later than many that didn't.
        """
        config = Config(
            retries={"mode": "standard", "total_max_attempts": PULSE_TRIES},
            connect_timeout=PULSE_CONNECT_SECONDS,
            read_timeout=PULSE_READ_SECONDS,
        )
        like = self.dynamodb.meta
        return self.session.client(
            "dynamodb", config=config, endpoint_url=like.endpoint_url, region_name=like.region_name
        )

    def bucket(self, name: str) -> S3Store:
        """A bucket to read many objects from: several times the objects a second that boto3 reads.

        It goes where the S3 client goes, with the same credentials.
        """
        url = urlsplit(self.s3.meta.endpoint_url)
        is_amazon = (url.hostname or "").endswith((".amazonaws.com", ".amazonaws.com.cn"))
        options: ClientConfig = {
            "allow_http": not is_amazon,  # an endpoint that was set by hand may be without TLS, AWS never
            "connect_timeout": timedelta(seconds=5),
            "timeout": timedelta(seconds=60),
        }
        return S3Store(
            name,
            endpoint=f"{url.scheme}://{name}.{url.netloc}" if is_amazon else self.s3.meta.endpoint_url,
            virtual_hosted_style_request=is_amazon,
            region=self.s3.meta.region_name,
            credential_provider=Boto3CredentialProvider(self.session, ttl=_CREDENTIALS_LAST),
            client_options=options,
            retry_config=_RETRY,
        )
