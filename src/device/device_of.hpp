#pragma once
// Which kind of GPU there is, said once: src outside this folder asks here, or whether a tensor is on the CPU.
#include <c10/core/Device.h>

#include <string>

namespace ddls::device {

// The GPU of that number (see cuda_bridge.hpp). A test that is linked with tests/fake_gpu gets that device.
c10::Device device_of(int number);

// "cpu", "cuda": as keys, reports and archives name it.
inline std::string kind_of(c10::Device device) { return c10::DeviceTypeName(device.type(), /*lower_case=*/true); }

}  // namespace ddls::device
