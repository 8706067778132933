"""Which training images mislead a small model, and which do the same as another.

$ python examples/07_training_data.py
R² above 0.8: True
labels that are wrong: images 5, 12 and 21
the three that harm most: images 5, 12 and 21
the 4 strongest redundant pairs show the same digit: True
wrote training.html
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

import spexapi


def listed(numbers) -> str:
    *most, last = sorted(n + 1 for n in numbers)
    return f"images {', '.join(map(str, most))} and {last}"


images, digits = load_digits(return_X_y=True)
threes_and_fives = np.random.default_rng(0).permutation(np.flatnonzero(np.isin(digits, (3, 5))))
train, test = threes_and_fives[:40], threes_and_fives[40:240]
labels = digits[train].copy()
wrong = [4, 11, 20]
labels[wrong] = 8 - labels[wrong]

game = spexapi.TrainingGame.of_estimator(
    KNeighborsClassifier(3), images[train], labels, images[test], digits[test]
)
explanation = spexapi.explain(game, budget=500, max_order=2)

print("R² above 0.8:", explanation.audit.r2 > 0.8)
print("labels that are wrong:", listed(wrong))
shapley = explanation.values("sv")
worst = sorted(range(len(game.players)), key=lambda i: shapley[(i,)])[:3]
print("the three that harm most:", listed(worst))

redundant = [pair for pair, value in explanation.top(40) if len(pair) == 2 and value < 0][:4]
print(
    "the 4 strongest redundant pairs show the same digit:", all(labels[a] == labels[b] for a, b in redundant)
)
explanation.to_html("training.html")
print("wrote training.html")
