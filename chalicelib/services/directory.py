"""Finding a project's images by what people call them."""

from collections.abc import Collection, Iterable
from typing import Self

from .data_ports import Images, Known
from .names import composed


class RefusedError(Exception):
    """One key of many can't be served: a code for programs, a sentence for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Directory:
    """Finds accepted images by id or by file name, in whichever form of Unicode that is typed."""

    def __init__(self, images: Iterable[Known]) -> None:
        self._by_id: dict[str, Known] = {}
        self._by_name: dict[str, list[Known]] = {}
        for each in images:
            self._by_id[each.image_id] = each
            for name in each.file_names:
                self._by_name.setdefault(name, []).append(each)

    @classmethod
    def of(cls, images: Images, project_id: str, keys: Collection[str]) -> Self:
        """Of a project's images those that the keys may mean: of a large one only what is asked for."""
        return cls(images.known(project_id, {*keys, *map(composed, keys)}))

    def find(self, key: str) -> Known:
        """Raises `RefusedError` (unknown-image, ambiguous-file-name)."""
        if key in self._by_id:
            return self._by_id[key]
        named = self._by_name.get(composed(key), [])
        if not named:
            raise RefusedError("unknown-image", "the project has no accepted image of this id or file name")
        if len(named) > 1:
            ids = ", ".join(each.image_id for each in named[:3])
            raise RefusedError(
                "ambiguous-file-name", f"{len(named)} images have this file name: use ids ({ids})"
            )
        return named[0]
