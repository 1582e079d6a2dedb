"""Bridges without packets, and helpers that are played: what a cloud is to a controller."""
