// PNG and JPEG. The first byte chooses the channels, the least size, and the rules.
#include "fuzz.hpp"
#include "tensor/image_io.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const int64_t channels[] = {0, 1, 3}, at_least[] = {0, 1, 8, 100};
  ddls::fuzz::refuses_or_reads([&] {
    const ddls::tensor::PixelRules rules{static_cast<ddls::tensor::Alpha>(data[0] / 12 % 3), data[0] / 36 % 2 == 1};
    const std::string_view bytes = ddls::fuzz::view(data + 1, size - 1);
    ddls::tensor::decode_image(bytes, channels[data[0] % 3], "a", at_least[data[0] / 3 % 4], rules);
    ddls::tensor::png_is_more_than_samples(bytes);
  });
  return 0;
}
