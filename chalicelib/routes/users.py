"""Accounts."""

from ..bootstrap import services
from ..schemas.accounts import (
    LoginAnswer,
    LoginRequest,
    LogoutRequest,
    PasswordChange,
    RefreshRequest,
    UserAnswer,
    UserCreate,
)
from .api import Answered, Api, Call

api = Api(__name__)


@api.endpoint(
    "POST",
    "/api/users",
    summary="Register.",
    body=UserCreate,
    answers={201: UserAnswer},
    public=True,
    problems=(409,),
)
def register(call: Call) -> Answered:
    user = services().accounts.register(call.body.username, call.body.email, call.body.password)
    return Answered(201, UserAnswer.of(user))


@api.endpoint(
    "GET",
    "/api/users/me",
    summary="Who the token belongs to.",
    answers={200: UserAnswer},
    scope="read",
)
def me(call: Call) -> Answered:
    return Answered(200, UserAnswer.of(call.admitted.user))


@api.endpoint(
    "POST",
    "/api/users/me/password",
    summary="Change the password; every token of before ends, and these are new ones.",
    body=PasswordChange,
    answers={200: LoginAnswer},
)
def change_password(call: Call) -> Answered:
    sent = call.body
    given = services().accounts.change_password(
        call.admitted.user, sent.current_password, sent.new_password, call.source_address
    )
    return Answered(200, LoginAnswer.of(given))


@api.endpoint(
    "POST",
    "/api/auth/login",
    summary="Log in by email address or username.",
    body=LoginRequest,
    answers={200: LoginAnswer},
    public=True,
    problems=(401,),
)
def log_in(call: Call) -> Answered:
    given = services().accounts.log_in(call.body.login, call.body.password, call.source_address)
    return Answered(200, LoginAnswer.of(given))


@api.endpoint(
    "POST",
    "/api/auth/refresh",
    summary="Exchange a refresh token for new tokens; each works once.",
    body=RefreshRequest,
    answers={200: LoginAnswer},
    public=True,
    problems=(401,),
)
def refresh(call: Call) -> Answered:
    return Answered(200, LoginAnswer.of(services().accounts.refresh(call.body.refresh_token)))


@api.endpoint(
    "POST",
    "/api/auth/logout",
    summary="End this login, or every login of the user.",
    body=LogoutRequest,
    answers={204: None},
    public=True,
    problems=(401,),
)
def log_out(call: Call) -> Answered:
    services().accounts.log_out(call.body.refresh_token, call.body.everywhere)
    return Answered(204)
