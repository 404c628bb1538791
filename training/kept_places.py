"""Places that a gate was fitted on, kept in a file: drawing them takes most of the time that fitting a gate takes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np

from kneeoa.model.errors import ReleaseError
from kneeoa.training.fit_gate import SampleSizes
from kneeoa.training.gate_places import Networks, Places

_OF = "drawn_of"


def drawn_of(networks: Networks, sizes: SampleSizes) -> str:
    """What decides about drawn places, as one line: the networks that looked, and how much was drawn."""
    parts = (networks.finder, networks.network, networks.metal or b"")
    hashes = [hashlib.sha256(part).hexdigest() for part in parts]
    return json.dumps({"networks": hashes, "sizes": asdict(sizes)})


def keep_places(path: Path, drawn: tuple[Places, Places], networks: Networks, sizes: SampleSizes) -> None:
    """Writes places; they hold numbers only, no pixels.

    Args:
        path: file to write, `.npz`.
        drawn: what a gate is fitted on, and what of `held` sets its thresholds.
        networks: that looked.
        sizes: how much was drawn.
    """
    columns = {
        f"{part}_{column.name}": getattr(places, column.name)
        for part, places in zip(("fit", "held"), drawn, strict=True)
        for column in fields(Places)
    }
    columns[_OF] = np.array(drawn_of(networks, sizes))
    np.savez_compressed(path, **columns)


def kept_places(path: Path, networks: Networks, sizes: SampleSizes) -> tuple[Places, Places]:
    """Reads what `keep_places` wrote.

    Args:
        path: the file.
        networks: that would look.
        sizes: how much would be drawn.

    Returns:
        What a gate is fitted on, and what of `held` sets its thresholds.

    Raises:
        ReleaseError: other networks looked, or other amounts were drawn.
    """
    with np.load(path, allow_pickle=False) as stored:
        if str(stored[_OF]) != drawn_of(networks, sizes):
            msg = f"{path.name} was drawn with other networks or in other amounts: leave it out, and draw anew."
            raise ReleaseError(msg)
        fit, held = (
            Places(**{column.name: stored[f"{part}_{column.name}"] for column in fields(Places)})
            for part in ("fit", "held")
        )
    return fit, held
