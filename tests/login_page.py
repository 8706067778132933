"""The page on a Space with login, and a server of this machine in place of Hugging Face Inference Providers:
python login_page.py BASE_URL PORT. Started by test_page_leaks.py."""

import os
import sys

os.environ |= {
    "SYSTEM": "spaces",
    "SPACE_ID": "somebody/page",
    "OAUTH_CLIENT_ID": "id",
    "OAUTH_CLIENT_SECRET": "of this test",
    "OAUTH_SCOPES": "openid profile inference-api",
    "OPENID_PROVIDER_URL": "https://huggingface.co",
}

from spexapi.page import site
from spexapi.page.app import build, launch
from spexapi.page.requests import model

site.PROVIDERS = model.PROVIDERS = sys.argv[1]

if __name__ == "__main__":
    launch(int(sys.argv[2]), demo=build(local_urls=True))
