#include "tensor/image_io.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

#include "base/error.hpp"
#include "base/files.hpp"
#include "tensor/image_codecs.hpp"

namespace ddls::tensor {

namespace {

// Plain loops here, not tensor operations: images are decoded in many threads at once, and in each of them a
// large operation of torch would start a team of its own.
at::Tensor planar(const at::Tensor& pixels) {
  const int64_t channels = pixels.size(2), plane = pixels.size(0) * pixels.size(1);
  at::Tensor image = at::empty({channels, pixels.size(0), pixels.size(1)}, at::kByte);
  const uint8_t* in = pixels.const_data_ptr<uint8_t>();
  uint8_t* out = image.mutable_data_ptr<uint8_t>();
  if (channels == 1) std::copy_n(in, plane, out);
  for (int64_t p = 0; channels == 3 && p < plane; ++p, in += 3) {
    out[p] = in[0];
    out[plane + p] = in[1];
    out[2 * plane + p] = in[2];
  }
  return image;
}

// [C, H, W] as the EXIF orientation says that it is to be seen.
at::Tensor turned(const at::Tensor& image, int orientation) {
  const int64_t height = image.size(1), width = image.size(2);
  const bool swapped = orientation >= 5,
             from_below = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7,
             from_right = orientation == 2 || orientation == 3 || orientation >= 7;
  at::Tensor result = at::empty({image.size(0), swapped ? width : height, swapped ? height : width}, at::kByte);
  uint8_t* out = result.mutable_data_ptr<uint8_t>();
  for (int64_t c = 0; c < image.size(0); ++c) {
    const uint8_t* in = image.const_data_ptr<uint8_t>() + c * height * width;
    for (int64_t y = 0; y < result.size(1); ++y) {
      for (int64_t x = 0; x < result.size(2); ++x) {
        const int64_t row = swapped ? x : y, column = swapped ? y : x;
        *out++ = in[(from_below ? height - 1 - row : row) * width + (from_right ? width - 1 - column : column)];
      }
    }
  }
  return result;
}

// 0.299, 0.587, 0.114 in units of 1/65536; they add up to one, so that grey stays as it is.
uint8_t luma(int red, int green, int blue) {
  return static_cast<uint8_t>((red * 19595 + green * 38470 + blue * 7471 + 32768) >> 16);
}

}  // namespace

at::Tensor decode_image(std::string_view bytes, int64_t channels, const std::string& name, int64_t at_least,
                        const PixelRules& rules, PixelNotes* notes) {
  PixelNotes own;
  at::Tensor pixels;
  if (looks_like_png(bytes))
    pixels = decode_png(bytes, name, rules.alpha, own);
  else if (looks_like_jpeg(bytes))
    pixels = decode_jpeg(bytes, name, at_least, own);
  else
    fail(Exit::data, "'{}': neither PNG nor JPEG ({} bytes)", name, bytes.size());
  at::Tensor image = planar(pixels);
  if (rules.apply_exif && own.orientation != 1) image = turned(image, own.orientation);
  if (notes != nullptr) *notes = std::move(own);
  return channels == 0 ? image : with_channels(image, channels);
}

at::Tensor read_image(const fs::path& path, int64_t channels, int64_t at_least, const PixelRules& rules,
                      PixelNotes* notes) {
  return decode_image(read_file(path), channels, path.string(), at_least, rules, notes);
}

std::string encode_png(const at::Tensor& image) {
  ensure(image.scalar_type() == at::kByte && image.dim() == 3 && (image.size(0) == 1 || image.size(0) == 3) &&
             image.numel() > 0,
         "a PNG is made from uint8 [1 or 3, H, W], not from {} dimensions of {}", image.dim(),
         c10::toString(image.scalar_type()));
  return encode_png_pixels(image.cpu().permute({1, 2, 0}).contiguous());
}

at::Tensor with_channels(const at::Tensor& images, int64_t channels) {
  const int64_t present = images.size(-3);
  ensure((channels == 1 || channels == 3) && (present == 1 || present == 3), "{} channels from {}", channels, present);
  if (present == channels) return images;
  const at::Tensor dense = images.contiguous();
  std::vector<int64_t> sizes = dense.sizes().vec();
  sizes[sizes.size() - 3] = channels;
  at::Tensor result = at::empty(sizes, at::kByte);
  const auto plane = static_cast<size_t>(dense.size(-1) * dense.size(-2));
  const size_t count = plane == 0 ? 0 : static_cast<size_t>(dense.numel()) / (plane * static_cast<size_t>(present));
  const uint8_t* in = dense.const_data_ptr<uint8_t>();
  uint8_t* out = result.mutable_data_ptr<uint8_t>();
  for (size_t i = 0; i < count; ++i) {
    if (channels == 3) {
      for (int repeat = 0; repeat < 3; ++repeat, out += plane) std::copy_n(in, plane, out);
      in += plane;
    } else {
      for (size_t p = 0; p < plane; ++p) *out++ = luma(in[p], in[plane + p], in[2 * plane + p]);
      in += 3 * plane;
    }
  }
  return result;
}

at::Tensor image_grid(const at::Tensor& images, int64_t columns, int64_t gap, uint8_t shade) {
  ensure(images.dim() == 4 && images.scalar_type() == at::kByte && images.size(0) > 0 && columns > 0 && gap >= 0,
         "an image grid needs uint8 [N, C, H, W] and a column");
  const int64_t n = images.size(0), height = images.size(2), width = images.size(3);
  const int64_t rows = (n + columns - 1) / columns;
  at::Tensor grid = at::full({images.size(1), rows * (height + gap) - gap, columns * (width + gap) - gap},
                             at::Scalar(static_cast<int64_t>(shade)), at::kByte);
  for (int64_t i = 0; i < n; ++i) {
    grid.narrow(1, i / columns * (height + gap), height).narrow(2, i % columns * (width + gap), width).copy_(images[i]);
  }
  return grid;
}

at::Tensor quantise(const at::Tensor& images) {
  return images.to(at::kFloat).mul(127.5).add(128).floor().clamp(0, 255).to(at::kByte);
}

at::Tensor dequantise(const at::Tensor& images_u8) { return images_u8.to(at::kFloat).div(127.5).sub(1); }

}  // namespace ddls::tensor
