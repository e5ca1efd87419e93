#include "config/load.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "unit/config/walk_options.hpp"

namespace ddls::config::print_test {
namespace {

using test::WalkOptions;
using test::with_samplers;

// Another value for a field, one that its range allows.
struct Change {
  const Allowed& allowed;
  void operator()(bool* p) const { *p = !*p; }
  void operator()(uint64_t* p) const { *p += 1'000'003; }
  void operator()(int64_t* p) const { *p = another(*p); }
  void operator()(double* p) const { *p = another(*p); }
  void operator()(std::string* p) const { *p = another(*p); }
  template <typename T>
  void operator()(std::vector<T>* p) const {
    if (p->empty()) p->push_back(T{});
    for (T& value : *p) value = another(value);
  }
  int64_t another(int64_t value) const {
    if (!allowed.max) return value + 3;
    const auto max = static_cast<int64_t>(*allowed.max);
    return value == max ? max - 1 : max;
  }
  double another(double value) const { return allowed.max ? (*allowed.max - value) * 0.77 : value + 1.0 / 3; }
  std::string another(const std::string& value) const {
    if (allowed.path) return "/some where/" + value;
    if (allowed.words.empty()) return value + "-x2";
    return allowed.words.back() == value ? allowed.words.front() : allowed.words.back();
  }
};

int64_t change_all(Section& section) {
  int64_t fields = 0;
  for (Field& field : section.fields()) std::visit(Change{field.allowed}, field.target), ++fields;
  for (const auto& child : section.sections()) fields += change_all(*child);
  return fields;
}

void expect_all_differ(const Section& a, const Section& b) {
  for (size_t i = 0; i < a.fields().size(); ++i) {
    std::visit([&](auto* p) { EXPECT_NE(*p, *std::get<decltype(p)>(b.fields()[i].target)) << a.fields()[i].name; },
               a.fields()[i].target);
  }
  for (size_t i = 0; i < a.sections().size(); ++i) expect_all_differ(*a.sections()[i], *b.sections()[i]);
}

TEST(Print, EveryFieldReadsBack) {
  Config defaults = with_samplers(), changed = with_samplers();
  Section defaults_root("", ""), root("", "");
  bind(defaults_root, defaults);
  bind(root, changed);
  EXPECT_GT(change_all(root), 60);
  expect_all_differ(defaults_root, root);
  for (const bool comments : {true, false}) {
    Config again = with_samplers();
    Section again_root("", "");
    bind(again_root, again);
    std::vector<ConfigProblem> problems;
    const std::string yaml = to_yaml(changed, comments);
    read_yaml(again_root, yaml, "elsewhere/config.yaml", problems);
    EXPECT_TRUE(problems.empty()) << problems[0].text();
    expect_all_differ(defaults_root, again_root);
    EXPECT_EQ(to_yaml(again, comments), yaml);
  }
}

TEST(Print, EveryKeyIsDocumented) {
  const auto visit = [](const auto& self, const Section& section, const std::string& prefix) -> void {
    std::vector<std::string> names;
    for (const Field& field : section.fields()) {
      EXPECT_FALSE(field.doc.empty()) << prefix << field.name;
      names.push_back(field.name);
    }
    for (const auto& child : section.sections()) {
      EXPECT_FALSE(child->doc().empty()) << prefix << child->name();
      names.push_back(child->name());
      self(self, *child, prefix + child->name() + ".");
    }
    std::sort(names.begin(), names.end());
    EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end()) << prefix;
  };
  Config config = with_samplers();
  Section root("", "");
  bind(root, config);
  visit(visit, root, "");
}

// Keys without those options that were added later and have their default.
TEST(Print, DifferencesAreThoseAlone) {
  Config from, to;
  EXPECT_EQ(differences(from, to), "");
  to.seed = 7;
  to.train.shards = 2;
  to.train.generator.lr = 0.25;
  to.data.train = "a set";
  EXPECT_EQ(
      differences(from, to),
      fmt::format("seed: {} -> 7\ndata.train: \"\" -> \"a set\"\ntrain.shards: auto -> 2\ntrain.generator.lr: {} -> "
                  "0.25\n",
                  from.seed, from.train.generator.lr));
}

TEST(Print, KeysHoldLaterOptionsWhereTheyAreSet) {
  Config config = with_samplers();
  EXPECT_EQ(key_text(config).find("alpha:"), std::string::npos);
  config.data.alpha = "black";
  EXPECT_NE(key_text(config).find("\n  alpha: black\n"), std::string::npos);
  config.sample.options_of("mala").as<WalkOptions>().steps = 77;
  EXPECT_NE(key_text(config).find("\n  mala:\n    steps: 77\n"), std::string::npos);
}

}  // namespace
}  // namespace ddls::config::print_test
