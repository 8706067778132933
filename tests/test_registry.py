"""From a name to a backend: the built-in ones and those of plug-ins."""

import pytest
from local_models import plain, scored, user

from spexapi.backends.base import Backend, Request
from spexapi.backends.registry import known_backends, open_backend
from spexapi.errors import InputError

__all__ = ["plain"]  # fixture


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("nosuch", "known are embedded, hf:<model>"),
        ("nosuch:x", "known are embedded, hf:<model>"),
        ("embeded", "did you mean 'embedded'"),
        ("hf:", "name a model"),
        ("hf:./nowhere", "there is no folder ./nowhere"),
        ("hf:a/b/c", "there is no folder a/b/c"),
        ("embedded:x", "write 'embedded'"),
    ],
)
def test_a_wrong_backend_name_is_a_plain_error(spec, said):
    with pytest.raises(InputError, match=said.replace("(", "\\(")):
        open_backend(spec)


def test_the_embedded_backend_is_the_folder_in_the_package(plain, tmp_path, monkeypatch):
    monkeypatch.setattr("spexapi.backends.huggingface.embedded.FOLDER", tmp_path)
    with pytest.raises(InputError, match=r"lacks config\.json"):
        open_backend("embedded")
    monkeypatch.setattr("spexapi.backends.huggingface.embedded.FOLDER", plain)
    backend = open_backend("embedded")
    assert backend.name == "embedded"
    assert scored(backend, Request(user("the key"), ("no",)))[0].scores


def test_known_backends_are_there_without_installed_metadata(monkeypatch):
    monkeypatch.setattr("spexapi.backends.registry.entry_points", lambda **_: ())
    assert list(known_backends()) == ["embedded", "hf", "openai"]


def test_a_plug_in_gets_what_stands_behind_the_colon(monkeypatch):
    class Least:
        def __init__(self, rest, *, size=1):
            self.name, self.size = rest, size

        async def score(self, requests):
            return []

    class Point:
        name, value = "fake", "a:b"

        def load(self):
            return Least

    monkeypatch.setattr("spexapi.backends.registry.entry_points", lambda **_: (Point(),))
    found = open_backend("fake:x:y", size=3)
    assert (found.name, found.size) == ("x:y", 3)
    assert isinstance(found, Backend)
    with pytest.raises(InputError, match="fake"):
        open_backend("nosuch")
