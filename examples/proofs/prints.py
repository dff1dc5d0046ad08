"""Print: lines of English in fonts seen and unseen, drawn, and how well they are read.

Lines of the topics that Python's `pydoc` knows, in the fonts that matplotlib carries,
drawn by Pillow. They come in sizes, sheared, faint or strong, with strokes that are
thin or spread, under noise.
"""

from functools import cache
from pathlib import Path
from pydoc_data.topics import topics
from string import ascii_letters, digits

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from proof import new_figure

from lstmc.metrics import count_edits

FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
TESTED = 60  # lines of a font
WANTED = 0.01  # character error rate
SEEN = (
    "DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansMono",
    "DejaVuSansMono-Oblique", "DejaVuSansMono-BoldOblique", "DejaVuSerif",
    "DejaVuSerif-Bold", "DejaVuSerif-BoldItalic", "STIXGeneral", "STIXGeneralBol",
    "STIXGeneralItalic", "cmr10", "cmb10", "cmti10",
)  # fmt: skip
# Four whose sisters are seen, and two, cmss10 and cmtt10, of a design that is not.
UNSEEN = (
    "DejaVuSans-BoldOblique", "DejaVuSansMono-Bold", "DejaVuSerif-Italic",
    "STIXGeneralBolIta", "cmss10", "cmtt10",
)  # fmt: skip
ALPHABET = ascii_letters + digits + " .,:;!?()-"
LONGEST = 32  # characters
HEIGHT, COLUMNS, BASELINE, MARGIN = 24, 2, 18, 4  # pixels
SIZES = (15.5, 16, 16.5, 17, 17.5, 18)  # pixels
SHEAR, INK, NOISE, BLUR = 0.25, (0.6, 1.0), (0.03, 0.12), 0.5  # pixels per row; pixels


def read_lines():
    """Lines to learn from, to decide by and to test on; no topic is in two parts."""
    parts = [[], [], []]
    for k, name in enumerate(sorted(topics)):
        words = topics[name].split()
        words = [word for word in words if set(word) <= set(ALPHABET)]
        lines = parts[(0, 0, 0, 0, 0, 0, 1, 2)[k % 8]]
        line = ""
        for word in words:
            if line and len(line) + 1 + len(word) > LONGEST:
                lines.append(line)
                line = ""
            if len(word) <= LONGEST:
                line = f"{line} {word}".lstrip()
    known = set(parts[0])
    return parts[0], *(sorted(set(part) - known) for part in parts[1:])


@cache
def read_font(name, size):
    """A font that Pillow draws with."""
    return ImageFont.truetype(FONTS / f"{name}.ttf", size)


def draw_line(text, name, rng):
    """Ink of a line in the font of that name, (24, width), in [0, 1] but for noise."""
    font, shear = read_font(name, rng.choice(SIZES)), rng.uniform(-SHEAR, SHEAR)
    lean = HEIGHT * SHEAR
    width = int(font.getlength(text) + 2 * (MARGIN + lean))
    width += -width % COLUMNS
    image = Image.new("L", (width, HEIGHT))
    base = BASELINE + int(rng.integers(-1, 2))
    ImageDraw.Draw(image).text(
        (MARGIN + lean, base), text, fill=255, font=font, anchor="ls"
    )
    image = image.transform(
        image.size, Image.Transform.AFFINE, (1, shear, -shear * base, 0, 1, 0),
        Image.Resampling.BILINEAR,
    )  # fmt: skip
    image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0, BLUR)))
    ink = np.asarray(image, np.float32) * (rng.uniform(*INK) / 255)
    noise = rng.standard_normal(ink.shape, np.float32)
    return ink + np.float32(rng.uniform(*NOISE)) * noise


def draw_lines(lines, fonts, rng):
    """Images of the lines, in one font after another."""
    return [draw_line(line, fonts[k % len(fonts)], rng) for k, line in enumerate(lines)]


def mix(lines, n, rng):
    """Some of the lines; 1 in 20 is of characters at random, as some are rare."""
    kept = [lines[k] for k in rng.choice(len(lines), n - n // 20, replace=False)]
    words = ["".join(rng.choice([*ALPHABET.replace(" ", "")], 12)) for _ in kept]
    return kept + [f"{a} {b}" for a, b in zip(words[::2], words[1::2])][: n // 20]


def pick(lines, n, rng):
    """n of the lines."""
    return [lines[k] for k in rng.choice(len(lines), n, replace=False)]


def judge(proof, read, lines):
    """A row for each font; character errors of each, and what ``read`` read of it."""
    errors, shown = {}, {}
    for k, name in enumerate((*SEEN, *UNSEEN)):
        rng = np.random.default_rng(1000 + k)
        y = pick(lines, TESTED, rng)
        images = [draw_line(line, name, rng) for line in y]
        found = read(images)
        edits = count_edits(y, found)
        errors[name] = edits
        shown[name] = images[0], y[0], found[0]
        proof.row(
            name, "seen" if name in SEEN else "unseen", int(edits.lengths.sum()),
            edits.rate(), np.mean(edits.total == 0),
        )  # fmt: skip
    return errors, shown


def together(errors, names):
    """Character error rate in all these fonts."""
    total = sum(errors[name].total.sum() for name in names)
    return total / sum(errors[name].lengths.sum() for name in names)


def picture(shown, errors):
    """Lines of some fonts with what was read; errors by font."""
    figure, _ = new_figure(2, height=6.0)
    figure.clear()
    figure.set_figwidth(11)
    grid = figure.add_gridspec(1, 2, width_ratios=(1.9, 1))
    left, right = figure.add_subplot(grid[0]), figure.add_subplot(grid[1])
    draw_read(left, shown)
    draw_errors(right, errors)
    return figure


def draw_read(ax, shown):
    """Images, each above what was read in it; what is wrong is red."""
    names = [*UNSEEN, *SEEN[::3]]
    wide = max(shown[name][0].shape[1] for name in names)
    for k, name in enumerate(names):
        image, text, found = shown[name]
        top = k * 2.0 * HEIGHT
        ax.imshow(
            image, cmap="Greys", vmin=0, vmax=1, aspect="equal",
            extent=(0, image.shape[1], top + HEIGHT, top), interpolation="nearest",
        )  # fmt: skip
        right = text == found
        ax.text(
            2, top + 1.06 * HEIGHT, found if right else f"{found}   (is: {text})",
            va="top", fontsize=7.5, family="monospace", color="C2" if right else "C3",
        )  # fmt: skip
        label = f"{name}\n{'seen' if name in SEEN else 'unseen'}"
        ax.text(-6, top + HEIGHT / 2, label, ha="right", va="center", fontsize=7)
    ax.set_xlim(0, 1.25 * wide)  # room for what is wrong
    ax.set_ylim(len(names) * 2.0 * HEIGHT, 0)
    ax.axis("off")


def draw_errors(ax, errors):
    """Character error rate of each font."""
    names = sorted(errors, key=lambda name: errors[name].rate())
    colors = ["C0" if name in SEEN else "C3" for name in names]
    ax.barh(range(len(names)), [100 * errors[n].rate() for n in names], color=colors)
    ax.axvline(100 * WANTED, color="k", linewidth=0.8, linestyle="--")
    for label, color in (("seen", "C0"), ("unseen", "C3")):
        ax.barh(0, 0, color=color, label=label)
    ax.set_yticks(range(len(names)), names, fontsize=7)
    ax.set_ylim(-0.6, len(names) - 0.4)
    ax.set_xlabel("characters wrong, test, %")
    ax.legend(frameon=False, fontsize=8, loc="lower right")
    ax.grid(axis="x", alpha=0.25)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
