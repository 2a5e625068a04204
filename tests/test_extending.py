"""A finished run grows: its cells are taken over, the new ones are computed, and nothing is decided."""

import numpy as np
import pytest

import jaxml
from jaxml.errors import ConfigError
from jaxml.scaffold import scaffold


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    root = tmp_path_factory.mktemp("project")
    scaffold("demo", root)
    text = (root / "configs/demo.yaml").read_text()
    short = text.replace("seeds: 64\nlooks: [16, 32, 64]", "seeds: 8\nlooks: [8]")
    (root / "configs/demo.yaml").write_text(short.replace("{linspace: [0.0, 0.4, 9]}", "[0.0, 0.1, 0.4]"))
    return root


@pytest.fixture(scope="module")
def finished(project):
    return jaxml.run(project / "configs/demo.yaml", runs=project / "runs")


def test_only_new_cells_are_computed_and_nothing_is_decided(project, finished):
    config = project / "configs/demo.yaml"
    grown = config.read_text().replace("seeds: 8\nlooks: [8]", "seeds: 12\nlooks: [8, 12]")
    config.write_text(grown.replace("[0.0, 0.1, 0.4]", "[0.0, 0.05, 0.1, 0.4]"))
    done = []
    bigger = jaxml.run(
        config,
        runs=project / "runs",
        extend=finished.path,
        watch=jaxml.Watch(progress=lambda state: done.append(state.done)),
    )
    assert done[0] >= 2 * 3 * 8
    assert done[-1] == 2 * 4 * 12
    assert finished.verdicts.status == "confirmatory"
    assert bigger.verdicts.status == "exploratory"
    assert f"it extends {finished.path.name}" in bigger.verdicts.why
    assert bigger.verdicts.word(bigger.verdicts.findings[0]) == "exploratory"
    assert list(bigger.results.outliers.values) == [0.0, 0.05, 0.1, 0.4]
    fresh = jaxml.run(config, runs=project / "fresh")
    assert fresh.verdicts.status == "confirmatory"
    np.testing.assert_allclose(bigger.results.error, fresh.results.error, rtol=1e-5, atol=1e-6)
    assert bigger.verdicts.findings[0].cells[0].theta == pytest.approx(
        fresh.verdicts.findings[0].cells[0].theta, rel=1e-4
    )


def test_a_shared_store_is_for_workers(project):
    with pytest.raises(ConfigError, match="shared_store needs executor="):
        jaxml.run(project / "configs/demo.yaml", runs=project / "none", compute=jaxml.Compute(shared_store=True))
    assert not (project / "none").exists()


def test_what_cannot_be_extended(project, finished):
    config = project / "configs/demo.yaml"
    directory = finished.directory
    for overrides, message in [(["master_key=other"], "its 'master_key' is 'demo'"), (["n=7"], "its 'fixed' is")]:
        with pytest.raises(ConfigError, match=message):
            jaxml.run(config, overrides, runs=project / "runs", extend=finished.path)
    sealed = (directory.path / "manifest.sha256").read_bytes()
    (directory.path / "manifest.sha256").unlink()
    directory.set_status("interrupted")
    with pytest.raises(ConfigError, match="this run is interrupted"):
        jaxml.run(config, runs=project / "runs", extend=finished.path)
    (directory.path / "manifest.sha256").write_bytes(sealed)
    held = directory.read_json("spec.json")
    (project / "configs/demo.yaml").write_bytes((finished.path / "config.yaml").read_bytes())
    with pytest.raises(ConfigError, match="nothing to extend"):
        jaxml.run(config, runs=project / "runs", extend=finished.path)
    assert directory.read_json("spec.json") == held
