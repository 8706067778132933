"""An OpenAI-shaped server for tests, in a process of its own on a free loopback port.

From a test (the fixture `openai_server` in conftest.py is one server a session, reset for each test):

    def test_it(openai_server):
        openai_server.set(rpm=6000, quirks=["shifted"], ways="vllm", faults={"500": 0.1, "cut": 0.05}, seed=3)
        openai_server.next("429", "cut")          # the next two calls meet these faults, whatever the shares
        client = AsyncOpenAI(base_url=openai_server.base_url, api_key="any", max_retries=0)
        ...
        openai_server.counts()["calls"]           # answered distinct by_status by_fault limited peak now
        openai_server.log()[0]["body"]            # one dict a call: number at done path mark status fault ...
        openai_server.reset()                     # empty log, full buckets, the settings it started with

Without the fixture: `with start(rpm=600) as server: ...`; the process ends with the block, or with its
parent, however that ends. By hand, from tests/: `python -m openai_server --port 8000 --set '{"rpm": 600}'`;
the same switches are then POST /control/set, /control/next, /control/reset and GET /control/log,
/control/counts.

Models: "table" (words as tokens; log p of the answer "the cellar" is planted by rules, see
models.TableModel; settings.table changes them; fast) and "embedded" (the package's reader, run by
transformers; loaded at the first call). Any other name is 404 model_not_found. Paths: /v1/chat/completions,
/v1/completions, /v1/responses, /v1/systemone, /v1/embeddings, /v1/models, /v1/files, /v1/batches, and
/tokenize. What is served, how it misbehaves, and what goes wrong are listed in settings.py: EVERY_WAY and
PRESETS, QUIRKS, FAULTS, Settings.

Settings replace only what they name. In the log `mark` is equal for equal requests; `limited` is true for a
429 of the limiter (the client was too fast), while a 429 of a fault has `fault`. Batches' lines are not in
the log; they are answered when the batch is looked at for the `polls`-th time.
"""

from openai_server.handle import Server, start

__all__ = ["Server", "start"]
