"""What the web console's pages may do in a browser."""

from .ports import ObjectStore


class ConsolePolicy:
    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def content_security_policy(self) -> str:
        """Scripts and styles from the API alone, none inline; pictures, uploads and files also by S3."""
        store = " ".join(sorted(self._store.origins()))
        return "; ".join(
            (
                "default-src 'none'",
                "script-src 'self'",
                "style-src 'self'",
                f"img-src 'self' blob: data: {store}",
                f"connect-src 'self' {store}",
                "form-action 'none'",
                "base-uri 'none'",
                "frame-ancestors 'none'",
            )
        )
