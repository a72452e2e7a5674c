"""Plug-in strategies by family, and the table of their names.

The families are `growth`, `pruning`, `rewiring` of connections, interventions on `newborns`,
`references`, and single files for resets, activations and memories; `avalanche` trains Avalanche's
own, and brings ours to its scripts. A strategy is one class in a file of its own or of its family,
named in the table below; `budget` and `selection` are what several families share: when edits
happen, how many units, and which.

May import: harness.

For others:
    budget: Scheduled, ScheduledEdits, unit_targets, units_this_time
    selection: UnitChoice, alive_everywhere, best, check_score, magnitude_scores, note_alive,
        random_scores, score, worst
"""

if __name__ != "plasticity_bench.strategies":
    raise ImportError(
        "import plasticity_bench.strategies, not strategies: the repository root is on sys.path"
    )

BUILT_IN: dict[str, str] = {
    "dense": "references.dense:Dense",
    "winning-ticket": "references.ticket:WinningTicket",
    "grow": "growth.grow:Grow",
    "turnover": "growth.turnover:Turnover",
    "gradmax": "growth.gradmax:GradMax",
    "net2wider": "growth.net2wider:Net2Wider",
    "variance-transfer": "growth.variance_transfer:VarianceTransfer",
    "nest": "growth.nest:Nest",
    "splitting": "growth.splitting:Splitting",
    "firefly": "growth.firefly:Firefly",
    "morphnet": "growth.morphnet:MorphNet",
    "den": "growth.den:Den",
    "prune": "pruning.prune:Prune",
    "han-pruning": "pruning.weight_pruning:HanPruning",
    "lottery-ticket": "pruning.weight_pruning:LotteryTicket",
    "rigl": "rewiring.rigl:RigL",
    "set": "rewiring.set:SparseEvolutionaryTraining",
    "sparse-momentum": "rewiring.momentum:SparseMomentum",
    "deep-rewiring": "rewiring.deep:DeepRewiring",
    "newborn-state": "newborns.state:NewbornState",
    "newborn-weights": "newborns.weights:NewbornWeights",
    "fade-in": "newborns.fading:FadeIn",
    "two-speed": "newborns.windows:TwoSpeed",
    "slow-incumbents": "newborns.windows:SlowIncumbents",
    "freeze-incumbents": "newborns.windows:FreezeIncumbents",
    "freeze-newborns": "newborns.windows:FreezeNewborns",
    "match-norms": "newborns.windows:MatchNorms",
    "restart-rate": "newborns.rates:RestartRate",
    "shrink-perturb": "resets:ShrinkPerturb",
    "optimizer-reset": "resets:OptimizerReset",
    "reset": "resets:FullReset",
    "scheduled-reset": "resets:ScheduledReset",
    "rsl": "activations:RslActivation",
    "leaky-relu": "activations:LeakyActivation",
    "layer-norm": "activations:LayerNorm",
    "tiny-er": "memory:TinyER",
}
"""Name -> "module:Class" of every strategy of our own, by family; imported when asked for."""
