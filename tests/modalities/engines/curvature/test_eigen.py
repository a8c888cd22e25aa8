"""Top curvature directions, against known eigenpairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor, nn

from tests.toys import EYES, READER, Toy
from veridical.errors import InputError
from veridical.modalities.engines.curvature.eigen import top_curvature
from veridical.modalities.engines.curvature.hessian import hessian_vector
from veridical.modalities.scorer import Scorer
from veridical.modalities.target import Target

STOP = Target(0)


def of_matrix(matrix: Tensor) -> Scorer:
    """A score of which the matrix is the Hessian, jointly over two senses of equal size."""

    def score(inputs: Mapping[str, Tensor]) -> Tensor:
        x = torch.cat((inputs["vision"].flatten(1), inputs["text"].flatten(1)), 1)
        return torch.einsum("bi,ij,bj->b", x, matrix.to(x), x) / 2 + x.sum(1)

    return Scorer(Toy(score, EYES, READER), STOP)


def known(values: list[float], seed: int = 0) -> tuple[Tensor, Tensor]:
    """A symmetric matrix with these eigenvalues, and its eigenvectors as columns."""
    generator = torch.Generator().manual_seed(seed)
    vectors, _ = torch.linalg.qr(torch.randn(len(values), len(values), generator=generator, dtype=torch.float64))
    return vectors @ torch.diag(torch.tensor(values, dtype=torch.float64)) @ vectors.T, vectors


def point(size: int, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    return {"vision": torch.randn(1, 2, size // 4, dtype=dtype), "text": torch.randn(1, size // 2, dtype=dtype)}


@pytest.mark.parametrize(("dtype", "close"), [(torch.float64, 1e-8), (torch.float32, 1e-4)])
def test_known_eigenpairs_come_out_largest_in_size_first(dtype: torch.dtype, close: float):
    matrix, vectors = known([-7.0, 5.0, 3.0] + [0.5 * 0.8**i for i in range(37)])
    found = top_curvature(of_matrix(matrix), point(40, dtype), k=3)
    assert found.values.tolist() == pytest.approx([-7, 5, 3], abs=close)
    joined = torch.cat([d.flatten(1) for d in found.directions.values()], 1).double()
    assert found.directions["vision"].shape == (3, 2, 10)
    assert (joined @ vectors[:, :3]).abs().diagonal().tolist() == pytest.approx([1, 1, 1], abs=close)
    assert found.residuals.max() < 10 * close
    assert found.products == 24 + 3


def test_the_residual_tells_what_has_not_converged():
    matrix, _ = known([1 + i / 40 for i in range(40)])
    short, long = (top_curvature(of_matrix(matrix), point(40), k=2, iterations=n) for n in (4, 40))
    assert short.residuals.max() > 0.01
    assert long.residuals.max() < 1e-8
    nearest = (torch.linalg.eigvalsh(matrix)[:, None] - short.values).abs().amin(0)
    assert (nearest <= short.residuals).all()


def test_few_inputs_are_searched_to_the_end():
    matrix, _ = known([3.0, -2.0, 1.0, 0.0])
    found = top_curvature(of_matrix(matrix), point(4), k=10, iterations=24)
    assert found.values.tolist() == pytest.approx([3, -2, 1, 0], abs=1e-10)


def test_an_eigenvalue_that_stands_twice_is_found_twice():
    matrix, _ = known([4.0, 4.0, 1.0, 1.0])
    found = top_curvature(of_matrix(matrix), point(4), k=4)
    assert found.values.tolist() == pytest.approx([4, 4, 1, 1], abs=1e-10)
    joined = torch.cat([d.flatten(1) for d in found.directions.values()], 1)
    torch.testing.assert_close(joined @ joined.T, torch.eye(4, dtype=torch.float64))


def test_a_linear_score_has_no_curvature_anywhere():
    found = top_curvature(Scorer(Toy(lambda i: i["text"].sum(1), READER), STOP), {"text": torch.randn(1, 30)}, k=2)
    assert found.values.tolist() == [0, 0]
    assert found.residuals.tolist() == [0, 0]


def test_on_a_gelu_network_scipys_eigsh_agrees():
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Linear(32, 24), nn.GELU(), nn.Linear(24, 1)).double()
    system = Toy(lambda i: layers(i["text"])[:, 0], READER)
    vars(system)["layers"] = layers
    scorer, x = Scorer(system, STOP), {"text": torch.randn(1, 32, dtype=torch.float64)}

    def product(v: np.ndarray) -> np.ndarray:
        return hessian_vector(scorer, x, {"text": torch.from_numpy(v.reshape(1, 32))})["text"][0].numpy()

    operator: Any = LinearOperator
    theirs, _ = eigsh(operator((32, 32), matvec=product, dtype=np.float64), k=3, which="LM", v0=np.ones(32))
    found = top_curvature(scorer, x, k=3)
    assert found.values.tolist() == pytest.approx(sorted(theirs, key=abs, reverse=True), rel=1e-5)


def test_a_seed_gives_the_same_bits_again():
    matrix, _ = known([-7.0, 5.0, 3.0] + [0.1] * 37)
    x = point(40)
    first, second, other = (top_curvature(of_matrix(matrix), x, seed=s) for s in (1, 1, 2))
    assert torch.equal(first.directions["vision"], second.directions["vision"])
    assert torch.equal(first.values, second.values)
    assert not torch.equal(first.directions["vision"], other.directions["vision"])


def test_rows_and_numbers_out_of_range_are_refused():
    scorer = of_matrix(known([1.0, 2.0])[0])
    with pytest.raises(InputError, match="top_curvature: 2 rows; give one at a time"):
        top_curvature(scorer, {"vision": torch.ones(2, 1), "text": torch.ones(2, 1)})
    for k, iterations in ((0, 5), (6, 5)):
        with pytest.raises(InputError, match=f"top_curvature: k {k} of {iterations} iterations"):
            top_curvature(scorer, {"vision": torch.ones(1, 1), "text": torch.ones(1, 1)}, k, iterations)
