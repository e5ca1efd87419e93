#include "base/json_fields.hpp"
#include "base/json.hpp"

namespace ddls {

Json parse_json_object(std::string_view text, const std::string& where) {
  try {
    Json value = Json::parse(text);
    if (value.is_object()) return value;
  } catch (const Json::parse_error& error) {
    fail(Exit::data, "'{}' is damaged: {}", where, error.what());
  }
  fail(Exit::data, "'{}' does not hold a JSON object", where);
}

Json read_json_object(const fs::path& file) { return parse_json_object(read_file(file), file.string()); }

}  // namespace ddls
