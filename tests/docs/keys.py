"""keys.py PAGE FOLDER...: the files below FOLDERs against the tables of PAGE (docs/formats.md).

  - every key of a file that a table is for is listed there
  - a key that is listed as `always` is in every object that could hold it
  - every listed key was met in some file, but for those named on standard input (KEY, or FILE-PATTERN:KEY), one a line: a key
    that no program writes any more would stay on the page for ever

A table begins with <!-- keys: FILE-PATTERN -->; its rows are | `key` | always, may or like KEY | unit | meaning |. `*` is any
name, `[]` an element of a list; `like KEY` takes the rows below KEY of report.json.
"""
import fnmatch
import json
import os
import re
import sys

ROW = re.compile(r"^\| `([^`]+)` \| ([^|]*) \|")


def parts(key):
    return key.replace("[]", ".[]").split(".")


def tables_of(page):
    tables, rows = {}, None
    with open(page, encoding="utf-8") as lines:
        for line in lines:
            if found := re.match(r"<!-- keys: (\S+) -->", line):
                rows = tables[found[1]] = {}
            elif not line.startswith("|"):
                rows = None
            elif rows is not None and (row := ROW.match(line)):
                rows[row[1]] = row[2].strip()
    plain = {key: kind for key, kind in tables["report.json"].items() if not kind.startswith("like ")}
    for rows in tables.values():
        for key, kind in list(rows.items()):
            if not kind.startswith("like "):
                continue
            source = kind.removeprefix("like ")
            if source not in plain:
                sys.exit(f"{page}: {key} is like {source}, which has no row")
            rows[key] = "may"
            rows.update({key + other[len(source):]: f"{state} of {other}" for other, state in plain.items()
                         if other.startswith((source + ".", source + "["))})
    return tables


class Files:
    def __init__(self, tables):
        self.tables = {name: {key: (parts(key), kind) for key, kind in rows.items()} for name, rows in tables.items()}
        self.problems, self.met, self.read = set(), set(), {name: 0 for name in tables}

    @staticmethod
    def same(pattern, path):
        return len(pattern) == len(path) and all((a == b == "[]") or (a != "[]" and b != "[]" and fnmatch.fnmatchcase(b, a))
                                                 for a, b in zip(pattern, path))

    def walk(self, table, path, value, where):
        if isinstance(value, list):
            for item in value:
                self.walk(table, path + ["[]"], item, where)
        if not isinstance(value, dict):
            return
        for key, inner in value.items():
            self.key(table, path + [key], where)
            self.walk(table, path + [key], inner, where)
        for row, (pattern, kind) in self.tables[table].items():
            if kind.startswith("always") and self.same(pattern[:-1], path) and pattern[-1] not in value:
                self.problems.add(f"{where}: '{row}' is always there, says the page, and it is not")

    def key(self, table, path, where):
        found = False
        for row, (pattern, kind) in self.tables[table].items():
            if self.same(pattern, path):
                found = True
                self.met.add(("report.json", kind.partition(" of ")[2]) if " of " in kind else (table, row))
            elif len(pattern) > len(path) and "*" in pattern[len(path) - 1] and self.same(pattern[:len(path)], path):
                found = True  # any name, and this is one: `methods.*.count` lists methods.ddls
        if not found:
            self.problems.add(f"{where}: {'.'.join(path)} is not listed for {table}")

    def file(self, path, name):
        """`name`: the path from the run's folder."""
        for table in self.tables:
            if not fnmatch.fnmatchcase(name if "/" in table else os.path.basename(name), table):
                continue
            self.read[table] += 1
            with open(path, encoding="utf-8") as file:
                objects = [json.loads(line) for line in file] if name.endswith(".jsonl") else [json.load(file)]
            for value in objects:
                self.walk(table, [], {value["phase"]: value} if table == "metrics.jsonl" else value, name)


def main(page, folders, excused):
    tables = tables_of(page)
    files = Files(tables)
    for top in folders:
        for folder, _, names in os.walk(top):
            for name in names:
                path = os.path.join(folder, name)
                if name.endswith((".json", ".jsonl")):
                    files.file(path, os.path.relpath(path, top))
    problems = sorted(files.problems)
    problems += [f"no file was read for the table {name}" for name, count in files.read.items() if count == 0]
    for table, rows in tables.items():
        for key, kind in rows.items():
            is_excused = key in excused or f"{table}:{key}" in excused
            if " of " not in kind and (table, key) not in files.met and not key.endswith("[]"):
                if not is_excused:
                    problems.append(f"{key} is listed for {table}, but no file of these runs holds it")
            elif is_excused and (table, key) in files.met:
                problems.append(f"{key} of {table} was excused, and it is there")
    print("\n".join(problems) or f"{sum(files.read.values())} files hold the keys that {page} lists")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:], set(sys.stdin.read().split())))
