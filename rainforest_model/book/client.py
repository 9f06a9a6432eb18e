"""Executes notebooks with sliders without the wait that nbclient 0.11 runs into now and then on a loaded machine."""

from __future__ import annotations

from nbclient import NotebookClient
from nbclient.output_widget import OutputWidget


class _Kept(OutputWidget):
    """Outputs of a widget are kept in the notebook, as always, but not sent back to the kernel.

    What is sent back goes over the socket on which the reply to the cell is awaited, behind the back of its event loop;
    if the reply comes at that moment nobody is woken, and the client waits for its whole timeout.
    """

    def sync_state(self) -> None:
        pass


class Client(NotebookClient):
    """As `NotebookClient`."""

    def __init__(self, notebook, **options):
        super().__init__(notebook, **options)
        self.widget_registry = {"@jupyter-widgets/output": {"OutputModel": _Kept}}
