"""The page: the only place that imports gradio."""

from spexapi.views.ui.page import build, launch

__all__ = ["build", "launch"]
