from __future__ import annotations

import base64
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from cytopipe.deploy.mlflow.classifier import _as_trained
from cytopipe.deploy.mlflow.package import write_package
from cytopipe.models.inference.predictor import Predictor
from fixture_types import SaveClassifier

COLUMNS = ["predicted", "p_bad", "p_good", "confidence", "uncertain", "abnormal", "error"]


@pytest.fixture(scope="module")
def folder(make_model: SaveClassifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("served") / "model")


@pytest.fixture(scope="module")
def served(folder: Path) -> Any:
    """The model as MLflow loads it."""
    import mlflow.pyfunc
    from mlflow.models import Model

    write_package(folder, folder.parent / "package", Model())
    return mlflow.pyfunc.load_model(str(folder.parent / "package"))


@pytest.fixture(autouse=True)
def as_served() -> Iterator[None]:
    """One thread and deterministic kernels, as the served model sets them: other tests of this process may differ."""
    with _as_trained(1):
        yield


def frame(images: list[Any]) -> pd.DataFrame:
    return pd.DataFrame({"image": pd.Series(images, dtype=object)})


def decoded(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def test_a_served_model_gives_the_predictions_of_the_predictor(served: Any, folder: Path, files: list[bytes]) -> None:
    found = served.predict(frame(files))
    expected = list(Predictor.load(folder, torch.device("cpu"))(decoded(data) for data in files))
    assert list(found.columns) == COLUMNS
    assert found["predicted"].tolist() == [one.predicted for one in expected]
    assert found[["p_bad", "p_good"]].to_numpy().tolist() == [one.probabilities.tolist() for one in expected]
    assert [str(found[name].dtype) for name in ("p_bad", "confidence", "uncertain")] == ["float64", "float64", "bool"]
    for name in ("confidence", "uncertain", "abnormal"):
        assert found[name].tolist() == [getattr(one, name) for one in expected]
    assert found["error"].isna().all()


def test_images_may_come_as_rows_or_base64(served: Any, files: list[bytes]) -> None:
    found = served.predict(frame(files))
    assert served.predict([{"image": data} for data in files]).equals(found)
    assert served.predict(frame([base64.b64encode(data).decode() for data in files])).equals(found)
    wrapped = [base64.encodebytes(data).decode() for data in files]
    assert served.predict(frame(wrapped)).equals(found)


def test_an_unreadable_image_gives_a_row_with_an_error(served: Any, files: list[bytes], tmp_path: Path) -> None:
    (tmp_path / "cell.png").write_bytes(files[0])
    bad: list[Any] = [b"", b"no image", files[0][:200], str(tmp_path / "cell.png"), None, 3]
    found = served.predict(frame([files[0], *bad, files[1]]))
    assert found["error"].isna().tolist() == [True, *[False] * len(bad), True]
    assert found["predicted"].isna().tolist() == [False, *[True] * len(bad), False]
    alone = served.predict(frame(files[:2]))
    assert found.iloc[[0, -1]]["p_bad"].tolist() == alone["p_bad"].tolist()
    errors = found["error"].tolist()
    assert "empty" in errors[1] and "not an image" in errors[2] and "decoded" in errors[3]
    assert "base64" in errors[4]  # a path is not opened
    assert not any("/tmp" in str(error) for error in errors)


def test_batches_and_columns_are_those_of_predict(
    make_model: SaveClassifier, files: list[bytes], tmp_path: Path
) -> None:
    """Results depend slightly on batch composition, so equal results in small batches show that batches are equal."""
    from cytopipe.deploy.mlflow.classifier import _load_pyfunc
    from cytopipe.models.inference.image_files import FilePredictor

    folder = make_model(tmp_path / "model")
    contents = [files[0], b"no image", *files]
    paths = [tmp_path / f"{number}.png" for number in range(len(contents))]
    for path, data in zip(paths, contents, strict=True):
        path.write_bytes(data)
    model = _load_pyfunc(str(folder), {"device": "cpu"})
    model.predictor.batch_size = 2
    by_file = FilePredictor(model.predictor, "id")
    rows = [row for some, _ in by_file([str(path) for path in paths]) for row in some]
    found = model.predict(frame(contents))
    assert list(found.columns) == [name for name in by_file.columns if name not in ("image", "sha256", "model")]
    for row, served in zip(rows, found.to_dict("records"), strict=True):
        assert row["predicted"] == (served["predicted"] or "") and row["error"] == (served["error"] or "")
        for name in ("p_bad", "p_good", "confidence", "abnormal"):
            assert row[name] == ("" if served[name] is None else f"{served[name]:.6g}")


def test_an_empty_input_gives_an_empty_table(served: Any) -> None:
    assert served.predict(frame([])).shape == (0, len(COLUMNS))


def test_missing_values_are_null_in_json(served: Any, files: list[bytes]) -> None:
    from mlflow.pyfunc.scoring_server import predictions_to_json

    answer = io.StringIO()
    predicted = served.predict(frame([files[0], b"no image"]))
    predictions_to_json(predicted, answer)  # type: ignore[no-untyped-call]  # MLflow leaves it unannotated
    rows = json.loads(answer.getvalue(), parse_constant=pytest.fail)["predictions"]
    assert rows[1]["p_bad"] is None and rows[1]["uncertain"] is None and rows[0]["error"] is None
    assert isinstance(rows[0]["uncertain"], bool) and isinstance(rows[0]["p_bad"], float)


def test_the_serving_example_is_answered_by_the_scoring_server(served: Any, folder: Path) -> None:
    from mlflow.pyfunc.scoring_server import init

    example = (folder.parent / "package/serving_input_example.json").read_text()
    from fastapi.testclient import TestClient

    answer = TestClient(init(served)).post(
        "/invocations", content=example, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 200, answer.text
    images = [(folder / f"example_{number}.png").read_bytes() for number in (0, 1)]
    assert [row["p_bad"] for row in answer.json()["predictions"]] == served.predict(frame(images))["p_bad"].tolist()


def test_it_computes_with_the_threads_of_the_training_and_leaves_torch_as_it_was(
    make_model: SaveClassifier, files: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cytopipe.deploy.mlflow.classifier import _load_pyfunc

    rule = {"temperature": 1.0, "confidence_threshold": 0.5}
    model = _load_pyfunc(
        str(make_model(tmp_path / "threads", channels="rgb", decision_rule=rule, num_threads=3)), {"device": "cpu"}
    )
    seen = list[tuple[int, bool]]()
    forward = model.predictor.model.forward

    def watched(images: torch.Tensor) -> Any:
        seen.append((torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()))
        return forward(images)

    monkeypatch.setattr(model.predictor.model, "forward", watched)
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    assert before != (3, True)
    assert "abnormal" not in model.predict(frame(files))  # no class is
    assert set(seen) == {(3, True)}
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == before


def test_loading_is_quiet(folder: Path, served: Any, caplog: pytest.LogCaptureFixture) -> None:
    import mlflow.pyfunc

    mlflow.pyfunc.load_model(str(folder.parent / "package"))
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
