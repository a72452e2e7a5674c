"""What a reader has to know to read a board, in words."""

from collections.abc import Iterator

from ...harness.plural import plural
from ...harness.visible import visible
from ..board.comparison_words import family_sentence
from ..board.standings import Incomplete, OtherCode
from ..board.table_notes import environment_notes, incomplete_notes, other_code_notes
from ..statistics.inference import FEWEST_SEEDS
from ..trust.attestation import VERIFIED_FROM
from .lines import Json


def coverage(data: Json) -> dict[str, int]:
    """Return over all streams how many runs were asked for, done, lost and missing."""
    parts = [s["coverage"] for stream in data["board"]["streams"] for s in stream["standings"]]
    total = {key: sum(part[key] for part in parts) for key in _ENDS}
    lost = total["diverged"] + total["failed"] + total["undefined"]
    return {
        "asked": sum(total.values()),
        "done": total["done"],
        "lost": lost,
        "missing": total["missing"],
    }


def notes(data: Json) -> list[str]:
    """Return one sentence or two for each thing that the tables leave unsaid."""
    if data["board"]["better"] == "diagnostic":
        return [*_diagnostic(data), *_other_code(data)]
    return [*_tests(data), *_seeds(data), *_besides(), *_environments(data), *_other_code(data)]


_ENDS = ("done", "diverged", "failed", "undefined", "missing")


def _diagnostic(data: Json) -> Iterator[str]:
    yield (
        f"{data['metric']['name']} is diagnostic: entrants are listed by its value, without "
        "places, and no lost run counts as a value."
    )
    yield from _besides()


def _tests(data: Json) -> Iterator[str]:
    alpha = f"{data['alpha']:.0%}"
    yield (
        "Rank: the place, = where it is shared, and behind it the ranks that the data allow: 1 + "
        "the number of entrants that are significantly better, up to all but those significantly "
        f"worse. Entrants share a place where the tests at {alpha} do not tell them apart."
    )
    yield (
        "Tests are t-tests paired over shared seeds (a seed fixes the tasks, their order and the "
        "initial weights), Welch's where fewer than two seeds are shared. Ranks and comparisons "
        f"are Holm-corrected over all pairs of a ranking: {_families(data)}. "
        f"{family_sentence(len(data['board']['streams']) + bool(data['board']['overall']))}"
    )
    yield (
        f"Intervals hold {data['confidence']:.0%} and begin with {FEWEST_SEEDS} seeds: "
        "Student's over seeds on a stream, a stratified Welch interval for the score over streams, "
        "a stratified bootstrap for the interquartile mean, which is grey below "
        f"{data['headline_from']} seeds, where it is too narrow."
    )


def _environments(data: Json) -> Iterator[str]:
    for stream in data["board"]["streams"]:
        told = {one["entrant"]: one["environment"] for one in stream["standings"]}
        for note in environment_notes(told):
            yield visible(f"On {stream['stream']}: {note.removeprefix('~ ')}.")


def _other_code(data: Json) -> Iterator[str]:
    for note in other_code_notes(OtherCode(**data["board"]["other_code"])):
        yield f"{note[0].upper()}{visible(note[1:])}."


def _families(data: Json) -> str:
    board = data["board"]
    sizes = {len(stream["pairs"]["rows"]) for stream in board["streams"]}
    low, high = min(sizes, default=0), max(sizes, default=0)
    size = plural(high, "pair")
    text = f"{size} on each stream" if low == high else f"{low} to {size} on a stream"
    return f"{text}, {len(board['overall']['pairs']['rows'])} overall" if board["overall"] else text


def _seeds(data: Json) -> Iterator[str]:
    yield (
        "A run that diverged, failed or has no value of the metric is lost. It is never left out: "
        "in means its seed counts as the worst case of the stream, whose value stands under its "
        "board, and tests take losses first and values second."
    )
    overall = data["board"]["overall"]
    if overall:
        yield from (
            f"{note[0].upper()}{visible(note[1:])}."
            for note in incomplete_notes(
                [Incomplete(**one) for one in overall["incomplete"]], overall["run"]
            )
        )
    yield f"Provisional: fewer than {data['provisional_below']} seeds have a value."


def _besides() -> Iterator[str]:
    yield (
        "Needs: what an entrant has to be told about the stream, as a task boundary. "
        "Updates, operations and time are means over done runs, and add up over streams; "
        "trials are those spent on choosing the settings."
    )
    yield (
        "Trust: self-reported results are as they were found or sent; own ones were made once, by "
        "the keeper of this store; of reproduced ones some were made again elsewhere, of verified "
        f"ones at least {VERIFIED_FROM}, and all agreed. A run that was made again and did not "
        "agree makes all that it stands with self-reported."
    )
