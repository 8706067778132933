"""The page on a Space, or at home: python app.py [--allow-local-urls] [--mcp]"""

import os
import sys

if os.environ.get("SPACES_ZERO_GPU"):
    import spaces  # noqa: F401 - before anything that imports torch

from spexapi.page.app import build, launch

demo = build(local_urls=True if "--allow-local-urls" in sys.argv else None)

if __name__ == "__main__":
    port = int(os.environ.get("GRADIO_SERVER_PORT", "7860"))
    launch(port, demo=demo, mcp="--mcp" in sys.argv or None)
