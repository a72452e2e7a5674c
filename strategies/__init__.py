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
