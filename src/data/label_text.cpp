#include "data/label_text.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "base/json.hpp"
#include "base/json_text.hpp"

namespace ddls::data {
namespace {

LabelText label_of_text(std::string_view text) {
  constexpr size_t longest_name = 200;
  const size_t first = text.find_first_not_of(" \t\r\n"), last = text.find_last_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {.problem = "holds no label"};
  text = text.substr(first, last - first + 1);
  int64_t number = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (end == text.data() + text.size()) {
    if (error == std::errc() && number >= 0) return {.number = number};
    return {.problem = fmt::format("holds the label {}, which is no class number", text)};
  }
  if (text.size() > longest_name || text.find_first_of(std::string_view("\0\n", 2)) != std::string_view::npos)
    return {.problem = "holds no class number and no class name"};
  return {.name = std::string(text)};
}

// JSON has no word for NaN and infinities; Python writes them all the same.
std::string without_nan(std::string_view text) {
  std::string result;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (quoted && text[i] == '\\' && i + 1 < text.size()) {  // an escaped quote ends nothing
      result += text.substr(i++, 2);
      continue;
    }
    if (text[i] == '"') quoted = !quoted;
    size_t word = 0;
    for (const std::string_view name : {"NaN", "-Infinity", "Infinity"})
      if (!quoted && word == 0 && text.substr(i).starts_with(name)) word = name.size();
    if (word > 0) {
      result += "null";
      i += word - 1;
    } else {
      result += text[i];
    }
  }
  return result;
}

LabelText label_of_value(const Json& value) {
  if (value.is_null()) return {};
  if (value.is_string()) return label_of_text(value.get<std::string>());
  if (value.is_number_integer() && value.get<int64_t>() >= 0) return {.number = value.get<int64_t>()};
  if (value.is_number_float()) {
    const double number = value.get<double>();
    if (number >= 0 && number < 1e15 && std::floor(number) == number) return {.number = static_cast<int64_t>(number)};
  }
  return {.problem = value.is_structured() ? fmt::format("gives a label that is of the type {}", value.type_name())
                                           : fmt::format("gives the label {}, which is no class", json_text(value))};
}

}  // namespace

LabelText label_of_cls(std::string_view content) { return label_of_text(content); }

LabelText label_of_json(std::string_view content) {
  Json object = Json::parse(content, nullptr, /*allow_exceptions=*/false);
  if (object.is_discarded()) object = Json::parse(without_nan(content), nullptr, false);
  if (object.is_discarded()) return {.problem = "is no JSON"};
  if (!object.is_object()) return {};
  for (const char* key : {"label", "cls"})
    if (const auto found = object.find(key); found != object.end() && !found->is_null()) return label_of_value(*found);
  return {};
}

}  // namespace ddls::data
