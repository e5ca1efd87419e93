#pragma once
// JSON as the report meets it: records of unknown fields, numbers that may be absent.
#include <functional>
#include <optional>
#include <string_view>

#include "base/json_fields.hpp"
#include "report/run_data.hpp"

namespace ddls::report {

// Calls `take` for each line that is an object. A last line without its end (a killed run) is left out; any other line
// that is no object is Error(data). A file that is not there has no lines.
void for_each_record(const std::filesystem::path& file, const std::function<void(const Json&)>& take);

// Adds every finite number of `record` to the curve of its name, at x = record["step"]; fields of inner objects are
// named "outer.inner". Records without a step are left out, and so are clock-like fields ("time").
void add_record(const Json& record, std::vector<Curve>& curves);

// The value at "a.b.c", null where any part is absent.
const Json& at_path(const Json& object, std::string_view path);
// The finite number there, if there is one.
std::optional<double> number_at(const Json& object, std::string_view path);
// Text there, or a number as text; empty where absent.
std::string text_at(const Json& object, std::string_view path);

}  // namespace ddls::report
