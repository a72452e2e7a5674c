"""The local board on Weights & Biases: a projection of the store that can be made again any time.

`publish` is the way in. It never imports wandb in the caller's process: a process of its own does,
with all it starts in one group, which is killed when the time is over.
"""
