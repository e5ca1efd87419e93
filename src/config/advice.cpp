#include "config/advice.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "config/parse_value.hpp"

namespace ddls::config {
namespace {

// Would this text, as it stands, be an element of the field?
bool is_element(const Field& field, const std::string& text) {
  return std::visit(
      [&](auto* target) {
        using Element = typename ElementOf<std::remove_pointer_t<decltype(target)>>::Type;
        const auto value = parse_text<Element>(text);
        return value && is_allowed(*value, field.allowed);
      },
      field.target);
}

bool holds_text(const Field& field) {
  return std::holds_alternative<std::string*>(field.target) ||
         std::holds_alternative<std::vector<std::string>*>(field.target);
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::string without(std::string text, const std::string& characters) {
  std::erase_if(text, [&](char c) { return characters.find(c) != characters.npos; });
  return text;
}

// 10,000 and 1,234,567
bool is_grouped(const std::string& text) {
  const size_t first = text.find(',');
  if (first == text.npos || first == 0 || first > 3 || (text.size() - first) % 4 != 0) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool comma = i >= first && (i - first) % 4 == 0;
    if (comma ? text[i] != ',' : std::isdigit(static_cast<unsigned char>(text[i])) == 0) return false;
  }
  return true;
}

// Other ways to write a truth or a number, as this reader wants them; the first that fits.
std::vector<std::string> readings_of(const Field& field, const std::string& text) {
  const std::string small = lower(text);
  if (std::holds_alternative<bool*>(field.target)) {
    for (const char* yes : {"true", "yes", "y", "on", "1"})
      if (small == yes) return {"true"};
    for (const char* no : {"false", "no", "n", "off", "0"})
      if (small == no) return {"false"};
    return {};
  }
  if (holds_text(field)) return {small};
  std::vector<std::string> readings{text, without(text, "_ ")};
  if (is_grouped(text)) readings.push_back(without(text, ","));
  std::string point = text;
  std::replace(point.begin(), point.end(), ',', '.');
  readings.push_back(point);
  if (small.ends_with('k')) readings.push_back(small.substr(0, small.size() - 1) + "e3");
  if (small.ends_with('m')) readings.push_back(small.substr(0, small.size() - 1) + "e6");
  if (const size_t zeros = text.find_last_not_of('0'); zeros != text.npos && zeros > 0 && text[zeros] == '.')
    readings.push_back(text.substr(0, zeros));  // 5.0 for an integer
  return readings;
}

std::optional<std::string> meant_by(const Field& field, const std::string& text) {
  for (const std::string& reading : readings_of(field, text))
    if (is_element(field, reading)) return reading;
  if (const auto near = nearest(text, field.allowed.words)) return near;
  return std::nullopt;
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts{""};
  for (const char c : text) {
    if (c != ',' && std::isspace(static_cast<unsigned char>(c)) == 0)
      parts.back() += c;
    else if (!parts.back().empty())
      parts.emplace_back();
  }
  if (parts.back().empty()) parts.pop_back();
  return parts;
}

// A list was expected.
std::string as_list(const Field& field, const std::string& text) {
  const std::string brackets = "; write it in brackets: [VALUE, ...]";
  if (holds_text(field) && field.allowed.words.empty())  // may have commas and spaces of its own
    return brackets;
  std::vector<std::string> values;
  for (const std::string& part : split(text)) {
    const auto value = meant_by(field, part);
    if (!value) return brackets;
    values.push_back(*value);
  }
  return values.empty() ? brackets : fmt::format("; write [{}]", fmt::join(values, ", "));
}

bool quoted(const YAML::Node& node) { return node.Tag() == "!"; }  // yaml-cpp's mark

}  // namespace

std::string advice_for(const Field& field, const YAML::Node& node, bool element) {
  const bool list =
      !element &&
      std::visit([](auto* target) { return ElementOf<std::remove_pointer_t<decltype(target)>>::list; }, field.target);
  if (node.IsNull()) {
    if (element) return "; write a value, or end the list before it";
    if (list) return "; write [VALUE, ...], or leave the key out";
    return holds_text(field) && field.allowed.words.empty() ? "; write \"\" for an empty text, or leave the key out"
                                                            : "; write a value, or leave the key out";
  }
  if (node.IsMap())
    return fmt::format("; write {}{}", element ? "" : field.name + ": ", list ? "[VALUE, ...]" : "VALUE");
  if (node.IsSequence()) {
    const bool one = node.size() == 1 && node[0].IsScalar();
    const auto value = one ? meant_by(field, node[0].Scalar()) : std::nullopt;
    return fmt::format("; write {}, without brackets", value.value_or("one value"));
  }
  const std::string& text = node.Scalar();
  if (list) return as_list(field, text);
  if (is_element(field, text)) return quoted(node) ? fmt::format("; write {}, without quotes", text) : "";
  const auto value = meant_by(field, text);
  if (!value) return {};
  return field.allowed.words.empty() ? fmt::format("; write {}", *value) : fmt::format("; did you mean '{}'?", *value);
}

std::string advice_for(const Section& section, const std::string& path) {
  const std::string first = !section.fields().empty()     ? section.fields().front().name + ": VALUE"
                            : !section.sections().empty() ? section.sections().front()->name() + ": {...}"
                                                          : "KEY: VALUE";
  return path.empty() ? fmt::format("; write lines such as {}", first)
                      : fmt::format("; write {}: {{{}, ...}}", section.name(), first);
}

}  // namespace ddls::config
