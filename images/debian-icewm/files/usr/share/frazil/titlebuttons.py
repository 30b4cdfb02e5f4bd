"""Draws the window buttons of the IceWM theme as XPM files.

Run once, while the image is made. Each button's file holds two squares, one above the other: as it is, and pressed.
A = active window, I = inactive, O = pointer over it. Edges are smoothed against the title bar's colour by counting
4 x 4 points a pixel.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

SIZE = 30
FINE = 4
Shape = Callable[[float, float], bool]
Colour = tuple[int, int, int]

BAR: dict[str, Colour] = {"A": (0x1D, 0x36, 0x46), "I": (0x2C, 0x40, 0x4D), "O": (0x1D, 0x36, 0x46)}
INK: dict[str, Colour] = {"A": (0xDB, 0xE9, 0xEF), "I": (0x8C, 0xA0, 0xAC), "O": (0xFF, 0xFF, 0xFF)}
HOVER: Colour = (0x35, 0x55, 0x69)
HOVER_CLOSE: Colour = (0xC4, 0x4B, 0x55)
HALF_STROKE = 0.8


def close(x: float, y: float) -> bool:
    return max(abs(x), abs(y)) <= 4.6 and min(abs(x - y), abs(x + y)) <= HALF_STROKE * 1.42


def minimize(x: float, y: float) -> bool:
    return abs(x) <= 5 and abs(y - 3.5) <= HALF_STROKE


def frame(x: float, y: float, half: float) -> bool:
    return half - 2 * HALF_STROKE <= max(abs(x), abs(y)) <= half


def maximize(x: float, y: float) -> bool:
    return frame(x, y, 5)


def restore(x: float, y: float) -> bool:
    back = frame(x - 1.7, y + 1.7, 3.8) and not max(abs(x + 1.5), abs(y - 1.5)) <= 3.8
    return frame(x + 1.5, y - 1.5, 3.8) or back


def blend(under: Colour, over: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(under, over, strict=True))
    return red, green, blue


def square(shape: Shape, ground: Colour, ink: Colour) -> list[list[Colour]]:
    rows: list[list[Colour]] = []
    for row in range(SIZE):
        line: list[Colour] = []
        for column in range(SIZE):
            hits = sum(
                shape(column + (i + 0.5) / FINE - SIZE / 2, row + (j + 0.5) / FINE - SIZE / 2)
                for i in range(FINE)
                for j in range(FINE)
            )
            line.append(blend(ground, ink, hits / FINE**2))
        rows.append(line)
    return rows


def xpm(rows: list[list[Colour]]) -> str:
    letters = "".join(chr(c) for c in range(48, 123) if chr(c) != "\\")
    colours = sorted({colour for row in rows for colour in row})
    name = {colour: letters[at] for at, colour in enumerate(colours)}
    lines = [f"{len(rows[0])} {len(rows)} {len(colours)} 1"]
    lines += [f"{name[c]} c #{c[0]:02X}{c[1]:02X}{c[2]:02X}" for c in colours]
    lines += ["".join(name[c] for c in row) for row in rows]
    body = ",\n".join(f'"{line}"' for line in lines)
    return "/* XPM */\nstatic char *button[] = {\n" + body + "\n};\n"


def main(theme: Path) -> None:
    shapes: dict[str, Shape] = {"close": close, "minimize": minimize, "maximize": maximize, "restore": restore}
    for name, shape in shapes.items():
        hover = HOVER_CLOSE if name == "close" else HOVER
        for state in "AIO":
            ground = hover if state == "O" else BAR[state]
            rows = square(shape, ground, INK[state]) + square(shape, hover, INK["O"])
            (theme / f"{name}{state}.xpm").write_text(xpm(rows), encoding="ascii")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
