#include "dist/failure.hpp"

#include <gtest/gtest.h>
#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <stdexcept>

#include "dist/topology.hpp"

namespace ddls::dist::failure_test {
namespace {

template <typename Action>
Failure failure_of(const Action& action) {
  try {
    action();
  } catch (...) {
    return current_failure();
  }
  return {Exit::internal, "nothing was thrown"};
}

TEST(Failure, WhatAGpuSaysThroughTorchIsNoBug) {
  const c10::SourceLocation here{"function", "file", 1};
  const Failure lost =
      failure_of([&] { throw c10::AcceleratorError(here, 214, "uncorrectable ECC error encountered"); });
  EXPECT_EQ(lost.code, Exit::runtime);
  EXPECT_NE(lost.message.find("the GPU failed: uncorrectable ECC error encountered"), std::string::npos)
      << lost.message;
  EXPECT_EQ(failure_of([] { TORCH_CHECK(false, "CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling x"); }).code,
            Exit::runtime);
  EXPECT_EQ(failure_of([] { TORCH_CHECK(false, "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"); }).code, Exit::runtime);
  EXPECT_EQ(failure_of([&] { throw c10::OutOfMemoryError(here, "CUDA out of memory"); }).code, Exit::runtime);
}

TEST(Failure, AnythingElseOfTorchIs) {
  const Failure shapes = failure_of([] { at::ones({2, 3}).matmul(at::ones({2, 3})); });
  EXPECT_EQ(shapes.code, Exit::internal);
  EXPECT_EQ(shapes.message.find("GPU"), std::string::npos) << shapes.message;
  EXPECT_EQ(failure_of([] { throw std::logic_error("CUDA error: not Torch's"); }).code, Exit::internal);
}

TEST(Topology, GpuModelsOfAllRanks) {
  Topology topology;
  topology.places = {{0, 0, "a", "cpu", "", 1}};
  EXPECT_EQ(topology.gpu_models(), "");
  topology.places = {{0, 0, "a", "cuda:0", "NVIDIA H200", 1},
                     {1, 0, "b", "cuda:0", "NVIDIA H100", 1},
                     {2, 1, "a", "cuda:1", "NVIDIA H200", 1}};
  EXPECT_EQ(topology.gpu_models(), "NVIDIA H100, NVIDIA H200");
}

}  // namespace
}  // namespace ddls::dist::failure_test
