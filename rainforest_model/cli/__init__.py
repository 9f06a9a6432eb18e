"""The command line.  Heavy imports wait until a command needs them."""

from __future__ import annotations

import sys

import click

from .. import __version__
from . import figures, hands_on, scenarios, trust
from .common import Group, fail


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="rainforest")
def cli() -> None:
    """A mechanistic performance laboratory for "isolate first, then share".

    Simulates what cores, locks, caches and OS instances do to latency, regenerates the paper's figures and
    tables from mechanism, and judges each of its claims.
    """


for _command in (*figures.COMMANDS, *scenarios.COMMANDS, *trust.COMMANDS, *hands_on.COMMANDS):
    cli.add_command(_command)


def main() -> None:
    """Entry point of the command ``rainforest``; a wrong option is told in one line too."""
    try:
        sys.exit(cli.main(prog_name="rainforest", standalone_mode=False))
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help())
        sys.exit(2)
    except click.ClickException as error:
        fail(error.format_message(), error.exit_code)
    except click.Abort:
        fail("interrupted; finished results are kept", 130)
