"""Small sweeps for the tests, and workers that are no processes."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from rainforest_model import cli
from rainforest_model.sweep import Store, load_plan, run
from rainforest_model.sweep.task import answer

ROOT = Path(__file__).resolve().parents[1]
SCENARIO = """
machine = "S-A"
system = "lxc"
cores = 2
duration = "2 ms"
warmup = "0.2 ms"
[[load]]
program = "mmap"
threads = 2
"""
VARY = '[[vary]]\nkey = "load.0.parameters.pages"\nvalues = [{values}]\n'


class InProcess:
    """Workers that are no processes; counts what they are asked."""

    def __init__(self, task=answer, most: int = 10**9):
        self.task, self.most, self.asked = task, most, []

    def answers(self, context, jobs):
        """One answer after the other, until `most` are given; then Ctrl-C."""
        for job in jobs:
            if len(self.asked) == self.most:
                raise KeyboardInterrupt
            found = self.task(context, job)
            self.asked.append((job.number, tuple(found.outcomes)))
            yield found


def sweep_file(place: Path, body: str, name: str = "sweep.toml", head: str = "replications = 2") -> Path:
    path = place / name
    path.write_text(f'scenario = "scenario.toml"\n{head}\n{body}')
    return path


def pages(*values: int) -> str:
    return VARY.format(values=", ".join(map(str, values)))


def numbered(place: Path, count: int) -> Path:
    """A sweep of so many points, one replication each."""
    body = f'[[vary]]\nkey = "stagger"\nvalues = {list(range(1, count + 1))}'
    return sweep_file(place, body, head="replications = 1")


def swept(path: Path, store: Path, workers=None):
    """What came of the sweep."""
    workers = workers or InProcess()
    with Store(store) as kept:
        return run(load_plan(path), kept, workers)


def rainforest(*arguments):
    return CliRunner().invoke(cli.cli, [str(argument) for argument in arguments], prog_name="rainforest")


def assert_refused(result, *words: str) -> None:
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    assert not [word for word in words if word not in line], line
