"""Plug-in strategies, one file per idea or family."""

if __name__ != "plasticity_bench.strategies":
    raise ImportError(
        "import plasticity_bench.strategies, not strategies: the repository root is on sys.path"
    )

BUILT_IN: dict[str, str] = {
    "dense": "dense:Dense",
    "grow": "grow:Grow",
    "prune": "prune:Prune",
    "newborn-state": "newborn_state:NewbornState",
    "newborn-weights": "newborn_weights:NewbornWeights",
    "fade-in": "newborn_fading:FadeIn",
    "two-speed": "newborn_windows:TwoSpeed",
    "slow-incumbents": "newborn_windows:SlowIncumbents",
    "freeze-incumbents": "newborn_windows:FreezeIncumbents",
    "freeze-newborns": "newborn_windows:FreezeNewborns",
    "match-norms": "newborn_windows:MatchNorms",
    "restart-rate": "newborn_rates:RestartRate",
    "rsl": "activations:RslActivation",
    "leaky-relu": "activations:LeakyActivation",
    "layer-norm": "activations:LayerNorm",
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
    "turnover": "turnover:Turnover",
    "gradmax": "gradmax:GradMax",
    "net2wider": "net2wider:Net2Wider",
    "variance-transfer": "variance_transfer:VarianceTransfer",
    "nest": "nest:Nest",
    "splitting": "splitting:Splitting",
    "firefly": "firefly:Firefly",
    "morphnet": "morphnet:MorphNet",
    "den": "den:Den",
}
"""Name -> "module:Class" of every strategy that comes with the project; imported when asked for."""
