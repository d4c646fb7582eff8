"""Cost and accuracy of a training as an SVG picture."""

from collections.abc import Sequence
from xml.sax.saxutils import escape

from kitrain.history import History

_WIDTH, _HEIGHT, _MARGIN, _GAP, _LEGEND = 480, 300, 56, 24, 130
_COLOURS = ("#1b6ca8", "#c2452d")
Curve = tuple[str, Sequence[float]]


def history_svg(title: str, history: History) -> str:
    """Two charts side by side: the cost, and both accuracies, over the steps."""
    steps = [float(progress.step) for progress in history]
    cost: list[Curve] = [("cost", [p.cost for p in history])]
    accuracy: list[Curve] = [
        ("training accuracy", [p.train_accuracy for p in history]),
        ("validation accuracy", [p.validation_accuracy for p in history]),
    ]
    left = _chart(steps, cost, 0)
    right = _chart(steps, accuracy, _WIDTH + _GAP)
    total = 2 * _WIDTH + _GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{total}" height="{_HEIGHT + 30}"'
        ' font-family="sans-serif" font-size="12">'
        f'<rect width="100%" height="100%" fill="white"/>'
        f'<text x="{_MARGIN}" y="20" font-size="14">{escape(title)}</text>'
        f'<g transform="translate(0 30)">{left}{right}</g></svg>\n'
    )


def _chart(steps: Sequence[float], curves: Sequence[Curve], shift: int) -> str:
    values = [value for _, ys in curves for value in ys]
    low, high = _limits(values)
    x0, x1, y0, y1 = _MARGIN, _WIDTH - 10, _HEIGHT - _MARGIN, 10
    last = max(steps, default=1.0)

    def place(step: float, value: float) -> str:
        x = x0 + (x1 - x0) * step / last
        y = y0 + (y1 - y0) * (value - low) / (high - low)
        return f"{x:.1f},{y:.1f}"

    parts = [f'<path d="M{x0},{y1} V{y0} H{x1}" fill="none" stroke="#444"/>']
    for i, (name, ys) in enumerate(curves):
        colour = _COLOURS[i]
        points = " ".join(place(s, v) for s, v in zip(steps, ys, strict=True))
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        )
        at_x = x1 - _LEGEND * (len(curves) - 1 - i)
        parts.append(f'<text x="{at_x}" y="0" text-anchor="end" fill="{colour}">{name}</text>')
    for value in (low, high):
        at = place(0, value).split(",")[1]
        parts.append(f'<text x="{x0 - 6}" y="{at}" text-anchor="end">{value:.3g}</text>')
    parts.append(f'<text x="{x1}" y="{y0 + 18}" text-anchor="end">step {last:g}</text>')
    return f'<g transform="translate({shift} 0)">{"".join(parts)}</g>'


def _limits(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values, default=0.0), max(values, default=1.0)
    return (low, high) if high > low else (low - 0.5, high + 0.5)
