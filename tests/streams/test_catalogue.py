"""The files of named streams: what one may say, and what is said about one that is wrong."""

from importlib import import_module

import pytest

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.plugins.registry import find
from plasticity_bench.harness.specs.spec import NetworkSpec, OptimizerSpec, build_settings
from plasticity_bench.streams.catalogue import built_in, presets, read_families, read_protocols

FAMILY = """
title = "A shift: something changes"

[first]
family = "permuted:Permuted"
summary = "the first"
stream = { source = "digits", tasks = 60, samples_per_task = 7 }
network = { kind = "mlp", hidden = [100, 100] }
optimizer = { name = "adam", lr = 3e-3 }

[second]
like = "first"
summary = "the second"
stream.tasks = 3
stream.samples_per_task = "null"
network = { kind = "convnet" }

[third]
like = "second"
family = "stationary:Stationary"
summary = "the third"
stream.period = 2
"""
PAPER = """
paper = "Doe, Roe and Poe 2031, On Streams (arXiv 3101.00001)"

["permuted@1"]
family = "permuted:Permuted"
summary = "a permuted stream"
notes = "All of it."
not_stated = ["pixels"]
stream = { source = "mnist" }
network = { kind = "mlp" }
optimizer = { name = "sgd" }
tuned = { dense = "lr 0.1" }
"""


def test_a_table_is_a_stream_of_the_families_title() -> None:
    first = read_families({"made": FAMILY})["first"]
    assert first.family == "plasticity_bench.streams.families.permuted:Permuted"
    assert first.group == "A shift: something changes"
    assert first.summary == "the first"
    assert first.settings == {"source": "digits", "tasks": 60, "samples_per_task": 7}
    assert (first.network, first.optimizer) == (
        {"kind": "mlp", "hidden": [100, 100]},
        {"name": "adam", "lr": 0.003},
    )
    assert first.about is None


def test_a_table_has_what_the_one_it_is_like_has_but_for_what_it_says_itself() -> None:
    _, second, third = read_families({"made": FAMILY}).values()
    assert second.settings == {"source": "digits", "tasks": 3, "samples_per_task": None}
    assert second.network == {"kind": "convnet", "hidden": [100, 100]}
    assert second.optimizer == {"name": "adam", "lr": 0.003}
    assert third.settings == {**second.settings, "period": 2}
    assert third.family.endswith(":Stationary")


def test_a_papers_stream_is_named_and_grouped_by_it() -> None:
    ((name, entry),) = read_protocols(PAPER, "doe2031").items()
    assert name == "doe2031/permuted@1"
    assert entry.group == "Published protocols: Doe et al. 2031"
    assert entry.about is not None
    assert entry.about.paper.startswith("Doe, Roe and Poe 2031")
    assert entry.about.not_stated == {"pixels"}
    assert entry.about.tuned == {"dense": "lr 0.1"}


def test_a_paper_of_two_names_both() -> None:
    text = PAPER.replace("Doe, Roe and Poe", "Doe and Roe")
    assert {entry.group for entry in read_protocols(text, "doe2031").values()} == {
        "Published protocols: Doe and Roe 2031"
    }


def test_the_text_null_is_null_in_a_setting_at_any_depth() -> None:
    text = FAMILY.replace("stream.period = 2", 'stream.parts = [{ share = "null" }, "null"]')
    third = read_families({"made": text})["third"]
    assert third.settings["samples_per_task"] is None
    assert third.settings["parts"] == [{"share": None}, None]
    protocol = read_protocols(PAPER.replace('"mnist"', '"null"'), "doe2031")["doe2031/permuted@1"]
    assert protocol.settings == {"source": None}


@pytest.mark.parametrize("name", ["a", "A.b_c-9", "permuted@12"])
def test_a_name_may_have_these_signs(name: str) -> None:
    assert name in read_families(
        {
            "made": FAMILY.replace("[first]", f'["{name}"]', 1).replace(
                'like = "first"', f'like = "{name}"'
            )
        }
    )


