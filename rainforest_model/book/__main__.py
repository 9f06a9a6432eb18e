"""``python -m rainforest_model.book``: make the book in ``build/book/site``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..errors import InputError
from ..resources import output_root
from . import build


def main(arguments: list[str] | None = None) -> int:
    """Make the book as the command line says, and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m rainforest_model.book", description="Make the book, a static site that works offline."
    )
    parser.add_argument("names", nargs="*", help="notebooks, such as fig03a_mmap (default: all)")
    parser.add_argument("--quality", choices=["quick", "full"], default="quick", help="of the notebooks' runs")
    parser.add_argument("--no-execute", action="store_true", help="execute nothing; take executed copies that are kept")
    parser.add_argument("--place", type=Path, help="folder to work in (default: build/book)")
    asked = parser.parse_args(arguments)
    try:
        book = build(
            output_root(), asked.names, place=asked.place, quality=asked.quality, execute=not asked.no_execute,
            tell=lambda line: print(f"book: {line}", flush=True),  # noqa: T201 - a command prints
        )
    except InputError as error:
        sys.stderr.write(f"book: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("book: interrupted; executed notebooks are kept\n")
        return 130
    for line in [*book.warnings, *book.faults]:
        sys.stderr.write(f"book: {line}\n")
    sys.stdout.write(f"book: {book.index}\n")
    return 1 if book.faults else 0


if __name__ == "__main__":
    sys.exit(main())
