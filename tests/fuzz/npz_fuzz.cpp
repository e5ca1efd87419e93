#include "fuzz.hpp"
#include "tensor/npz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = ddls::fuzz::put("a.npz", ddls::fuzz::view(data, size));
  ddls::fuzz::refuses_or_reads([&] { ddls::tensor::read_npz(file); });
  ddls::fuzz::refuses_or_reads([&] {
    const ddls::tensor::NpzArray array(file, "arr_0");
    array.rows(0, array.sizes().front());
  });
  return 0;
}
