"""Chalice with boto3, pydantic and argon2, and nothing else; and a view that does nothing."""

from chalice.app import Chalice, Response
from status import ROUTE, read_status

app = Chalice(app_name="bare")


@app.route(ROUTE, methods=["GET"])
def status(project_id: str, session_id: str) -> Response:
    body = read_status(project_id, session_id).model_dump_json(by_alias=True)
    return Response(body, {"Content-Type": "application/json"}, 200)


@app.route("/empty", methods=["GET"])
def empty() -> dict[str, str]:
    return {}
