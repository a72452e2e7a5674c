"""Plug-in strategies, one file per idea or family."""

if __name__ != "plasticity_bench.strategies":
    raise ImportError(
        "import plasticity_bench.strategies, not strategies: the repository root is on sys.path"
    )

BUILT_IN: dict[str, str] = {
    "dense": "dense:Dense",
    "grow": "grow:Grow",
    "prune": "prune:Prune",
    "shrink-perturb": "resets:ShrinkPerturb",
    "optimizer-reset": "resets:OptimizerReset",
    "reset": "resets:FullReset",
    "winning-ticket": "ticket:WinningTicket",
    "tiny-er": "memory:TinyER",
    "scheduled-reset": "resets:ScheduledReset",
    "han-pruning": "weight_pruning:HanPruning",
    "lottery-ticket": "weight_pruning:LotteryTicket",
    "rigl": "rewire_rigl:RigL",
    "set": "rewire_set:SparseEvolutionaryTraining",
    "sparse-momentum": "rewire_momentum:SparseMomentum",
    "deep-rewiring": "rewire_deep:DeepRewiring",
}
"""Name -> "module:Class" of every strategy that comes with the project; imported when asked for."""
