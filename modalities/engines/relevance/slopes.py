"""Local slopes that relevance propagation puts in place of derivatives, and which functions need them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function

from ..interception.intercept import GELU, RELU6, SILU, TANH
from .ledger import Ledger

__all__ = ["ACTIVATION", "DEGREES", "INVERSE", "PASSES", "Local", "Scaled", "Stabilised"]

NEAR = 1e-3
"""Inputs as near to 0 as this take a derivative in place of the quotient (f(x) - f(0)) / x, which would lose digits."""

_T = Tensor
_nn: Any = getattr(torch._C, "_nn")  # noqa: B009 - torch has no stub of it
_NAMES: Sequence[str] = (
    "exp expm1 log log2 log10 log1p sin cos tan asin acos atan sinh cosh asinh acosh atanh erf erfc erfinv logit clamp "
    "clamp_min clamp_max clip"
).split()


def _methods(names: Sequence[str]) -> tuple[Callable[..., Any], ...]:
    """Return functions of torch, methods of tensors and their kin in place, by name."""
    found = [getattr(home, n + end, None) for n in names for home in (torch, _T) for end in ("", "_")]
    return tuple(f for f in found if f is not None)


ACTIVATION = (
    *(*RELU6, *GELU, *SILU, *TANH),
    *(F.hardswish, F.elu, F.selu, F.celu, F.mish, F.softplus, F.logsigmoid, F.softsign, F.tanhshrink, F.softshrink),
    *(F.hardshrink, F.threshold, torch.selu, torch.celu, torch.selu_, torch.celu_),
    *(_nn.hardswish, _nn.hardswish_, _nn.elu, _nn.elu_, _nn.mish, _nn.mish_),
    *_methods(_NAMES),
)
"""Functions of each element alone, none of them homogeneous."""

DEGREES: dict[Callable[..., Any], float] = {
    **dict.fromkeys((torch.square, _T.square, _T.square_, torch.var, _T.var), 2.0),
    **dict.fromkeys((torch.sqrt, _T.sqrt, _T.sqrt_), 0.5),
}
"""Homogeneous functions and their degree."""

INVERSE = (torch.rsqrt, torch.reciprocal, _T.rsqrt, _T.rsqrt_, _T.reciprocal, _T.reciprocal_)
"""Denominators."""

PASSES = frozenset(
    """
    get view reshape permute transpose t flatten ravel unflatten squeeze unsqueeze expand expand_as repeat
    repeat_interleave tile contiguous clone to float double half bfloat16 type type_as sum nansum mean chunk split
    tensor_split hsplit vsplit unbind select narrow index_select gather take take_along_dim getitem setitem neg
    negative positive abs absolute mul multiply matmul mm bmm mv dot inner outer tensordot einsum add sub rsub div
    divide true_divide truediv itruediv rdiv rtruediv cat concat concatenate stack hstack vstack dstack where
    masked_fill max min amax amin topk sort kthvalue median cummax cummin relu leaky_relu prelu rrelu dropout
    dropout1d dropout2d dropout3d alpha_dropout feature_alpha_dropout feature_dropout identity max_pool1d max_pool2d
    max_pool3d max_pool1d_with_indices max_pool2d_with_indices max_pool3d_with_indices fractional_max_pool2d
    adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d
    adaptive_avg_pool2d adaptive_avg_pool3d lp_pool1d lp_pool2d interpolate upsample unfold fold im2col col2im pad
    roll flip fliplr flipud rot90 cumsum diff movedim moveaxis swapaxes swapdims broadcast_to view_as reshape_as
    norm vector_norm linalg_norm linalg_vector_norm std real imag view_as_real view_as_complex conj resolve_conj
    fft_fft fft_ifft fft_rfft fft_irfft fft_fft2 fft_rfft2 stft istft diagonal diag diag_embed triu tril
    pixel_shuffle pixel_unshuffle channel_shuffle atleast_1d atleast_2d atleast_3d meshgrid broadcast_tensors
    linear conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d squeeze_ as_strided
    requires_grad register_hook retain_grad cpu cuda detach_ copy pin_memory is_nonzero
    """.split()
)
"""Names of functions that conserve relevance as they stand: linear, or homogeneous of degree one."""


class Local(Function):
    """An activation with the slope ``(f(x) - f(0)) / x``; what ``f(0)`` gave is counted as a bias's share."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, call: Callable[[Tensor], Tensor], ledger: Ledger, name: str) -> Tensor:
        """Return ``call(x)``."""
        y = call(x)
        offset = call(x.new_zeros((1,) * x.ndim))
        smooth = bool(offset.isfinite().all())
        offset = offset if smooth else torch.zeros_like(offset)
        near = x.abs() < NEAR if smooth else x == 0
        slope = (y - offset) / torch.where(near, 1, x)
        if near.any():
            with torch.enable_grad():
                middle = (x / 2).detach().requires_grad_(True)
                (derivative,) = torch.autograd.grad(call(middle).sum(), middle)
            # By the midpoint (f(x) - f(0)) / x up to x^2 f''' / 24.
            slope = torch.where(near, derivative if smooth else 0, slope)
        ctx.save_for_backward(slope, offset)
        ctx.ledger, ctx.name = ledger, name
        return y

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None, None, None]:
        """Pass relevance on."""
        slope, offset = ctx.saved_tensors
        if offset.any():
            ctx.ledger.add("bias", ctx.name, Ledger.share(offset.expand_as(slopes[0]), slopes[0]))
        return slopes[0] * slope, None, None, None


class Scaled(Function):
    """The same value, with the slope times a factor."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, factor: float) -> Tensor:
        """Return a copy of ``y``: as a view of it, it could not be changed in place."""
        ctx.factor = factor
        return y.clone()

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None]:
        """Pass relevance on."""
        return slopes[0] * ctx.factor, None


class Stabilised(Function):
    """The output z of a linear layer, its relevance shared out by the parts of ``extended + epsilon sign``.

    Under the epsilon rule ``extended`` is z itself, under the gamma rule z with its positive parts weighed more; it
    has the sign of z, and is at least as large.
    """

    @staticmethod
    def forward(ctx: Any, extended: Tensor, z: Tensor, epsilon: float, ledger: Ledger, name: str) -> Tensor:
        """Return z."""
        ctx.save_for_backward(extended, z)
        ctx.epsilon, ctx.ledger, ctx.name = epsilon, ledger, name
        return z.clone()

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None, None, None, None]:
        """Pass relevance on; where a layer's output is 0 there is none to pass."""
        extended, z = ctx.saved_tensors
        divisor = extended + torch.where(extended >= 0, ctx.epsilon, -ctx.epsilon)
        passed = slopes[0] * torch.where(divisor == 0, 0, z / divisor)
        absorbed = Ledger.share(z, slopes[0]) - Ledger.share(extended, passed)
        ctx.ledger.add("epsilon", ctx.name, absorbed)
        return passed, None, None, None, None
