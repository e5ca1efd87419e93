#include "config/schema.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace ddls::config::schema_test {
namespace {

struct Values {
  bool flag = false;
  int64_t count = 7, parts = -1;
  uint64_t seed = 1;
  double size = 0.5;
  std::string word = "mlp", text = "t", path;
  std::vector<int64_t> widths{1, 2};
  std::vector<double> sweep;
  std::vector<std::string> methods{"a"};
};

class Schema : public testing::Test {
 protected:
  Schema() {
    root_.value("flag", &v_.flag, "a flag");
    root_.value("count", &v_.count, "a count", at_least(1));
    root_.value("seed", &v_.seed, "a seed");
    root_.value("parts", &v_.parts, "parts", at_least_or_auto(0, -1));
    Section& inner = root_.section("inner", "more");
    inner.value("size", &v_.size, "a size", at_least_below(0, 1));
    inner.value("word", &v_.word, "a word", one_of({"mlp", "dcgan"}));
    inner.value("text", &v_.text, "a text");
    inner.value("path", &v_.path, "a path", a_path());
    inner.value("widths", &v_.widths, "widths", at_least(1));
    inner.value("sweep", &v_.sweep, "sizes", above(0));
    inner.value("methods", &v_.methods, "methods", one_of({"a", "b"}));
  }

  // The complaints about `yaml`, one per line.
  std::string read(const std::string& yaml, const std::string& file = "f.yaml") {
    std::vector<ConfigProblem> problems;
    read_yaml(root_, yaml, file, problems);
    return texts(problems);
  }
  std::string set(const std::string& assignment) {
    std::vector<ConfigProblem> problems;
    read_override(root_, assignment, problems);
    return texts(problems);
  }
  static std::string texts(const std::vector<ConfigProblem>& problems) {
    std::string out;
    for (const ConfigProblem& p : problems) out += p.text() + "\n";
    return out;
  }

