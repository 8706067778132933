"""Which documents did the answer need? The embedded model reads eight, and needed two of them together.

$ python examples/02_rag.py
answer: cellar
The key is in the box. + The box is in the cellar.
"""

import spexapi

documents = [
    "The lamp is in the attic.",
    "The key is in the box.",
    "Mary is in the garden.",
    "The box is in the cellar.",
    "The ring is in the bag.",
    "John has the coin.",
    "The bag is in the kitchen.",
    "The letter is in the drawer.",
]

backend = spexapi.open_backend("embedded")
game = spexapi.RagGame(backend, "Which room is the key in?", documents)
explanation = spexapi.explain(game, budget=96)  # 96 of the 256 possible sets of documents

print("answer:", explanation.target.answer)
interaction, strength = explanation.top(1)[0]
print(" + ".join(documents[i] for i in interaction))
