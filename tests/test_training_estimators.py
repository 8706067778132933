"""Scikit-learn and xgboost estimators, and a torch module, as training games."""

import asyncio

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import LinearSVC
from test_training_game import measured

import spexapi
from spexapi.errors import InputError
from spexapi.games.training.cache import seed_of

RNG = np.random.default_rng(5)
Y = RNG.integers(0, 3, 40)
X = RNG.standard_normal((40, 4)) + 2.0 * np.eye(4)[Y]
Y_TEST = RNG.integers(0, 3, 25)
X_TEST = RNG.standard_normal((25, 4)) + 2.0 * np.eye(4)[Y_TEST]
DATA = (X, Y, X_TEST, Y_TEST)
MASKS = np.random.default_rng(1).random((5, 40)) < 0.5


def of(estimator, **rest):
    return spexapi.TrainingGame.of_estimator(estimator, *DATA, **rest)


def trains_twice(game) -> bool:
    """Whether training sets are trained with two seeds, to learn the noise."""
    asyncio.run(game.prepare())
    return game.spent.setup_calls > 1


def test_a_value_is_that_of_the_estimator_fitted_by_hand():
    found = measured(of(GaussianNB()), MASKS)
    for mask, value in zip(MASKS, found.values, strict=True):
        model = GaussianNB().fit(X[mask], Y[mask])
        sure = [model.predict_proba(X_TEST)[i, y] for i, y in enumerate(Y_TEST)]
        assert value == pytest.approx(np.mean(sure), abs=1e-12)
    assert (found.variance == 0).all()  # it has no random_state


def test_scores_are_those_of_scikit_learn_or_a_function():
    accuracy = measured(of(GaussianNB(), score="accuracy"), MASKS).values
    hand = [GaussianNB().fit(X[m], Y[m]).score(X_TEST, Y_TEST) for m in MASKS]
    assert accuracy.tolist() == pytest.approx(hand)
    one = measured(of(GaussianNB(), score=lambda model: model.predict_proba(X_TEST[:1])[0, 0]), MASKS).values
    hand = [GaussianNB().fit(X[m], Y[m]).predict_proba(X_TEST[:1])[0, 0] for m in MASKS]
    assert one.tolist() == pytest.approx(hand)
    regressed = spexapi.TrainingGame.of_estimator(Ridge(), X, X[:, 0], X_TEST, X_TEST[:, 0])
    assert asyncio.run(of(LinearSVC()).prepare()).score == "accuracy"
    assert asyncio.run(regressed.prepare()).score == "r2"


def test_a_class_that_is_missing_has_no_probability():
    mask = (Y != 2)[None]
    model = GaussianNB().fit(X[Y != 2], Y[Y != 2])
    found = model.predict_proba(X_TEST)
    hand = np.mean([found[i, y] if y < 2 else 0.0 for i, y in enumerate(Y_TEST)])
    assert measured(of(GaussianNB()), mask).values[0] == pytest.approx(hand)


def test_a_fit_that_needs_two_classes_fails_and_is_counted():
    found = measured(of(LogisticRegression()), [Y == 1, Y < 2])
    assert found.reason[0].startswith("train failed: ValueError")
    assert found.reason[1] == ""


def test_every_seed_inside_a_pipeline_is_set_and_its_noise_measured():
    shaky = make_pipeline(StandardScaler(), SGDClassifier(loss="log_loss", max_iter=5, tol=None))
    a, b = measured(of(shaky, noise=4), MASKS), measured(of(shaky, noise=4), MASKS)
    assert a.values.tolist() == b.values.tolist()
    assert (a.variance > 0).all()
    assert not trains_twice(of(make_pipeline(StandardScaler(), KNeighborsClassifier(3))))
    assert trains_twice(of(RandomForestClassifier(5)))


