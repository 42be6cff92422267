"""FastAPI behind Mangum."""

from fastapi import FastAPI
from mangum import Mangum
from status import ROUTE, Status, read_status

api = FastAPI()


@api.get(ROUTE)
def status(project_id: str, session_id: str) -> Status:
    return read_status(project_id, session_id)


app = Mangum(api, lifespan="off")
