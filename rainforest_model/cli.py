"""The command line.  Heavy imports wait until a command needs them."""

from __future__ import annotations

import json
import os
import sys
import time

import click

from . import __version__
from .errors import InputError

QUALITY = click.Choice(["quick", "full"])
ENGINE = click.Choice(["compiled", "agents"])


class _Group(click.Group):
    """Tells every error of the user's input in one line, and exits with 2."""

    def invoke(self, context):
        try:
            return super().invoke(context)
        except InputError as error:
            _fail(str(error), 2)
        except KeyboardInterrupt:
            _fail("interrupted; finished results are kept", 130)
        except Exception as error:
            from .simulation import SimulationError

            if isinstance(error, SimulationError):
                _fail(str(error), 2)
            raise


def _fail(message: str, code: int) -> None:
    click.echo(f"rainforest: {' '.join(message.split())}", err=True)
    sys.exit(code)


def _tell_compiling() -> None:
    from .compiled import is_cold

    if is_cold():
        click.echo("The first run compiles the engine, which takes about half a minute.", err=True)


def _picture_kind(picture: str | None) -> str:
    """``png`` or ``svg``, as the name of a figure that is asked for ends."""
    kind = os.path.splitext(picture)[1] if picture else ".png"
    if kind not in (".png", ".svg"):
        raise InputError("a figure's name ends in .png or .svg", key="--figure", value=picture)
    return kind.removeprefix(".")


def _jobs(jobs: int | None) -> int:
    return jobs or len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else jobs or os.cpu_count() or 1


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="rainforest")
def cli() -> None:
    """A mechanistic performance laboratory for "isolate first, then share".

    Simulates what cores, locks, caches and OS instances do to latency, regenerates the paper's figures and
    tables from mechanism, and judges each of its claims.
    """


@cli.command("list")
def list_command() -> None:
    """Show what there is: experiments, systems, machines, workloads."""
    from . import experiments
    from .descriptions import load
    from .paper import contents
    from .workloads import workloads

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


@cli.command()
@click.argument("ids", nargs=-1)
@click.option("--quality", type=QUALITY, default="quick", show_default=True, help="Length and number of runs.")
@click.option("--engine", type=ENGINE, default="compiled", show_default=True, help="Compiled loop or Mesa agents.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Seed of all random streams.")
@click.option("--jobs", type=click.IntRange(min=1), help="Scenarios at a time (default: all cores).")
@click.option("--check", "checking", is_flag=True, help="Recompute and compare with the saved results; write nothing.")
def reproduce(ids, quality, engine, seed, jobs, checking) -> None:
    """Regenerate figures and tables (all, or those with these IDS), and judge the claims."""
    from . import gallery
    from . import reproduce as rp
    from .experiments import experiment
    from .experiments.common import Options
    from .paper import verdict_table
    from .progress import Progress

    names = rp.chosen(ids)
    _tell_compiling()
    differing = 0
    for id in names:
        began, progress = time.monotonic(), Progress(id)
        options = Options(quality, seed, engine, _jobs(jobs), progress)
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
        _fail(f"{differing} of {len(names)} experiments differ from the saved results", 1)
    if not checking:
        if quality == "quick":
            click.echo(f"gallery: {os.path.relpath(gallery.write())}")
        rows = rp.verdicts(quality)
        judged = [row for row in rows if row.verdict != "not modelled"]
        click.echo(f"\n{verdict_table(judged)}")
        click.echo(f"\n{len(rows) - len(judged)} further claims are not yet modelled; rainforest score lists them all.")


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="A list of all claims with the model's answers.")
@click.option("--quality", type=QUALITY, default="quick", show_default=True, help="Which saved results.")
@click.option("--figure", "picture", type=click.Path(dir_okay=False), help="Draw all claims there (.png or .svg).")
def score(as_json, quality, picture) -> None:
    """Show every claim of the paper beside the model's answer, from the saved results.

    Totals and the aims of the suite come first. The gallery keeps the same figure in figures/scoreboard.
    """
    from dataclasses import asdict
    from pathlib import Path

    from . import plots
    from . import scoreboard as sb
    from .results import write_asked

    kind = _picture_kind(picture)
    board = sb.scoreboard(quality)
    click.echo(json.dumps([asdict(row) for row in board.verdicts], indent=1) if as_json else sb.text(board))
    if picture:
        write_asked(Path(picture), plots.encode(sb.figure(board.verdicts), kind))
        click.echo(f"figure: {picture}", err=as_json)


