"""The words of 59 explanations as a reader sees them, one file each: a change of words is seen."""

import difflib
import inspect
import os
from dataclasses import replace
from pathlib import Path

import pytest
import stories_of_checks
import stories_of_documents
import stories_of_functions

from spexapi.views.terminal import plain

FOLDER = Path(__file__).parent / "stories"
RENEW = "UPDATE_STORIES=1 python -m pytest tests/test_stories.py renews the files: then read the difference."

STORIES = {
    name: made
    for module in (stories_of_documents, stories_of_checks, stories_of_functions)
    for name, made in vars(module).items()
    if inspect.isfunction(made)
    and made.__module__ == module.__name__
    and not inspect.signature(made).parameters
}


def printed(explanation):
    """What the terminal shows, as if every run took one second."""
    return plain(replace(explanation, cost=replace(explanation.cost, seconds=1.0))) + "\n"


@pytest.mark.parametrize("name", STORIES)
def test_a_story_is_told_as_it_was_reviewed(name):
    path, now = FOLDER / f"{name}.txt", printed(STORIES[name]())
    if os.environ.get("UPDATE_STORIES"):
        path.write_text(now, encoding="utf-8")
    before = path.read_text(encoding="utf-8") if path.exists() else ""

    changed = difflib.unified_diff(before.splitlines(), now.splitlines(), path.name, "now", lineterm="")
    assert before == now, "\n".join([*changed, "", RENEW])


def test_every_file_is_a_story_and_there_are_at_least_forty():
    assert sorted(path.stem for path in FOLDER.glob("*.txt")) == sorted(STORIES)
    assert len(STORIES) >= 40
