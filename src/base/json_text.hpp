#pragma once
// Names of files and sets are bytes; JSON, the log and pages are UTF-8. The one rule of all three: a byte that belongs
// to no UTF-8 character is written \xHH, and in a text that holds such a byte a backslash is written \x5c. So the bytes
// can be had back from such a text. Text that is UTF-8 stays as it is.
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "base/json.hpp"

namespace ddls {

bool is_utf8(std::string_view bytes);
std::string as_utf8(std::string_view bytes);

// The text of a JSON value, its strings and keys by the rule above; every JSON file of the program is written by it.
// `indent` -1: in one line. NaN and infinities become null, as JSON has no other word for them.
std::string json_text(const Json& value, int indent = -1);

}  // namespace ddls
