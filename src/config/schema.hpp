#pragma once
// A strict binding between YAML keys and the fields of plain structs. One line declares a key: its name, the field,
// what it means and which values are allowed. The same declaration reads files, checks them, suggests the nearest key
// and prints the documented resolved configuration.
//
//   Section root("", "");
//   root.value("seed", &config.seed, "seed of everything random");
//   Section& train = root.section("train", "training");
//   train.value("steps", &config.train.steps, "generator updates", at_least(0));
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace ddls::config {

// What a value may be. Words are for texts (and elements of text lists); bounds for numbers (and their lists). Numbers
// are always finite.
struct Allowed {
  std::optional<double> min = {}, max = {};
  bool min_open = false, max_open = false;
  std::vector<std::string> words = {};
  std::optional<int64_t> automatic = {};  // the integer that the word `auto` stands for; outside the bounds
  bool path = false;  // a text that names a file or folder; made absolute, from the folder of the file it stands in
  bool one_or_list = false;  // of a list of texts: one stands for a list of it, an empty one for none
};
Allowed any_value();
Allowed at_least(double min);
Allowed at_least_or_auto(double min, int64_t automatic);
Allowed above(double min);
Allowed between(double min, double max);         // both ends belong to it
Allowed at_least_below(double min, double max);  // [min, max)
Allowed inside(double min, double max);          // (min, max)
Allowed one_of(std::vector<std::string> words);
Allowed a_path();
Allowed a_path_or_several();
Allowed one_of_or_path(std::vector<std::string> words);  // what is no word is a path, and has a . or / in it

using FieldPointer = std::variant<bool*, int64_t*, uint64_t*, double*, std::string*, std::vector<int64_t>*,
                                  std::vector<double>*, std::vector<std::string>*>;

struct Field {
  std::string name, doc;
  FieldPointer target;
  Allowed allowed;
  std::string place = {};  // where the value was set last ("a.yaml:12:3", "--set x=1"); empty: the default
  // Added after runs had been stored whose keys hold the text of a configuration: at its default it stays out of keys,
  // so that those runs can still be taken up (print_yaml with `defaults`).
  bool later = false;
};

// "an integer >= 1", "one of: mlp, dcgan", "a list of numbers > 0"; `element`: of one of the list
std::string expected_text(const Field& field, bool element = false);

class Section {
 public:
  Section(std::string name, std::string doc) : name_(std::move(name)), doc_(std::move(doc)) {}
  Field& value(std::string name, FieldPointer target, std::string doc,
               Allowed allowed = any_value());  // until the next
  Section& section(std::string name, std::string doc);

  const std::string& name() const { return name_; }
  const std::string& doc() const { return doc_; }
  const std::vector<Field>& fields() const { return fields_; }
  std::vector<Field>& fields() { return fields_; }
  const std::vector<std::unique_ptr<Section>>& sections() const { return sections_; }

 private:
  std::string name_, doc_;
  std::vector<Field> fields_;
  std::vector<std::unique_ptr<Section>> sections_;
};

// A complaint is one line: "configs/a.yaml:12:3: train.stesp: unknown key; did you mean 'steps'?".
struct ConfigProblem {
  std::string place, key, message;  // the key is empty where the whole file is meant
  std::string text() const;
};

// A combination of values that is refused, which no range of one value can say. `keys`: the one complained about, then
// its partners; the problem is placed at the first of them that was set.
struct Conflict {
  std::vector<std::string> keys;
  std::string message;
};

// The nearest of `known` by edit distance (a swap of neighbours counts once), if near enough to be a slip.
std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& known);

// Reads `yaml_text` into the fields of `root`. Collects every problem instead of stopping at the first; a field with a
// problem keeps its value.
// `file` names the text in messages; relative paths are resolved against its folder.
void read_yaml(Section& root, const std::string& yaml_text, const std::string& file,
               std::vector<ConfigProblem>& problems);
// One "path.to.key=value": value in YAML syntax, for a text also nothing at all. Place is "--set path.to.key=value";
// relative paths count from the working directory.
void read_override(Section& root, const std::string& assignment, std::vector<ConfigProblem>& problems);
// YAML text with every key, its value and its documentation as a comment; reading it back gives the same values.
std::string print_yaml(const Section& root, bool comments = true);
// The text that stands in keys: without comments, and without `later` fields that are as in `defaults`, the same
// section of another configuration.
std::string print_key(const Section& root, const Section& defaults);
// A line "path.to.key: FROM -> TO" for every value that differs; both of one program.
std::string print_differences(const Section& from, const Section& to);

}  // namespace ddls::config
