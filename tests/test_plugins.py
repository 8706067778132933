"""What authors of plug-ins import: one page, and every path that version 0.1 had."""

import asyncio
import contextlib
import inspect
import io
import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import spexapi
from spexapi import plugins
from spexapi.backends.adapter import complete
from spexapi.testing import check_all

OLD_BACKEND = """
import math
from collections.abc import Sequence

import numpy as np

import spexapi
from spexapi.backends.base import AnswerScore, Capabilities, Generated, Message, Reply, Request


class Moody:
    name = "moody"
    capabilities = Capabilities(batch=64)

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def generate(self, messages: Sequence[Message], max_tokens: int) -> Generated:
        return Generated(
            "good" if self._log_odds(messages[-1].content) > 0 else "bad", tokens_in=0, tokens_out=1
        )

    async def score(self, requests: Sequence[Request]) -> list[Reply]:
        return [self._reply(request) for request in requests]

    def check(self, request: Request) -> str:
        return ""

    def count_tokens(self, text: str) -> int | None:
        return len(text.split())

    def token_spans(self, text: str) -> None:
        return None

    def answer_offsets(self, messages: Sequence[Message], answer: str) -> None:
        return None

    def _reply(self, request: Request) -> Reply:
        odds = self._log_odds(request.messages[-1].content)
        logprob = -math.log1p(math.exp(-odds if request.answers[0] == "good" else odds))
        return Reply((AnswerScore(np.array([logprob]), ((0, len(request.answers[0])),)),))

    def _log_odds(self, text: str) -> float:
        words = text.lower().split()
        return 4.0 * ("not" in words and "bad" in words) - 2.0 * ("bad" in words) + 0.5 * ("really" in words)


game = spexapi.PromptGame(Moody(), "the film is really not bad at all", "good", score="logit")
explanation = spexapi.explain(game, budget=256, index="moebius")

interaction, strength = explanation.top(1)[0]
print(f"{strength:+.2f}  {explanation.label(interaction)}")
"""

OLD_PLUGIN = """
import math

import numpy as np

from spexapi.backends.base import AnswerScore, Reply
from spexapi.engines.base import Design, Fit
from spexapi.spectrum import Spectrum


class Keywords:
    def __init__(self, words, *, strength=4.0):
        self.name, self._words, self._strength = f"keywords:{words}", set(words.split(",")), strength

    async def score(self, requests):
        return [Reply(tuple(self._scored(r, answer) for answer in r.answers)) for r in requests]

    def _scored(self, request, answer):
        said = set(" ".join(message.content for message in request.messages).lower().split())
        return AnswerScore(np.array([-5.0 + self._strength * (self._words <= said)]), ((0, len(answer)),))


def bits(reply):
    return float(reply.scores[0].logprobs.sum()) / math.log(2)


class Averages:
    name = "averages"

    def plan(self, n_players, budget, rng):
        return Design(n_players, budget, rng.random((budget, n_players)) < 0.5)

    def propose(self, design, seen, remaining):
        return design.masks[len(seen.values) :][:remaining]

    def fit(self, design, seen):
        known = seen.ok
        signs = np.where(seen.masks[known], -1.0, 1.0)  # the papers' sign: kept is -1
        columns = np.column_stack([np.ones(known.sum()), signs])
        found = np.linalg.lstsq(columns, seen.values[known], rcond=None)[0]
        return Fit(Spectrum(design.n_players, {(): found[0], **{(i,): c for i, c in enumerate(found[1:])}}))
"""


def run(code: str) -> dict:
    names = {"__name__": "written_by_somebody"}
    exec(compile(textwrap.dedent(code), "plugin.py", "exec"), names)
    return names


def explained(backend, score, engine):
    game = spexapi.PromptGame(backend, "the film is not bad", "good", score=score)
    return spexapi.explain(game, engine=engine, budget=32, index="moebius")


def test_a_backend_written_for_version_0_1_works_unchanged():
    with contextlib.redirect_stdout(io.StringIO()) as said:
        run(OLD_BACKEND)
    assert said.getvalue() == "+4.00  not + bad\n"


def test_a_plug_in_written_for_version_0_1_works_unchanged():
    names = run(OLD_PLUGIN)
    check_all(names["Keywords"]("not,bad"))
    found = explained(names["Keywords"]("not,bad"), names["bits"], "exact")
    assert found.interactions[(3, 4)] == pytest.approx(4.0 / 0.6931471805599453)
    alone = explained(names["Keywords"]("not,bad"), names["bits"], names["Averages"]())
    assert {len(s) for s in alone.interactions} <= {0, 1}


def test_the_backend_scorer_and_engine_of_the_page_work_as_they_stand_there():
    blocks = re.findall(r"(?:^    .*\n|^\n)+", inspect.getdoc(plugins) + "\n", flags=re.MULTILINE)
    names = run("\n".join(textwrap.dedent(block) for block in blocks))
    check_all(names["Moody"]())
    game = spexapi.PromptGame(names["Moody"](), "the film is not bad at all", "good", score="logit")
    assert spexapi.explain(game, budget=256, index="moebius").top(1)[0] == ((3, 4), pytest.approx(4.0))
    assert explained(names["Moody"](), names["bits"], names["Averages"]()).recipe.engine == "averages"


def test_the_least_backend_is_completed_wherever_one_is_given():
    class Least:
        name = "least"

        async def score(self, requests):
            return [plugins.Reply(error="busy") for _ in requests]

    for game in (
        spexapi.PromptGame(Least(), "one two", "answer"),
        spexapi.RagGame(Least(), "one?", ["two", "three"], "answer"),
    ):
        assert isinstance(game.backend, plugins.Backend)
    with pytest.raises(spexapi.InputError, match="does not let anybody into the model"):
        spexapi.HeadGame(Least(), "one two", "answer")
    with pytest.raises(spexapi.BackendError, match="cannot write an answer"):
        asyncio.run(spexapi.PromptGame(Least(), "one two").prepare())


def test_a_backend_that_passes_on_what_another_one_has_is_whole():
    class Passing:
        def __init__(self, own):
            self._own = own

        def __getattr__(self, name):
            return getattr(self._own, name)

    passing = Passing(spexapi.open_backend("embedded"))
    assert complete(passing) is passing


def test_every_name_of_the_page_is_the_one_that_is_used():
    assert sorted(plugins.__all__) == sorted(set(plugins.__all__))
    from spexapi.backends import base
    from spexapi.engines.base import Engine
    from spexapi.scorers.base import Scorer

    assert plugins.Reply is base.Reply
    assert plugins.Engine is Engine
    assert plugins.Scorer is Scorer
    assert spexapi.plugins is plugins


@pytest.mark.slow
def test_type_checkers_know_the_page_from_import_spexapi_alone(tmp_path: Path):
    file = tmp_path / "mine.py"
    file.write_text("import spexapi\n\nreply: spexapi.plugins.Reply = spexapi.plugins.Reply(error='busy')\n")
    package = str(Path(spexapi.__file__).parent.parent)
    settings = {"typeCheckingMode": "strict", "extraPaths": [package]}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    done = subprocess.run(
        [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, str(file)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert "0 errors" in done.stdout, done.stdout


def test_examples_import_nothing_below_the_package():
    for path in (Path(__file__).parent.parent / "examples").rglob("*.py"):
        found = set(re.findall(r"^\s*(?:from|import) (spexapi[\w.]*)", path.read_text(), flags=re.MULTILINE))
        assert found <= {"spexapi", "spexapi.plugins"}, path.name