@cli.command()
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

    from . import attribution, plots
    from .experiments import explained
    from .experiments.common import Options
    from .progress import Progress
    from .results import write_asked

    kind = _picture_kind(picture)
    options, wanted = Options(quality, seed, jobs=_jobs(jobs)), {} if cores is None else {"cores": cores}
    scenarios = [
        (name, conditions(system, options, **wanted))
        for name, conditions in explained(id).items() for system in systems
    ]
    _tell_compiling()
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


@cli.command()
@click.argument("file", type=click.Path())
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change a key of the file; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Numbers as JSON.")
@click.option("--engine", type=ENGINE, default="compiled", show_default=True)
@click.option("--seed", type=click.IntRange(min=0), help="Instead of the file's.")
@click.option("--replications", type=click.IntRange(1, 10_000), help="Instead of the file's.")
@click.option("--jobs", type=click.IntRange(min=1), help="Replications at a time (default: all cores).")
def simulate(file, changes, as_json, engine, seed, replications, jobs) -> None:
    """Simulate the scenario of a TOML FILE (format: examples/README.md)."""
    from .scenario_file import load_scenario
    from .simulation import simulate as run_scenario

    overrides = {}
    for change in changes:
        key, equals, value = change.partition("=")
        if not equals or not key.strip():
            raise InputError("must read KEY=VALUE", key="--set", value=change)
        overrides[key.strip()] = value.strip()
    loaded = load_scenario(file, overrides)
    _tell_compiling()
    run = run_scenario(
        loaded.scenario, replications=replications or loaded.replications,
        seed=loaded.seed if seed is None else seed, engine=engine, jobs=_jobs(jobs),
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


@cli.command()
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

    from . import sweep as sw
    from .progress import Progress
    from .results import write_asked

    plan = sw.load_plan(file)
    workers = sw.ClusterWorkers(scheduler) if scheduler else sw.LocalWorkers(_jobs(jobs))
    with sw.Store(place or user_data_path("rainforest-model") / "points.store") as store:
        if store.damaged:
            told = f"{store.damaged} damaged records are left out, and their points are computed again"
            click.echo(f"{store.path}: {told}", err=True)
        _tell_compiling()
        with closing(Progress(plan.sweep.title, units="points")) as progress:
            done = sw.run(plan, store, workers, progress)
    click.echo(sw.summary(done))
    for path, encode in ((as_csv, lambda frame: frame), (as_parquet, sw.parquet)):
        if path:
            write_asked(Path(path), encode(sw.table(done)))
            click.echo(f"table: {path}")
    if not done.outcomes:
        _fail("no point finished; why stands above", 1)


@cli.command()
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

    from . import plots, results
    from . import sensitivity as sn
    from .progress import Stages
    from .results import write_asked
    from .sweep import Store

    kind = _picture_kind(picture)
    chosen = [sn.study(id) for id in dict.fromkeys(ids or sn.studies())]
    sn.salib()
    found = []
    with Store(place or user_data_path("rainforest-model") / "sensitivity.store") as store:
        _tell_compiling()
        for study in chosen:
            with closing(Stages(units="points")) as stages:
                found.append(sn.investigate(study, sn.SIZES[quality], store, seed, _jobs(jobs), stages))
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


@cli.command()
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

    from . import replays as rp
    from .descriptions.arrivals import read_arrivals
    from .experiments.replaying import SYSTEMS
    from .progress import Progress
    from .results import write_whole
    from .run_store import RunStore
    from .supervision import read_policy

    if csv is not None and not Path(csv).parent.is_dir():
        raise InputError("there is no such folder", key="--csv", value=csv)
    told = {"until_s": until, "seed": seed, "engine": engine}
    if trace is not None:
        told["arrivals"] = read_arrivals(trace)
    if policy is not None:
        told |= {"policy": read_policy(policy), "policy_text": Path(policy).read_text(encoding="utf-8")}
    asked, names = rp.Asked(**told), list(dict.fromkeys(systems or SYSTEMS))
    _tell_compiling()
    found, progress = {}, Progress("replay", units="simulated s")
    store = None if fresh else RunStore("asked")
    try:
        with closing(rp.replays(names, asked, _jobs(jobs), progress, store)) as running:
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
        _fail(f"{policy}: stopped on {len(failed)} of {len(found)} systems; what they did before is shown", 2)


@cli.command()
@click.argument("benchmarks", metavar="mmap|munmap|line|lock ...", nargs=-1, required=True)
@click.option("--threads", type=click.IntRange(min=0), help="That share an address space (default: all cores).")
@click.option("--processes", type=click.IntRange(min=0), help="With one each (default: all cores).")
@click.option("--pages", type=int, help="Of mappings (default: 32768 that are never touched, 16 that are).")
@click.option("--seconds", type=float, default=4.0, show_default=True, help="Of all measuring together.")
@click.option("--repeats", type=int, default=7, show_default=True, help="Rounds over all cases.")
@click.option("--json", "as_json", is_flag=True, help="Everything as JSON, histograms included.")
@click.option("--csv", "as_csv", type=click.Path(dir_okay=False), help="Write the numbers there.")
@click.option("--machine", "as_machine", type=click.Path(dir_okay=False), help="Write a description there (.toml).")
def measure(benchmarks, threads, processes, pages, seconds, repeats, as_json, as_csv, as_machine) -> None:
    """Measure this machine's own Linux: mappings, TLB flushes, cache lines, a lock.

    Each is measured alone, by threads that share an address space and by processes that do not, in turn.  The machine
    description is one for scenarios: machine = "FILE.toml".
    """
    from contextlib import closing
    from pathlib import Path

    from . import measure as ms
    from .progress import Progress
    from .results import write_asked

    ms.check_system()
    cores = ms.usable_cores()
    asked = ms.Asked(
        benchmarks, len(cores) if threads is None else threads, len(cores) if processes is None else processes,
        pages, seconds, repeats,
    )
    plan = ms.plan(asked, cores)
    if as_machine and not as_machine.endswith(".toml"):
        raise InputError("a description's name ends in .toml", key="--machine", value=as_machine)
    for key, path in (("--csv", as_csv), ("--machine", as_machine)):
        if path and not Path(path).parent.is_dir():
            raise InputError("there is no such folder", key=key, value=path)
    try:
        with closing(Progress("measure", units="cases")) as progress:
            found = ms.measure(plan, progress)
    except ms.MeasurementError as error:
        _fail(str(error), 1)
    except KeyboardInterrupt:
        _fail("interrupted; nothing is left of it", 130)
    click.echo(json.dumps(ms.document(found), indent=1) if as_json else ms.text(found))
    if as_csv:
        write_asked(Path(as_csv), ms.table(found))
        click.echo(f"table: {as_csv}", err=as_json)
    if as_machine:
        description = ms.described(found, Path(as_machine).stem)
        write_asked(Path(as_machine), ms.toml(description).encode())
        told = "{} of its {} numbers are of this machine, the others taken over from {}"
        click.echo(f"machine: {as_machine}; {told.format(*ms.measured(description), ms.STAND_IN)}", err=as_json)


@cli.command()
@click.option("--quality", type=QUALITY, default="quick", show_default=True)
@click.option("--jobs", type=click.IntRange(min=1), help="Replications at a time (default: all cores).")
def validate(quality, jobs) -> None:
    """Hold the engines against theory, against limits, and against each other."""
    from . import validation

    _tell_compiling()
    failed = 0
    for result in validation.run_checks(quality=quality, jobs=_jobs(jobs)):
        click.echo(validation.line(result))
        failed += not result.passed
    if failed:
        _fail(f"{failed} checks failed", 1)


@cli.command()
@click.argument("ids", metavar="[FIT IDS]...", nargs=-1)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Seed of all random streams.")
@click.option("--jobs", type=click.IntRange(min=1), help="Replications at a time (default: all cores).")
@click.option("--check", "checking", is_flag=True, help="Only hold the saved fits against the declaration.")
def calibrate(ids, seed, jobs, checking) -> None:
    """Fit the declared free parameters to the claims that are declared for it.

    What is fitted to what stands in data/parameters/calibration.toml, what was found in fitted.toml beside it.
    """
    from . import calibration
    from .experiments.common import Options
    from .progress import Search

    if checking:
        problems, notes = calibration.check(ids)
        for line in [*problems, *notes]:
            click.echo(line)
        if problems:
            _fail(f"{len(problems)} times the fitted values and their declaration do not agree", 1)
        click.echo("the fitted values agree with their declaration")
        return
    _tell_compiling()
    progress = Search()
    try:
        fits, path = calibration.calibrate(ids, Options(seed=seed, jobs=_jobs(jobs)), tell=progress)
    finally:
        progress.close()
    for fit in fits:
        click.echo(f"{calibration.report(fit)}\n")
    click.echo(f"{len(fits)} fits: {os.path.relpath(path)}")


@cli.command()
@click.argument("topic", metavar="lock|line|shootdown|queue|scope")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Which problem of the topic.")
@click.option("--solve", is_flag=True, help="Compute the answer step by step with the model.")
@click.option("--answer", type=float, help="Check this answer; the exit code is 1 if it is wrong.")
@click.option("--json", "as_json", is_flag=True, help="Problem, and what is asked of it, as JSON.")
def quiz(topic, seed, solve, answer, as_json) -> None:
    """Set a small problem for pencil and paper, solve it, or check an answer to it."""
    from . import quiz as qz

    one = qz.problem(topic, seed)
    verdict = None if answer is None else one.check(answer)
    solution = one.solve() if solve else None
    if as_json:
        told = {"topic": topic, "seed": seed, "text": one.text(), "unit": one.unit}
        told |= {} if solution is None else {"steps": solution.steps, "answer": solution.answer}
        told |= {} if verdict is None else {"right": verdict.right, "verdict": verdict.text}
        click.echo(json.dumps(told, indent=1))
    else:
        parts = [] if verdict is not None and solution is None else [one.text()]
        parts += [] if solution is None else ["\n".join(solution.steps)]
        parts += [] if verdict is None else [verdict.text]
        click.echo("\n\n".join(parts))
    if verdict is not None and not verdict.right:
        sys.exit(1)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="A list of rows with events and operations per second.")
