"""Sweeps: many points of a scenario, on all cores or on a cluster, kept as they finish.

Examples
--------
>>> import tempfile
>>> from pathlib import Path
>>> from rainforest_model.sweep import LocalWorkers, Store, load_plan, run, table
>>> scenario = 'machine = "S-A"\\nsystem = "lxc"\\ncores = 2\\nduration = "2 ms"\\n[[load]]\\nprogram = "mmap"'
>>> sweep = 'scenario = "mine.toml"\\nreplications = 2\\n[[vary]]\\nkey = "load.0.threads"\\nvalues = [1, 2]'
>>> with tempfile.TemporaryDirectory() as folder:
...     _ = Path(folder, "mine.toml").write_text(scenario)
...     _ = Path(folder, "sweep.toml").write_text(sweep)
...     plan = load_plan(Path(folder, "sweep.toml"))
...     with Store(Path(folder, "points.store")) as store:
...         done = run(plan, store, LocalWorkers(jobs=1))
>>> done
<Done sweep: 2 finished, 0 failed>
>>> list(table(done).columns)[:4]
['point', 'scenario', 'load.0.threads', 'mean_us']
"""

from .cluster import ClusterWorkers
from .export import parquet, summary, table
from .points import Plan, load_plan
from .runner import Done, run
from .store import Store
from .workers import LocalWorkers

__all__ = [
    "ClusterWorkers", "Done", "LocalWorkers", "Plan", "Store", "load_plan", "parquet", "run", "summary", "table",
]
