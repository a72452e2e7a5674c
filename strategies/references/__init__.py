"""What others are held against: the network as it is, or trained again from new.

They act on nothing during the run.

May import: harness/engine.
"""
