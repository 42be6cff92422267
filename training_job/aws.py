"""The two clients, built once. AWS_ENDPOINT_URL and the other AWS_* variables are boto3's own."""

from dataclasses import dataclass
from typing import Any, Self

import boto3
from botocore.config import Config

#: Threads that download; the connection pool is as large.
CONNECTIONS = 16


@dataclass(frozen=True, slots=True)
class Clients:
    """Low-level clients; both are safe to use from many threads."""

    dynamodb: Any
    s3: Any

    @classmethod
    def create(cls) -> Self:
        session = boto3.session.Session()
        config = Config(
            retries={"mode": "standard", "total_max_attempts": 8},
            connect_timeout=5,
            read_timeout=30,
            max_pool_connections=CONNECTIONS,
        )
        return cls(session.client("dynamodb", config=config), session.client("s3", config=config))
