"""Joins the videos of demos to one animation: .venv/bin/python docs/images/clip.py CLIP.webp DEMO_DIRECTORY ...

rt2_mini.webp is of the two demos of rt2-mini in the README, with --lock-step.
"""

import sys
from pathlib import Path

import av
from PIL import Image

WIDTH, PERIOD, REST = 640, 0.1, 1.5  # [px]; between two frames [s]; of the last one of each video [s]
TOLERANCE = 1e-3  # of a frame's time [s]


def frames(video: Path) -> tuple[list[Image.Image], list[int]]:
    """A frame every PERIOD, with how long each stands [ms]."""
    found = list[Image.Image]()
    with av.open(str(video)) as file:
        for frame in file.decode(video=0):
            if frame.time is not None and frame.time >= PERIOD * len(found) - TOLERANCE:
                image = frame.to_image()
                found.append(image.resize((WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.LANCZOS))
    return found, [round(1000 * PERIOD)] * (len(found) - 1) + [round(1000 * REST)]


def main() -> None:
    clip, *demos = map(Path, sys.argv[1:])
    pictures, durations = list[Image.Image](), list[int]()
    for demo in demos:
        of_demo, standing = frames(demo / "demo.mp4")
        pictures += of_demo
        durations += standing
    height = max(picture.height for picture in pictures)
    canvases = []
    for picture in pictures:
        canvas = Image.new("RGB", (WIDTH, height), picture.getpixel((2, picture.height - 3)))
        canvas.paste(picture, (0, 0))
        canvases.append(canvas)
    canvases[0].save(clip, save_all=True, append_images=canvases[1:], duration=durations, loop=0, quality=60, method=6)


if __name__ == "__main__":
    main()
