"""Benchmark whether an idea keeps a neural network able to learn."""
