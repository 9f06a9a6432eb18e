"""A figure as an image with words for those who cannot see it."""

from __future__ import annotations

from .. import plots


def picture(figure, alt: str):
    """A figure of `rainforest_model.plots.new_figure`, to be shown at the size that it was drawn for.

    Parameters
    ----------
    figure : matplotlib Figure
    alt : str
        What it shows, in words.

    Returns
    -------
    IPython.display.Image
    """
    from IPython.display import Image

    return Image(plots.encode(figure, "png"), width=round(100 * figure.get_figwidth()), alt=alt)
