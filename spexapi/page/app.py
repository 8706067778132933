"""The page: its tabs, its style, and how it is served."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.resources import files
from threading import Thread

import gradio

from spexapi import open_backend
from spexapi.page.api import endpoints
from spexapi.page.components import gr, html
from spexapi.page.runs.quota import Quota
from spexapi.page.runs.stop_flags import StopFlags
from spexapi.page.site import Site
from spexapi.page.tabs.compare import compare_tab
from spexapi.page.tabs.heads import heads_tab
from spexapi.page.tabs.opened import opened_tab
from spexapi.page.tabs.prompt import prompt_tab
from spexapi.page.tabs.rag import rag_tab
from spexapi.page.tabs.training import training_tab
from spexapi.page.zero_gpu import lent
from spexapi.views.html.fragment import styles
from spexapi.views.safe import tag

FONT = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "Arial", "sans-serif"]
TITLE = tag(
    "header",
    tag("h1", "spexapi")
    + tag("p", "Which documents made the model say that? Not only which ones: which ones <em>together</em>."),
    class_="page-head",
)


def launch(
    port: int = 7860,
    *,
    demo: gradio.Blocks | None = None,
    block: bool = True,
    mcp: bool | None = None,
) -> None:
    """Serves the page until it is interrupted: on this computer only, on a Space for everyone.

    block  False comes back at once; then demo.close() ends it
    mcp    offers the named endpoints to agents (needs gradio[mcp]); None: as GRADIO_MCP_SERVER says
    """
    page = demo or build()
    page.launch(
        server_name="0.0.0.0" if "SPACE_ID" in os.environ else "127.0.0.1",
        server_port=port,
        theme=_theme(),
        head=_head(),
        ssr_mode=False,
        prevent_thread_lock=True,
        footer_links=["api", "settings"],
        mcp_server=mcp,
        max_file_size=Site.here(os.environ).limits.upload_bytes,
    )
    Thread(target=_warm, daemon=True).start()  # not before: Gradio gives itself three seconds to answer
    if block:
        page.block_thread()


def _theme() -> gradio.Theme:
    return gr.themes.Default(
        primary_hue="blue",
        neutral_hue="slate",
        font=FONT,
        font_mono=["ui-monospace", "Consolas", "monospace"],
    ).set(
        # the theme's own blue is too light for white letters on it
        button_primary_background_fill="#1f5fa8",
        button_primary_background_fill_hover="#184c87",
        button_primary_background_fill_dark="#1f5fa8",
        button_primary_background_fill_hover_dark="#2a72c4",
    )


def _head() -> str:
    """Style and script. Not with css=: Gradio rewrites that and loses @container and :has()."""
    folder = files("spexapi.page")
    style = folder.joinpath("page.css").read_text(encoding="utf-8")
    script = folder.joinpath("page.js").read_text(encoding="utf-8")
    return f"<style>\n{styles()}\n{style}\n</style>\n<script>\n{script}\n</script>"


def _warm() -> None:
    """Loads the embedded model while the visitor still reads: its libraries take seconds the first time."""
    with suppress(Exception):  # whoever asks the model is told what is wrong with it
        asyncio.run(open_backend("embedded").open())


def build(backends: Sequence[str] | None = None, *, local_urls: bool | None = None) -> gradio.Blocks:
    """The page.

    backends    what a visitor may choose; None: anything at home, on a Space what SPEXAPI_BACKENDS names
    local_urls  hosted models may be on this machine or in its network; None: at home, not on a Space
    """
    site = Site.here(os.environ)
    if backends is not None:
        site = replace(site, allowed=tuple(backends))
    if local_urls is not None:
        site = replace(site, local_urls=local_urls)
    if site.zero:
        lent()
    stops = StopFlags(Quota(site.limits.runs, site.limits.calls))
    with gr.Blocks(
        title="spexapi", analytics_enabled=False, fill_width=True, delete_cache=(3600, 3600)
    ) as demo:
        _top(site)
        with gr.Tabs():
            with gr.Tab("Documents"):
                documents = rag_tab(demo, site, stops)
            with gr.Tab("Prompt"):
                prompt_tab(demo, site, stops)
            with gr.Tab("Heads"):
                heads_tab(demo, site, stops)
            with gr.Tab("Training data"):
                training_tab(demo, site, stops)
            with gr.Tab("Compare"):
                compare_tab(site, stops, documents)
            with gr.Tab("Open"):
                opened_tab(site, stops)
        endpoints(site, stops.quota)

        def left(caller: gradio.Request) -> None:
            stops.stop(str(caller.session_hash))

        demo.unload(left)
    return demo


def _top(site: Site) -> None:
    """The title, and the login if this page has one."""
    with gr.Row(elem_id="top"):
        html(None, TITLE)
        if site.login:
            gr.LoginButton(
                "Log in with Hugging Face",
                "Log out ({})",
                size="sm",
                scale=0,
                min_width=240,
                elem_id="login",
            )
