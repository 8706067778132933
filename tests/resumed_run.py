"""One run that test_resume.py kills: python resumed_run.py <base_url> <store> <out.json> [batch | unasked]

unasked: without the claims, for which a batch does not wait either
"""

import sys

import spexapi
from spexapi.sampling.policy import RequestPolicy

TEXT = "the key is in the box and the old box is in the cellar under the stairs today"


def main(base_url, store, out, how=""):
    more = {"batch": True, "poll": 0.05} if how == "batch" else {"concurrency": 8}
    backend = spexapi.open_backend("openai:table", base_url=base_url, api_key="sk-resumed", **more)
    game = spexapi.PromptGame(backend, TEXT, "the cellar", terms=RequestPolicy(store=store))
    unasked = {"claims": 0, "writes": 0} if how == "unasked" else {}
    spexapi.explain(game, engine="lime", budget=400, seed=5, **unasked).to_json(out)


if __name__ == "__main__":
    main(*sys.argv[1:])
