#include "fuzz.hpp"
#include "tensor/npz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = ddls::fuzz::put("a.npy", ddls::fuzz::view(data, size));
  ddls::fuzz::refuses_or_reads([&] { ddls::tensor::read_npy(file); });
  return 0;
}
