"""Prompts: how pictures are described in training, and word pieces."""
