"""The page as a public Space has it, with small limits: python limited_page.py PORT. Started by tests."""

import os
import sys
from dataclasses import replace

os.environ["SPACE_ID"] = "somebody/page"

from spexapi.page import site
from spexapi.page.app import build, launch

site.PUBLIC = replace(site.PUBLIC, documents=6, characters=2_000, budget=80, runs=1, calls=100)

if __name__ == "__main__":
    launch(int(sys.argv[1]), demo=build(), mcp=True)
