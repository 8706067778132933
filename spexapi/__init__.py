"""Which combinations of words, documents, heads or training examples made a language model say what it said."""

__version__ = "0.1.0"
