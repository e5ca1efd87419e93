#include "config/schema.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace ddls::config {
namespace {

// What a field holds, in words for one element and for a list of them.
struct Nouns {
  std::string_view one, many;
};

Nouns nouns_of(const FieldPointer& target) {
  return std::visit(
      [](auto* p) -> Nouns {
        using T = std::remove_pointer_t<decltype(p)>;
        if constexpr (std::is_same_v<T, bool>) return {"true or false", ""};
        if constexpr (std::is_same_v<T, uint64_t>) return {"an integer >= 0", ""};
        if constexpr (std::is_same_v<T, int64_t> || std::is_same_v<T, std::vector<int64_t>>)
          return {"an integer", "integers"};
        if constexpr (std::is_same_v<T, double> || std::is_same_v<T, std::vector<double>>)
          return {"a number", "numbers"};
        return {"a text", "texts"};
      },
      target);
}

bool is_list(const FieldPointer& target) {
  return std::holds_alternative<std::vector<int64_t>*>(target) ||
         std::holds_alternative<std::vector<double>*>(target) ||
         std::holds_alternative<std::vector<std::string>*>(target);
}

std::string bounds_text(const Allowed& a) {
  if (a.min && a.max)
    return fmt::format(" in {}{}, {}{}", a.min_open ? '(' : '[', *a.min, *a.max, a.max_open ? ')' : ']');
  if (a.min) return fmt::format(" {} {}", a.min_open ? ">" : ">=", *a.min);
  if (a.max) return fmt::format(" {} {}", a.max_open ? "<" : "<=", *a.max);
  return "";
}

}  // namespace

Allowed any_value() { return {}; }
Allowed at_least(double min) { return {.min = min}; }
Allowed at_least_or_auto(double min, int64_t automatic) { return {.min = min, .automatic = automatic}; }
Allowed above(double min) { return {.min = min, .min_open = true}; }
Allowed between(double min, double max) { return {.min = min, .max = max}; }
Allowed at_least_below(double min, double max) { return {.min = min, .max = max, .max_open = true}; }
Allowed inside(double min, double max) { return {.min = min, .max = max, .min_open = true, .max_open = true}; }
Allowed one_of(std::vector<std::string> words) { return {.words = std::move(words)}; }
Allowed a_path() { return {.path = true}; }
Allowed a_path_or_several() { return {.path = true, .one_or_list = true}; }
Allowed one_of_or_path(std::vector<std::string> words) { return {.words = std::move(words), .path = true}; }

std::string expected_text(const Field& field, bool element) {
  const bool list = is_list(field.target) && !element;
  if (!field.allowed.words.empty())
    return fmt::format("{}: {}{}", list ? "a list of" : "one of", fmt::join(field.allowed.words, ", "),
                       field.allowed.path ? ", or the path of a file (with a . or /)" : "");
  if (field.allowed.path) return field.allowed.one_or_list && !element ? "a path, or a list of paths" : "a path";
  const Nouns nouns = nouns_of(field.target);
  return (list ? fmt::format("a list of {}", nouns.many) : std::string(nouns.one)) + bounds_text(field.allowed) +
         (field.allowed.automatic ? ", or auto" : "");
}

std::string ConfigProblem::text() const {
  return key.empty() ? fmt::format("{}: {}", place, message) : fmt::format("{}: {}: {}", place, key, message);
}

Field& Section::value(std::string name, FieldPointer target, std::string doc, Allowed allowed) {
  return fields_.emplace_back(Field{std::move(name), std::move(doc), target, std::move(allowed)});
}

Section& Section::section(std::string name, std::string doc) {
  return *sections_.emplace_back(std::make_unique<Section>(std::move(name), std::move(doc)));
}

std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& known) {
  std::optional<std::string> best;
  size_t best_distance = 0;
  for (const std::string& candidate : known) {
    // Rows of the table of distances between prefixes: two back, one back, this one.
    std::vector<size_t> before, above_row(candidate.size() + 1), row(candidate.size() + 1);
    for (size_t j = 0; j <= candidate.size(); ++j) row[j] = j;
    for (size_t i = 1; i <= word.size(); ++i) {
      before = std::exchange(above_row, row);
      row[0] = i;
      for (size_t j = 1; j <= candidate.size(); ++j) {
        const size_t change = above_row[j - 1] + (word[i - 1] != candidate[j - 1]);
        row[j] = std::min({above_row[j] + 1, row[j - 1] + 1, change});
        if (i > 1 && j > 1 && word[i - 1] == candidate[j - 2] && word[i - 2] == candidate[j - 1])
          row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    const size_t limit = std::max<size_t>(1, std::max(word.size(), candidate.size()) / 3);
    if (row.back() <= limit && (!best || row.back() < best_distance)) {
      best = candidate;
      best_distance = row.back();
    }
  }
  return best;
}

}  // namespace ddls::config
