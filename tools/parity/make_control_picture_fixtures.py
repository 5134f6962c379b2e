#!/usr/bin/env python3
"""
Writes down what OpenCV and Pillow make of pictures before a ControlNet sees them:

    make_control_picture_fixtures.py --pictures DIR --out FILE.json

DIR holds the files of make_preprocessing_fixtures.py. FILE.json gets, for each picture that its expected.json reads as RGB, SHA-256 of
the pixels of cv2.Canny(rgb, 100, 200), of GaussianBlur(8), and of the picture reduced to a quarter and enlarged by LANCZOS; and how many
pixels are edges.
"""

import argparse
import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import PIL
from PIL import Image, ImageFilter

from make_preprocessing_fixtures import upright_rgb


def digest(pixels):
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()


def expected(file):
    image = upright_rgb(file)
    rgb = np.asarray(image)
    edges = cv2.Canny(np.ascontiguousarray(rgb), 100, 200)
    small = image.resize((max(1, image.width // 4), max(1, image.height // 4)), Image.LANCZOS)
    return dict(
        width=image.width,
        height=image.height,
        canny=digest(edges),
        edges=int((edges > 0).sum()),
        blur=digest(np.asarray(image.filter(ImageFilter.GaussianBlur(8)))),
        tile=digest(np.asarray(small.resize(image.size, Image.LANCZOS))),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    files = sorted(file for file in arguments.pictures.iterdir() if file.suffix in (".png", ".jpg", ".jpeg"))
    about = dict(opencv=cv2.__version__, pillow=PIL.__version__, pictures={file.name: expected(file) for file in files})
    arguments.out.write_text(json.dumps(about, indent=1) + "\n")
    print(len(files), "pictures")


if __name__ == "__main__":
    main()
