"""The page on a Space, or at home: python app.py [--allow-local-urls] [--mcp]"""

import sys

from spexapi.views.ui import build, launch

demo = build(local_urls=True if "--allow-local-urls" in sys.argv else None)

if __name__ == "__main__":
    launch(demo=demo, mcp="--mcp" in sys.argv or None)
