#include "tensor/tf32.hpp"

#include <gtest/gtest.h>
#include <ATen/Context.h>

namespace ddls::tensor::tf32_test {
namespace {

bool allowed() {
  EXPECT_EQ(at::globalContext().allowTF32CuDNN(), at::globalContext().allowTF32CuBLAS());
  return at::globalContext().allowTF32CuBLAS();
}

TEST(Tf32, HoldsForItsScopeAndLeavesWhatWasThere) {
  const Tf32 outside(false);  // Torch's own defaults differ between convolutions and products
  EXPECT_FALSE(allowed());
  {
    const Tf32 inside(true);
    EXPECT_TRUE(allowed());
    const Tf32 within(false);
    EXPECT_FALSE(allowed());
  }
  EXPECT_FALSE(allowed());
}

}  // namespace
}  // namespace ddls::tensor::tf32_test
