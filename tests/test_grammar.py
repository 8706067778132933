"""Numbers and the words that agree with them, in every view."""

from dataclasses import replace

import pytest
import view_samples as sample

import spexapi
from spexapi.fourier.spectrum import Spectrum
from spexapi.narrative.trust import spent, warnings
from spexapi.narrative.wording import are, counted
from spexapi.sampling.usage import Usage
from spexapi.views.html.table import table


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 documents"), (1, "1 document"), (2, "2 documents"), (1200, "1,200 documents")]
)
def test_a_number_and_its_word_agree(count, words):
    assert counted(count, "document") == words
    assert counted(count, "reply", "replies").endswith(" reply" if count == 1 else " replies")
    assert are(count) == ("is" if count == 1 else "are")


def pairs_of(n_pairs):
    """So many pairs of which only the first is worth drawing."""
    strong = {(0, 1): 1.0} | {(2 * k, 2 * k + 1): 0.01 for k in range(1, n_pairs)}
    return sample.function(Spectrum(2 * n_pairs, {(): 0.0} | strong), [f"p{i}" for i in range(2 * n_pairs)])


def test_what_is_left_out_is_told_in_one_or_in_many():
    assert "1 weaker combination is not shown." in str(pairs_of(2))
    assert "2 weaker combinations are not shown." in str(pairs_of(3))
    assert "1 weaker combination is not drawn." in pairs_of(2).to_html()
    assert "2 weaker combinations are not drawn." in pairs_of(3).to_html()
    thirteen = sample.function(
        Spectrum(13, {(i,): -1.0 - i for i in range(13)}), [f"p{i}" for i in range(13)]
    )
    assert "1 more with no larger effect is not shown." in str(thirteen)


def test_the_table_says_how_many_weaker_ones_there_are():
    ex = pairs_of(2)
    assert "1 weaker one is in the CSV" in table(ex, most=len(ex.top(99)) - 1)
    assert "2 weaker ones are in the CSV" in table(ex, most=len(ex.top(99)) - 2)


def test_a_single_call_is_one_call():
    assert spent(Usage(calls=1, tokens_in=1)).startswith("1 model call, 1 token read")
    assert spent(Usage(calls=1), "training").startswith("1 training,")
    assert spent(Usage(calls=2), "training").startswith("2 trainings,")
    one = spexapi.explain(spexapi.FunctionGame(lambda masks: masks[:, 0] * 1.0, 2), budget=4)
    cut = replace(one, stopped=True, audit=replace(one.audit, n_failed=1))
    assert "1 measurement failed" in " ".join(warnings(cut))
    assert "1 call;" in repr(replace(one, cost=Usage(calls=1)))
