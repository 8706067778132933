"""What every backend speaks in: requests, replies and reasons are values."""

import copy
import pickle

from spexapi.backends.base import TooLong


def test_too_long_is_a_text_with_its_numbers():
    reason = TooLong(1234, 512, answer=5)
    assert reason == "1,234 tokens with the 5 of the answer, the model reads 512"
    assert (reason.tokens, reason.limit, reason.answer) == (1234, 512, 5)
    assert TooLong(600, 512) == "600 tokens before the answer's first, the model reads 512"
    for same in (copy.deepcopy(reason), pickle.loads(pickle.dumps(reason))):
        assert (same, same.tokens) == (reason, 1234)
