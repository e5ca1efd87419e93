#pragma once
// A strict binding between YAML keys and the fields of plain structs. One line declares a key: its name, the field,
// what it means and which values are allowed. The same declaration reads files, checks them, suggests the nearest key
// and prints the documented resolved configuration.
//
//   Schema s;
//   s.top.value("seed", config.seed, "seed of everything random");
//   Section& train = s.top.section("train", "training");
//   train.value("steps", config.train.steps, "generator updates", at_least(0));
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace ddls {

// What a value may be. Words are for texts (and elements of text lists); bounds for numbers (and their lists).
struct Allowed {
  std::optional<double> min, max;
  bool min_open = false;
  std::vector<std::string> words;
  bool path = false;   // a text that names a file: relative ones count from the folder of the file they stand in
  std::string text() const;   // "an integer >= 1", "one of: mlp, dcgan"
};
Allowed any_value();
Allowed at_least(double min);
Allowed above(double min);
Allowed between(double min, double max);
Allowed one_of(std::vector<std::string> words);
Allowed a_path();

using FieldPointer = std::variant<bool*, int64_t*, uint64_t*, double*, std::string*, std::vector<int64_t>*,
                                  std::vector<double>*, std::vector<std::string>*>;

struct Field {
  std::string name, doc;
  FieldPointer target;
  Allowed allowed;
};

class Section {
 public:
  Section(std::string name, std::string doc) : name_(std::move(name)), doc_(std::move(doc)) {}
  void value(std::string name, FieldPointer target, std::string doc, Allowed allowed = any_value());
  Section& section(std::string name, std::string doc);

  const std::string& name() const { return name_; }
  const std::string& doc() const { return doc_; }
  const std::vector<Field>& fields() const { return fields_; }
  const std::vector<std::unique_ptr<Section>>& sections() const { return sections_; }

 private:
  std::string name_, doc_;
  std::vector<Field> fields_;
  std::vector<std::unique_ptr<Section>> sections_;
};

// A place and a complaint: "configs/a.yaml:12:3: train.stesp: unknown key; did you mean 'steps'?"
struct ConfigProblem {
  std::string place, message;
};

// The nearest of `known` by edit distance, if near enough to be a slip.
std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& known);

// Reads `yaml_text` into the fields of `root`. Collects every problem instead of stopping at the first.
// `file` names the text in messages; relative paths are resolved against its folder.
void read_yaml(Section& root, const std::string& yaml_text, const std::string& file, std::vector<ConfigProblem>& problems);
// One "path.to.key=value" (value in YAML syntax). Place is "--set path.to.key=value".
void read_override(Section& root, const std::string& assignment, std::vector<ConfigProblem>& problems);
// YAML text with every key, its value and its documentation as a comment; reading it back gives the same values.
std::string print_yaml(const Section& root, bool comments = true);

}  // namespace ddls
