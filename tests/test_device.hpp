#pragma once
// Where tests of networks, samplers and training compute: on the CPU, or with DDLS_TEST_DEVICE=gpu on the first GPU,
// which is a fake one in the programs of tests/fake_gpu.
#include <ATen/core/Tensor.h>

#include <cstdlib>
#include <string_view>

#include "device/device_of.hpp"

namespace ddls::test {

inline bool on_gpu() {
  const char* const set = std::getenv("DDLS_TEST_DEVICE");
  return set != nullptr && std::string_view(set) != "cpu";
}

inline c10::Device device() { return on_gpu() ? device::device_of(0) : c10::Device(c10::DeviceType::CPU); }

inline at::TensorOptions there(at::ScalarType type = at::kFloat) { return at::TensorOptions(device()).dtype(type); }

}  // namespace ddls::test
