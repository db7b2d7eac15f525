"""Let the ROOT files of scikit-hep-testdata arrive as one run: copy them into the inbox, then its manifest.

python examples/scikit-hep/arrive.py --run 1            # all of them
python examples/scikit-hep/arrive.py --run 2 issue38    # those with a word in their name
"""

import argparse
import importlib.util
import json
import shutil
import zlib
from pathlib import Path

INBOX = Path(__file__).parent / "state" / "source" / "inbox"


def shipped():
    """Give the files that the package ships, wherever it is installed."""
    spec = importlib.util.find_spec("skhep_testdata")
    if spec is None or spec.origin is None:
        raise SystemExit("install it first: pip install scikit-hep-testdata==0.3.12")
    return sorted((Path(spec.origin).parent / "data").glob("*.root"))


def arrive(files, run, inbox=INBOX):
    """Copy files into a folder of the run's own, complete under their names, and announce them."""
    folder = Path(inbox) / f"run{run}"
    folder.mkdir(parents=True, exist_ok=True)
    listed = []
    for file in files:
        hidden = folder / f".{file.name}"
        shutil.copyfile(file, hidden)
        content = hidden.read_bytes()
        hidden.rename(folder / file.name)
        name = f"{folder.name}/{file.name}"
        listed.append({"name": name, "size": len(content), "adler32": f"{zlib.adler32(content):08x}"})
    said = {"run": run, "type": "scikit-hep", "closed": True, "files": listed}
    hidden = Path(inbox) / f".run{run}.json"
    hidden.write_text(json.dumps(said, indent=1), encoding="utf-8")
    hidden.rename(Path(inbox) / f"run{run}.json")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=int, default=1)
    parser.add_argument("--inbox", type=Path, default=INBOX)
    parser.add_argument("words", nargs="*", help="only files with one of these in their name")
    asked = parser.parse_args()
    files = [file for file in shipped() if not asked.words or any(word in file.name for word in asked.words)]
    arrive(files, asked.run, asked.inbox)
    print(f"run {asked.run}: {len(files)} files are in {asked.inbox}")


if __name__ == "__main__":
    main()
