"""Print the support table of the README from rfc.txt; `--write` puts it between the README's markers."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
BEGIN, END = "<!-- support table: made by docs/support_table.py -->", "<!-- end of support table -->"


def rows() -> list[list[str]]:
    """The fields of each row of rfc.txt: specification, revision, status, where, brings, what."""
    lines = (HERE / "rfc.txt").read_text(encoding="utf-8").splitlines()
    return [[field.strip() for field in line.split("|")] for line in lines if line and not line.startswith("#")]


def table() -> str:
    """The Markdown table."""
    head = "| specification | revision | works | what |\n|---|---|---|---|"
    body = "\n".join(f"| {spec} | {revision} | {status} | {what} |" for spec, revision, status, _, _, what in rows())
    return f"{head}\n{body}"


def filled(readme: str) -> str:
    """The README with the present table between its markers."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    if "--write" in sys.argv:
        README.write_text(filled(README.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        sys.stdout.write(table() + "\n")
