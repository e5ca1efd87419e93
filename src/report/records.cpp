#include "report/records.hpp"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "base/error.hpp"
#include "base/files.hpp"

namespace ddls::report {
namespace {

const Json null_value;

void add_fields(const Json& object, const std::string& prefix, double step, std::vector<Curve>& curves) {
  for (const auto& [key, value] : object.items()) {
    const std::string name = prefix + key;
    if (value.is_object()) {
      add_fields(value, name + ".", step, curves);
      continue;
    }
    if (!value.is_number() || name == "step" || name == "time" || name == "seconds") continue;
    auto curve = std::find_if(curves.begin(), curves.end(), [&](const Curve& c) { return c.name == name; });
    if (curve == curves.end()) curve = curves.insert(curves.end(), Curve{name, {}, {}});
    curve->x.push_back(step);
    curve->y.push_back(value.get<double>());
  }
}

}  // namespace

void for_each_record(const fs::path& file, const std::function<void(const Json&)>& take) {
  if (!fs::exists(file)) return;
  const std::string text = read_file(file);
  size_t begin = 0;
  for (int64_t line = 1;; ++line) {
    const size_t end = text.find('\n', begin);
    if (end == std::string::npos) return;
    const Json record = Json::parse(text.begin() + static_cast<std::ptrdiff_t>(begin),
                                    text.begin() + static_cast<std::ptrdiff_t>(end), nullptr, false);
    if (!record.is_object()) fail(Exit::data, "'{}' is damaged: line {} is not a JSON object", file.string(), line);
    take(record);
    begin = end + 1;
  }
}

void add_record(const Json& record, std::vector<Curve>& curves) {
  if (const auto step = number_at(record, "step")) add_fields(record, "", *step, curves);
}

const Json& at_path(const Json& object, std::string_view path) {
  const Json* value = &object;
  while (!path.empty()) {
    const size_t dot = path.find('.');
    const std::string key(path.substr(0, dot));
    if (!value->is_object()) return null_value;
    const auto found = value->find(key);
    if (found == value->end()) return null_value;
    value = &*found;
    path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
  }
  return *value;
}

std::optional<double> number_at(const Json& object, std::string_view path) {
  const Json& value = at_path(object, path);
  if (!value.is_number()) return std::nullopt;
  const double number = value.get<double>();
  return std::isfinite(number) ? std::optional(number) : std::nullopt;
}

std::string text_at(const Json& object, std::string_view path) {
  const Json& value = at_path(object, path);
  if (value.is_null()) return {};
  return value.is_string() ? value.get<std::string>() : value.dump();
}

}  // namespace ddls::report
