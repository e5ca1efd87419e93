#pragma once
// Values of a ddls.json, the description in a .pt2 archive, each of which is refused by name where it is not as
// expected.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "base/json_fields.hpp"

namespace ddls::tensor {

// All throw Error(data). Holds on to `json`.
class DescriptionReader {
 public:
  // `where`: file and place; `cure`: "write it with ...".
  DescriptionReader(const Json& json, std::string where, std::string cure);

  template <typename T>
  T field(const char* key) const {
    return json_field<T>(json_, key, where_);
  }
  bool has(const char* key) const { return json_.contains(key); }

  [[noreturn]] void refuse(const char* key, const std::string& why) const;
  int64_t number(const char* key, int64_t least, int64_t most) const;
  // Rows of finite numbers, each of `columns`: [rows, columns] float64; or a plain list where columns is 0: [rows].
  at::Tensor numbers(const char* key, int64_t rows, int64_t columns) const;
  int64_t length(const char* key) const;  // of a list with values

 private:
  const Json& json_;
  std::string where_, cure_;
};

}  // namespace ddls::tensor
