"""Explanations as JSON, both ways."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from spexapi.backends.huggingface.components import Component, to_component
from spexapi.errors import InputError
from spexapi.explanation.pruned import Pruned
from spexapi.explanation.recipe import Recipe
from spexapi.explanation.verification import Check, Verification
from spexapi.fourier import masks as bits
from spexapi.fourier.optimize import Optimum
from spexapi.fourier.spectrum import Interaction, Spectrum
from spexapi.games.base import Piece, Player, Target
from spexapi.measurements import Floats, Measurements
from spexapi.sampling.usage import Usage
from spexapi.trust.audit import Audit
from spexapi.trust.estimates import Estimates

if TYPE_CHECKING:
    from spexapi.explanation.explanation import Explanation

SCHEMA_VERSION = 1
_STOPPED = "stopped: "
Json = dict[str, Any]


def dump(ex: Explanation, path: str | Path | None = None) -> str:
    """An explanation as JSON text (RFC 8259: NaN is null), written to `path` if one is given."""
    data: Json = {
        "schema_version": SCHEMA_VERSION,
        "players": [_player(p) for p in ex.players],
        "index": ex.index,
        "max_order": ex.max_order,
        "spectrum": _terms(ex.spectrum.coef),
        "interactions": _terms(ex.interactions, ex.intervals, ex.verification),
        "observations": _observations(ex.observations),
        "audit": asdict(ex.audit),
        "engine": ex.recipe.engine,
        "recipe": _plain(asdict(ex.recipe)),
        "cost": asdict(ex.cost),
        "target": asdict(ex.target),
        "backend": ex.backend,
        "seed": ex.recipe.seed,
        "notes": list(ex.notes),
        "stopped": ex.stopped,
        "stopped_by": ex.stopped_by,
        "estimates": _estimates(ex.estimates),
        "verification": _verification(ex.verification),
        "written": [{"kept": list(kept), "text": text} for kept, text in ex.written],
        "pruned": [_pruned(each) for each in ex.pruned],
    }
    return written(json.dumps(data, ensure_ascii=False, allow_nan=False), path)


def written(text: str, path: str | Path | None) -> str:
    """The text, which is also written to `path` if there is one."""
    if path is not None:
        Path(path).write_text(text, encoding="utf-8")
    return text


def load(path: str | Path) -> Explanation:
    """An explanation from a file. Raises InputError if there is none, or if it is not one of ours."""
    from spexapi.explanation.explanation import Explanation

    data = _checked(Path(path))
    n = len(data["players"])
    target = dict(data["target"])
    target["answer_offsets"] = tuple((a, b) for a, b in target["answer_offsets"])
    target["span"] = tuple(target["span"]) if target["span"] else None
    target |= {name: tuple(target.get(name, ())) for name in ("options", "unknown")}
    target["pieces"] = tuple(Piece(**p) for p in target["pieces"])
    audit = dict(data["audit"])
    audit["r2_interval"] = tuple(audit["r2_interval"]) if audit["r2_interval"] else None
    audit["notes"] = tuple(audit["notes"])
    return Explanation(
        players=tuple(_player_of(p, data["target"]["kind"]) for p in data["players"]),
        index=data["index"],
        max_order=data["max_order"],
        spectrum=Spectrum(n, _coef(data["spectrum"])),
        interactions=_coef(data["interactions"]),
        observations=_measurements(data["observations"], n),
        audit=Audit(**audit),
        recipe=Recipe(**data["recipe"]),
        target=Target(**target),
        backend=data["backend"],
        cost=Usage(**data["cost"]),
        intervals={
            tuple(t["players"]): tuple(t["interval"]) for t in data["interactions"] if "interval" in t
        },
        notes=tuple(data["notes"]),
        stopped=data["stopped"],
        stopped_by=_stopped_by(data),
        estimates=_estimates_of(data.get("estimates"), n),
        verification=_verified(data.get("verification")),
        written=tuple((tuple(each["kept"]), each["text"]) for each in data.get("written", ())),
        pruned=tuple(_pruned_of(each, n) for each in data.get("pruned", ())),
    )


def _checked(path: Path) -> Json:
    try:
        data: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror or error}; open a file that spexapi saved"
        ) from error
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not JSON ({error}); open a file that spexapi saved") from error
    version: Any = cast(Json, data).get("schema_version") if isinstance(data, dict) else None
    if version != SCHEMA_VERSION:
        raise InputError(
            f"{path} has schema_version {version!r}, this version of spexapi reads {SCHEMA_VERSION}; "
            "open a file that spexapi saved"
        )
    return cast(Json, data)


def _player(player: Player) -> Json:
    """Without a component, which most players have not."""
    return {name: value for name, value in asdict(player).items() if value is not None}


def _player_of(data: Json, kind: str) -> Player:
    """Files of version 0.1 say in the label alone which part of a model a player is."""
    found = Player(**{name: value for name, value in data.items() if name != "component"})
    if "component" in data:
        return replace(found, component=Component(**data["component"]))
    with suppress(InputError):
        return replace(found, component=to_component(found.label) if kind == "heads" else None)
    return found


def _terms(
    values: Mapping[Interaction, float],
    intervals: Mapping[Interaction, tuple[float, float]] | None = None,
    verification: Verification | None = None,
) -> list[Json]:
    known, measured = intervals or {}, verification.interactions if verification is not None else ()
    return [
        {"players": list(s), "value": float(v)}
        | ({"interval": list(known[s])} if s in known else {})
        | ({"confirmed": verification.verdict(s)} if verification is not None and s in measured else {})
        for s, v in sorted(values.items(), key=lambda item: (len(item[0]), item[0]))
    ]


def _verification(found: Verification | None) -> Json | None:
    if found is None:
        return None
    checks = [asdict(c) | {"measured": None if c.confirmed is None else c.measured} for c in found.checks]
    return asdict(found) | {"checks": checks}


def _verified(data: Json | None) -> Verification | None:
    if data is None:
        return None
    checks: list[Check] = []
    for check in data["checks"]:
        measured = float("nan") if check["measured"] is None else check["measured"]
        sets: Json = {"players": tuple(check["players"]), "kept": tuple(check["kept"]), "measured": measured}
        checks.append(Check(**(check | sets)))
    whole: Json = {"checks": tuple(checks), "labels": tuple(data["labels"]), "notes": tuple(data["notes"])}
    return Verification(**(data | whole))


def _stopped_by(data: Json) -> str:
    """Files from before there was a field for it have it as a note."""
    noted = (note for note in data["notes"] if note.startswith(_STOPPED))
    return data.get("stopped_by", next(noted, "").removeprefix(_STOPPED))


def _pruned(found: Pruned) -> Json:
    return {
        "kept": len(found.labels),
        "players": list(found.optimum.players),
        "labels": list(found.labels),
        "predicted": found.optimum.predicted,
        "measured": _number(found.measured),
        "held_out": _number(found.held_out),
        "proof": found.optimum.proof,
    }


def _pruned_of(data: Json, n: int) -> Pruned:
    best = Optimum("best", tuple(data["players"]), n, data["predicted"], proof=data["proof"])
    measured, held_out = _array([data["measured"], data.get("held_out")]).tolist()
    return Pruned(best, measured, tuple(data["labels"]), held_out)


def _coef(terms: Sequence[Json]) -> dict[Interaction, float]:
    return {tuple(t["players"]): float(t["value"]) for t in terms}


def _estimates(found: Estimates | None) -> Json | None:
    if found is None:
        return None
    freedom = found.freedom if np.isfinite(found.freedom) else None
    terms = _terms(found.spectrum.coef)
    return {"spectrum": terms, "variance": found.variance, "missed": found.missed, "freedom": freedom}


def _estimates_of(data: Json | None, n: int) -> Estimates | None:
    """None also for files from before there were any."""
    if data is None:
        return None
    freedom = np.inf if data["freedom"] is None else float(data["freedom"])
    return Estimates(Spectrum(n, _coef(data["spectrum"])), data["variance"], data["missed"], freedom)


def _observations(seen: Measurements) -> Json:
    return {
        "m": len(seen),
        "masks": bits.to_text(seen.masks),
        "values": _numbers(seen.values),
        "variance": _numbers(seen.variance),
        "lower": _numbers(seen.lower),
        "upper": _numbers(seen.upper),
        "failed": {str(i): r for i, r in enumerate(seen.reason) if r},
        "infinite": {str(i): int(np.sign(seen.infinite[i])) for i in np.flatnonzero(seen.infinite)},
        "token_values": None if seen.token_values is None else [_numbers(row) for row in seen.token_values],
        "ranks": None if seen.ranks is None else seen.ranks.tolist(),
        "choices": seen.choices,
    }


def _measurements(data: Json, n: int) -> Measurements:
    m = int(data["m"])
    tokens = data["token_values"]
    ranks, choices = data.get("ranks"), data.get("choices")  # not in files from before there were any
    values = _array(data["values"])
    # JSON has no infinity: next to a value, a missing bound is an open side
    lower, upper = _array(data["lower"]), _array(data["upper"])
    lower[np.isnan(lower) & ~np.isnan(values)] = -np.inf
    upper[np.isnan(upper) & ~np.isnan(values)] = np.inf
    for i, sign in data.get("infinite", {}).items():  # not in files from before there was any
        lower[int(i)] = upper[int(i)] = sign * np.inf
    return Measurements(
        masks=bits.from_text(data["masks"], m, n),
        values=values,
        variance=_array(data["variance"]),
        lower=lower,
        upper=upper,
        reason=tuple(data["failed"].get(str(i), "") for i in range(m)),
        token_values=None if tokens is None else np.array([_array(row) for row in tokens]).reshape(m, -1),
        ranks=None if ranks is None else np.array(ranks, dtype=np.int64).reshape(m, -1),
        choices=None if choices is None else tuple(tuple(map(str, row)) for row in choices),
    )


def _numbers(values: Floats) -> list[float | None]:
    return [_number(v) for v in values]


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _array(values: Sequence[float | None]) -> Floats:
    return np.array([np.nan if v is None else v for v in values], dtype=np.float64)


def _plain(value: Any) -> Any:
    """Settings of an engine as JSON can hold them."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in cast(dict[Any, Any], value).items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in cast(Sequence[Any], value)]
    if isinstance(value, np.generic):
        return cast(Any, value).item()
    return value
