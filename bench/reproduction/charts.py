"""Figures of the reproduction: SVG charts, point sets as small PNG files, pictures of a run cut to their first rows. Standard library only."""
import array
import math
import struct
import zipfile
import zlib
from xml.sax.saxutils import escape

COLOURS = ("#1b6ca8", "#c0392b", "#27864a", "#8e44ad", "#b9770e", "#16a085", "#6e2c00", "#444444")
WIDTH, HEIGHT, LEFT, TOP = 520, 260, 62, 24


class Axis:
    def __init__(self, values, begin, end, log=False):
        self.log = log and min(values) > 0
        low, high = min(map(self.at, values)), max(map(self.at, values))
        margin = 0.06 * ((high - low) or abs(high) or 1)
        self.low, self.high, self.begin, self.end = low - margin, high + margin, begin, end

    def at(self, value):
        return math.log10(value) if self.log else value

    def __call__(self, value):
        return self.begin + (self.at(value) - self.low) / (self.high - self.low) * (self.end - self.begin)

    def ticks(self):
        if self.log and math.ceil(self.low) < math.floor(self.high):
            return [10.0 ** k for k in range(math.ceil(self.low), math.floor(self.high) + 1)]
        if self.log:
            return [10 ** self.low, 10 ** self.high]
        step = 10 ** math.floor(math.log10((self.high - self.low) / 2))
        step *= next(k for k in (1, 2, 5, 10) if (self.high - self.low) / (k * step) <= 6)
        first = math.ceil(self.low / step)
        return [k * step for k in range(first, int(self.high / step) + 1)]


def frame(x, y, x_label, y_label):
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH + LEFT + 130}" height="{HEIGHT + TOP + 46}" font-family="sans-serif" font-size="11">',
           '<rect width="100%" height="100%" fill="white"/>',
           f'<rect x="{LEFT}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#999"/>']
    for tick in x.ticks():
        out.append(f'<text x="{x(tick):.0f}" y="{TOP + HEIGHT + 15}" text-anchor="middle">{tick:g}</text>')
    for tick in y.ticks():
        out.append(f'<text x="{LEFT - 5}" y="{y(tick) + 4:.0f}" text-anchor="end">{tick:.4g}</text>'
                   f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y(tick):.0f}" y2="{y(tick):.0f}" stroke="#eee"/>')
    out.append(f'<text x="{LEFT + WIDTH / 2}" y="{TOP + HEIGHT + 34}" text-anchor="middle">{escape(x_label)}</text>')
    out.append(f'<text x="{LEFT}" y="{TOP - 8}">{escape(y_label)}</text>')
    return out


def free_place(left, height, width, taken):
    """The nearest line of text inside the frame that no label of `taken` (left, height, width) covers; it is added to them."""
    for step in range(60):
        place = height + (step + 1) // 2 * 11 * (-1 if step % 2 else 1)
        inside = TOP + 8 <= place <= TOP + HEIGHT - 2
        if inside and not any(left < l + w and l < left + width and abs(place - h) < 11 for l, h, w in taken):
            break
    taken.append((left, place, width))
    return place


def scatter(points, x_label, y_label, line=None):
    """points: {name: (x, y, sd)}, x > 0 on a logarithmic axis; `line`: (name, y) across it all, the best that can be had."""
    ends = [y + sign * sd for _, y, sd in points.values() for sign in (-1, 1)] + ([line[1]] if line else [])
    log = max(ends) > 8 * max(min(ends), 1e-9) and min(ends) > 0
    x, y = Axis([p[0] for p in points.values()], LEFT, LEFT + WIDTH, log=True), Axis(ends, TOP + HEIGHT, TOP, log=log)
    out = frame(x, y, x_label, y_label)
    if line:
        out.append(f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y(line[1]):.1f}" y2="{y(line[1]):.1f}" stroke="#888" stroke-dasharray="4 3"/>'
                   f'<text x="{LEFT + WIDTH + 4}" y="{y(line[1]) + 4:.1f}">{escape(line[0])}</text>')
    taken = []
    for number, (name, (px, py, sd)) in enumerate(sorted(points.items(), key=lambda p: p[1][1])):
        colour, cx, cy = COLOURS[number % len(COLOURS)], x(px), y(py)
        if sd:
            out.append(f'<line x1="{cx:.1f}" x2="{cx:.1f}" y1="{y(py - sd):.1f}" y2="{y(py + sd):.1f}" stroke="{colour}"/>')
        ly = free_place(cx, cy + 4, 6 * len(name) + 10, taken)
        if abs(ly - cy - 4) > 6:
            out.append(f'<line x1="{cx:.1f}" x2="{cx + 6:.1f}" y1="{cy:.1f}" y2="{ly - 4:.1f}" stroke="{colour}" stroke-width="0.5"/>')
        out.append(f'<circle cx="{cx:.1f}" cy="{cy:.1f}" r="3" fill="{colour}"/><text x="{cx + 7:.1f}" y="{ly:.1f}" fill="{colour}">{escape(name)}</text>')
    return "\n".join(out + ["</svg>\n"])


