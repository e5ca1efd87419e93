#pragma once
// bfloat16 autocast for a scope, where `enabled`: convolutions and products in bfloat16, weights and sums in float32.
#include <c10/core/Device.h>

namespace ddls::train {

class Autocast {
 public:
  Autocast(bool enabled, c10::Device device);
  ~Autocast();
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  c10::DeviceType device_;
  bool before_;
};

}  // namespace ddls::train
