#pragma once
// JSON files that may be damaged or by another hand: nlohmann's own accessors throw errors that name no file, and leave
// undefined what happens to a key that is not there.
#include <string>
#include <type_traits>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/json.hpp"

namespace ddls {

// Throw Error(data) that names the file (`where`) and the place; the first also Error(missing).
Json read_json_object(const fs::path& file);
Json parse_json_object(std::string_view text, const std::string& where);

template <typename T, typename Json>
bool json_holds(const Json& value) {
  if constexpr (std::is_same_v<T, Json>) return true;
  if constexpr (std::is_same_v<T, bool>) return value.is_boolean();
  if constexpr (std::is_integral_v<T>) return value.is_number_integer();
  if constexpr (std::is_floating_point_v<T>) return value.is_number();
  return value.is_string();
}

// object[key]. Throws Error(data) that names `file` and `key` where it is absent or no T (int64_t, double, std::string,
// bool, or Json for a value of any type).
template <typename T, typename Json>
T json_field(const Json& object, const std::string& key, const fs::path& file) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  if (found == object.end()) fail(Exit::data, "'{}' is damaged: it has no '{}'", file.string(), key);
  if (!json_holds<T>(*found)) fail(Exit::data, "'{}' is damaged: '{}' is {}", file.string(), key, found->dump());
  return found->template get<T>();
}

// The same with a value for where it is absent.
template <typename T, typename Json>
T json_field_or(const Json& object, const std::string& key, const T& absent, const fs::path& file) {
  return object.is_object() && !object.contains(key) ? absent : json_field<T>(object, key, file);
}

}  // namespace ddls
