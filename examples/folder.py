"""`python -m examples.folder FOLDER COUNT`: handwritten digits as PNG files, and their labels as JSON."""

import json
import sys
from pathlib import Path

from .digits import digits


def main() -> None:
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    files, labels = digits(count)
    for name, content in files:
        (folder / name).write_bytes(content)
    (folder / "labels.json").write_text(json.dumps({"labels": labels}))


if __name__ == "__main__":
    main()
