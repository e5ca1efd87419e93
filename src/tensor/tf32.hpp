#pragma once
// TensorFloat-32 for a scope, where `allowed`: on a GPU float32 convolutions and products take 10 bits of their
// factors' mantissas and keep float32 sums. Nothing changes on a CPU. Process-wide, so only one thread may hold one.
#include <c10/core/Device.h>

#include <string>

namespace ddls::tensor {

// What a precision of the configuration comes to on a device, for records: "tf32" is "float32" on a CPU.
std::string precision_on(c10::Device device, const std::string& configured);

class Tf32 {
 public:
  explicit Tf32(bool allowed);
  ~Tf32();
  Tf32(const Tf32&) = delete;
  Tf32& operator=(const Tf32&) = delete;

 private:
  bool convolutions_before_, products_before_;
};

}  // namespace ddls::tensor
