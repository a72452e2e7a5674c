"""Papers' tables, run here and set beside what is printed: `plasticity-bench reproduce`.

This is about numbers that were printed elsewhere. Whether a run of this project comes out the same
when it is made again is the matter of `leaderboard/reproduction.py` and of the command `verify`.
"""
