"""Golden word pieces, computed with the `tokenizers` package."""

from __future__ import annotations

import json
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

from . import REPOSITORY, write

BUNDLES = ("tiny", "facestudio-128")
PROMPTS = (
    "a young woman with long blond hair",
    "A MAN WITH GLASSES, smiling!",
    "an old man's portrait, oil on canvas",
    "",
    "   spaces\tand\nlines  ",
    "café naïve façade Ångström",
    "grey-haired woman (about 60)",
    "smiled smiling smiles smiler",
    "photo of a person: 35mm, f/1.8 #portrait @night",
    "a man with a moustache looking at the sea in the sunlight",
    "女性の肖像",
    "emoji 😀 here",
    "don't",
    "x" * 65,
    "x" * 64,
    "zero\u200bwidth and soft\u00adhyphen",
    "price: $5 + 10% = £6",
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen",
    "Straße ÉCOLE İstanbul",
    "underscore_name a\u00a0b \u2014 dash \u201cquoted\u201d",
)


def build(spec: dict) -> Tokenizer:
    """The rules of tokenizer.json, put together from the package's parts."""
    tokenizer = Tokenizer(models.WordPiece(
        {piece: i for i, piece in enumerate(spec["vocab"])}, unk_token=spec["unknown"],
        continuing_subword_prefix=spec["continuation"], max_input_chars_per_word=spec["max_word_runes"]))
    tokenizer.normalizer = normalizers.Sequence([
        normalizers.NFD(), normalizers.Replace(Regex(r"\p{Mn}"), ""), normalizers.Lowercase(),
        # Lower-casing may decompose again (a dotted capital I), so accents are dropped once more.
        normalizers.Replace(Regex(r"\p{Mn}"), ""), normalizers.Replace(Regex(r"[\p{Cc}\p{Cf}&&[^\s]]"), ""),
    ])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(r"\s+"), "removed"), pre_tokenizers.Split(Regex(r"[\p{P}\p{S}]"), "isolated")])
    return tokenizer


def encode(tokenizer: Tokenizer, spec: dict, prompt: str, length: int) -> list[int]:
    ids = {name: spec["vocab"].index(spec[name]) for name in ("start", "end", "pad")}
    pieces = tokenizer.encode(prompt).ids[: length - 2]
    full = [ids["start"], *pieces, ids["end"]]
    return full + [ids["pad"]] * (length - len(full))


def write_all(root: Path) -> list[Path]:
    out = []
    for name in BUNDLES:
        folder = REPOSITORY / "models" / name
        if not (folder / "bundle.json").exists():
            continue
        spec = json.loads((folder / "tokenizer.json").read_text())
        length = json.loads((folder / "bundle.json").read_text())["text"]["max_tokens"]
        tokenizer = build(spec)
        cases = [{"text": p, "ids": encode(tokenizer, spec, p, length)} for p in PROMPTS]
        out.append(write(root / "services" / "bundle" / "testdata", f"tokens-{name}.json",
                         f"The package tokenizers with the rules and vocabulary of models/{name}/tokenizer.json.", 0,
                         {"bundle": name, "length": length, "cases": cases}))
    return out
