// PNG and JPEG. The first byte chooses the channels and the least size.
#include "fuzz.hpp"
#include "tensor/image_io.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const int64_t channels[] = {0, 1, 3}, at_least[] = {0, 1, 8, 100};
  ddls::fuzz::refuses_or_reads([&] {
    ddls::decode_image(ddls::fuzz::view(data + 1, size - 1), channels[data[0] % 3], "a", at_least[data[0] / 3 % 4]);
  });
  return 0;
}
