"""The paper: what there is, its figures and tables anew, and its claims."""

from __future__ import annotations

import json
import os
import time

import click

from .common import ENGINE, QUALITY, fail, jobs_or_all, picture_kind, tell_compiling


@click.command("list")
def list_command() -> None:
    """Show what there is: experiments, systems, machines, workloads."""
    from .. import experiments
    from ..descriptions import load
    from ..paper import contents
    from ..workloads import workloads

    known = set(experiments.ids())
    click.echo("Figures and tables of the paper (*: modelled; reproduce them by id)")
    for item in contents():
        click.echo(f"  {'*' if item.id in known else ' '} {item.id:28} {item.title}")
    click.echo("\nSystems")
    for id in load.systems():
        click.echo(f"    {id:28} {load.system(id).title}")
    click.echo("\nMachines")
    for id in load.machines():
        click.echo(f"    {id:28} {load.machine(id).title}")
    click.echo("\nWorkloads")
    for id, program in workloads().items():
        click.echo(f"    {id:28} {program.title}")


@click.command()
@click.argument("ids", nargs=-1)
@click.option("--quality", type=QUALITY, default="quick", show_default=True, help="Length and number of runs.")
@click.option("--engine", type=ENGINE, default="compiled", show_default=True, help="Compiled loop or Mesa agents.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Seed of all random streams.")
@click.option("--jobs", type=click.IntRange(min=1), help="Scenarios at a time (default: all cores).")
@click.option("--check", "checking", is_flag=True, help="Recompute and compare with the saved results; write nothing.")
def reproduce(ids, quality, engine, seed, jobs, checking) -> None:
    """Regenerate figures and tables (all, or those with these IDS), and judge the claims."""
    from .. import gallery
    from .. import reproduce as rp
    from ..experiments import experiment
    from ..experiments.common import Options
    from ..paper import verdict_table
    from ..progress import Progress

    names = rp.chosen(ids)
    tell_compiling()
    differing = 0
    for id in names:
        began, progress = time.monotonic(), Progress(id)
        options = Options(quality, seed, engine, jobs_or_all(jobs), progress)
        done = (rp.check if checking else rp.reproduce)(id, options)
        progress.close()
        took = f"{time.monotonic() - began:.1f} s"
        if checking:
            click.echo(f"{id}: {'differs' if done.differences else 'the same numbers'} ({took})")
            for line in done.differences:
                click.echo(f"    {line}")
            differing += bool(done.differences)
        else:
            click.echo(f"{id}: {experiment(id).TITLE} ({took})")
            for path in done.files:
                click.echo(f"    {os.path.relpath(path)}")
    if differing:
        fail(f"{differing} of {len(names)} experiments differ from the saved results", 1)
    if not checking:
        if quality == "quick":
            click.echo(f"gallery: {os.path.relpath(gallery.write())}")
        rows = rp.verdicts(quality)
        judged = [row for row in rows if row.verdict != "not modelled"]
        click.echo(f"\n{verdict_table(judged)}")
        click.echo(f"\n{len(rows) - len(judged)} further claims are not yet modelled; rainforest score lists them all.")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="A list of all claims with the model's answers.")
@click.option("--quality", type=QUALITY, default="quick", show_default=True, help="Which saved results.")
@click.option("--figure", "picture", type=click.Path(dir_okay=False), help="Draw all claims there (.png or .svg).")
def score(as_json, quality, picture) -> None:
    """Show every claim of the paper beside the model's answer, from the saved results.

    Totals and the aims of the suite come first. The gallery keeps the same figure in figures/scoreboard.
    """
    from dataclasses import asdict
    from pathlib import Path

    from .. import plots
    from .. import scoreboard as sb
    from ..results import write_asked

    kind = picture_kind(picture)
    board = sb.scoreboard(quality)
    click.echo(json.dumps([asdict(row) for row in board.verdicts], indent=1) if as_json else sb.text(board))
    if picture:
        write_asked(Path(picture), plots.encode(sb.figure(board.verdicts), kind))
        click.echo(f"figure: {picture}", err=as_json)


COMMANDS = (list_command, reproduce, score)
