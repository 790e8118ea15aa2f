"""`slipway page`: one page that shows what runs, how good it is, and what it meets.

========== ==================================================================
`inputs`   what earlier steps left behind, read; whatever is not there is None
`days`     the prediction log, day by day
`harm`     what labels say of it, the alarms, and what was done
`pieces`   what a section is made of, and how it words things
`head`     what stands on top
`history`  the changes that were judged, and the releases
`quality`  how good the model is, and where it is weak
`watch`    what it meets: drift and traffic
`parts`    the order of the sections
`template` the page around them, one file without a script
========== ==================================================================
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from slipway import charts
from slipway.score import MODEL

if TYPE_CHECKING:
    from jinja2 import Template

    from slipway.settings import Params


def page(
    params: Params,
    out: Path,
    log: str = "",
    labels: list[Path] | None = None,
    model: Path = MODEL,
) -> Path:
    """Write ``index.html`` and each of its charts as SVG; return the page's path.

    The page needs no other file and no network: it opens from disk.

    Parameters
    ----------
    log
        Folder or URL of the prediction log; that of params.yaml if empty.
    labels
        Parquet files whose rows have labels by now; those in ``data/``, and what has arrived
        by `slipway labels import`, if None.
    model
        The folder of the model that runs.

    Raises
    ------
    SlipwayError
        A file that is there cannot be read.
    """
    from slipway.page.head import header
    from slipway.page.inputs import read_inputs
    from slipway.page.parts import sections

    inputs = read_inputs(params, out, log, labels, model)
    shown = sections(inputs)
    out.mkdir(parents=True, exist_ok=True)
    for section in shown:
        for figure in section.figures:
            (out / f"{figure.name}.svg").write_text(charts.standalone(figure.svg), "utf-8")
    index = out / "index.html"
    html = _template().render(
        header=header(inputs), sections=shown, light=charts.LIGHT, dark=charts.DARK
    )
    index.write_text(html, "utf-8")
    return index


def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("template.html")
