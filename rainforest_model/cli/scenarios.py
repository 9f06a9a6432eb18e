"""A reader's own scenarios: one, many, and a trace while a policy moves cores."""

from __future__ import annotations

import json

import click

from ..errors import InputError
from .common import ENGINE, fail, jobs_or_all, tell_compiling


@click.command()
@click.argument("file", type=click.Path())
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change a key of the file; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Numbers as JSON.")
@click.option("--engine", type=ENGINE, default="compiled", show_default=True)
@click.option("--seed", type=click.IntRange(min=0), help="Instead of the file's.")
@click.option("--replications", type=click.IntRange(1, 10_000), help="Instead of the file's.")
@click.option("--jobs", type=click.IntRange(min=1), help="Replications at a time (default: all cores).")
def simulate(file, changes, as_json, engine, seed, replications, jobs) -> None:
    """Simulate the scenario of a TOML FILE (format: examples/README.md)."""
    from ..scenario_file import load_scenario
    from ..simulation import simulate as run_scenario

    overrides = {}
    for change in changes:
        key, equals, value = change.partition("=")
        if not equals or not key.strip():
            raise InputError("must read KEY=VALUE", key="--set", value=change)
        overrides[key.strip()] = value.strip()
    loaded = load_scenario(file, overrides)
    tell_compiling()
    run = run_scenario(
        loaded.scenario, replications=replications or loaded.replications,
        seed=loaded.seed if seed is None else seed, engine=engine, jobs=jobs_or_all(jobs),
    )
    table = run.table()
    if as_json:
        answer = {
            "scenario": repr(run.scenario), "seed": run.seed, "engine": run.engine, "stopped": run.stopped,
            "replications": len(run.outcomes), "samples": run.samples, "utilisation": run.utilisation,
            "latencies": json.loads(table.to_json(orient="records")),
        }
        click.echo(json.dumps(answer, indent=1))
        return
    click.echo(repr(run.scenario))
    click.echo(f"{run.caption}; {run.stopped}; core utilisation {100 * run.utilisation:.1f} %")
    click.echo(f"{'latency':24}{'statistic':>10}{'us':>12}   95 % interval")
    for row in table.itertuples():
        click.echo(
            f"{row.series:24}{row.statistic:>10}{row.value_us:12.4g}   "
            + (f"[{row.low_us:.4g}, {row.high_us:.4g}]" if row.n > 1 else "none: one replication")
        )


@click.command()
@click.argument("file", metavar="SWEEP.toml", type=click.Path())
@click.option("--store", "place", type=click.Path(dir_okay=False), help="Where finished points are kept.")
@click.option("--scheduler", metavar="ADDRESS", help="Of a Dask cluster (default: this machine).")
@click.option("--jobs", type=click.IntRange(min=1), help="Points at a time on this machine (default: all cores).")
@click.option("--csv", "as_csv", type=click.Path(dir_okay=False), help="Write a row for each point there.")
@click.option("--parquet", "as_parquet", type=click.Path(dir_okay=False), help="The same as Parquet.")
def sweep(file, place, scheduler, jobs, as_csv, as_parquet) -> None:
    """Run a scenario at many points (format: examples/README.md).

    Whatever has finished is kept in the store, so that a sweep that was ended, by whatever, goes on where it was.
    """
    from contextlib import closing
    from pathlib import Path

    from platformdirs import user_data_path

    from .. import sweep as sw
    from ..progress import Progress
    from ..results import write_asked

    plan = sw.load_plan(file)
    workers = sw.ClusterWorkers(scheduler) if scheduler else sw.LocalWorkers(jobs_or_all(jobs))
    with sw.Store(place or user_data_path("rainforest-model") / "points.store") as store:
        if store.damaged:
            told = f"{store.damaged} damaged records are left out, and their points are computed again"
            click.echo(f"{store.path}: {told}", err=True)
        tell_compiling()
        with closing(Progress(plan.sweep.title, units="points")) as progress:
            done = sw.run(plan, store, workers, progress)
    click.echo(sw.summary(done))
    for path, encode in ((as_csv, lambda frame: frame), (as_parquet, sw.parquet)):
        if path:
            write_asked(Path(path), encode(sw.table(done)))
            click.echo(f"table: {path}")
    if not done.outcomes:
        fail("no point finished; why stands above", 1)


@click.command()
@click.argument("systems", metavar="[SYSTEM]...", nargs=-1)
@click.option("--trace", type=click.Path(), help="CSV file of arrivals (default: the shipped trace of Search).")
@click.option("--policy", type=click.Path(), help="Python file with a subclass of Policy (default: the paper's).")
@click.option("--until", type=float, help="Simulated seconds (default: all of the trace).")
@click.option("--csv", type=click.Path(), help="Write the timelines of all systems to this file.")
@click.option("--engine", type=ENGINE, default="compiled", show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Seed of all random streams.")
@click.option("--jobs", type=click.IntRange(min=1), help="Replays at a time (default: all cores).")
@click.option("--fresh", is_flag=True, help="Run again what is kept from an earlier command.")
def replay(systems, trace, policy, until, csv, engine, seed, jobs, fresh) -> None:
    """Replay a trace of requests to Search beside the batch, while a policy moves cores.

    On each SYSTEM (default: the six of Table 5) all requests are the same.  Plain Linux has nothing to move cores
    between, so the policy decides on the others.
    """
    from contextlib import closing
    from pathlib import Path

    from .. import replays as rp
    from ..descriptions.arrivals import read_arrivals
    from ..experiments.replaying import SYSTEMS
    from ..progress import Progress
    from ..results import write_whole
    from ..run_store import RunStore
    from ..supervision import read_policy

    if csv is not None and not Path(csv).parent.is_dir():
        raise InputError("there is no such folder", key="--csv", value=csv)
    told = {"until_s": until, "seed": seed, "engine": engine}
    if trace is not None:
        told["arrivals"] = read_arrivals(trace)
    if policy is not None:
        told |= {"policy": read_policy(policy), "policy_text": Path(policy).read_text(encoding="utf-8")}
    asked, names = rp.Asked(**told), list(dict.fromkeys(systems or SYSTEMS))
    tell_compiling()
    found, progress = {}, Progress("replay", units="simulated s")
    store = None if fresh else RunStore("asked")
    try:
        with closing(rp.replays(names, asked, jobs_or_all(jobs), progress, store)) as running:
            for done in running:
                found[done.system] = done
    finally:
        # What is finished is shown and written, whatever ends the others.
        progress.close()
        found = {name: found[name] for name in names if name in found}
        if found:
            click.echo(rp.table(found))
        if found and csv is not None:
            write_whole(Path(csv), rp.timelines(found).to_csv(index=False).encode())
            click.echo(f"timelines: {csv}")
    failed = [done for done in found.values() if done.failure]
    for done in failed:
        click.echo(f"\n{done.system}: {done.failure}\n{done.traceback}", err=True)
    if failed:
        fail(f"{policy}: stopped on {len(failed)} of {len(found)} systems; what they did before is shown", 2)


COMMANDS = (simulate, sweep, replay)
