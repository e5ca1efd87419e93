#include "data/fit_image.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.hpp"

namespace ddls::data {
namespace {

// Output pixel i is the sum of weights[i * most + k] times input pixel first[i] + k, for k < count[i].
struct Taps {
  int64_t most = 0;
  std::vector<int64_t> first, count;
  std::vector<float> weights;

  Taps(int64_t outputs, int64_t most_weights)
      : most(most_weights),
        first(static_cast<size_t>(outputs)),
        count(static_cast<size_t>(outputs)),
        weights(static_cast<size_t>(outputs * most_weights)) {}
  void add(int64_t output, float weight) {
    weights[static_cast<size_t>(output * most + count[static_cast<size_t>(output)]++)] = weight;
  }
};

// The share of each input pixel in the stretch of input that an output pixel covers.
Taps area_taps(int64_t from, int64_t to) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  Taps taps(to, static_cast<int64_t>(scale) + 2);
  for (int64_t i = 0; i < to; ++i) {
    const double begin = static_cast<double>(i) * scale, end = begin + scale;
    const int64_t last = std::min(static_cast<int64_t>(std::ceil(end - 1e-9)), from);
    taps.first[static_cast<size_t>(i)] = static_cast<int64_t>(begin);
    for (auto p = static_cast<int64_t>(begin); p < last; ++p) {
      const auto x = static_cast<double>(p);
      taps.add(i, static_cast<float>((std::min(end, x + 1) - std::max(begin, x)) / scale));
    }
  }
  return taps;
}

// The two nearest pixel centres; at the border the outermost pixel alone.
Taps linear_taps(int64_t from, int64_t to) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  Taps taps(to, 2);
  for (int64_t i = 0; i < to; ++i) {
    const double x = std::clamp((static_cast<double>(i) + 0.5) * scale - 0.5, 0.0, static_cast<double>(from - 1));
    const int64_t first = std::min(static_cast<int64_t>(x), std::max<int64_t>(from - 2, 0));
    const double right = x - static_cast<double>(first);
    taps.first[static_cast<size_t>(i)] = first;
    taps.add(i, static_cast<float>(1 - right));
    if (from > 1) taps.add(i, static_cast<float>(right));
  }
  return taps;
}

// Where the square begins, with `spare` pixels to choose from.
int64_t offset(int64_t spare, std::optional<double> place) {
  return place ? static_cast<int64_t>(*place * static_cast<double>(spare + 1)) : spare / 2;
}

// The rectangle of an image, [C, H, W] dense, that is scaled.
struct Window {
  int64_t top, left, height, width;
};

Taps taps_for(int64_t from, int64_t to) { return from > to ? area_taps(from, to) : linear_taps(from, to); }

float as_pixel(float sum, float) { return sum; }
uint8_t as_pixel(float sum, uint8_t) { return static_cast<uint8_t>(std::clamp(sum + 0.5F, 0.0F, 255.0F)); }

template <typename Pixel>
void scale(const at::Tensor& image, const Window& window, at::Tensor& result) {
  const Taps down = taps_for(window.height, result.size(1)), across = taps_for(window.width, result.size(2));
  const int64_t width = image.size(2);
  const uint8_t* pixels = image.const_data_ptr<uint8_t>();
  Pixel* out = result.mutable_data_ptr<Pixel>();
  std::vector<float> row(static_cast<size_t>(window.width));  // one output row, not yet scaled along it
  for (int64_t c = 0; c < image.size(0); ++c) {
    for (size_t y = 0; y < static_cast<size_t>(result.size(1)); ++y) {
      std::fill(row.begin(), row.end(), 0.0F);
      for (int64_t k = 0; k < down.count[y]; ++k) {
        const uint8_t* in = pixels + (c * image.size(1) + window.top + down.first[y] + k) * width + window.left;
        const float weight = down.weights[y * static_cast<size_t>(down.most) + static_cast<size_t>(k)];
        for (size_t x = 0; x < row.size(); ++x) row[x] += weight * static_cast<float>(in[x]);
      }
      const float* weights = across.weights.data();
      for (size_t x = 0; x < static_cast<size_t>(result.size(2)); ++x, weights += across.most) {
        const float* in = row.data() + across.first[x];
        float sum = 0;
        for (int64_t k = 0; k < across.count[x]; ++k) sum += weights[k] * in[k];
        *out++ = as_pixel(sum, Pixel{});
      }
    }
  }
}

}  // namespace

at::Tensor fit_image(const at::Tensor& image, int64_t size, std::optional<double> place) {
  ensure(image.dim() == 3 && image.scalar_type() == at::kByte && image.numel() > 0 && size > 0,
         "fit_image needs uint8 [C, H, W]");
  const int64_t side = std::min(image.size(1), image.size(2));
  const int64_t top = offset(image.size(1) - side, place), left = offset(image.size(2) - side, place);
  const at::Tensor dense = image.contiguous();
  if (image.size(1) == size && image.size(2) == size) return dense;
  at::Tensor result = at::empty({image.size(0), size, size}, at::kByte);
  scale<uint8_t>(dense, {top, left, side, side}, result);
  return result;
}

void scale_by_areas(const at::Tensor& image, at::Tensor& result) {
  const Window whole{0, 0, image.size(1), image.size(2)};
  if (result.scalar_type() == at::kByte)
    scale<uint8_t>(image.contiguous(), whole, result);
  else
    scale<float>(image.contiguous(), whole, result);
}

}  // namespace ddls::data
