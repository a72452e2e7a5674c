"""Any PyTorch module as layers with units, for strategies to edit and metrics to read.

What trains outside the stack, one replica at a time, is a `single_learner`; a user's own code is a
`torch_learner`.

May import: harness/engine, harness/metrics, harness/specs.

For others:
    build: torch_network, torch_optimizer
    health: evaluating, hidden_layers, module_health
    optimizer: TorchOptimizer
    single_learner: Circumstances, Lesson, SingleLearner, Trainer, unfit, View
    torch_learner: TorchTrainer
    view: Law, TorchNetwork
"""
