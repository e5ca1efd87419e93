#include "device/device_of.hpp"

namespace ddls::device {

c10::Device device_of(int number) { return {c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(number)}; }

}  // namespace ddls::device
