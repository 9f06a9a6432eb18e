"""How far to trust it: causes, sensitivity, theory, fits, speed."""

from __future__ import annotations

import json
import os

import click

from .common import QUALITY, fail, jobs_or_all, picture_kind, tell_compiling


@click.command()
@click.argument("id")
@click.option("--system", "systems", multiple=True, required=True, help="A system's id; repeatable.")
@click.option("--cores", type=click.IntRange(min=1), help="Instead of all of the machine's.")
@click.option("--percentile", type=click.FloatRange(0, 100, min_open=True), default=99.0, show_default=True)
@click.option("--quality", type=QUALITY, default="quick", show_default=True, help="Length and number of runs.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Seed of all random streams.")
@click.option("--jobs", type=click.IntRange(min=1), help="Runs at a time (default: all cores).")
@click.option("--csv", "table", type=click.Path(dir_okay=False), help="Write the table there too.")
@click.option("--figure", "picture", type=click.Path(dir_okay=False), help="Draw the systems there (.png or .svg).")
def explain(id, systems, cores, percentile, quality, seed, jobs, table, picture) -> None:
    """Say how much each of the paper's five causes adds to a tail.

    ID is a workload (mmap, search, ...) or an experiment. All subsets of the causes are switched off under common
    random numbers; Shapley values share what they add together out among them.
    """
    from pathlib import Path

    from .. import attribution, plots
    from ..experiments import explained
    from ..experiments.common import Options
    from ..progress import Progress
    from ..results import write_asked

    kind = picture_kind(picture)
    options, wanted = Options(quality, seed, jobs=jobs_or_all(jobs)), {} if cores is None else {"cores": cores}
    scenarios = [
        (name, conditions(system, options, **wanted))
        for name, conditions in explained(id).items() for system in systems
    ]
    tell_compiling()
    found = []
    for name, scenario in scenarios:
        progress = Progress(f"{name} on {scenario.system.id}")
        try:
            found.append(attribution.explain(
                scenario, name=name, percentile=percentile, rule=attribution.RULES[quality], seed=seed,
                jobs=options.jobs, progress=progress,
            ))
        finally:
            progress.close()
        click.echo(f"{found[-1].text()}\n")
    if table:
        write_asked(Path(table), attribution.tables(found))
        click.echo(f"table: {table}")
    if picture:
        write_asked(Path(picture), plots.encode(attribution.figure(found), kind))
        click.echo(f"figure: {picture}")


@click.command()
@click.argument("ids", metavar="[STUDY]...", nargs=-1)
@click.option("--quality", type=QUALITY, default="quick", show_default=True, help="Number of points.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Seed of all random streams.")
@click.option("--jobs", type=click.IntRange(min=1), help="Points at a time (default: all cores).")
@click.option("--store", "place", type=click.Path(dir_okay=False), help="Where finished points are kept.")
@click.option("--csv", "table", type=click.Path(dir_okay=False), help="Write effects, indices and shares there.")
@click.option("--figure", "picture", type=click.Path(dir_okay=False), help="Draw them there (.png or .svg).")
def sensitivity(ids, quality, seed, jobs, place, table, picture) -> None:
    """Say which parameters matter, and how often orderings hold while all of them move.

    Each STUDY (default: all of mmap, microbenchmarks, memcached, search) takes every parameter that acts on it over its
    declared range. What has finished is kept in the store, so that a command that was ended goes on where it was. A run
    of all studies replaces the saved results and their figure.
    """
    from contextlib import closing
    from pathlib import Path

    from platformdirs import user_data_path

    from .. import plots, results
    from .. import sensitivity as sn
    from ..progress import Stages
    from ..results import write_asked
    from ..sweep import Store

    kind = picture_kind(picture)
    chosen = [sn.study(id) for id in dict.fromkeys(ids or sn.studies())]
    sn.salib()
    found = []
    with Store(place or user_data_path("rainforest-model") / "sensitivity.store") as store:
        tell_compiling()
        for study in chosen:
            with closing(Stages(units="points")) as stages:
                found.append(sn.investigate(study, sn.SIZES[quality], store, seed, jobs_or_all(jobs), stages))
    done = sn.combined(found, quality, seed)
    click.echo(sn.text(done))
    if not ids:
        for path in sn.write(done):
            click.echo(f"    {os.path.relpath(path)}")
    if table:
        write_asked(Path(table), sn.tidy(done))
        click.echo(f"table: {table}")
    if picture:
        write_asked(Path(picture), plots.encode(sn.figure(done), kind, results.origin(done)))
        click.echo(f"figure: {picture}")


@click.command()
@click.option("--quality", type=QUALITY, default="quick", show_default=True)
@click.option("--jobs", type=click.IntRange(min=1), help="Replications at a time (default: all cores).")
def validate(quality, jobs) -> None:
    """Hold the engines against theory, against limits, and against each other."""
    from .. import validation

    tell_compiling()
    failed = 0
    for result in validation.run_checks(quality=quality, jobs=jobs_or_all(jobs)):
        click.echo(validation.line(result))
        failed += not result.passed
    if failed:
        fail(f"{failed} checks failed", 1)


@click.command()
@click.argument("ids", metavar="[FIT IDS]...", nargs=-1)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Seed of all random streams.")
@click.option("--jobs", type=click.IntRange(min=1), help="Replications at a time (default: all cores).")
@click.option("--check", "checking", is_flag=True, help="Only hold the saved fits against the declaration.")
def calibrate(ids, seed, jobs, checking) -> None:
    """Fit the declared free parameters to the claims that are declared for it.

    What is fitted to what stands in data/parameters/calibration.toml, what was found in fitted.toml beside it.
    """
    from .. import calibration
    from ..experiments.common import Options
    from ..progress import Search

    if checking:
        problems, notes = calibration.check(ids)
        for line in [*problems, *notes]:
            click.echo(line)
        if problems:
            fail(f"{len(problems)} times the fitted values and their declaration do not agree", 1)
        click.echo("the fitted values agree with their declaration")
        return
    tell_compiling()
    progress = Search()
    try:
        fits, path = calibration.calibrate(ids, Options(seed=seed, jobs=jobs_or_all(jobs)), tell=progress)
    finally:
        progress.close()
    for fit in fits:
        click.echo(f"{calibration.report(fit)}\n")
    click.echo(f"{len(fits)} fits: {os.path.relpath(path)}")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="A list of rows with events and operations per second.")
def bench(as_json) -> None:
    """Measure the compiled engine beside SimPy and Mesa's event simulator."""
    from dataclasses import asdict

    from .. import benchmark

    tell_compiling()
    rows = benchmark.run()
    click.echo(json.dumps([asdict(row) for row in rows], indent=1) if as_json else benchmark.table(rows))


COMMANDS = (explain, sensitivity, validate, calibrate, bench)
