"""``python -m rainforest_model`` is the command ``rainforest``."""

from rainforest_model.cli import main

if __name__ == "__main__":
    main()