  Values v_;
  Section root_{"", ""};
};

TEST_F(Schema, ReadsEveryKindOfValue) {
  EXPECT_EQ(read("flag: true\n"
                 "count: 12\n"
                 "seed: 18446744073709551615\n"
                 "inner:\n"
                 "  size: 2.5e-1\n"
                 "  word: dcgan\n"
                 "  text: \"5 # x\"\n"
                 "  path: data/x\n"
                 "  widths: [3, 4, 5]\n"
                 "  sweep:\n    - 0.1\n    - 1\n"
                 "  methods: [b, a]\n",
                 "/etc/conf/f.yaml"),
            "");
  EXPECT_TRUE(v_.flag);
  EXPECT_EQ(v_.count, 12);
  EXPECT_EQ(v_.seed, 18446744073709551615u);
  EXPECT_EQ(v_.size, 0.25);
  EXPECT_EQ(v_.word, "dcgan");
  EXPECT_EQ(v_.text, "5 # x");
  EXPECT_EQ(v_.path, "/etc/conf/data/x");
  EXPECT_EQ(v_.widths, (std::vector<int64_t>{3, 4, 5}));
  EXPECT_EQ(v_.sweep, (std::vector<double>{0.1, 1}));
  EXPECT_EQ(v_.methods, (std::vector<std::string>{"b", "a"}));
}

TEST_F(Schema, EmptyTextsAndSectionsChangeNothing) {
  EXPECT_EQ(read(""), "");
  EXPECT_EQ(read("# only a comment\n"), "");
  EXPECT_EQ(read("inner:\n  # nothing set\ncount: 3\n"), "");
  EXPECT_EQ(v_.count, 3);
}

TEST_F(Schema, Integers) {
  EXPECT_EQ(read("count: 1e4"), "");
  EXPECT_EQ(v_.count, 10'000);
  EXPECT_EQ(read("count: +5"), "");
  EXPECT_EQ(v_.count, 5);
  for (const char* bad :
       {"1.5", "1.0", "1e-1", "1e30", "10_000", "0x10", "x", "\"5\"", "true", "9223372036854775808", ".inf"})
    EXPECT_NE(read(std::string("count: ") + bad), "") << bad;
  EXPECT_EQ(v_.count, 5);
  EXPECT_EQ(read("count: 1.5"), "f.yaml:1:8: count: expected an integer >= 1, got '1.5'\n");
  EXPECT_EQ(read("seed: -1"), "f.yaml:1:7: seed: expected an integer >= 0, got '-1'\n");
  EXPECT_EQ(read("seed: -1e0"), "f.yaml:1:7: seed: expected an integer >= 0, got '-1e0'\n");
}

TEST_F(Schema, NumbersAreFiniteAndInRange) {
  for (const char* bad : {".nan", "nan", ".inf", "inf", "1e999", "abc", "\"0.5\"", "0,5"})
    EXPECT_EQ(read(std::string("inner:\n  size: ") + bad).substr(0, 30), "f.yaml:2:9: inner.size: expect") << bad;
  EXPECT_EQ(read("inner:\n  size: 1\n"), "f.yaml:2:9: inner.size: expected a number in [0, 1), got '1'\n");
  EXPECT_EQ(read("inner:\n  size: -0.1\n"), "f.yaml:2:9: inner.size: expected a number in [0, 1), got '-0.1'\n");
  EXPECT_EQ(read("inner:\n  size: 0\n"), "");
  EXPECT_EQ(v_.size, 0);
}

TEST_F(Schema, BooleansAreTrueOrFalse) {
  EXPECT_EQ(read("flag: yes"), "f.yaml:1:7: flag: expected true or false, got 'yes'; write true\n");
  EXPECT_EQ(read("flag: 1"), "f.yaml:1:7: flag: expected true or false, got '1'; write true\n");
  EXPECT_EQ(read("flag: \"true\""),
            "f.yaml:1:7: flag: expected true or false, got 'true'; write true, without quotes\n");
}

TEST_F(Schema, ListsNameTheElement) {
  EXPECT_EQ(read("inner:\n  widths: [1, 0, x]\n"),
            "f.yaml:2:15: inner.widths[1]: expected an integer >= 1, got '0'\n"
            "f.yaml:2:18: inner.widths[2]: expected an integer >= 1, got 'x'\n");
  EXPECT_EQ(v_.widths, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(read("inner:\n  widths: 5\n"),
            "f.yaml:2:11: inner.widths: expected a list of integers >= 1, got '5'; write [5]\n");
  EXPECT_EQ(read("inner:\n  methods: [a, c]\n"),
            "f.yaml:2:16: inner.methods[1]: expected one of: a, b, got 'c'; did you mean 'a'?\n");
  EXPECT_EQ(read("inner: {widths: []}"), "");
  EXPECT_TRUE(v_.widths.empty());
}

TEST_F(Schema, OneTextStandsForAListOfItWhereThatIsAllowed) {
  std::vector<std::string> files{"old"};
  Section root("", "");
  root.value("file", &files, "files", a_path_or_several()).later = true;
  const auto read_text = [&](const std::string& yaml) {
    std::vector<ConfigProblem> problems;
    read_yaml(root, yaml, "/there/f.yaml", problems);
    return texts(problems);
  };
  EXPECT_EQ(read_text("file: x.pt\n"), "");
  EXPECT_EQ(files, std::vector<std::string>{"/there/x.pt"});
  EXPECT_EQ(print_yaml(root, false), "file: /there/x.pt\n");  // as before there were lists
  EXPECT_EQ(read_text("file: [x.pt, /y.pt]\n"), "");
  EXPECT_EQ(files, (std::vector<std::string>{"/there/x.pt", "/y.pt"}));
  EXPECT_EQ(print_yaml(root, false), "file: [/there/x.pt, /y.pt]\n");
  EXPECT_NE(read_text("file: {x: 1}\n").find("expected a path, or a list of paths"), std::string::npos);
  EXPECT_EQ(read_text("file: \"\"\n"), "");
  EXPECT_TRUE(files.empty());
  EXPECT_EQ(print_yaml(root, false), "file: \"\"\n");
}

TEST_F(Schema, WrongShapes) {
  EXPECT_EQ(read("inner: 5"),
            "f.yaml:1:8: inner: expected keys and values, got '5'; write inner: {size: VALUE, ...}\n");
  EXPECT_EQ(read("count: [1]"), "f.yaml:1:8: count: expected an integer >= 1, got a list; write 1, without brackets\n");
  EXPECT_EQ(read("count: {a: 1}"),
            "f.yaml:1:8: count: expected an integer >= 1, got keys and values; write count: VALUE\n");
  EXPECT_EQ(read("count:\n"),
            "f.yaml:1:1: count: expected an integer >= 1, got nothing; write a value, or leave the key out\n");
  EXPECT_EQ(
      read("inner:\n  text:\n"),
      "f.yaml:2:3: inner.text: expected a text, got nothing; write \"\" for an empty text, or leave the key out\n");
  EXPECT_EQ(read("- a\n- b\n"), "f.yaml:1:1: expected keys and values, got a list; write lines such as flag: VALUE\n");
  EXPECT_EQ(read("[a]: 5"), "f.yaml:1:1: expected a key, got a list; write KEY: VALUE\n");
}

// What follows "got ..." in the one complaint.
TEST_F(Schema, WhatToWriteInstead) {
  const auto advice = [&](const std::string& key, const std::string& value) {
    const std::string all =
        key == "count" || key == "flag" ? read(key + ": " + value) : read("inner: {" + key + ": " + value + "}");
    const size_t got = all.find(", got "), begin = all.find(';', got);
    return begin == all.npos ? std::string() : all.substr(begin, all.size() - 1 - begin);
  };
  const std::pair<const char*, std::vector<std::pair<const char*, const char*>>> cases[] = {
      {"methods",
       {{"a", "; write [a]"},
        {"\"a,b\"", "; write [a, b]"},
        {"A b", "; write [a, b]"},
        {"nonsense", "; write it in brackets: [VALUE, ...]"},
        {"", "; write [VALUE, ...], or leave the key out"},
        {"{a: b}", "; write methods: [VALUE, ...]"},
        {"[[a]]", "; write a, without brackets"},
        {"[{a: b}]", "; write VALUE"},
        {"[a, ]", ""},
        {"[~]", "; write a value, or end the list before it"},
        {"[B]", "; did you mean 'b'?"}}},
      {"widths",
       {{"\"1,2\"", "; write [1, 2]"}, {"1 2 x", "; write it in brackets: [VALUE, ...]"}, {"\"5\"", "; write [5]"}}},
      {"word",
       {{"[mlp]", "; write mlp, without brackets"},
        {"MLP", "; did you mean 'mlp'?"},
        {"[mlp, dcgan]", "; write one value, without brackets"}}},
      {"size",
       {{"\"0.5\"", "; write 0.5, without quotes"},
        {"\"0,5\"", "; write 0.5"},
        {"[0.5]", "; write 0.5, without brackets"},
        {"7", ""}}},
      {"flag",
       {{"Yes", "; write true"},
        {"off", "; write false"},
        {"0", "; write false"},
        {"[true]", "; write true, without brackets"},
        {"maybe", ""}}},
      {"count",
       {{"10_000", "; write 10000"},
        {"\"10,000\"", "; write 10000"},
        {"20k", "; write 20e3"},
        {"5.0", "; write 5"},
        {"1.5", ""},
        {"0", ""},
        {"\"0\"", ""}}}};
  for (const auto& [key, values] : cases)
    for (const auto& [value, expected] : values) EXPECT_EQ(advice(key, value), expected) << key << ": " << value;
}

TEST_F(Schema, UnknownKeysGetASuggestion) {
  EXPECT_EQ(read("cuont: 5"), "f.yaml:1:1: cuont: unknown key; did you mean 'count'?\n");
  EXPECT_EQ(read("inner:\n  wrod: mlp\n"), "f.yaml:2:3: inner.wrod: unknown key; did you mean 'word'?\n");
  EXPECT_EQ(read("widths: [1]"), "f.yaml:1:1: widths: unknown key; did you mean 'inner.widths'?\n");
  EXPECT_EQ(read("zzzzzzz: 1"), "f.yaml:1:1: zzzzzzz: unknown key; known here: flag, count, seed, parts, inner\n");
  EXPECT_EQ(read("inner: {word: mpl}"),
            "f.yaml:1:15: inner.word: expected one of: mlp, dcgan, got 'mpl'; did you mean 'mlp'?\n");
}

TEST_F(Schema, DuplicateKeys) {
  EXPECT_EQ(read("count: 2\nflag: true\ncount: 3\n"), "f.yaml:3:1: count: given twice; first in line 1\n");
  EXPECT_EQ(read("inner: {size: 0.1}\ninner: {word: mlp}\n"), "f.yaml:2:1: inner: given twice; first in line 1\n");
}

TEST_F(Schema, AllProblemsOfATextAtOnce) {
  EXPECT_EQ(read("cuont: 5\n"
                 "flag: maybe\n"
                 "inner:\n"
                 "  size: 2\n"
                 "  word: 5\n"
                 "  widths: [0]\n"
                 "count: 3\n"),
            "f.yaml:1:1: cuont: unknown key; did you mean 'count'?\n"
            "f.yaml:2:7: flag: expected true or false, got 'maybe'\n"
            "f.yaml:4:9: inner.size: expected a number in [0, 1), got '2'\n"
            "f.yaml:5:9: inner.word: expected one of: mlp, dcgan, got '5'\n"
            "f.yaml:6:12: inner.widths[0]: expected an integer >= 1, got '0'\n");
  EXPECT_EQ(v_.count, 3);
}

TEST_F(Schema, TextThatIsNotYaml) {
  EXPECT_EQ(read("count: 5\ninner: [1, 2\n"), "f.yaml:3:1: not valid YAML: end of sequence flow not found\n");
  EXPECT_EQ(read("count: 5\n---\ncount: 6\n"), "f.yaml:3:1: a second YAML document; one is expected\n");
  EXPECT_EQ(read("count: 5\n---\n"), "f.yaml:3:1: a second YAML document; one is expected\n");
}

// yaml-cpp's own loop over documents does not end on any of them.
TEST_F(Schema, ACommaWhereADocumentBegins) {
  EXPECT_EQ(read(",count: 5"), "f.yaml:1:1: not valid YAML: a key or a value is expected here\n");
  EXPECT_EQ(read("\n , {"), "f.yaml:2:2: not valid YAML: a key or a value is expected here\n");
  EXPECT_EQ(read("'count' ,5"), "f.yaml:1:9: a second YAML document; one is expected\n");
}

TEST_F(Schema, ComplaintsStayOnOneLine) {
  EXPECT_EQ(read("count: \"a\\nb\""), "f.yaml:1:8: count: expected an integer >= 1, got 'a b'\n");
  EXPECT_EQ(read("count: " + std::string(500, 'x')),
            "f.yaml:1:8: count: expected an integer >= 1, got '" + std::string(60, 'x') + "...'\n");
}

TEST_F(Schema, Overrides) {
  EXPECT_EQ(set("count=12"), "");
  EXPECT_EQ(set("inner.size=0.75"), "");
  EXPECT_EQ(set("inner.widths=[9, 8]"), "");
  EXPECT_EQ(set("inner.text=a=b"), "");
  EXPECT_EQ(v_.count, 12);
  EXPECT_EQ(v_.size, 0.75);
  EXPECT_EQ(v_.widths, (std::vector<int64_t>{9, 8}));
  EXPECT_EQ(v_.text, "a=b");
  EXPECT_EQ(set("inner.text="), "");
  EXPECT_EQ(v_.text, "");
  EXPECT_EQ(set("inner={size: 0.125, word: dcgan}"), "");
  EXPECT_EQ(v_.size, 0.125);
  EXPECT_EQ(v_.word, "dcgan");
}

TEST_F(Schema, WrongOverrides) {
  EXPECT_EQ(set("inner.szie=1"), "--set inner.szie=1: inner.szie: unknown key; did you mean 'size'?\n");
  EXPECT_EQ(set("iner.size=0.5"), "--set iner.size=0.5: iner: unknown key; did you mean 'inner'?\n");
  EXPECT_EQ(set("count.x=5"), "--set count.x=5: count: a value, not a section; it has no keys: write count=VALUE\n");
  EXPECT_EQ(set("count=0"), "--set count=0: count: expected an integer >= 1, got '0'\n");
  EXPECT_EQ(set("count="), "--set count=: count: expected an integer >= 1, got ''\n");
  EXPECT_EQ(set("count"), "--set count: expected path.to.key=value\n");
  EXPECT_EQ(set("=5"), "--set =5: expected path.to.key=value\n");
  EXPECT_EQ(set("inner=5"),
            "--set inner=5: inner: expected keys and values, got '5'; write inner: {size: VALUE, ...}\n");
  EXPECT_EQ(set("inner.widths=[1"), "--set inner.widths=[1: not valid YAML: end of sequence flow not found\n");
}

TEST_F(Schema, PrintsWhatItReads) {
  v_.text = "two words: \"#\\ \n\t\x7f é";
  v_.path = "/a/b c";
  v_.size = 0.1 + 0.2;
  v_.seed = std::numeric_limits<uint64_t>::max();
  v_.count = std::numeric_limits<int64_t>::max();
  v_.sweep = {1e-300, 1e22, 5};
  v_.widths = {};
  v_.flag = true;
  const Values before = v_;
  for (const bool comments : {true, false}) {
    const std::string yaml = print_yaml(root_, comments);
    v_ = Values{};
    EXPECT_EQ(read(yaml), "") << yaml;
    EXPECT_EQ(v_.text, before.text);
    EXPECT_EQ(v_.path, before.path);
    EXPECT_EQ(v_.size, before.size);
    EXPECT_EQ(v_.seed, before.seed);
    EXPECT_EQ(v_.count, before.count);
    EXPECT_EQ(v_.sweep, before.sweep);
    EXPECT_EQ(v_.widths, before.widths);
    EXPECT_EQ(v_.flag, before.flag);
  }
  for (const char* text :
       {"null", "~", "true", "No", "5", "", "-", "a: b", "a#b", "[x]", "*x", "'", "plain/path-1.x"}) {
    v_.text = text;
    const std::string yaml = print_yaml(root_);
    v_.text = "?";
    EXPECT_EQ(read(yaml), "") << yaml;
    EXPECT_EQ(v_.text, text);
  }
}

// Runs that were stored before a field was added must go on.
TEST_F(Schema, KeysHoldLaterFieldsOnlyWhereTheyAreSet) {
  const auto key = [](const std::string& word, const std::string& alone, int64_t count) {
    std::string first = "drop", alone_first = "a";
    int64_t older_first = 1, older = count;
    std::string second = word, alone_second = alone;
    const auto bind = [](Section& root, int64_t* old_field, std::string* new_field, std::string* new_section) {
      root.value("older", old_field, "");
      root.value("newer", new_field, "").later = true;
      root.section("section", "").value("only", new_section, "").later = true;
    };
    Section defaults("", ""), root("", "");
    bind(defaults, &older_first, &first, &alone_first);
    bind(root, &older, &second, &alone_second);
    return print_key(root, defaults);
  };
  EXPECT_EQ(key("drop", "a", 1), "older: 1\n");
  EXPECT_EQ(key("black", "a", 2), "older: 2\nnewer: black\n");
  EXPECT_EQ(key("drop", "b", 1), "older: 1\n\nsection:\n  only: b\n");
}

TEST_F(Schema, PrintedText) {
  EXPECT_EQ(print_yaml(root_),
            "flag: false  # a flag; true or false\n"
            "count: 7  # a count; an integer >= 1\n"
            "seed: 1  # a seed; an integer >= 0\n"
            "parts: auto  # parts; an integer >= 0, or auto\n"
            "\n"
            "inner:  # more\n"
            "  size: 0.5  # a size; a number in [0, 1)\n"
            "  word: mlp  # a word; one of: mlp, dcgan\n"
            "  text: t  # a text; a text\n"
            "  path: \"\"  # a path; a path\n"
            "  widths: [1, 2]  # widths; a list of integers >= 1\n"
            "  sweep: []  # sizes; a list of numbers > 0\n"
            "  methods: [a]  # methods; a list of: a, b\n");
}

TEST(Nearest, SlipsAreFoundAndStrangersAreNot) {
  const std::vector<std::string> known{"steps", "batch", "step_size", "lr"};
  EXPECT_EQ(nearest("stesp", known), "steps");
  EXPECT_EQ(nearest("step", known), "steps");
  EXPECT_EQ(nearest("stepsize", known), "step_size");
  EXPECT_EQ(nearest("batches", known), "batch");
  EXPECT_EQ(nearest("l", known), "lr");
  EXPECT_EQ(nearest("widths", known), std::nullopt);
  EXPECT_EQ(nearest("x", {}), std::nullopt);
}

TEST_F(Schema, AutoIsAWordForANumberOutsideTheBounds) {
  EXPECT_NE(print_yaml(root_, false).find("parts: auto\n"), std::string::npos);
  EXPECT_EQ(read("parts: 3"), "");
  EXPECT_EQ(v_.parts, 3);
  EXPECT_NE(print_yaml(root_, false).find("parts: 3\n"), std::string::npos);
  EXPECT_EQ(set("parts=auto"), "");
  EXPECT_EQ(v_.parts, -1);
  EXPECT_EQ(read("parts: -1"), "f.yaml:1:8: parts: expected an integer >= 0, or auto, got '-1'\n");
  EXPECT_EQ(read("count: auto"), "f.yaml:1:8: count: expected an integer >= 1, got 'auto'\n");
}

}  // namespace
}  // namespace ddls::config::schema_test
