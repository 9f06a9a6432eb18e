raise ImportError("rainforest_model.simulate was renamed to rainforest_model.simulation, and compare.py must be comparison.py: a module of the name of a top-level function would hide it")
