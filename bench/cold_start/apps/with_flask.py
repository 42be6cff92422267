"""Flask behind apig-wsgi."""

from apig_wsgi import make_lambda_handler
from flask import Flask, Response
from status import ROUTE, read_status

api = Flask(__name__)


@api.get(ROUTE.replace("{", "<").replace("}", ">"))
def status(project_id: str, session_id: str) -> Response:
    body = read_status(project_id, session_id).model_dump_json(by_alias=True)
    return Response(body, content_type="application/json")


app = make_lambda_handler(api)
