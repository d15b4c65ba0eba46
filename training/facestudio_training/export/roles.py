"""The contract of every graph of a bundle, as the services check it when they load one."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Value:
    """An input or output. shape: numbers are fixed, names are dynamic axes."""

    name: str
    shape: tuple[int | str, ...]
    ids: bool = False  # int64, otherwise float32


@dataclass(frozen=True)
class Role:
    """One graph. sizes: two values of every dynamic axis that the graph must work with; the
    first is what it is traced with. vocabulary: upper bound of ids."""

    role: str
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    sizes: dict[str, tuple[int, int]]
    name: str = ""
    vocabulary: int = 0

    @property
    def key(self) -> str:
        """role, or role.name: the file's name without its suffix."""
        return f"{self.role}.{self.name}" if self.name else self.role

    def example(self, seed: int = 0, **sizes: int) -> dict[str, torch.Tensor]:
        """Random inputs of plausible ranges; axes not named take their first size."""
        rng = torch.Generator().manual_seed(seed)
        at = {axis: pair[0] for axis, pair in self.sizes.items()} | sizes
        out = {}
        for value in self.inputs:
            shape = [at[d] if isinstance(d, str) else d for d in value.shape]
            if value.ids:
                ids = torch.randint(4, self.vocabulary, shape, generator=rng)
                ids[:, shape[1] // 2:] = 0  # the rest is padding
                out[value.name] = ids
            elif value.name == "timestep":
                out[value.name] = torch.rand(shape, generator=rng) * 999
            elif value.name == "mask":
                out[value.name] = torch.softmax(torch.randn(shape, generator=rng) * 3, 1)
            elif value.name == "pixels":
                out[value.name] = torch.rand(shape, generator=rng) * 2 - 1
            else:
                out[value.name] = torch.randn(shape, generator=rng)
        return out


def roles(image_encoders: list[tuple[str, int]], image_size: int, text_length: int, vocabulary: int, text: int,
          face_size: int, face: int, tokens: int, width: int, channels: int, factor: int, canvas: int,
          multiple: int) -> dict[str, Role]:
    """Every role of a bundle by key. image_encoders: (name, width of embed), in order."""
    image, side = sum(dim for _, dim in image_encoders), canvas // factor
    batch = {"batch": (2, 3)}
    picture = batch | {"height": (canvas, canvas), "width": (canvas + multiple, canvas)}
    latent = batch | {"height": (side, side), "width": (side + multiple // factor, side)}
    b, hw = "batch", ("height", "width")
    made = [Role("clip_vision", (Value("pixels", (b, 3, image_size, image_size)),), (Value("embed", (b, dim)),),
                 batch, name=name) for name, dim in image_encoders]
    made += [
        Role("clip_text", (Value("ids", (b, text_length), ids=True),), (Value("embed", (b, text)),), batch,
             vocabulary=vocabulary),
        Role("prior", (Value("x", (b, image)), Value("timestep", (b,)), Value("text", (b, text))),
             (Value("x0", (b, image)),), batch),
        Role("face_encoder", (Value("pixels", (b, 3, face_size, face_size)),), (Value("embed", (b, face)),), batch),
        Role("person_segmenter", (Value("pixels", (b, 4, *hw)),), (Value("mask", (b, 1, *hw)),), picture),
        Role("guidance", (Value("image_embed", (b, image)), Value("face_embed", (b, face))),
             (Value("tokens", (b, tokens, width)),), batch),
        Role("unet", (Value("latent", (b, channels, *hw)), Value("timestep", (b,)),
                      Value("context", (b, "people", tokens, width)), Value("mask", (b, "people", *hw))),
             (Value("prediction", (b, channels, *hw)),), latent | {"people": (3, 2)}),
        Role("vae_encoder", (Value("pixels", (b, 3, *hw)),), (Value("latent", (b, channels, "h", "w")),), picture),
        Role("vae_decoder", (Value("latent", (b, channels, *hw)),), (Value("pixels", (b, 3, "H", "W")),), latent),
    ]
    return {role.key: role for role in made}
