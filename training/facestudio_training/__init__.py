"""Trains the models of FaceStudio's small bundle, stage by stage, and exports them."""
