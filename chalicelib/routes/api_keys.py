"""API keys: made and revoked by whoever is logged in, never by a key."""

from ..bootstrap import services
from ..schemas.api_keys import KeyAnswer, KeyCreate
from ..schemas.base import Page
from .api import Answered, Api, Call

api = Api(__name__)

_KEYS = "/api/users/me/keys"


@api.endpoint(
    "POST",
    _KEYS,
    summary="Make an API key for a machine, up to 20; the answer alone shows it.",
    body=KeyCreate,
    answers={201: KeyAnswer},
    problems=(409,),
)
def make_key(call: Call) -> Answered:
    body = call.body
    kept, key = services().api_keys.make(call.admitted.user, body.name, body.scopes, body.until)
    return Answered(201, KeyAnswer.of(kept, key), {"Location": f"{_KEYS}/{kept.key_id}"})


@api.endpoint("GET", _KEYS, summary="Your API keys, newest first.", answers={200: Page[KeyAnswer]})
def list_keys(call: Call) -> Answered:
    found = services().api_keys.list(call.admitted.user)
    return Answered(200, Page[KeyAnswer](items=[KeyAnswer.of(each) for each in found]))


@api.endpoint(
    "DELETE", _KEYS + "/{keyId}", summary="Revoke an API key: it ends at once.", answers={204: None}
)
def revoke_key(call: Call) -> Answered:
    services().api_keys.revoke(call.admitted.user, call.path["keyId"])
    return Answered(204)
