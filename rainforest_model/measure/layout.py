"""Where things lie in the pages that workers share, and in the arrays that a loop gets: numbers only."""

from __future__ import annotations

LINE = 256
"""Bytes between shared words: two pairs of lines, so that no prefetcher joins two of them."""

ARRIVED, TURN, DATA, TICKET = (LINE * k for k in range(4))
SERVING, TAKEN = TICKET + 8, TICKET + 16
"""A ticket lock's line: the next ticket, who is served, and when it was last taken."""
SHARED_BYTES = LINE * 4

# The arguments of a loop, int64[ARGUMENTS].
WORKERS, LENGTH, LONGEST_WAIT, OVERHEAD, SCALED, PAGES, WARM_UP, OPERATION, GAP = range(9)
ARGUMENTS = 9
SCALE_BITS = 16
"""Engine ticks of a tick of the clock are SCALED / 2**SCALE_BITS."""

# What a loop leaves beside its histograms, int64[SUMS].
OPERATIONS, ELAPSED, FAILED, ABANDONED, TOTALS = range(5)
MOST_SERIES = 3
SUMS = TOTALS + MOST_SERIES
