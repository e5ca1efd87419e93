"""What PIL's Image.resize makes of small images, as resize.npz beside this file. Needs numpy and Pillow.

`images` uint8 [2, H, W, 3]: noise that reaches 0 and 255 often, so that overshoot is clipped, and a slope with an edge.
FILTER_HxW uint8: 8-bit images resized whole. bicubic_float_HxW, lanczos_float_HxW float32 [H, W], of the noise's first
channel: mode F channel by channel, neither rounded nor clipped, which is clean-fid's protocol.
"""
import os

import numpy as np
from PIL import Image

filters = {"box": Image.Resampling.BOX, "bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC,
           "lanczos": Image.Resampling.LANCZOS}
sizes = ((5, 4), (13, 17), (5, 17), (9, 4), (4, 11))

random = np.random.default_rng(7)
noise = np.clip(random.normal(128, 150, (9, 11, 3)), 0, 255).round()
slope = np.add.outer(np.arange(9) * 13.0, np.arange(11) * 9.0)[:, :, None] + np.array([0, 20, 40.0])
slope[:, 6:] = 255 - slope[:, 6:]
images = np.stack([noise, slope]).astype(np.uint8)
arrays = {"images": images}
for height, width in sizes:
    for name, which in filters.items():
        arrays[f"{name}_{height}x{width}"] = np.stack(
            [np.asarray(Image.fromarray(image).resize((width, height), which)) for image in images])
        if name in ("bicubic", "lanczos"):
            plane = Image.fromarray(images[0, :, :, 0].astype(np.float32), mode="F")
            arrays[f"{name}_float_{height}x{width}"] = np.asarray(plane.resize((width, height), which))
np.savez_compressed(os.path.join(os.path.dirname(os.path.abspath(__file__)), "resize.npz"), **arrays)
