"""Attention with identity masks (the formula, apart from the U-Net): regions do not hear each other."""

import numpy as np
import pytest
import torch

from facestudio_training.models.unet import MaskedCrossAttention

DIM, CONTEXT, HEAD, PEOPLE, TOKENS, SIDE = 16, 12, 8, 3, 4, 4


@pytest.fixture(scope="module")
def attention():
    torch.manual_seed(4)
    return MaskedCrossAttention(DIM, CONTEXT, HEAD).eval()


def inputs(seed: int = 0):
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(2, SIDE * SIDE, DIM, generator=rng)
    context = torch.randn(2, PEOPLE, TOKENS, CONTEXT, generator=rng)
    owner = torch.arange(SIDE * SIDE) % (PEOPLE + 1)  # the last one owns nothing
    mask = torch.stack([(owner == n).float() for n in range(PEOPLE)])[None].repeat(2, 1, 1)
    return x, context, mask, owner


def reference(attention, x, context, mask):
    """F_l = sum_n mask_n,l softmax_T(q_l k_n / sqrt d) v_n, one person and head at a time, in float64."""
    w = {n: p.detach().numpy().astype(np.float64) for n, p in attention.named_parameters()}
    x, context, mask = (t.numpy().astype(np.float64) for t in (x, context, mask))
    heads, out = DIM // HEAD, np.zeros(x.shape)
    q = x @ w["query.weight"].T
    for n in range(context.shape[1]):
        k, v = context[:, n] @ w["key.weight"].T, context[:, n] @ w["value.weight"].T
        for h in range(heads):
            at = slice(h * HEAD, (h + 1) * HEAD)
            logits = np.einsum("bld,btd->blt", q[..., at], k[..., at]) / np.sqrt(HEAD)
            weights = np.exp(logits - logits.max(-1, keepdims=True))
            weights /= weights.sum(-1, keepdims=True)
            out[..., at] += mask[:, n, :, None] * np.einsum("blt,btd->bld", weights, v[..., at])
    return out @ w["out.weight"].T


@torch.no_grad()
def test_is_the_formula_for_hard_and_soft_masks(attention):
    x, context, mask, _ = inputs()
    soft = torch.rand(mask.shape, generator=torch.Generator().manual_seed(9))
    for m in (mask, soft):
        assert np.allclose(attention(x, context, m).numpy(), reference(attention, x, context, m), atol=1e-6)


@torch.no_grad()
def test_is_exactly_zero_where_no_mask_is(attention):
    x, context, mask, owner = inputs()
    y = attention(x, context, mask)
    assert not y[:, owner == PEOPLE].any() and y[:, owner == 0].abs().min() > 0


@torch.no_grad()
def test_a_region_does_not_hear_another_persons_context(attention):
    x, context, mask, owner = inputs()
    changed = context.clone()
    changed[:, 1] = torch.randn(changed[:, 1].shape) * 5
    before, after = attention(x, context, mask), attention(x, changed, mask)
    assert torch.equal(before[:, owner != 1], after[:, owner != 1])
    assert not torch.equal(before[:, owner == 1], after[:, owner == 1])


@torch.no_grad()
def test_people_with_empty_masks_change_no_bit(attention):
    x, context, mask, _ = inputs()
    more = torch.cat([context, torch.randn(2, 2, TOKENS, CONTEXT)], 1)
    empty = torch.cat([mask, torch.zeros(2, 2, SIDE * SIDE)], 1)
    assert torch.equal(attention(x, context, mask), attention(x, more, empty))
