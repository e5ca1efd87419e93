#pragma once
// JSON whose keys keep the order in which they were written.
#include <nlohmann/json.hpp>

namespace ddls {

using Json = nlohmann::ordered_json;

}  // namespace ddls
