"""The role by which API Gateway writes access logs: one for all APIs of an account and region."""

from typing import Any

from botocore.exceptions import ClientError

from .account import Clients
from .inventory import is_gone
from .stage import Stage

#: Values of the parameter GatewayLogsBy.
OWN_ROLE, ACCOUNT_ROLE = "own-role", "account-role"


def role(clients: Clients) -> str:
    """ARN of the role that is set and still there; empty where there is none."""
    arn = str(clients("apigateway").get_account().get("cloudwatchRoleArn") or "")
    return arn if arn and _exists(clients("iam"), arn.rpartition("/")[2]) else ""


def _exists(iam: Any, name: str) -> bool:
    try:
        iam.get_role(RoleName=name)
    except ClientError as error:
        if is_gone(error):  # of a stage that was destroyed
            return False
        raise
    return True


def logs_by(clients: Clients, stage: Stage) -> str:
    """Who makes the role: the stage's stack, unless another stage or the account's owner has set one."""
    name = role(clients).rpartition("/")[2]
    return ACCOUNT_ROLE if name and not name.startswith(stage.prefix) else OWN_ROLE
