#include "data/cifar10.hpp"
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = ddls::fuzz::put("a.bin", ddls::fuzz::view(data, size));
  ddls::fuzz::refuses_or_reads([&] { ddls::data::read_cifar10(file, false); });
  return 0;
}
