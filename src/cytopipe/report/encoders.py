"""Tables of encoders, prepared for the template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cytopipe.core.params import Params
from cytopipe.evaluation.comparison.encoders import encoder_tables, letters_of, read_encoders
from cytopipe.results.embeddings import EncoderTable


@dataclass(frozen=True)
class EncodersView:
    """The encoders of one dataset; the letters are those of encoders that the test images do not tell apart."""

    dataset: str
    content: EncoderTable
    letters: Mapping[str, str]

    @property
    def resolved(self) -> int:
        """Number of differences that the test images resolve."""
        return sum(pair.resolved for pair in self.content.pairs)


def encoders_views(params: Params) -> list[EncodersView]:
    """Prepare the table of each dataset with embeddings that are computed; none without any.

    Raises:
        CytopipeError: a result is invalid, or embeddings of one dataset were tested on different images.
    """
    tables = encoder_tables(read_encoders(params.embeddings))
    return [EncodersView(dataset, table, letters_of(table)) for dataset, table in tables.items()]
