"""To try: the page, this machine, and problems for pencil and paper."""

from __future__ import annotations

import json
import sys

import click

from ..errors import InputError
from .common import fail, tell_compiling


@click.command()
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
    from .. import live
    from ..live.offers import offer

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
    tell_compiling()
    if file:
        from pathlib import Path

        from ..results import write_asked
        from ..view import player

        run = live.record(sides[-1], frames)
        write_asked(Path(file), player(**run).encode())
        click.echo(f"record: {file}")
        return
    try:
        from ..live.server import serve
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


@click.command()
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

    from .. import measure as ms
    from ..progress import Progress
    from ..results import write_asked

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
        fail(str(error), 1)
    except KeyboardInterrupt:
        fail("interrupted; nothing is left of it", 130)
    click.echo(json.dumps(ms.document(found), indent=1) if as_json else ms.text(found))
    if as_csv:
        write_asked(Path(as_csv), ms.table(found))
        click.echo(f"table: {as_csv}", err=as_json)
    if as_machine:
        description = ms.described(found, Path(as_machine).stem)
        write_asked(Path(as_machine), ms.toml(description).encode())
        told = "{} of its {} numbers are of this machine, the others taken over from {}"
        click.echo(f"machine: {as_machine}; {told.format(*ms.measured(description), ms.STAND_IN)}", err=as_json)


@click.command()
@click.argument("topic", metavar="lock|line|shootdown|queue|scope")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Which problem of the topic.")
@click.option("--solve", is_flag=True, help="Compute the answer step by step with the model.")
@click.option("--answer", type=float, help="Check this answer; the exit code is 1 if it is wrong.")
@click.option("--json", "as_json", is_flag=True, help="Problem, and what is asked of it, as JSON.")
def quiz(topic, seed, solve, answer, as_json) -> None:
    """Set a small problem for pencil and paper, solve it, or check an answer to it."""
    from .. import quiz as qz

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


COMMANDS = (app, measure, quiz)
