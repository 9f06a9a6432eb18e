"""What commands share: how an error is told, and choices that several of them offer."""

from __future__ import annotations

import os
import sys
from pathlib import PurePath

import click

from ..errors import InputError

QUALITY = click.Choice(["quick", "full"])
ENGINE = click.Choice(["compiled", "agents"])


class Group(click.Group):
    """Tells every error of the user's input in one line, and exits with 2."""

    def invoke(self, context):
        try:
            return super().invoke(context)
        except InputError as error:
            fail(str(error), 2)
        except KeyboardInterrupt:
            fail("interrupted; finished results are kept", 130)
        except Exception as error:
            from ..simulation import SimulationError

            if isinstance(error, SimulationError):
                fail(str(error), 2)
            raise


def fail(message: str, code: int) -> None:
    """Tell what went wrong in one line, and exit."""
    click.echo(f"rainforest: {' '.join(message.split())}", err=True)
    sys.exit(code)


def tell_compiling() -> None:
    """Say why nothing is seen for half a minute, where that is so."""
    from ..compiled import is_cold

    if is_cold():
        click.echo("The first run compiles the engine, which takes about half a minute.", err=True)


def picture_kind(picture: str | None) -> str:
    """``png`` or ``svg``, as the name of a figure that is asked for ends."""
    kind = PurePath(picture).suffix if picture else ".png"
    if kind not in (".png", ".svg"):
        raise InputError("a figure's name ends in .png or .svg", key="--figure", value=picture)
    return kind.removeprefix(".")


def jobs_or_all(jobs: int | None) -> int:
    """What is asked for, or all cores that this process may use."""
    if jobs is not None:
        return jobs
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
