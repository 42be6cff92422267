"""Powertools' resolver of REST APIs, with its validation."""

from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from status import ROUTE, Status, read_status

api = APIGatewayRestResolver(enable_validation=True)


@api.get(ROUTE.replace("{", "<").replace("}", ">"))
def status(project_id: str, session_id: str) -> Status:
    return read_status(project_id, session_id)


def app(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return api.resolve(event, context)
