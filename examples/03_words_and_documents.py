"""Documents and the words of the question as players of one game: the two documents and one word, together.

$ python examples/03_words_and_documents.py
256 of 512 prompts scored
The key is in the box. + The box is in the cellar. + key
"""

import spexapi

documents = ["The key is in the box.", "The box is in the cellar.", "The lamp is in the attic."]
question = "Which room is the key in?"
game = spexapi.RagGame(
    spexapi.open_backend("embedded"), question, documents, answer="cellar", question_unit="word"
)
explanation = spexapi.explain(game, budget=256)

print(f"{explanation.cost.calls} of {2 ** len(game.players)} prompts scored")
interaction, strength = explanation.top(1)[0]
print(" + ".join(game.players[i].text for i in interaction))
