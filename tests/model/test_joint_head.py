"""A head trained on readers' grades wins over what was measured, where a release lists one."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from kneeoa.datasets.phantom import PhantomSpec, make_phantom
from kneeoa.model.errors import ReleaseError
from kneeoa.model.grader import KneeGrader
from kneeoa.model.joint_head import JSN_NETWORK, NarrowingHead, NarrowingHeadSettings
from kneeoa.model.radiograph import FilmFacts, Radiograph, Side, SideSource
from kneeoa.model.release import load_release
from kneeoa.training.release_parts import write_release


def head_network(logits: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> bytes:
    """ONNX bytes that answer any crop with the same logits."""
    shape = list(logits.shape)
    nodes = [
        helper.make_node("ReduceMean", ["crops"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "nothing"], ["none"]),
        helper.make_node("Add", ["table", "none"], ["logits"]),
    ]
    held = [numpy_helper.from_array(logits, "table"), numpy_helper.from_array(np.zeros((), np.float32), "nothing")]
    crops = helper.make_tensor_value_info("crops", TensorProto.FLOAT, [1, 1, 208, 288])
    said = helper.make_tensor_value_info("logits", TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "head", [crops], [said], held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


TABLE = np.array([[[0, 0, 5, 0], [4, 1, 0, 0]]], dtype=np.float32)


def test_head_of_a_release_grades_narrowing_with_its_origin(tmp_path: Path) -> None:
    shipped = load_release()
    joint = shipped.manifest.joint_space
    assert joint is not None
    files = dict(shipped.contents) | {JSN_NETWORK: head_network(TABLE)}
    manifest = shipped.manifest.model_copy(
        update={
            "joint_space": joint.model_copy(update={"jsn": NarrowingHeadSettings(temperature=2.0)}),
            "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
        }
    )
    write_release(manifest, files, tmp_path / "headed")
    grader = KneeGrader.load(tmp_path / "headed", device="cpu", threads=1)
    phantom = make_phantom(PhantomSpec(Side.RIGHT, 1, 51, (600, 600), None, False, 4.0, 5.5))
    film = Radiograph(phantom.pixels, FilmFacts("film"), side=Side.RIGHT, side_source=SideSource.TAG)
    knee = grader.grade(film).knees[0]
    assert knee.joint_space is not None
    medial, lateral = (knee.joint_space[name].jsn for name in ("medial", "lateral"))
    assert medial is not None
    assert lateral is not None
    assert (medial.grade, medial.origin, lateral.grade) == (2, "network", 0)
    assert medial.probabilities is not None
    assert medial.probabilities[2] == pytest.approx(np.exp(2.5) / (np.exp(2.5) + 3), abs=1e-3)
    # The widths stay those that were measured.
    assert knee.joint_space["medial"].narrowing_percent is not None


def test_release_that_names_a_head_and_lacks_it_is_not_loaded(tmp_path: Path) -> None:
    shipped = load_release()
    joint = shipped.manifest.joint_space
    assert joint is not None
    headed = joint.model_copy(update={"jsn": NarrowingHeadSettings(temperature=1.0)})
    manifest = shipped.manifest.model_copy(update={"joint_space": headed})
    with pytest.raises(ReleaseError, match=JSN_NETWORK):
        write_release(manifest, dict(shipped.contents), tmp_path / "r")


@pytest.mark.parametrize("table", [TABLE[:, :1], TABLE * np.float32(np.nan)])
def test_network_that_is_no_head_is_named(table: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> None:
    head = NarrowingHead(head_network(table), NarrowingHeadSettings(temperature=1.0), "cpu", 1)
    with pytest.raises(ReleaseError, match="not"):
        head.grades(np.zeros((208, 288), np.float32))


def test_release_without_a_head_says_that_it_measured() -> None:
    grader = KneeGrader(replace(load_release(), contents=MappingProxyType(dict(load_release().contents))), "cpu", 1)
    assert grader.jsn is None
