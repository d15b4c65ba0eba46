"""Measures a bundle: runs its graphs as the mesh does, many pictures at a time, and compares.

mesh.py      the bundle's graphs in ONNX Runtime: photos, style pictures and prompts to pictures
noise.py     the mesh's counter-based noise, vectorised
gallery.py   the development people by recognisers; normalised similarity and ranks
bench.py     trials, what came out of each, kept in memory
measures.py  intervals, kernel distance, differences outside the face
tables.py    every table, each a function of the bench
"""