def lines(curves, x_label, y_label):
    """curves: {name: [(x, y), ...]}."""
    every = [p for curve in curves.values() for p in curve]
    heights = [p[1] for p in every]
    x, y = Axis([p[0] for p in every], LEFT, LEFT + WIDTH), Axis(heights, TOP + HEIGHT, TOP, log=max(heights) > 20 * max(min(heights), 1e-9))
    out = frame(x, y, x_label, y_label)
    for number, (name, curve) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        out.append(f'<polyline fill="none" stroke="{colour}" points="{" ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in curve)}"/>'
                   f'<text x="{LEFT + WIDTH + 4}" y="{TOP + 10 + 14 * number}" fill="{colour}">{escape(name)}</text>')
    return "\n".join(out + ["</svg>\n"])


def read_array(path, name="arr_0"):
    """(shape, values) of a float32, float64, int64 or uint8 array of an .npz file."""
    with zipfile.ZipFile(path) as archive:
        data = archive.read(name + ".npy")
    size = 2 if data[6] == 1 else 4
    header = struct.unpack("<H" if size == 2 else "<I", data[8:8 + size])[0]
    text = data[8 + size:8 + size + header].decode("latin1")
    shape = tuple(int(n) for n in text.split("(")[1].split(")")[0].split(",") if n.strip())
    code = {"<f4": "f", "<f8": "d", "<i8": "q", "|u1": "B"}[text.split("'descr': '")[1].split("'")[0]]
    return shape, array.array(code, data[8 + size + header:])


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def panels(files, count=2500, side=150, gap=6):
    """PNG of point sets side by side, one bit per pixel; all on the square that holds the first."""
    sets = [list(read_array(f)[1][:2 * count]) for f in files]
    reach = 1.08 * max(abs(v) for v in sets[0])
    width = len(sets) * (side + gap) - gap
    rows = [bytearray(b"\xff" * ((width + 7) // 8)) for _ in range(side)]
    for index, values in enumerate(sets):
        for px, py in zip(values[0::2], values[1::2]):
            column, row = (int((v / reach + 1) / 2 * side) for v in (px, -py))
            if 0 <= column < side and 0 <= row < side:
                at = index * (side + gap) + column
                rows[row][at // 8] &= 255 ^ (128 >> at % 8)
        for row in rows if index + 1 < len(sets) else ():
            at = (index + 1) * (side + gap) - gap // 2
            row[at // 8] &= 255 ^ (128 >> at % 8)
    raw = b"".join(b"\0" + bytes(row) for row in rows)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, side, 1, 0, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b""))


def first_rows(path, rows):
    """PNG with the first so many rows of pixels of another (8 bits, not interlaced): filters look up and left alone."""
    with open(path, "rb") as file:
        data = file.read()
    at, packed, header = 8, b"", None
    while at < len(data):
        size, kind = struct.unpack(">I", data[at:at + 4])[0], data[at + 4:at + 8]
        if kind == b"IHDR":
            header = struct.unpack(">IIBBBBB", data[at + 8:at + 8 + size])
        elif kind == b"IDAT":
            packed += data[at + 8:at + 8 + size]
        at += 12 + size
    width, height, bits, colour, *rest = header
    if bits != 8 or colour not in (0, 2, 4, 6) or rest[2] != 0 or not 0 < rows < height:
        return data
    line = 1 + width * {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    raw = zlib.decompress(packed)[:rows * line]
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, rows, bits, colour, *rest)) + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b"")
