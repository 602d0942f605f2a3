#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""declarations.py: takes out of convnet.h what convnet.py has of it, between two marks: constants, enums, structs,
callbacks and functions, without comments. Without an argument it tells whether they are the same; `--write` makes
them so."""

import difflib
import pathlib
import re
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODULE = ROOT / "python" / "convnet.py"
BEGIN, END = '_DECLARATIONS = """\\\n', '"""  # of convnet.h\n'


def declarations(header):
    """The header's declarations, one after the other, each wrapped to the module's width."""
    text = re.sub(r"/\*.*?\*/", " ", header, flags=re.S).replace("\\\n", " ")
    found = []
    for line in text.splitlines():
        constant = re.match(r"#define (CN_\w+)\s+(\(?-?[\d.]+f?\)?|\{.*\})\s*$", line)
        if constant and not constant[1].startswith("CN_VERSION") and not constant[1].endswith("_INIT"):
            found.append(f"#define {constant[1]} {constant[2]}")
    text = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    text = re.sub(r'extern "C" \{', "", text)
    pattern = r"typedef (?:struct|enum) \w+ \{.*?\} \w+;|typedef [^;{]*;|CN_API [^;{]*;"
    for match in re.findall(pattern, text, flags=re.S):
        if re.match(r"typedef struct (\w+) \1;", " ".join(match.split())):
            continue
        line = re.sub(r"^typedef (?!struct \w+ \w+;)|^CN_API ", "", " ".join(match.split()))
        found.append(re.sub(r"^((?:struct|enum) \w+ \{.*\}) \w+;$", r"\1;", line))
    wrapped = (textwrap.wrap(" ".join(line.split()), 118, subsequent_indent=" ", break_long_words=False,
                             break_on_hyphens=False) for line in found)
    return "".join("\n".join(lines) + "\n" for lines in wrapped)


def main():
    module = MODULE.read_text(encoding="utf-8")
    before, rest = module.split(BEGIN)
    had, after = rest.split(END)
    wanted = declarations((ROOT / "include" / "convnet.h").read_text(encoding="utf-8"))
    if sys.argv[1:] == ["--write"]:
        MODULE.write_text(before + BEGIN + wanted + END + after, encoding="utf-8")
        return 0
    difference = list(difflib.unified_diff(had.splitlines(), wanted.splitlines(), "convnet.py", "convnet.h", lineterm=""))
    print("\n".join(difference + ["python/declarations.py --write brings it up to date"] * bool(difference)), end="")
    return 1 if difference else 0


if __name__ == "__main__":
    sys.exit(main())
