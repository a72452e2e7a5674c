"""Sparse networks whose connections move while they train.

Each method has a file of its own; what they share is in `base`, which connections are dropped or
grown in `choice`, how many a layer has in `density`.

May import: harness/engine, harness/specs.

For others:
    base: layers_but, magnitudes
    choice: count, lowest
"""
