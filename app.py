"""Darkroom's Lambda functions: the HTTP API, the queue handlers and the sweep."""

from collections.abc import Callable
from typing import Any

from chalice.app import Chalice, Response

from chalicelib.bootstrap import log
from chalicelib.events import ingest, jobs, keys, removal
from chalicelib.problems import chalice_problem, is_chalice_error
from chalicelib.routes.api import request_id
from chalicelib.routes.documentation import BLUEPRINTS
from chalicelib.routes.headers import answer_preflights, complete

# Powertools' logger writes the log; Chalice's own handler would write each line twice.
app = Chalice(app_name="darkroom", debug=False, configure_logs=False)
app.api.binary_types.append("multipart/form-data")

for blueprint in (*BLUEPRINTS, ingest.blueprint, jobs.blueprint, keys.blueprint, removal.blueprint):
    app.register_blueprint(blueprint)
answer_preflights(app)


@app.middleware("http")
def finish(request: Any, get_response: Callable[[Any], Response]) -> Response:
    """Chalice's own errors (400, 405, 415, 500) as problems, like all the others; headers on every answer."""
    return complete(_reshaped(get_response(request), request), request)


def _reshaped(response: Response, request: Any) -> Response:
    if not is_chalice_error(response):
        return response
    identity = request_id(request)
    log().info(f"{request.method} {request.path} {response.status_code}", requestId=identity)
    return chalice_problem(response, identity)