class Hasty(GaussianNB):
    """Looks at a random half of what it is given, by numpy's global generator; its seed is no parameter."""

    random_state = None

    def fit(self, X, y):
        some = np.random.permutation(len(y))[: len(y) // 2]  # noqa: NPY002 - as its users do
        return super().fit(X[some], y[some])


def shaken(X):
    return X + np.random.normal(size=X.shape)  # noqa: NPY002 - as its users do


@pytest.mark.parametrize(
    "estimator",
    [
        Hasty(),
        make_pipeline(StandardScaler(), Hasty()),
        VotingClassifier([("a", GaussianNB()), ("b", Hasty())], voting="soft"),
        make_pipeline(FunctionTransformer(shaken), GaussianNB()),
        GridSearchCV(KNeighborsClassifier(), {"n_neighbors": [1, 5, 9]}, cv=KFold(3, shuffle=True)),
    ],
)
def test_a_random_part_without_a_seed_is_measured_too(estimator):
    np.random.seed(0)  # noqa: NPY002 - what the estimators above draw from
    game = of(estimator)
    variance = measured(game, MASKS).variance
    assert (variance > 0).all()
    assert (variance == variance[0]).all()
    assert "trained twice" in game.traits.notes[0]


def test_what_draws_nothing_is_found_to_have_no_noise():
    class Mine(GaussianNB):
        pass

    game = of(Mine())
    assert (measured(game, MASKS).variance == 0).all()
    assert game.spent.setup_calls > 1  # not known before
    assert not trains_twice(of(VotingClassifier([("a", GaussianNB()), ("b", KNeighborsClassifier())])))
    assert not trains_twice(of(Hasty(), noise=0))  # the user knows better


def test_xgboost_trains_as_it_is():
    xgboost = pytest.importorskip("xgboost")
    game = of(xgboost.XGBClassifier(n_estimators=3, max_depth=2, n_jobs=1), noise=0)
    mask = MASKS[:1]
    model = xgboost.XGBClassifier(n_estimators=3, max_depth=2, n_jobs=1).fit(X[mask[0]], Y[mask[0]])
    hand = np.mean([model.predict_proba(X_TEST)[i, y] for i, y in enumerate(Y_TEST)])
    assert measured(game, mask).values[0] == pytest.approx(hand)
    without = measured(game, [Y != 1])
    assert "Invalid classes" in without.reason[0]


def test_groups_by_label_and_by_cluster():
    labels = of(GaussianNB(), groups="labels")
    assert sorted(p.label.rpartition(" (")[0] for p in labels.players) == ["label 0", "label 1", "label 2"]
    far = np.repeat([0.0, 50.0, 100.0], [10, 12, 18])[:, None] + X[:, :1]
    game = spexapi.TrainingGame.of_estimator(GaussianNB(), far, Y, far, Y, groups=3)
    assert sorted(p.label.split("(")[1] for p in game.players) == [
        "10 examples)",
        "12 examples)",
        "18 examples)",
    ]


def test_frames_and_sparse_tables_are_rows_too():
    pandas = pytest.importorskip("pandas")
    from scipy.sparse import csr_array

    plain = measured(of(KNeighborsClassifier(3)), MASKS).values.tolist()
    frame = spexapi.TrainingGame.of_estimator(
        KNeighborsClassifier(3), pandas.DataFrame(X), pandas.Series(Y), pandas.DataFrame(X_TEST), Y_TEST
    )
    assert measured(frame, MASKS).values.tolist() == pytest.approx(plain)
    sparse = spexapi.TrainingGame.of_estimator(
        KNeighborsClassifier(3), csr_array(X), Y, csr_array(X_TEST), Y_TEST
    )
    assert measured(sparse, MASKS).values.tolist() == pytest.approx(plain)


def test_the_store_knows_data_and_settings_apart(tmp_path):
    kept = tmp_path / "kept.sqlite"

    def calls(estimator, data=DATA):
        game = spexapi.TrainingGame.of_estimator(estimator, *data, store=kept)
        measured(game, MASKS)
        return game.spent.calls

    assert calls(KNeighborsClassifier(3)) == 5
    assert calls(KNeighborsClassifier(3)) == 0
    assert calls(KNeighborsClassifier(4)) == 5
    assert calls(KNeighborsClassifier(3), (X + 1e-9, Y, X_TEST, Y_TEST)) == 5


def test_a_score_of_ones_own_needs_a_name_in_the_store(tmp_path):
    with pytest.raises(InputError, match="name="):
        of(GaussianNB(), score=lambda model: 0.0, store=tmp_path / "kept.sqlite")


def test_processes_give_the_values_of_one():
    values = [measured(of(GaussianNB(), jobs=jobs), MASKS).values.tolist() for jobs in (1, 2)]
    assert values[0] == values[1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"X": X[:0], "y": Y[:0]}, "training set is empty"),
        ({"X_test": X[:0], "y_test": Y[:0]}, "test set is empty"),
        ({"y": Y[:5]}, "40 rows and labels of shape"),
        ({"estimator": 3}, "no scikit-learn estimator"),
        ({"score": "goodness"}, "unknown score 'goodness'"),
        ({"groups": "kinds"}, "'labels'"),
        ({"groups": 99}, "2 to 40"),
    ],
)
def test_what_does_not_fit_is_said(change, said):
    given = {"estimator": GaussianNB(), "X": X, "y": Y, "X_test": X_TEST, "y_test": Y_TEST, **change}
    with pytest.raises(InputError, match=said):
        spexapi.TrainingGame.of_estimator(**given)


