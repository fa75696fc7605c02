"""Building the report and the cards from the results of the stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cytopipe import paths
from cytopipe.core.params import SPLITS, Params
from cytopipe.metrics.registry import calibration_metrics, measured_metrics, of_task, ranked, shown
from cytopipe.report.cards import dataset_card, model_card, segmenter_card
from cytopipe.report.encoders import encoders_views
from cytopipe.report.explained import PIXELS, REGIONS, method_name
from cytopipe.report.external import external_views, externals_of, matrices
from cytopipe.report.findings import WORDS
from cytopipe.report.found_cells import found_data
from cytopipe.report.inline import page_data
from cytopipe.report.patients import patient_rows
from cytopipe.report.pictures import Album
from cytopipe.report.provenance import as_yaml, hashes, parameters, versions
from cytopipe.report.read import Results, read_results
from cytopipe.report.render import page
from cytopipe.report.screened import screening_view
from cytopipe.report.searches import search_views
from cytopipe.report.subgroups import METRICS as SUBGROUP_METRICS
from cytopipe.report.subgroups import subgroups_of
from cytopipe.report.suspects import suspect_views
from cytopipe.report.views import classifier_views, dataset_view, ranking_views, segmenter_view
from cytopipe.results.details import estimate_of
from cytopipe.results.leaderboard import CHOSEN_BY_ITS_TEST


@dataclass(frozen=True)
class Report:
    """The HTML page, and the cards by their path below results/cards."""

    html: str
    cards: Mapping[str, str]


def build_report(params: Params) -> Report:
    """Build the report of all results in the current folder.

    Args:
        params: parameters of the run; results of other models and datasets are left out.

    Raises:
        CytopipeError: if a result that every run writes is missing, or an image cannot be decoded.
    """
    results = read_results(params)
    album = Album(lambda dataset, image: results.datasets[dataset].image(image))
    datasets = {name: dataset_view(one, results, album) for name, one in results.datasets.items()}
    rankings = ranking_views(results, datasets)
    classifiers = classifier_views(results, rankings)
    segmenters = [segmenter_view(one, results) for one in results.segmenters.values()]
    screenings = [screening_view(one) for one in results.screenings.values()]
    cards = {
        **{f"datasets/{name}.md": dataset_card(view) for name, view in datasets.items()},
        **{
            f"segmenters/{view.results.name}.md": segmenter_card(
                view, externals_of(results, "segmenters", view.results.name)
            )
            for view in segmenters
        },
        **{
            f"models/{view.results.name}.md": model_card(
                view,
                datasets[view.results.config.dataset],
                externals_of(results, "classifiers", view.results.name),
            )
            for view in classifiers
        },
    }
    html = page(
        "report.html.j2",
        datasets=datasets,
        rankings=rankings,
        classifiers=classifiers,
        segmenters=segmenters,
        screenings=screenings,
        suspects=suspect_views(results, album),
        externals=external_views(results),
        encoders=encoders_views(params),
        matrices=matrices(results),
        searches=search_views(params),
        cards=cards,
        cards_folder=paths.CARDS.relative_to(paths.REPORT.parent).as_posix(),
        data=page_data(list(datasets.values()), classifiers, album) | {"screenings": found_data(screenings)},
        all_classes=sorted({label for view in datasets.values() for label in view.results.classes}),
        versions=versions(),
        hashes=hashes(results),
        parameters=_sections(results),
        splits=SPLITS,
        regions=REGIONS,
        pixels=PIXELS,
        words=WORDS,
        method_name=method_name,
        patient_rows=patient_rows,
        leading=of_task("classification")[0],
        ranked=ranked(),
        measured_metrics=measured_metrics(),
        chosen_by_its_test=CHOSEN_BY_ITS_TEST,
        calibration_metrics=calibration_metrics(),
        subgroups=subgroups_of,
        subgroup_metrics=SUBGROUP_METRICS,
        segmentation_metrics=shown("segmentation"),
        screening_metrics=shown("screening"),
        estimate_of=estimate_of,
    )
    return Report(html, cards)


def _sections(results: Results) -> dict[str, str]:
    """Parameters as YAML, one text per entry; those that do not belong to one dataset or model come first."""
    values = parameters(results.params)
    sections = ("datasets", "segmenters", "classifiers", "screenings", "evaluations", "embeddings", "searches")
    general = {name: value for name, value in values.items() if name not in sections}
    entries = {f"{section}.{name}": as_yaml(value) for section in sections for name, value in values[section].items()}
    return {"runtime, audit, explain": as_yaml(general), **entries}
