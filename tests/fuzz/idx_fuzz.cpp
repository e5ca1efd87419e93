#include "data/idx.hpp"
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = ddls::fuzz::put("a.idx", ddls::fuzz::view(data, size));
  ddls::fuzz::refuses_or_reads([&] { ddls::data::read_idx_images(file); });
  ddls::fuzz::refuses_or_reads([&] { ddls::data::read_idx_labels(file); });
  return 0;
}
