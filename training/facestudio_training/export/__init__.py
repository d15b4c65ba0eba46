"""Turns trained modules into a bundle: one ONNX file per role, a manifest and a model card.

roles.py    the contract of every role: names, shapes, an example input
graph.py    a PyTorch module -> a clean ONNX graph with fp16 weights
check.py    parity with PyTorch, batch invariance, padding and region independence
manifest.py bundle.json
card.py     MODEL_CARD.md
bundle.py   the whole folder, written beside and renamed
"""
