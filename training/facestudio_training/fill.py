"""Dataclasses filled from the tables of a TOML file."""

from __future__ import annotations

import dataclasses
import typing


class ConfigError(ValueError):
    """A config file that cannot be used; the text names the file and the key."""


def fill(cls, raw: dict, where: str):
    """A dataclass from a table: its defaults where the table is silent; an error names the key."""
    types = typing.get_type_hints(cls)
    values = {}
    for key, value in raw.items():
        if key not in types:
            raise ConfigError(f"{where}: unknown key {key!r}; known: {', '.join(types)}")
        kind, name = types[key], f"{where}: {key}"
        if dataclasses.is_dataclass(kind):
            default = getattr(cls(), key)
            values[key] = _merge(default, value, name)
        elif typing.get_origin(kind) is list:
            item = typing.get_args(kind)[0]
            values[key] = [fill(item, v, name) if dataclasses.is_dataclass(item) else v for v in value]
        elif kind is float and isinstance(value, int):
            values[key] = float(value)
        elif not isinstance(value, kind):
            raise ConfigError(f"{name}: want {kind.__name__}, got {value!r}")
        else:
            values[key] = value
    return cls(**values)


def _merge(default, raw: dict, where: str):
    """Fills over the field's own default, so [vae.train] keeps the VAE's other numbers."""
    if not isinstance(raw, dict):
        raise ConfigError(f"{where}: want a table, got {raw!r}")
    given = _fill_keys(type(default), raw, where, default)
    return dataclasses.replace(default, **given)


def _fill_keys(cls, raw: dict, where: str, default) -> dict:
    types, out = typing.get_type_hints(cls), {}
    for key, value in raw.items():
        if key in types and dataclasses.is_dataclass(types[key]):
            out[key] = _merge(getattr(default, key), value, f"{where}.{key}")
        else:
            out[key] = getattr(fill(cls, {key: value}, where), key)
    return out
