#include "data/class_names.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/json_text.hpp"

namespace ddls::data {
namespace {

std::optional<int64_t> whole_number(const std::string& text) {
  int64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [last, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc() || last != end || value < 0) return std::nullopt;
  return value;
}

bool all_numbers(const ClassNames& names) {
  return std::ranges::all_of(names, [](const std::string& name) { return whole_number(name).has_value(); });
}

struct Range {
  int64_t first, last;
};

// The span of the numbers that classes with samples have for names; nothing where a name is a word.
std::optional<Range> number_range(const LabelledSet& set) {
  if (!all_numbers(set.class_names)) return std::nullopt;
  std::optional<Range> range;
  for (const int64_t label : classes_with_samples(set.labels)) {
    const int64_t number = whole_number(class_name(set.class_names, label)).value_or(label);
    range = range ? Range{std::min(range->first, number), std::max(range->last, number)} : Range{number, number};
  }
  return range;
}

void refuse_other_base(const LabelledSet& a, const LabelledSet& b) {
  const auto from_0 = number_range(a), from_1 = number_range(b);
  if (from_0 && from_1 && from_0->first == 0 && from_1->first == 1 && from_1->last == from_0->last + 1)
    fail(Exit::data,
         "the classes of '{}' are the numbers 0 to {}, those of '{}' 1 to {}: one of them seems to count from 1; give "
         "both the same numbers",
         a.name, from_0->last, b.name, from_1->last);
}

// `plain` has numbers, `folders` words: the names that the numbers stand for.
ClassNames names_by_order(const LabelledSet& plain, const LabelledSet& folders) {
  const int64_t highest = classes_with_samples(plain.labels).back();
  const auto count = static_cast<int64_t>(folders.class_names.size());
  if (highest >= count)
    fail(Exit::data,
         "'{}' has plain numbers for classes, up to {}, and '{}' only the {} classes {}; what the numbers stand for is "
         "not known: give both sets class folders, or numbers",
         plain.name, highest, folders.name, count, fmt::join(folders.class_names, ", "));
  return folders.class_names;
}

at::Tensor renumbered(const LabelledSet& set, const std::map<std::string, int64_t>& numbers) {
  const int64_t classes = classes_with_samples(set.labels).back() + 1;
  at::Tensor table = at::full({classes}, -1, at::kLong);
  for (const int64_t label : classes_with_samples(set.labels))
    table[label] = numbers.at(class_name(set.class_names, label));
  return table.index_select(0, set.labels);
}

std::string left_out(const LabelledSet& set, const std::vector<int64_t>& classes, const ClassNames& names) {
  if (classes.empty()) return {};
  return fmt::format("; only '{}' has samples of class {}", set.name, list_of_classes(classes, names));
}

// Fills the remark behind what it says already.
void compare(MatchedClasses& matched, const LabelledSet& first, const LabelledSet& second) {
  const std::vector<int64_t> a = classes_with_samples(matched.first), b = classes_with_samples(matched.second);
  std::vector<int64_t> both, only_a, only_b;
  std::ranges::set_intersection(a, b, std::back_inserter(both));
  std::ranges::set_difference(a, b, std::back_inserter(only_a));
  std::ranges::set_difference(b, a, std::back_inserter(only_b));
  if (both.empty())
    fail(Exit::data,
         "'{}' and '{}' have no class in common: {} in the first, {} in the second; classes are matched by name, so "
         "rename the folders, or leave out what compares class with class (intra_fid)",
         first.name, second.name, list_of_classes(a, matched.names), list_of_classes(b, matched.names));
  matched.remark += left_out(first, only_a, matched.names) + left_out(second, only_b, matched.names);
  if (matched.remark.starts_with("; ")) matched.remark.erase(0, 2);
}

}  // namespace

ClassNames names_to_compare(ClassNames names) {
  for (std::string& name : names) name = as_utf8(name);
  if (!all_numbers(names)) return names;
  ClassNames numbers;
  for (const std::string& name : names) numbers.push_back(std::to_string(*whole_number(name)));
  return std::set<std::string>(numbers.begin(), numbers.end()).size() == names.size() ? numbers : names;
}

std::string class_name(const ClassNames& names, int64_t label) {
  const auto at = static_cast<size_t>(label);
  return at < names.size() ? names[at] : std::to_string(label);
}

ClassNames class_names_beside(const fs::path& samples) {
  const fs::path manifest = samples.parent_path() / "manifest.json";
  if (samples.filename() != "samples.npz" || !fs::is_regular_file(manifest)) return {};
  const auto json = nlohmann::json::parse(read_file(manifest), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("class_names") || !json["class_names"].is_array()) return {};
  ClassNames names;
  for (const auto& name : json["class_names"]) {
    if (!name.is_string()) return {};
    names.push_back(name.get<std::string>());
  }
  return names;
}

std::vector<int64_t> classes_with_samples(const at::Tensor& labels) {
  const at::Tensor unique = std::get<0>(at::_unique(labels, /*sorted=*/true)).contiguous();
  return {unique.const_data_ptr<int64_t>(), unique.const_data_ptr<int64_t>() + unique.numel()};
}

std::string list_of_classes(const std::vector<int64_t>& classes, const ClassNames& names) {
  constexpr size_t most = 12;
  std::vector<std::string> parts;
  for (size_t i = 0; i < classes.size();) {
    size_t end = i + 1;
    while (names.empty() && end < classes.size() && classes[end] == classes[end - 1] + 1) ++end;
    if (parts.size() == most) {
      parts.push_back(fmt::format("and {} more", classes.size() - i));
      break;
    }
    if (end - i < 3) end = i + 1;
    const std::string first = class_name(names, classes[i]);
    parts.push_back(end == i + 1 ? first : fmt::format("{} to {}", first, classes[end - 1]));
    i = end;
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

MatchedClasses match_classes(const LabelledSet& first, const LabelledSet& second) {
  MatchedClasses matched{first.labels, second.labels, {}, {}};
  LabelledSet a = first, b = second;
  a.class_names = names_to_compare(std::move(a.class_names));
  b.class_names = names_to_compare(std::move(b.class_names));
  refuse_other_base(a, b);
  refuse_other_base(b, a);
  if (a.class_names.empty() && b.class_names.empty()) return compare(matched, a, b), matched;
  const auto by_order = [&](LabelledSet& plain, const LabelledSet& folders) {
    if (!plain.class_names.empty() || all_numbers(folders.class_names)) return;
    plain.class_names = names_by_order(plain, folders);
    matched.remark = fmt::format(
        "'{}' has plain numbers for classes; they are taken as the classes of '{}' in sorted order (0 is '{}')",
        plain.name, folders.name, folders.class_names.front());
  };
  by_order(a, b);
  by_order(b, a);
  std::map<std::string, int64_t> numbers;
  for (const LabelledSet* set : {&a, &b})
    for (const int64_t label : classes_with_samples(set->labels)) {
      const std::string name = class_name(set->class_names, label);
      if (numbers.try_emplace(name, static_cast<int64_t>(matched.names.size())).second) matched.names.push_back(name);
    }
  matched.first = renumbered(a, numbers);
  matched.second = renumbered(b, numbers);
  compare(matched, first, second);
  return matched;
}

}  // namespace ddls::data
