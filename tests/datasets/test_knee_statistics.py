"""The statistics behind phantoms: small, attributed, and no nearer to a person than strangers are to each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kneeoa.datasets.knee_statistics import STATISTICS_FILE, knee_statistics, packed
from kneeoa.model.errors import DatasetError


def test_the_file_is_small_and_holds_at_most_forty_components() -> None:
    statistics = knee_statistics()
    assert STATISTICS_FILE.stat().st_size <= 1_500_000
    assert len(statistics.warp_modes) + len(statistics.look_modes) <= 40


def test_the_header_attributes_the_data_and_says_whom_it_left_out() -> None:
    header = knee_statistics().header
    assert "10.17632/56rmx5bjcr.1" in str(header["attribution"])
    assert header["licence"] == "CC-BY-4.0"
    left_out = header["left_out"]
    assert isinstance(left_out, dict)
    assert left_out["held"] is True
    assert left_out["val"] is True
    assert left_out["excluded_subjects"] == 52


def test_no_phantom_is_nearer_to_a_training_knee_than_strangers_are() -> None:
    # Measured where the images are, by `python -m kneeoa.training.fit_phantom DATA --privacy`; the images stay there.
    privacy = knee_statistics().header["privacy"]
    assert isinstance(privacy, dict)
    assert privacy["phantoms"] >= 200
    assert privacy["val_knees"] == 826
    assert 0 < privacy["phantoms_highest"] <= privacy["val_95th_percentile"] < 1


def test_modes_are_orthonormal_after_packing() -> None:
    modes = knee_statistics().look_modes.reshape(len(knee_statistics().look_modes), -1)
    assert np.allclose(modes @ modes.T, np.eye(len(modes)), atol=0.02)


def test_equal_states_draw_equal_knees_and_grades_differ() -> None:
    statistics = knee_statistics()
    first, again, other = (statistics.draw(grade, np.random.default_rng(3)) for grade in (1, 1, 4))
    assert np.array_equal(first.look, again.look)
    assert np.array_equal(first.warp, again.warp)
    assert np.abs(first.look - other.look).max() > 0.2
    assert 0.4 < first.brightness < 0.7
    assert 0.1 < first.contrast < 0.25


def test_a_warp_never_folds() -> None:
    statistics = knee_statistics()
    step = 2 / statistics.mean_warp.shape[0]
    for seed in range(60):
        warp = statistics.draw(seed % 5, np.random.default_rng(seed)).warp
        across = 1 + np.diff(warp[..., 0], axis=1)[:-1] / step
        down = 1 + np.diff(warp[..., 1], axis=0)[:, :-1] / step
        shear = np.diff(warp[..., 0], axis=0)[:, :-1] / step * np.diff(warp[..., 1], axis=1)[:-1] / step
        assert (across * down - shear).min() > 0.2


def test_packing_keeps_eight_bits_of_each_mode() -> None:
    modes = np.random.default_rng(0).normal(size=(3, 5, 7)) * np.array([1.0, 0.01, 100.0])[:, None, None]
    values, scale = packed(modes)
    restored = values * scale[:, None, None]
    for mode, back in zip(modes, restored, strict=True):
        assert np.abs(mode - back).max() <= np.abs(mode).max() / 250


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "knee_statistics.npz"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"knee_statistics\.npz cannot be read"):
        knee_statistics(path)


def test_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "knee_statistics.npz"
    np.savez(path, header=np.frombuffer(b'{"format": "knee-statistics-9"}', dtype=np.uint8))
    with pytest.raises(DatasetError, match="knee-statistics-9"):
        knee_statistics(path)
