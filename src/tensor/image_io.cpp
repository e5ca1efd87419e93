#include "tensor/image_io.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"
#include "base/files.hpp"
#include "tensor/image_codecs.hpp"

namespace ddls {

at::Tensor decode_image(std::string_view bytes, int64_t channels, const std::string& name) {
  at::Tensor pixels;
  if (looks_like_png(bytes))
    pixels = decode_png(bytes, name);
  else if (looks_like_jpeg(bytes))
    pixels = decode_jpeg(bytes, name);
  else
    fail(Exit::data, "'{}': neither PNG nor JPEG ({} bytes)", name, bytes.size());
  const at::Tensor image = pixels.permute({2, 0, 1});
  return (channels == 0 ? image : with_channels(image, channels)).contiguous();
}

at::Tensor read_image(const fs::path& path, int64_t channels) {
  return decode_image(read_file(path), channels, path.string());
}

std::string encode_png(const at::Tensor& image) {
  ensure(image.scalar_type() == at::kByte && image.dim() == 3 && (image.size(0) == 1 || image.size(0) == 3) &&
             image.numel() > 0,
         "a PNG is made from uint8 [1 or 3, H, W], not from {} dimensions of {}", image.dim(),
         c10::toString(image.scalar_type()));
  return encode_png_pixels(image.cpu().permute({1, 2, 0}).contiguous());
}

void write_png(const fs::path& path, const at::Tensor& image) {
  write_file(path, encode_png(image));
}

at::Tensor with_channels(const at::Tensor& images, int64_t channels) {
  const int64_t present = images.size(-3);
  ensure((channels == 1 || channels == 3) && (present == 1 || present == 3), "{} channels from {}", channels,
         present);
  if (present == channels) return images;
  if (channels == 3) return at::cat({images, images, images}, -3);
  const at::Tensor colours = images.to(at::kInt);
  const auto weighted = [&](int64_t channel, int64_t weight) {
    return colours.narrow(-3, channel, 1) * weight;
  };
  // 0.299, 0.587, 0.114 in units of 1/65536; they add up to one, so that grey stays as it is.
  return (weighted(0, 19595) + weighted(1, 38470) + weighted(2, 7471) + 32768)
      .bitwise_right_shift(16)
      .to(at::kByte);
}

at::Tensor image_grid(const at::Tensor& images, int64_t columns, int64_t gap, uint8_t shade) {
  ensure(
      images.dim() == 4 && images.scalar_type() == at::kByte && images.size(0) > 0 && columns > 0 && gap >= 0,
      "an image grid needs uint8 [N, C, H, W] and a column");
  const int64_t n = images.size(0), height = images.size(2), width = images.size(3);
  const int64_t rows = (n + columns - 1) / columns;
  at::Tensor grid = at::full({images.size(1), rows * (height + gap) - gap, columns * (width + gap) - gap},
                             at::Scalar(static_cast<int64_t>(shade)), at::kByte);
  for (int64_t i = 0; i < n; ++i) {
    grid.narrow(1, i / columns * (height + gap), height)
        .narrow(2, i % columns * (width + gap), width)
        .copy_(images[i]);
  }
  return grid;
}

at::Tensor quantise(const at::Tensor& images) {
  return images.to(at::kFloat).mul(127.5).add(128).floor().clamp(0, 255).to(at::kByte);
}

at::Tensor dequantise(const at::Tensor& images_u8) {
  return images_u8.to(at::kFloat).div(127.5).sub(1);
}

}  // namespace ddls