def bench(as_json) -> None:
    """Measure the compiled engine beside SimPy and Mesa's event simulator."""
    from dataclasses import asdict

    from . import benchmark

    _tell_compiling()
    rows = benchmark.run()
    click.echo(json.dumps([asdict(row) for row in rows], indent=1) if as_json else benchmark.table(rows))


@cli.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8321, show_default=True, help="0: any that is free.")
@click.option("--no-browser", is_flag=True, help="Only print the page's address.")
@click.option("--system", "systems", multiple=True, help="Shown at first; twice for two (default: Linux, RainForest).")
@click.option("--workload", default="mmap", show_default=True, help="What runs on both.")
@click.option("--load", "amount", type=float, help="How much of it: processes, threads, requests a second.")
@click.option("--cores", type=click.IntRange(min=1), help="Of each machine (default: 12; memcached: 40).")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=1, show_default=True, help="Of all random streams.")
@click.option("--record", "file", metavar="FILE.html", type=click.Path(dir_okay=False),
              help="Write a run of the (last) SYSTEM there as a page that plays it, and serve nothing.")
@click.option("--frames", type=click.IntRange(min=1), default=200, show_default=True, help="Of a record.")
def app(port, no_browser, systems, workload, amount, cores, seed, file, frames) -> None:
    """Watch two machines core by core, and move the borders of their OS instances.

    The page is served to this machine only, until Ctrl-C. Handing a core over takes no simulated time here; what it
    takes is modelled in tab04_elasticity.
    """
    from . import live
    from .live.offers import offer

    if len(systems) > 2:
        raise InputError("a page shows two", key="--system", value=" ".join(systems))
    chosen = offer(workload)
    names = (*live.SYSTEMS[:2 - len(systems)], *systems)
    sides = [
        live.configuration(
            system=name, workload=workload, load=chosen.load.value if amount is None else amount,
            cores=chosen.cores if cores is None else cores, seed=seed,
        ) for name in names
    ]
    _tell_compiling()
    if file:
        from pathlib import Path

        from .results import write_asked
        from .view import player

        run = live.record(sides[-1], frames)
        write_asked(Path(file), player(**run).encode())
        click.echo(f"record: {file}")
        return
    try:
        from .live.server import serve
    except ImportError:
        raise InputError("tornado is not installed: pip install 'rainforest-model[app]'", key="app") from None

    live.Pair(sides).step()  # what has to be compiled is compiled before the page is there

    def ready(address: str) -> None:
        click.echo(f"{address}  (Ctrl-C ends it)")
        if not no_browser:
            import threading
            import webbrowser

            # A browser in the terminal would otherwise keep the server waiting.
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    try:
        serve(port, ready, sides)
    except KeyboardInterrupt:
        click.echo()


def main() -> None:
    """Entry point of the command ``rainforest``; a wrong option is told in one line too."""
    try:
        sys.exit(cli.main(prog_name="rainforest", standalone_mode=False))
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help())
        sys.exit(2)
    except click.ClickException as error:
        _fail(error.format_message(), error.exit_code)
    except click.Abort:
        _fail("interrupted; finished results are kept", 130)
