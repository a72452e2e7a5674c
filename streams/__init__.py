"""Streams: sequences of tasks, each a genuine Avalanche benchmark and the same samples as tensors.

The first is made in `scenario`, the second in `base`; how tasks differ is in `families`, samples
come from `data`, and `avalanche` makes a stream of any Avalanche benchmark. Every named stream is a
table in a TOML file, read by `catalogue`: our own in `built_in`, published protocols in `presets`.

May import: harness.

For others:
    augmentation: flip_crop_rotate, PADDING
    base: check_choice, check_count, check_share, choose, generator, ImageStream
    catalogue: built_in
    random_transforms: CONVERSIONS, DeviceTransforms, is_random, NORMALIZE, Transform
    scenario: scenario
"""

if __name__ != "plasticity_bench.streams":
    raise ImportError(
        "import plasticity_bench.streams, not streams: the repository root is on sys.path"
    )