WRONG = {
    "not TOML": ("title =", "title", "streams/built_in/made.toml is not TOML: "),
    "an unknown key of a table": (
        'summary = "the first"',
        'sumary = "the first"',
        "no setting of [first] of streams/built_in/made.toml named 'sumary'; did you mean "
        "'summary'? There is: family, network, optimizer, stream, summary. Correct the file.",
    ),
    "a key that only a paper's streams have": (
        "[second]",
        '[second]\nnotes = "Well."',
        "no setting of [second] of streams/built_in/made.toml named 'notes'",
    ),
    "an unknown key above the tables": (
        "title",
        'paper = "P"\ntitle',
        "no setting of streams/built_in/made.toml named 'paper'. There is: title.",
    ),
    "no title": (
        'title = "A shift: something changes"',
        "",
        "streams/built_in/made.toml: title has to be given. Correct the file.",
    ),
    "a missing key": (
        'optimizer = { name = "adam", lr = 3e-3 }',
        "",
        "[first] of streams/built_in/made.toml: optimizer has to be given. Correct the file.",
    ),
    "a summary is not inherited": (
        'summary = "the second"',
        "",
        "[second] of streams/built_in/made.toml: summary has to be given. Correct the file.",
    ),
    "a value of the wrong type": (
        'stream = { source = "digits", tasks = 60, samples_per_task = 7 }',
        "stream = 7",
        "[first] of streams/built_in/made.toml: stream=7 is not allowed: ",
    ),
    "a date": (
        "stream.period = 2",
        "stream.period = 2031-05-01",
        "third.stream.period of streams/built_in/made.toml is a date or a time: 2031-05-01. "
        "Correct the file.",
    ),
    "a time in a list": (
        "hidden = [100, 100]",
        "hidden = [100, 07:32:00]",
        "first.network.hidden.1 of streams/built_in/made.toml is a date or a time: 07:32:00.",
    ),
    "a date and a time above the tables": (
        'title = "A shift: something changes"',
        "title = 2031-05-01T07:32:00Z",
        "title of streams/built_in/made.toml is a date or a time: 2031-05-01 07:32:00+00:00.",
    ),
    "nan": (
        "lr = 3e-3",
        "lr = nan",
        "first.optimizer.lr of streams/built_in/made.toml is no finite number: nan. "
        "Correct the file.",
    ),
    "an infinite number in a list": (
        "stream.period = 2",
        "stream.shares = [0.5, -inf]",
        "third.stream.shares.1 of streams/built_in/made.toml is no finite number: -inf.",
    ),
    "no stream": (
        FAMILY[FAMILY.index("[first]") :],
        "",
        "streams/built_in/made.toml has no stream. Correct the file.",
    ),
    "an unknown setting of the network": (
        "hidden =",
        "hiden =",
        "no setting of network of [first] of streams/built_in/made.toml named 'hiden'; did you "
        "mean 'hidden'?",
    ),
    "a wrong value in an inherited network": (
        '{ kind = "convnet" }',
        '{ kind = "null" }',
        "network of [second] of streams/built_in/made.toml: kind=None is not allowed: ",
    ),
    "a wrong value of the optimizer": (
        "lr = 3e-3",
        "lr = 0",
        "optimizer of [first] of streams/built_in/made.toml: lr=0 is not allowed: ",
    ),
    "an empty summary": (
        "the second",
        " ",
        "summary of [second] of streams/built_in/made.toml is not one line of text: ' '. "
        "Correct the file.",
    ),
    "a summary of two lines": (
        "the second",
        "the\\nsecond",
        "summary of [second] of streams/built_in/made.toml is not one line of text: ",
    ),
    "a family without a class": (
        "permuted:Permuted",
        "permuted",
        "family of [first] of streams/built_in/made.toml is no module:Class of streams/families: "
        "'permuted'. Correct the file.",
    ),
    "a family of another folder": (
        "permuted:Permuted",
        "../base:ImageStream",
        "family of [first] of streams/built_in/made.toml is no module:Class",
    ),
    "a module that is not there": (
        "stationary:Stationary",
        "still:Stationary",
        "family of [third] of streams/built_in/made.toml is no module:Class",
    ),
    "a class that is not there": (
        "stationary:Stationary",
        "stationary:Station",
        "family of [third] of streams/built_in/made.toml is no module:Class",
    ),
    "no name": ("[third]", '[""]', "streams/built_in/made.toml has a stream named ''. A name has"),
    "a name with a space": (
        "[third]",
        '["the third"]',
        "streams/built_in/made.toml has a stream named 'the third'. A name has letters, digits, "
        "'.', '_' and '-', and perhaps '@' and a version at its end. Correct the file.",
    ),
    "a name with a bracket": ("[third]", '["third("]', "streams/built_in/made.toml has a stream"),
    "a name with an escape": (
        "[third]",
        '["\\u001b[2J"]',
        "streams/built_in/made.toml has a stream named '\\x1b[2J'.",
    ),
    "a letter of another alphabet": ("[third]", '["thírd"]', "streams/built_in/made.toml has a"),
    "a version that is no number": ("[third]", '["third@b"]', "streams/built_in/made.toml has a"),
    "like a table below": (
        'like = "first"',
        'like = "third"',
        "no table above [second] in streams/built_in/made.toml named 'third'. There is: "
        "first. Correct the file.",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_mistake_is_named_with_its_file_table_and_key(case: str) -> None:
    right, wrong, message = WRONG[case]
    with pytest.raises(BenchError) as caught:
        read_families({"made": FAMILY.replace(right, wrong, 1)})
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        (
            "Doe, Roe and Poe 2031",
            "Doe, Roe and Poe",
            "paper of streams/presets/doe2031.toml does not begin with authors and a year. "
            "Correct the file.",
        ),
        (
            '["permuted@1"]',
            "[permuted]",
            "[permuted] of streams/presets/doe2031.toml has no version. Name it 'permuted@1'.",
        ),
        (
            '["pixels"]',
            '["pixels", "optimizer.rate"]',
            "no setting in not_stated of [permuted@1] of streams/presets/doe2031.toml named "
            "'optimizer.rate'",
        ),
        (
            '["pixels"]',
            '["netwrok.init"]',
            "no setting in not_stated of [permuted@1] of streams/presets/doe2031.toml named "
            "'netwrok.init'; did you mean 'network.init'?",
        ),
        (
            'name = "sgd"',
            'name = "sdg"',
            "optimizer of [permuted@1] of streams/presets/doe2031.toml: name='sdg' is not allowed",
        ),
        (
            'notes = "All of it."',
            "",
            "[permuted@1] of streams/presets/doe2031.toml: notes has to be given. "
            "Correct the file.",
        ),
        (
            "tuned =",
            "tunned =",
            "no setting of [permuted@1] of streams/presets/doe2031.toml named 'tunned'; did you "
            "mean 'tuned'?",
        ),
    ],
)
def test_a_mistake_in_a_papers_file_is_named_too(right: str, wrong: str, message: str) -> None:
    with pytest.raises(BenchError) as caught:
        read_protocols(PAPER.replace(right, wrong, 1), "doe2031")
    assert str(caught.value).startswith(message)


def test_a_name_in_two_files_is_refused() -> None:
    with pytest.raises(BenchError) as caught:
        read_families({"one": FAMILY, "two": FAMILY})
    assert str(caught.value) == (
        "the stream 'first' is in streams/built_in/one.toml and in streams/built_in/two.toml. "
        "Rename one."
    )


@pytest.mark.parametrize("name", [*built_in(), *presets()])
def test_every_named_stream_has_a_class_a_group_and_a_learner_that_can_be_made(name: str) -> None:
    entry = {**built_in(), **presets()}[name]
    module, _, cls = entry.family.partition(":")
    assert hasattr(import_module(module), cls)
    build_settings(NetworkSpec, entry.network, "network")
    build_settings(OptimizerSpec, entry.optimizer, "optimizer")
    assert find("stream", name).family == entry.group
    assert ": " in entry.group
