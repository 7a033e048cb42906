"""Tumour growth inhibition of a treated mouse against a control, in named variants that say when undefined.

Both curves are cut at the last day they both reach. T and C are volumes there, T0 and C0 baselines, RTV the
volume relative to its own baseline. The literature calls all of these TGI; they differ, and only `xeva` is a
bare ratio.

| variant | is | unit | undefined where |
|---|---|---|---|
| delta_volume | 100 (1 - (T - T0) / (C - C0)) | % | the control has not grown |
| rtv | 100 (1 - (T / T0) / (C / C0)) | % | the control has vanished |
| auc_rtv | 100 (1 - area under RTV of T / that of C) | % | the control's area is 0 |
| xeva | (C - T) / (C0 - T0) | ratio | both start at one volume |

delta_volume is above 100 where the treated tumour shrank. `xeva` is what function TGI of the R package Xeva
computes (bhklab/Xeva); its divisor is the chance difference of two baselines, so it is given for comparison
only. T/C by relative volume in percent is 100 less `rtv`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from avatar_trials.endpoints.regrowth import Texts
from avatar_trials.endpoints.response import Floats, at_visit, relative_curves
from avatar_trials.endpoints.shape import Pair, pair

TGI_VARIANTS = ("delta_volume", "rtv", "auc_rtv", "xeva")


def check_tgi(variant: str) -> None:
    """Raise ValueError, naming the known variants, unless `variant` is one of TGI_VARIANTS."""
    if variant not in TGI_VARIANTS:
        raise ValueError(f"unknown variant of TGI {variant!r}: expected one of {', '.join(TGI_VARIANTS)}")


def growth_inhibition(
    day: ArrayLike,
    volume_mm3: ArrayLike,
    control_day: ArrayLike,
    control_volume_mm3: ArrayLike,
    variant: str,
    *,
    end: str = "interpolated",
) -> tuple[Floats, Texts]:
    """Growth inhibition, (...), and why it is not defined ("" where it is).

    Curves have shape (..., visit); leading dimensions of treated and control broadcast. `end` says how the
    longer curve is cut (`curve_shape.cut_at`). ValueError for an unknown variant or end.
    """
    curves = relative_curves(day, volume_mm3), relative_curves(control_day, control_volume_mm3)
    return growth_inhibition_of(pair(*curves, end), variant)


def growth_inhibition_of(both: Pair, variant: str) -> tuple[Floats, Texts]:
    """`growth_inhibition` of curves that are cut at their common end already."""
    check_tgi(variant)
    treated, control = both.treated, both.control
    start, start_control = treated.volume_mm3[..., 0], control.volume_mm3[..., 0]
    last, last_control = (at_visit(x.volume_mm3, x.last) for x in (treated, control))
    with np.errstate(invalid="ignore"):
        if variant == "delta_volume":
            top, bottom = last - start, last_control - start_control
            undefined, why = bottom <= 0.0, "the control has not grown"
        elif variant == "rtv":
            top, bottom = last / start, last_control / start_control
            undefined, why = bottom <= 0.0, "the control has vanished"
        elif variant == "auc_rtv":
            top = both.treated_shape.auc_mm3_day / start
            bottom = both.control_shape.auc_mm3_day / start_control
            undefined, why = bottom <= 0.0, "the area under the control is 0"
        else:
            top, bottom = last_control - last, start_control - start
            undefined, why = bottom == 0.0, "both start at one volume"
    reason = np.where((both.why == "") & undefined, why, both.why)
    told = reason == ""
    quotient = top / np.where(told, bottom, 1.0)
    return np.where(told, quotient if variant == "xeva" else 100.0 * (1.0 - quotient), np.nan), reason
