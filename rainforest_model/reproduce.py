"""From an experiment's id to its files: run, save the numbers, then draw and judge what was saved."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from . import paper, results
from .errors import InputError
from .experiments import experiment, ids
from .experiments.common import Options
from .results import Results


@dataclass(frozen=True)
class Reproduced:
    """What came of one experiment.

    Attributes
    ----------
    id : str
    files : tuple of Path
        Written, or compared.
    verdicts : tuple of Verdict
    differences : tuple of str
        With ``check``: where the numbers differ from the committed ones.
    """

    id: str
    files: tuple[Path, ...]
    verdicts: tuple[paper.Verdict, ...]
    differences: tuple[str, ...] = ()


def chosen(names: tuple[str, ...] | list[str]) -> list[str]:
    """The experiments that are asked for: all, or those of these ids (a unique beginning will do).

    Raises
    ------
    InputError
        If an id is unknown or fits several.

    Examples
    --------
    >>> chosen(["fig03a"])
    ['fig03a_mmap']
    """
    if not names:
        return ids()
    found = []
    for name in names:
        fits = [id for id in ids() if id == name] or [id for id in ids() if id.startswith(name)]
        if len(fits) > 1:
            raise InputError(f"fits several experiments: {', '.join(fits)}", key="id", value=name)
        found += fits or [experiment(name).__name__]
    return list(dict.fromkeys(found))


def reproduce(id: str, options: Options, root: Path | None = None) -> Reproduced:
    """Run an experiment, write its numbers and its figure, and judge the claims.

    Parameters
    ----------
    id : str
    options : Options
    root : Path, optional
        Where ``data/results`` and ``figures`` are, instead of the clone's root or the current folder.
    """
    fresh = experiment(id).run(options)
    files = results.save(fresh, root)
    saved = results.load(id, options.quality, root)
    return Reproduced(id, (*files, *draw(saved, root)), tuple(experiment(id).verdicts(saved)))


def check(id: str, options: Options, root: Path | None = None) -> Reproduced:
    """Run an experiment and compare its numbers with the saved ones; nothing is written.

    Raises
    ------
    InputError
        If there are no saved ones of this quality and seed.
    """
    saved = results.load(id, options.quality, root)
    place = results.folder(options.quality, root) / f"{id}.json"
    if saved is None:
        raise InputError("there are no results to check against", file=place)
    if saved.seed != options.seed:
        raise InputError(f"the saved results are of seed {saved.seed}", file=place, key="seed", value=options.seed)
    fresh = experiment(id).run(options)
    found = results.differences(saved, fresh)
    return Reproduced(id, (place,), tuple(experiment(id).verdicts(saved)), tuple(found))


def draw(saved: Results, root: Path | None = None) -> list[Path]:
    """Write the figure (or the table's text) of saved results, with its caption beside it."""
    module = experiment(saved.id)
    if hasattr(module, "figure"):
        return write_figure(saved, module.figure(saved), module.TITLE, module.describe_figure(saved), root)
    heading = f"# {module.TITLE[0].upper()}{module.TITLE[1:]}\n\n"
    path = results.figures_folder(saved.quality, root) / f"{saved.id}.md"
    results.write_whole(path, (heading + module.text(saved)).encode())
    return [path]


def write_figure(saved: Results, figure, title: str, caption: str, root: Path | None = None) -> list[Path]:
    """Write a figure of saved results as png and svg, with its title and caption beside it as json."""
    from . import plots

    target, origin = results.figures_folder(saved.quality, root), results.origin(saved)
    written = {target / f"{saved.id}.{kind}": plots.encode(figure, kind, origin) for kind in ("png", "svg")}
    side = {
        "id": saved.id, "title": title, "caption": caption, "seed": saved.seed, "quality": saved.quality,
        "results": f"{saved.id}.json",
    }
    written[target / f"{saved.id}.json"] = (json.dumps(side, indent=1) + "\n").encode()
    for path, content in written.items():
        results.write_whole(path, content)
    return list(written)


def verdicts(quality: str = "quick", root: Path | None = None) -> list[paper.Verdict]:
    """Every claim of the paper, judged from the saved results; what has none is not modelled."""
    judged = {}
    for id in ids():
        saved = results.load(id, quality, root)
        if saved is not None:
            judged[id] = experiment(id).verdicts(saved)
    return paper.score(judged)