def network():
    torch = pytest.importorskip("torch")
    return torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 3))


def by_hand(kept, seed, steps, rate, decay):
    """One network at a time, on rows that are cut out: no masks, no stacking."""
    import torch

    torch.manual_seed(seed)
    model = network()
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=decay)
    rows, labels = torch.tensor(X[kept], dtype=torch.float32), torch.tensor(Y[kept])
    for _ in range(steps):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(model(rows), labels).backward()
        optimiser.step()
    with torch.no_grad():
        sure = model(torch.tensor(X_TEST, dtype=torch.float32)).softmax(-1)
    return float(np.mean([sure[i, y] for i, y in enumerate(Y_TEST)]))


def test_modules_trained_together_are_those_trained_alone():
    pytest.importorskip("torch")
    settings = {"steps": 40, "rate": 0.05, "decay": 0.1}
    game = spexapi.TrainingGame.of_module(network, *DATA, **settings, width=3, noise=0)
    found = measured(game, MASKS)
    for mask, value in zip(MASKS, found.values, strict=True):
        kept = np.flatnonzero(mask)
        assert value == pytest.approx(
            by_hand(kept, seed_of(kept.astype("<i8").tobytes(), 0, 0), **settings), abs=1e-5
        )
    alone = measured(spexapi.TrainingGame.of_module(network, *DATA, **settings, width=1, noise=0), MASKS)
    assert alone.values.tolist() == pytest.approx(found.values.tolist(), abs=1e-6)


def test_a_module_regresses_numbers():
    torch = pytest.importorskip("torch")
    game = spexapi.TrainingGame.of_module(
        lambda: torch.nn.Linear(4, 1), X, X @ [1.0, 0, 0, 2.0], X_TEST, X_TEST @ [1.0, 0, 0, 2.0],
        steps=300, rate=0.05, noise=2,
    )  # fmt: skip
    found = measured(game, MASKS)
    assert (np.abs(found.values) < 0.05).all()
    assert (found.values < 0).all()


@pytest.mark.parametrize(
    ("make", "rest", "said"),
    [
        (lambda: 3, {}, "must return a torch.nn.Module"),
        (lambda: __import__("torch").nn.Dropout(), {}, "Dropout"),
        (network, {"score": "mse"}, "for classes"),
        (network, {"steps": 0}, "steps=0"),
    ],
)
def test_a_module_that_does_not_fit_is_refused(make, rest, said):
    pytest.importorskip("torch")
    with pytest.raises(InputError, match=said):
        spexapi.TrainingGame.of_module(make, *DATA, **rest)
