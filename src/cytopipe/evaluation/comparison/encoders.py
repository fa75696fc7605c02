"""Tables of encoders: the embeddings of each dataset ranked on the same test images, with paired differences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cytopipe import paths
from cytopipe.core.io.tables import markdown
from cytopipe.core.params import Embedding
from cytopipe.evaluation.comparison.leaderboard import LEADING, between, compare_all, number_text, range_text
from cytopipe.metrics.comparison import compact_letter_display
from cytopipe.metrics.intervals import too_few
from cytopipe.metrics.registry import ranked
from cytopipe.results.embeddings import EncoderTable, Probes, RankedEncoder
from cytopipe.results.predictions import Predictions


@dataclass(frozen=True)
class Encoded:
    """Results of one embedding; the predictions are those of the probe that no test image chose."""

    name: str
    probes: Probes
    predictions: Predictions

    @classmethod
    def read(cls, name: str) -> Encoded:
        """Read what the stage `embed` wrote.

        Raises:
            CytopipeError: a file is missing or invalid.
        """
        files = paths.Embedded(name)
        probes = Probes.read(files.probes)
        return cls(name, probes, Predictions.read(files.predictions / f"{probes.best}.csv"))

    @property
    def _place(self) -> tuple[float, str]:
        return -(self.probes.chosen.metrics[LEADING].value or 0.0), self.name


def read_encoders(embeddings: Mapping[str, Embedding]) -> list[Encoded]:
    """The embeddings that were computed, in the order of params.yaml.

    Raises:
        CytopipeError: a result is invalid.
    """
    return [Encoded.read(name) for name in embeddings if paths.Embedded(name).probes.is_file()]


def encoder_tables(found: list[Encoded]) -> dict[str, EncoderTable]:
    """One table for each dataset, by its name; differences are those between the chosen probes.

    Raises:
        CytopipeError: embeddings of one dataset were tested on different images.
    """
    tables = {}
    for dataset in sorted({one.probes.dataset for one in found}):
        order = sorted((one for one in found if one.probes.dataset == dataset), key=lambda one: one._place)
        pairs, equals = compare_all(order)
        best = order[0].name
        rows = [
            RankedEncoder(
                name=one.name,
                encoder=one.probes.encoder,
                dimension=one.probes.dimension,
                probe=one.probes.best,
                selection=one.probes.chosen.selection,
                metrics=one.probes.chosen.metrics,
                accuracies={kind: probe.metrics[LEADING].value for kind, probe in one.probes.probes.items()},
                against_best=None if one.name == best else between(pairs, one.name, best),
            )
            for one in order
        ]
        tables[dataset] = EncoderTable(
            test_images=order[0].probes.images["test"],
            test_groups=order[0].probes.groups["test"],
            encoders=tuple(rows),
            pairs=pairs,
            equals=equals,
        )
    return tables


def letters_of(table: EncoderTable) -> dict[str, str]:
    """The letters of each encoder; the test images do not tell those apart that share one."""
    return compact_letter_display(table.equals)


def to_markdown(tables: Mapping[str, EncoderTable], seconds: Mapping[str, float] | None = None) -> str:
    """Tables of encoders as Markdown.

    Args:
        tables: by dataset.
        seconds: time that each encoder took for the images, by the name of its embedding, where it is known.
    """
    first, *others = ranked()
    timed = ("seconds",) if seconds else ()
    header = ("encoder", "network", "px", "features", "probe", "chosen on", first.name, "95 %")
    parts = []
    for dataset, table in tables.items():
        letters = letters_of(table)
        rows = [
            (
                row.name,
                f"{row.encoder.architecture}{'' if row.encoder.regions == 'whole' else ', regions'}",
                str(row.encoder.input_size),
                str(row.dimension),
                row.probe,
                number_text(row.selection),
                number_text(row.metrics[first.key].value),
                range_text(row.metrics[LEADING]),
                *(number_text(row.metrics[one.key].value) for one in others),
                _against(row),
                letters.get(row.name, "-"),
                *((f"{seconds[row.name]:.0f}" if row.name in seconds else "-",) if seconds else ()),
            )
            for row in table.encoders
        ]
        columns = (*header, *(one.name for one in others), "against the best", "letters", *timed)
        parts.append(f"## {dataset}\n\n{_about(table)}\n\n{markdown(columns, rows)}")
    return "\n".join(parts)


def _about(table: EncoderTable) -> str:
    sizes = f"{table.test_images} test images of {table.test_groups} groups."
    if why := too_few(table.test_groups):
        return f"{sizes} No intervals, and no difference can be resolved: {why}."
    return f"{sizes} Encoders that share a letter are not told apart (cluster t-test over groups, Holm)."


def _against(row: RankedEncoder) -> str:
    found = row.against_best
    if found is None:
        return "-"
    limits = f" ({range_text(found.interval, '+.3f')})" if found.interval else ""
    return f"{found.accuracy_difference:+.3f}{limits}"
