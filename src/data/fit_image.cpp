#include "data/fit_image.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.hpp"

namespace ddls {
namespace {

// One output pixel is the weighted sum of the input pixels first, first + 1, ...
struct Taps {
  int64_t first = 0;
  std::vector<float> weights;
};

// The share of each input pixel in the stretch of input that an output pixel covers.
Taps area_taps(int64_t output, double scale, int64_t from) {
  const double begin = static_cast<double>(output) * scale, end = begin + scale;
  Taps taps{static_cast<int64_t>(begin), {}};
  const int64_t last = std::min(static_cast<int64_t>(std::ceil(end - 1e-9)), from);
  for (int64_t i = taps.first; i < last; ++i) {
    const auto x = static_cast<double>(i);
    taps.weights.push_back(static_cast<float>((std::min(end, x + 1) - std::max(begin, x)) / scale));
  }
  return taps;
}

// The two nearest pixel centres; at the border the outermost pixel alone.
Taps linear_taps(int64_t output, double scale, int64_t from) {
  const double x = std::clamp((static_cast<double>(output) + 0.5) * scale - 0.5, 0.0, static_cast<double>(from - 1));
  Taps taps{std::min(static_cast<int64_t>(x), std::max<int64_t>(from - 2, 0)), {}};
  const double right = x - static_cast<double>(taps.first);
  taps.weights.push_back(static_cast<float>(1 - right));
  if (from > 1) taps.weights.push_back(static_cast<float>(right));
  return taps;
}

std::vector<Taps> all_taps(int64_t from, int64_t to) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  std::vector<Taps> taps;
  for (int64_t i = 0; i < to; ++i) taps.push_back(from > to ? area_taps(i, scale, from) : linear_taps(i, scale, from));
  return taps;
}

// Where the square begins, with `spare` pixels to choose from.
int64_t offset(int64_t spare, std::optional<double> place) {
  return place ? static_cast<int64_t>(*place * static_cast<double>(spare + 1)) : spare / 2;
}

}  // namespace

at::Tensor fit_image(const at::Tensor& image, int64_t size, std::optional<double> place) {
  ensure(image.dim() == 3 && image.scalar_type() == at::kByte && image.numel() > 0 && size > 0,
         "fit_image needs uint8 [C, H, W]");
  const int64_t channels = image.size(0), side = std::min(image.size(1), image.size(2));
  const int64_t top = offset(image.size(1) - side, place), left = offset(image.size(2) - side, place);
  const int64_t width = image.size(2);
  const at::Tensor dense = image.contiguous();
  if (image.size(1) == size && image.size(2) == size) return dense;
  const std::vector<Taps> taps = all_taps(side, size);
  at::Tensor result = at::empty({channels, size, size}, at::kByte);
  const uint8_t* pixels = dense.const_data_ptr<uint8_t>();
  uint8_t* out = result.mutable_data_ptr<uint8_t>();
  std::vector<float> narrowed(static_cast<size_t>(side * size));  // [side, size]: one channel, scaled in x
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t y = 0; y < side; ++y) {
      const uint8_t* in = pixels + (c * image.size(1) + top + y) * width + left;
      for (int64_t x = 0; x < size; ++x) {
        const Taps& t = taps[static_cast<size_t>(x)];
        float sum = 0;
        for (size_t k = 0; k < t.weights.size(); ++k) sum += t.weights[k] * in[t.first + static_cast<int64_t>(k)];
        narrowed[static_cast<size_t>(y * size + x)] = sum;
      }
    }
    for (const Taps& t : taps) {
      for (int64_t x = 0; x < size; ++x, ++out) {
        float sum = 0;
        for (size_t k = 0; k < t.weights.size(); ++k) {
          sum += t.weights[k] * narrowed[static_cast<size_t>((t.first + static_cast<int64_t>(k)) * size + x)];
        }
        *out = static_cast<uint8_t>(std::clamp(sum + 0.5F, 0.0F, 255.0F));
      }
    }
  }
  return result;
}

}  // namespace ddls
