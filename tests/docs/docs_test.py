"""docs_test.py REPOSITORY: what the documentation and the comments point at is there.

  - every *.md that a source, script, test or configuration names is in the repository, with the section or equation
  - relative links of *.md files resolve, anchors included
  - paths in backticks that begin with a folder of the repository exist
  - every fenced block names its language; a block of commands (`sh`) also says whether a test runs it:
      sh run            tests/e2e/formats_test.sh executes it as it stands
      sh run-by=FILE    a test or script of the repository that runs the same command, at a smaller size
      sh not-run        no test runs it: too long, or not possible here
  - comments of C++ files keep to the width of .clang-format, which does not break them
"""
import os
import re
import subprocess
import sys

CODE = ("src", "tests", "launch", "bench", "tools", "configs", "cmake", "examples", "CMakeLists.txt")
COMMAND = re.compile(r"^\s*(\$ |sudo |\./|time |mpirun |srun |sbatch |ddls_dist |build/|launch/|bench/|tests/|python3? |"
                     r"pip |cmake |ctest |ninja |git |apt-get |export |[A-Z_]+=\S+ )")
IN_REPOSITORY = re.compile(r"^(src|tests|launch|bench|tools|configs|cmake|examples|docs)/[\w./-]*\w$")


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def slug(heading):
    """The anchor that GitHub makes of a heading."""
    text = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", lambda m: m.group(1) or "", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def without_fences(text):
    return re.sub(r"^```.*?^```[^\n]*$", "", text, flags=re.M | re.S)


def headings(text):
    return re.findall(r"^#+ (.*)$", without_fences(text), re.M)


def one_line(text):
    """Comments over several lines as one, so that a citation may be broken."""
    return re.sub(r"\s*\n\s*(//|#)?\s*", " ", text)


class Checker:
    def __init__(self, root):
        self.root, self.problems = root, []
        listed = subprocess.run(["git", "-C", root, "ls-files", "--cached", "--others", "--exclude-standard"],
                                capture_output=True, text=True, check=False).stdout.split("\n")
        self.files = [f for f in listed if f and os.path.isfile(os.path.join(root, f))]
        if not self.files:  # a checkout without git
            self.files = [os.path.relpath(os.path.join(folder, name), root) for folder, folders, names in os.walk(root)
                          for name in names if not re.search(r"/(\.|build)", folder[len(root):] + "/")]

    def problem(self, file, text):
        self.problems.append(f"{file}: {text}")

    def path(self, file):
        return os.path.join(self.root, file)

    def page_of(self, file, name):
        """The page that `name` in `file` means: from the root, or beside the file."""
        for place in (name, os.path.join(os.path.dirname(file), name)):
            if os.path.normpath(place) in self.files:
                return os.path.normpath(place)
        return None

    def citation(self, file, page, rest):
        text = read(self.path(page))
        if section := re.match(r",? section (\d+)", rest):
            if not any(h.startswith(section[1] + ". ") for h in headings(text)):
                self.problem(file, f"{page} has no section {section[1]}")
        elif equation := re.match(r",? equations? (\d+)(?: to (\d+))?", rest):
            for number in filter(None, equation.groups()):
                if f"({number})" not in text:
                    self.problem(file, f"{page} has no equation {number}")
        elif title := re.match(r', "([^"]+)"', rest):
            if title[1] not in headings(text):
                self.problem(file, f"{page} has no heading '{title[1]}'")
        elif anchor := re.match(r"#([\w-]+)", rest):
            if anchor[1] not in map(slug, headings(text)):
                self.problem(file, f"{page} has no heading #{anchor[1]}")

    def comments(self):
        for file in self.files:
            if not file.startswith(CODE) or file.endswith((".md", ".npz", ".npy", ".png", ".pt")):
                continue
            if file == "tests/docs/docs_test.py":
                continue
            text = one_line(read(self.path(file)))
            for found in re.finditer(r"(?<![\w*/.])(?:\$\w+/)?([\w./-]*\w\.md)\b(.{0,80})", text):
                page = self.page_of(file, found[1])
                if page is None:
                    self.problem(file, f"names {found[1]}, which is not in the repository")
                else:
                    self.citation(file, page, found[2])

    def widths(self):
        limit = re.search(r"ColumnLimit: (\d+)", read(self.path(".clang-format")))
        for file in self.files:
            if limit and file.endswith((".hpp", ".cpp", ".cu")):
                for number, line in enumerate(read(self.path(file)).split("\n"), 1):
                    if len(line) > int(limit[1]) and re.match(r"\s*//", line):
                        self.problem(file, f"line {number}: a comment of {len(line)} columns, more than {limit[1]}")

    def links(self, file, text):
        for target in re.findall(r"\]\(([^)\s]+)\)", without_fences(text)):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            page = os.path.normpath(os.path.join(os.path.dirname(file), name)) if name else file
            if not os.path.exists(self.path(page)):
                self.problem(file, f"link to {target}: there is no {page}")
            elif anchor and anchor not in map(slug, headings(read(self.path(page)))):
                self.problem(file, f"link to {target}: {page} has no such heading")

    def paths(self, file, text):
        for quoted in re.findall(r"`([^`\n]+)`", without_fences(text)):
            word = quoted.split()[0].removeprefix("./")
            if IN_REPOSITORY.match(word) and not os.path.exists(self.path(word)):
                self.problem(file, f"`{word}` is not in the repository")

    def fences(self, file, text):
        for info, body in re.findall(r"^```([^\n]*)\n(.*?)^```\s*$", text, re.M | re.S):
            language, _, how = info.strip().partition(" ")
            first = body.strip().split("\n")[0]
            if not language:
                self.problem(file, f"a block names no language: {first}")
            elif language == "sh":
                by = how.removeprefix("run-by=")
                if how not in ("run", "not-run") and not (by != how and by in self.files):
                    self.problem(file, f"commands that say neither run, not-run nor run-by=FILE: {first}")
            elif language == "text" and COMMAND.match(first) and "  " not in first.strip():
                self.problem(file, f"commands in a block of plain text: {first}")
            elif language in ("bash", "shell", "console"):
                self.problem(file, f"commands are written as ```sh, not ```{language}: {first}")

    def run(self):
        self.comments()
        self.widths()
        for file in self.files:
            if file.endswith(".md"):
                text = read(self.path(file))
                for check in (self.links, self.paths, self.fences):
                    check(file, text)
        print("\n".join(self.problems) or f"{len(self.files)} files: all that is named is there")
        return bool(self.problems)


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[2] == "--commands":  # the blocks to run, one after the other
        for file in sorted(Checker(sys.argv[1]).files):
            if file.endswith(".md"):
                for block in re.findall(r"^```sh run\n(.*?)^```\s*$", read(os.path.join(sys.argv[1], file)), re.M | re.S):
                    print(f"# {file}\n{block}")
        sys.exit(0)
    sys.exit(Checker(sys.argv[1]).run())
