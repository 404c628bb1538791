"""Fits the network that tells lead letters from all else on films.

    python -m kneeoa.training.fit_marker

Learns from glyphs in several types and from what the reader meets on composed films that bear no letter R or L, all
drawn: no film of a person has a part in it. Types in `--fonts` are added to Pillow's and matplotlib's.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from kneeoa.model.marker_letters import CELLS, CLASSES, LETTERS_FILE
from kneeoa.training.marker_films import letterless_shapes
from kneeoa.training.marker_glyphs import Examples, glyph_examples, shape_examples

HIDDEN = 40
EPOCHS = 30
_FACES = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono-Bold", "DejaVuSerif-Bold", "STIXGeneralBol", "cmss10", "cmb10"),
    *("DejaVuSans-BoldOblique",),
)
"""Of matplotlib's types: those that lead letters are like."""

_log = logging.getLogger("kneeoa.fit_marker")


def faces(folder: Path | None) -> list[Path | None]:
    """Font files to draw with; None is Pillow's own, twice as often as another."""
    shipped = Path(mpl.get_data_path()) / "fonts" / "ttf"
    found: list[Path | None] = [None, None, *(shipped / f"{face}.ttf" for face in _FACES)]
    return found + (sorted(folder.glob("*.ttf")) if folder is not None else [])


def fit(examples: Examples, seed: int, epochs: int = EPOCHS) -> nn.Sequential:
    """Fits the network; equal arguments give equal weights on one machine."""
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Linear(CELLS**2 + 1, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, len(CLASSES)))
    cells, classes = torch.from_numpy(examples.cells), torch.from_numpy(examples.classes)
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=1e-2)
    steps = epochs * (len(cells) // 256)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 6e-3, total_steps=max(steps, 2))
    # A false letter names the wrong knee; a missed one only leaves it unnamed.
    weight = torch.ones(len(CLASSES))
    weight[-1] = 3.0
    for _ in range(epochs):
        order = torch.randperm(len(cells))
        for begin in range(0, len(cells) - 255, 256):
            batch = order[begin : begin + 256]
            loss = functional.cross_entropy(network(cells[batch]), classes[batch], weight)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    return network


def joined(*parts: Examples) -> Examples:
    """Examples of several origins as one."""
    return Examples(np.concatenate([p.cells for p in parts]), np.concatenate([p.classes for p in parts]))


def write(network: nn.Sequential, path: Path) -> None:
    """Writes the weights in half precision."""
    names = ("inner", "inner_bias", "outer", "outer_bias")
    halves = [weights.detach().numpy().astype(np.float16) for weights in network.parameters()]
    np.savez(path, allow_pickle=False, **dict(zip(names, halves, strict=True)))


def main() -> None:
    """Draws, fits, says how well glyphs that were not learnt from are told, and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=LETTERS_FILE)
    parser.add_argument("--fonts", type=Path, help="folder of further font files")
    parser.add_argument("--glyphs", type=int, default=60_000)
    parser.add_argument("--films", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    rng = np.random.default_rng(asked.seed)
    found = letterless_shapes(asked.films, rng)
    _log.info("%d shapes on %d films", len(found), asked.films)
    drawn = faces(asked.fonts)
    network = fit(joined(glyph_examples(asked.glyphs, drawn, rng), shape_examples(found, 12, rng)), asked.seed)
    fresh = glyph_examples(5_000, drawn, rng)
    with torch.no_grad():
        told = network(torch.from_numpy(fresh.cells)).argmax(1).numpy()
    for number, name in enumerate(CLASSES):
        _log.info("%s: %.4f told", name, (told[fresh.classes == number] == number).mean())
    write(network, asked.out)


if __name__ == "__main__":
    main()
