"""What a run is, as frozen and checked values, and all that names it.

Stream, entrant, network, optimiser and seed are in `spec`, the digest of a strategy's code in
`source_code`. The language of `grow(compactness=0.2)+reset` is in `grammar`, suite files in
`suite`, what a setting means to people in `describe`, what a stream's words name of code and places
in `named_code`.

May import: harness/metrics.

For others:
    code_shape: PACKAGE, parse, plain
    describe: Setting, settings_of
    grammar: Call, format_call, format_value, parse_call, parse_calls, parse_value, Settings
    locations: location
    named_code: AVALANCHE, is_place, named_code, named_place
    source_code: Link, Source, source_digest, source_of
    spec: all_settings, build_call, build_settings, canonical_name, check_declared, EntrantSpec,
        NetworkSpec, OptimizerSpec, RunSpec, StrategySpec, StreamSpec
    suite: EntrantRequest, load_suite, parse_entrant, parse_seeds, parse_stream, Suite, suite_names
    toml_text: parsed_toml
"""
