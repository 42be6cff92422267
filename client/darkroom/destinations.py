"""Where secrets may go that nobody is asked about."""

from .configuration import API_KEY, FOLDER_FILE, Settings
from .errors import ConfigurationError
from .transport import is_local, normalized


def check_destination(settings: Settings, secret: str) -> None:
    """Holds a secret back from a URL that only the present folder names, since others may have written it.

    Args:
        settings: whose URL it would go to.
        secret: what it is, for people.

    Raises:
        ConfigurationError: the URL is in ./darkroom.toml, and neither on this machine nor the user's own.
    """
    url = normalized(settings.url.value)
    if settings.url.source != FOLDER_FILE or is_local(url):
        return
    if settings.own_url and normalized(settings.own_url) == url:
        return
    raise ConfigurationError(
        f"{secret} is not sent to {url}, which only ./{FOLDER_FILE} names",
        code="url-not-yours",
        hint=f"If you trust it, name it yourself: --url {url}, or DARKROOM_URL.",
    )


def key_for(settings: Settings) -> str | None:
    """The environment's API key, if there is one and the URL is one that it may go to.

    Raises:
        ConfigurationError: it may not.
    """
    if settings.api_key:
        check_destination(settings, API_KEY)
    return settings.api_key
