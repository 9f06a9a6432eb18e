"""Tables as text."""

from __future__ import annotations


def markdown(frame) -> str:
    """A DataFrame as a Markdown table.

    Examples
    --------
    >>> import pandas as pd
    >>> print(markdown(pd.DataFrame({"a": [1], "b": ["x"]})), end="")
    | a | b |
    | --- | --- |
    | 1 | x |
    """
    rows = [list(map(str, frame.columns)), ["---"] * len(frame.columns)]
    rows += [[str(cell) for cell in row] for row in frame.itertuples(index=False)]
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)
