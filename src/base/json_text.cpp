#include "base/json_text.hpp"
#include "base/json.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace ddls {
namespace {

// The bytes of the character that `text` begins with; 0: it begins with none. Unicode's table 3-7, which knows neither
// surrogates nor longer forms than needed.
size_t character(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const auto follows = [&](size_t i, unsigned low = 0x80, unsigned high = 0xBF) {
    return byte(i) >= low && byte(i) <= high;
  };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return follows(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF)
    return follows(1, first == 0xE0 ? 0xA0 : 0x80, first == 0xED ? 0x9F : 0xBF) && follows(2) ? 3 : 0;
  if (first >= 0xF0 && first <= 0xF4)
    return follows(1, first == 0xF0 ? 0x90 : 0x80, first == 0xF4 ? 0x8F : 0xBF) && follows(2) && follows(3) ? 4 : 0;
  return 0;
}

Json with_utf8(const Json& value) {
  if (value.is_string()) return as_utf8(value.get_ref<const std::string&>());
  if (!value.is_structured()) return value;
  Json result = value.is_array() ? Json::array() : Json::object();
  for (const auto& [key, member] : value.items())
    if (value.is_array())
      result.push_back(with_utf8(member));
    else
      result[as_utf8(key)] = with_utf8(member);
  return result;
}

}  // namespace

bool is_utf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const size_t length = character(bytes);
    if (length == 0) return false;
    bytes.remove_prefix(length);
  }
  return true;
}

std::string as_utf8(std::string_view bytes) {
  if (is_utf8(bytes)) return std::string(bytes);
  std::string text;
  while (!bytes.empty()) {
    const size_t length = character(bytes);
    if (length == 0 || bytes[0] == '\\')
      text += fmt::format("\\x{:02x}", static_cast<unsigned char>(bytes[0]));
    else
      text += bytes.substr(0, length);
    bytes.remove_prefix(std::max<size_t>(length, 1));
  }
  return text;
}

std::string json_text(const Json& value, int indent) {
  try {
    return value.dump(indent);
  } catch (const Json::type_error&) {  // a string that is no UTF-8
    return with_utf8(value).dump(indent);
  }
}

}  // namespace ddls
