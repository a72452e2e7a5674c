"""Networks that train R replicas in lockstep, in one set of tensors with a mask for every unit.

Every edit of a live network and what becomes of the weights and the optimiser's state of the units
it touches is in `edits`; the optimisers that hold this state are in `optimizers`. What a strategy
may do and when is in `strategy`; `probe` looks at units without changing the run.

May import: harness/specs.

For others:
    activations: Activation, ACTIVATIONS, LeakyRelu, Relu
    batches: Augmentation, evaluation_batches, SampleBank, TaskBatches, Transition
    edits: Event, Insertion, Network, Slices, StatePolicy
    learner: right_share, StackedLearner, STEP_HOOKS
    network: Layer, LayerStack, LayerTrace, live_mask, Noise, NORM_EPSILON, StackedNetwork
    optimizers: learning_rate_factor, Slot, StackedOptimizer
    probe: LayerProbe, outgoing_weights, Probe, probe, Probing, replica_loss
    strategy: Context, Matched, overrides, Plan, PluginError, Progress, Strategy, TaskSamples
"""
