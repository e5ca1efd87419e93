#include "tensor/description_reader.hpp"

#include <ATen/ATen.h>

#include <cmath>

#include "base/error.hpp"

namespace ddls::tensor {

DescriptionReader::DescriptionReader(const Json& json, std::string where, std::string cure)
    : json_(json), where_(std::move(where)), cure_(std::move(cure)) {}

void DescriptionReader::refuse(const char* key, const std::string& why) const {
  fail(Exit::data, "{}: '{}' {}; {}", where_, key, why, cure_);
}

int64_t DescriptionReader::number(const char* key, int64_t least, int64_t most) const {
  const auto value = field<int64_t>(key);
  if (value < least || value > most) refuse(key, fmt::format("is {}, outside {} to {}", value, least, most));
  return value;
}

at::Tensor DescriptionReader::numbers(const char* key, int64_t rows, int64_t columns) const {
  const Json list = field<Json>(key);
  const auto wrong = [&] {
    refuse(key, columns > 0 ? fmt::format("is not {} rows of {} numbers", rows, columns)
                            : fmt::format("is not a list of {} numbers", rows));
  };
  if (!list.is_array() || static_cast<int64_t>(list.size()) != rows) wrong();
  std::vector<double> values;
  const auto add = [&](const Json& value) {
    if (!value.is_number() || !std::isfinite(value.get<double>())) wrong();
    values.push_back(value.get<double>());
  };
  for (const Json& row : list) {
    if (columns == 0) {
      add(row);
      continue;
    }
    if (!row.is_array() || static_cast<int64_t>(row.size()) != columns) wrong();
    for (const Json& value : row) add(value);
  }
  const at::Tensor flat = at::tensor(values, at::kDouble);
  return columns > 0 ? flat.view({rows, columns}) : flat;
}

int64_t DescriptionReader::length(const char* key) const {
  const Json list = field<Json>(key);
  if (!list.is_array() || list.empty() || list.size() > 1'000'000) refuse(key, "is not a list with values");
  return static_cast<int64_t>(list.size());
}

}  // namespace ddls::tensor
