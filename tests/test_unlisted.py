"""Options that an endpoint does not list: what is then known of a score, and what is not."""

import numpy as np
import pytest
from fake_backend import FakeBackend

import spexapi
from spexapi.backends.base import AnswerScore, Reply
from spexapi.games._values import averaged, of_scores
from spexapi.measurements import exact_values
from spexapi.narrative.story import tell
from spexapi.scorers.base import Scorer
from spexapi.scorers.registry import find_scorer

DOCUMENTS = ["The lamp is in the attic.", "The key is red.", "The box is blue.", "The key is in the red box."]


def scores(*options):
    """A reply with one token an option: its log-probability, or the text "<-5", not listed and below -5."""
    unlisted = [isinstance(option, str) for option in options]
    numbers = [float(str(option).removeprefix("<")) for option in options]
    pairs = zip(numbers, unlisted, strict=True)
    return Reply(tuple(AnswerScore(np.array([x]), ((0, 3),), (True,) if b else ()) for x, b in pairs))


class Listing(FakeBackend):
    """Lists the options only if documents 2 and 4 are there; a prompt with both makes "yes" likely."""

    always_unlisted = False

    def _reply(self, request):
        prompt = self.text(request)
        both = DOCUMENTS[1] in prompt and DOCUMENTS[3] in prompt
        if self.always_unlisted or not both:
            return scores("<-5", "<-5")
        return scores(-0.1, -2.0 - 0.5 * (DOCUMENTS[0] in prompt))


def game(backend):
    return spexapi.RagGame(backend, "Is the box red?", DOCUMENTS, options=["yes", "no"])


def test_options_that_are_never_listed_measure_nothing_and_the_error_says_what_to_do():
    backend = Listing()
    backend.always_unlisted = True
    with pytest.raises(spexapi.NothingMeasured, match="neither option is among the tokens") as raised:
        spexapi.explain(game(backend), budget=16)
    assert "word the question" in str(raised.value)
    assert "another score" in str(raised.value)


def test_masks_whose_options_are_not_listed_failed_and_nothing_is_exact():
    ex = spexapi.explain(game(Listing()), budget=16)

    assert ex.audit.n_failed == 12
    assert ex.audit.method != "exact"
    assert tell(ex).text.startswith(
        "Documents 2 and 4 decide: if either is missing, there is no value (12 of"
    )
    assert "nothing kept: no value" in str(ex)
    assert "neither option is among the tokens the endpoint lists" in str(ex).replace("\n", " ")
    for shown in (str(ex), ex.to_html(), repr(ex), *ex.notes):
        assert "very possible mask" not in shown
        assert "all 16 masks are measured" not in shown
        assert "Exact:" not in shown
        assert 'class="chip exact"' not in shown


@pytest.mark.parametrize(
    ("score", "options", "ends"),
    [
        ("choice", (-1.0, "<-3"), (2.0, np.inf)),
        ("choice", ("<-3", -1.0), (-np.inf, -2.0)),
        ("choice", ("<-3", -1.0, "<-3"), (-np.inf, -2.0)),
        ("choice", (-1.0, -2.0, "<-3"), (-1.0 - np.logaddexp(-2, -3), 1.0)),
        ("accuracy", (-1.0, "<-3"), (1.0, 1.0)),  # likelier than all that is not listed
        ("accuracy", ("<-3", -1.0, "<-3"), (0.0, 0.0)),  # another one is likelier for sure
        ("logit", ("<-1",), (-np.inf, -1.0 - np.log1p(-np.exp(-1.0)))),
    ],
)
def test_what_is_listed_bounds_the_score_or_settles_it(score, options, ends):
    found = of_scores(find_scorer(score), np.ones((1, 2), bool), [scores(*options)])
    assert (found.lower[0], found.upper[0]) == pytest.approx(ends)
    assert found.lower[0] <= found.values[0] <= found.upper[0]
    assert found.reason == ("",)


@pytest.mark.parametrize(
    ("score", "options", "reason"),
    [
        ("choice", ("<-5", "<-5"), "neither option is among the tokens"),
        ("accuracy", ("<-5", "<-5"), "neither option is among the tokens"),
        ("choice", ("<-5", "<-5", "<-5"), "none of the 3 options is among the tokens"),
    ],
)
def test_a_score_of_options_of_which_none_is_listed_is_unknown(score, options, reason):
    found = of_scores(find_scorer(score), np.ones((1, 2), bool), [scores(*options)])
    assert np.isnan(found.values[0])
    assert reason in found.reason[0]


def test_a_score_of_the_users_own_is_bounded_on_the_side_to_which_it_turns():
    def surprise(reply):
        return -float(reply.scores[0].logprobs.sum())

    def plain(reply):
        return 1.0

    masks = np.ones((1, 2), bool)
    turned = of_scores(Scorer("surprise", "", surprise), masks, [scores("<-5")])
    blind = of_scores(Scorer("plain", "", plain), masks, [scores("<-5")])
    assert (turned.values[0], turned.lower[0], turned.upper[0]) == (5.0, 5.0, np.inf)
    assert (blind.values[0], blind.lower[0], blind.upper[0]) == (1.0, 1.0, 1.0)


def test_a_mean_over_questions_is_as_open_as_its_parts():
    masks, known = np.ones((1, 2), bool), exact_values(np.ones((1, 2), bool), np.array([1.0]))
    below = of_scores(find_scorer("choice"), masks, [scores("<-3", -1.0)])
    above = of_scores(find_scorer("choice"), masks, [scores(-1.0, "<-3")])

    one_side, both_sides = averaged(masks, [known, below]), averaged(masks, [above, below])

    assert (one_side.values[0], one_side.lower[0], one_side.upper[0]) == (-0.5, -np.inf, -0.5)
    assert np.isnan(both_sides.values[0])
    assert "upper bound" in both_sides.reason[0]
