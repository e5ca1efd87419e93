#pragma once
// Texts as values of one field or one element of a list.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <string>
#include <string_view>

#include "config/schema.hpp"

namespace ddls::config {

template <typename T>
std::optional<T> parse_all(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Of a plain scalar. A number like 1e4 is an integer if it is one exactly.
template <typename T>
std::optional<T> parse_text(std::string_view text) {
  if constexpr (std::is_same_v<T, std::string>) {
    return std::string(text);
  } else if constexpr (std::is_same_v<T, bool>) {
    return text == "true" || text == "false" ? std::optional(text == "true") : std::nullopt;
  } else {
    if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
    if (const auto value = parse_all<T>(text)) {
      if constexpr (std::is_floating_point_v<T>) return std::isfinite(*value) ? value : std::nullopt;
      return value;
    }
    if constexpr (std::is_integral_v<T>) {
      const auto real = text.find_first_of("eE") == text.npos ? std::nullopt : parse_all<double>(text);
      constexpr double exact_up_to = 9007199254740992.0;  // 2^53
      if (real && *real == std::floor(*real) && std::abs(*real) <= exact_up_to && (std::is_signed_v<T> || *real >= 0))
        return static_cast<T>(*real);
    }
    return std::nullopt;
  }
}

inline bool is_word(const std::string& value, const Allowed& a) {
  return std::find(a.words.begin(), a.words.end(), value) != a.words.end();
}

template <typename T>
bool is_allowed(const T& value, const Allowed& a) {
  if constexpr (std::is_same_v<T, std::string>) {
    if (a.words.empty() || is_word(value, a)) return true;
    return a.path && value.find_first_of("./") != std::string::npos;
  } else if constexpr (!std::is_same_v<T, bool>) {
    const auto x = static_cast<double>(value);
    return !(a.min && (a.min_open ? x <= *a.min : x < *a.min)) && !(a.max && (a.max_open ? x >= *a.max : x > *a.max));
  }
  return true;
}

template <typename T>
struct ElementOf {
  using Type = T;
  static constexpr bool list = false;
};
template <typename T>
struct ElementOf<std::vector<T>> {
  using Type = T;
  static constexpr bool list = true;
};

}  // namespace ddls::config
