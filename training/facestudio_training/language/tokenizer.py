"""Word pieces, as the bundle's tokenizer.json states them and the Go side reads them."""

from __future__ import annotations

import json
import os
import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
PAD, UNKNOWN, START, END = range(4)
MAX_WORD = 64
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
MARKS = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"


def words(text: str) -> list[str]:
    """Lower-case words without accents; each mark and symbol is a word of its own."""
    out, word = [], ""
    for rune in unicodedata.normalize("NFD", text):
        kind = unicodedata.category(rune)
        if kind == "Mn" or (kind in ("Cc", "Cf") and not rune.isspace()):
            continue
        if rune.isspace() or kind[0] in "PS":
            out.append(word)
            out.append("" if rune.isspace() else rune)
            word = ""
        else:
            word += rune.lower()
    return [w for w in [*out, word] if w]


class Tokenizer:
    """Greedy longest-match pieces; ids are places in vocab."""

    def __init__(self, vocab: list[str], length: int = 32) -> None:
        self.vocab, self.length = vocab, length
        self.ids = {piece: i for i, piece in enumerate(vocab)}

    def pieces(self, word: str) -> list[int]:
        """The ids of one word; the whole word is unknown if some place has no match."""
        if len(word) > MAX_WORD:
            return [UNKNOWN]
        out, start = [], 0
        while start < len(word):
            for end in range(len(word), start, -1):
                piece = self.ids.get(word[start:end] if start == 0 else "##" + word[start:end])
                if piece is not None:
                    break
            else:
                return [UNKNOWN]
            out.append(piece)
            start = end
        return out

    def encode(self, text: str) -> list[int]:
        """start, at most length-2 pieces, end, then padding up to length."""
        inner = [i for word in words(text) for i in self.pieces(word)][: self.length - 2]
        ids = [START, *inner, END]
        return ids + [PAD] * (self.length - len(ids))

    def save(self, path: Path) -> None:
        held = {"format": 1, "type": "wordpiece", "lowercase": True, "strip_accents": True,
                "continuation": "##", "unknown": "[UNK]", "pad": "[PAD]", "start": "[CLS]", "end": "[SEP]",
                "max_word_runes": MAX_WORD, "vocab": self.vocab}
        beside = path.with_suffix(".part")
        beside.write_text(json.dumps(held, ensure_ascii=False, indent=0) + "\n")
        os.replace(beside, path)

    @classmethod
    def load(cls, path: Path, length: int = 32) -> "Tokenizer":
        return cls(json.loads(path.read_text())["vocab"], length)


def build(texts: Iterable[str], common: Iterable[str], size: int, length: int = 32) -> Tokenizer:
    """A vocabulary of at most size pieces: the special ones, every letter, digit and mark alone
    and as a continuation (so that no Latin word is unknown), the words of the captions by
    frequency, the common words, and frequent endings for the rest."""
    counts = Counter(w for text in texts for w in words(text))
    common = list(dict.fromkeys(common))
    endings = Counter(w[-n:] for w in common for n in (2, 3, 4) if len(w) > n + 2)
    starts = Counter(w[:n] for w in common for n in (2, 3, 4) if len(w) > n + 2)
    vocab = [*SPECIAL, *LETTERS, *MARKS, *("##" + c for c in LETTERS)]
    vocab += [w for w, _ in counts.most_common()]
    vocab += common
    for (ending, _), (start, _) in zip(endings.most_common(300), starts.most_common(300), strict=False):
        vocab += ["##" + ending, start]
    return Tokenizer(list(dict.fromkeys(vocab))[:size], length)
