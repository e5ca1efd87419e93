#pragma once
// Values for tests of convolutions, and how far results are apart.
#include <gtest/gtest.h>
#include <ATen/ATen.h>

#include "tensor/noise.hpp"

namespace ddls::test {

// Standard normal; images and kernels are channels-last.
inline at::Tensor draws(at::IntArrayRef shape, int64_t id) {
  const at::Tensor values =
      tensor::Noise{11}.normal({id, id + 1}, c10::multiply_integers(shape), 0, Stream::init).view(shape);
  return shape.size() == 4 ? values.contiguous(at::MemoryFormat::ChannelsLast) : values;
}

// Of a from b, relative to b's norm.
inline double distance(const at::Tensor& a, const at::Tensor& b) {
  EXPECT_EQ(a.sizes(), b.sizes());
  const at::Tensor exact = b.to(at::kDouble);
  return ((a.to(at::kDouble) - exact).norm() / exact.norm()).item<double>();
}

}  // namespace ddls::test
