"""`darkroom auth`: logging in and out."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import AuthenticationError, ConfigurationError
from .exits import AUTHENTICATION, command
from .options import AsJson, Url, connected, settings
from .output import clean, emit, facts, say

if TYPE_CHECKING:
    from ..configuration import Settings

app = typer.Typer(help="Log in and out.", no_args_is_help=True, rich_markup_mode=None)

PasswordFromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]


@app.command()
@command
def login(
    name: Annotated[str | None, typer.Argument(help="Email address or username.", show_default=False)] = None,
    password_stdin: PasswordFromStdin = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Log in.

    The login is kept for later commands, and its URL too where --url names it.
    """
    chosen = settings(url)
    name = name or _asked("Email address or username")
    _log_in(chosen, name, _password(chosen, password_stdin), as_json)


@app.command()
@command
def register(
    username: Annotated[str, typer.Argument(help="3 to 40 letters, digits, dots, dashes, underscores.")],
    email: Annotated[str, typer.Argument(help="Email address.")],
    password_stdin: PasswordFromStdin = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Make an account, and log in."""
    from .. import endpoints
    from ..transport import Transport, normalized

    chosen = settings(url)
    password = _password(chosen, password_stdin, twice=True)
    transport = Transport(normalized(chosen.url.value))
    try:
        body = {"username": username, "email": email, "password": password}
        transport.call(endpoints.REGISTER, body=body)
    finally:
        transport.close()
    _log_in(chosen, username, password, as_json)


def _log_in(chosen: "Settings", name: str, password: str, as_json: bool) -> None:
    from ..client import Client
    from ..configuration import remember
    from ..logins import FileStore
    from ..transport import is_local, normalized

    url = normalized(chosen.url.value)
    if url.startswith("http:") and not is_local(url):
        say(f"warning: {url} is not encrypted: the password can be read on its way")
    store = FileStore(chosen.credentials_file, url)
    with Client.login(url, name, password, store=store) as client:
        user = client.me()
    if chosen.url.source == "the command line":
        remember(chosen.folder / "config.toml", url=url)
    emit(user, as_json, lambda: facts([("user", user.username), ("url", url)]))


@app.command()
@command
def status(url: Url = None, as_json: AsJson = False) -> int:
    """Who is logged in, and where."""
    chosen = settings(url)
    try:
        with connected(url) as client:
            user = client.me()
    except AuthenticationError as error:
        say(f"{chosen.url.value}: {error.detail}")
        emit({"loggedIn": False, "url": chosen.url.value}, as_json, lambda: None)
        return AUTHENTICATION
    way = "API key" if chosen.api_key else "login"
    document = {"loggedIn": True, "url": chosen.url.value, "way": way, "user": user}
    emit(
        document,
        as_json,
        lambda: facts(
            [
                ("user", user.username),
                ("email", user.email),
                ("by", way),
                ("url", f"{chosen.url.value} (from {chosen.url.source})"),
            ]
        ),
    )
    return 0


@app.command()
@command
def logout(
    everywhere: Annotated[bool, typer.Option("--everywhere", help="End every login of the user.")] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """End the login, here and on the server."""
    from .. import endpoints
    from ..logins import FileStore, has_ended
    from ..transport import Transport, normalized

    chosen = settings(url)
    transport = Transport(normalized(chosen.url.value))
    store = FileStore(chosen.credentials_file, transport.url)
    with store.held():
        kept = store.read()
        try:
            if kept:
                body = {"refreshToken": kept.refresh_token, "everywhere": everywhere}
                transport.call(endpoints.LOGOUT, body=body)
        except AuthenticationError as error:
            if not has_ended(error):  # before
                raise
        finally:
            transport.close()
        store.write(None)
    emit({"loggedOut": kept is not None}, as_json, lambda: say("logged out" if kept else "was not logged in"))


def _asked(question: str) -> str:
    if not sys.stdin.isatty():
        raise ConfigurationError(f"{question} is missing", hint="Nobody is there to be asked: give it.")
    return str(typer.prompt(question, err=True))


def _password(chosen: "Settings", from_stdin: bool, *, twice: bool = False) -> str:
    from ..destinations import check_destination
    from ..transport import normalized

    url = normalized(chosen.url.value)
    if from_stdin:
        check_destination(chosen, "a password that nobody types")
        return sys.stdin.readline().rstrip("\n")
    if not sys.stdin.isatty():
        raise ConfigurationError("the password is missing", hint="Give it by --password-stdin.")
    question = clean(f"Password for {url} (from {chosen.url.source})")
    return str(typer.prompt(question, hide_input=True, confirmation_prompt=twice, err=True))
