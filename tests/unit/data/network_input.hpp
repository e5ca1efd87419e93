#pragma once
// What the loader is asked for, in one line.
#include "data/dataset.hpp"
#include "tensor/image_io.hpp"

namespace ddls::test {

// Rows `ids` ([n] int64, CPU) as network input: float32, images scaled to [-1, 1].
inline at::Tensor network_input(const data::Dataset& data, const at::Tensor& ids) {
  const at::Tensor rows = data.rows(ids);
  return data.images() ? tensor::dequantise(rows) : rows;
}

}  // namespace ddls::test
