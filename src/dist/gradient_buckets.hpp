#pragma once
// Cuts the flat gradient into slices for the overlapped all-reduce.
#include <cstdint>
#include <span>
#include <vector>

#include "tensor/flat_parameters.hpp"

namespace ddls::dist {

struct GradientBucket {
  int64_t begin = 0, end = 0;              // elements of the flat buffer, alignment gaps included
  size_t first_slice = 0, last_slice = 0;  // parameters [first, last)
};

// In reverse parameter order, since backward reaches the last layers first. A bucket holds whole parameters and closes
// as soon as it has reached its size; the first one is small, so that sending starts early.
std::vector<GradientBucket> make_buckets(std::span<const tensor::ParameterSlice> slices, int64_t total,
                                         int64_t element_size, int64_t bucket_bytes, int64_t first_bucket_bytes);

}  // namespace ddls::dist
