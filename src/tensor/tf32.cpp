#include "tensor/tf32.hpp"

#include <ATen/Context.h>

namespace ddls::tensor {
namespace {

void allow(bool convolutions, bool products) {
  at::globalContext().setAllowTF32CuDNN(convolutions);
  at::globalContext().setAllowTF32CuBLAS(products);
}

}  // namespace

std::string precision_on(c10::Device device, const std::string& configured) {
  return configured == "tf32" && device.is_cpu() ? "float32" : configured;
}

Tf32::Tf32(bool allowed)
    : convolutions_before_(at::globalContext().allowTF32CuDNN()),
      products_before_(at::globalContext().allowTF32CuBLAS()) {
  allow(allowed, allowed);
}

Tf32::~Tf32() { allow(convolutions_before_, products_before_); }

}  // namespace ddls::tensor
