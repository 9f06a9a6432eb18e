"""The compiled engine: the meaning of `rainforest_model.agents` over one flat array of integers.

Rooms: `arena` (the memory), `tree` (who is next), `coherence` (lines), `scheduler` (run queues, wake-ups,
time slices), `interrupts` (IPIs and ticks), `locks`, `loop` (the operations), `door` (tables in, outcome out).
"""
