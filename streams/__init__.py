"""Streams: sequences of tasks with a protocol.

Each is a genuine Avalanche benchmark (`scenario`) and the same samples as tensors (`base`). How
tasks differ is in `families`, samples come from `data`, and `avalanche` makes a stream of any
Avalanche benchmark. Every named stream is a table in a TOML file, read by `catalogue`: our own in
`built_in`, published protocols in `presets`.

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
