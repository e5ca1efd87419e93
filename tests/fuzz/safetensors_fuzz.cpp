#include "fuzz.hpp"
#include "tensor/safetensors.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = ddls::fuzz::put("a.safetensors", ddls::fuzz::view(data, size));
  ddls::fuzz::refuses_or_reads([&] { ddls::tensor::read_safetensors(file); });
  return 0;
}
