#include "inference/patches.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

#include "inference/processor.hpp"

namespace ddls::inference::patches {
namespace {

// Positions whose patches are there at a time: more fall out of the caches, and below some 32 MiB memory is not given
// back to the system after each use. Products lay out the weights anew each time, so they take more.
constexpr int64_t rows_of_product = 2048, rows_of_gradient = 1024;

int64_t stride_of(const at::Tensor& weight) { return weight.size(2) - 2; }

at::Tensor channels_first(const at::Tensor& by_position) { return by_position.permute({0, 3, 1, 2}); }

// [n, H, W, C] -> [n, H + 2, W + 2, C], zeros around it.
at::Tensor padded(const at::Tensor& image) {
  at::Tensor wide = at::zeros({image.size(0), image.size(2) + 2, image.size(3) + 2, image.size(1)}, image.options());
  wide.narrow(1, 1, image.size(2)).narrow(2, 1, image.size(3)).copy_(image.permute({0, 2, 3, 1}));
  return wide;
}

struct Window {
  int64_t side, stride;
  int64_t row = 0, column = 0;  // of the first
};

// [n, H, W, C] -> a row of side x side x C for each of n x height x width windows. In memory a window is `side` runs.
at::Tensor rows_of(const at::Tensor& wide, Window window, int64_t height, int64_t width) {
  const int64_t n = wide.size(0), channels = wide.size(3);
  const at::Tensor view = wide.as_strided(
      {n, height, width, window.side, window.side * channels},
      {wide.stride(0), wide.stride(1) * window.stride, wide.stride(2) * window.stride, wide.stride(1), 1},
      wide.storage_offset() + window.row * wide.stride(1) + window.column * wide.stride(2));
  return view.reshape({n * height * width, window.side * window.side * channels});
}

// [n, C, H, W] -> [n H W, C]
at::Tensor positions_of(const at::Tensor& image) { return image.permute({0, 2, 3, 1}).reshape({-1, image.size(1)}); }

// `convolve` of some images at a time.
template <typename Convolve>
at::Tensor in_parts(const at::Tensor& images, int64_t positions, int64_t rows, Convolve convolve) {
  const int64_t some = std::max<int64_t>(1, rows / positions);
  if (images.size(0) <= some) return convolve(images);
  std::vector<at::Tensor> parts;
  for (const at::Tensor& part : images.split(some)) parts.push_back(convolve(part));
  return at::cat(parts);
}

at::Tensor product(const at::Tensor& rows, const at::Tensor& matrix, const at::Tensor& bias) {
  return bias.defined() ? at::addmm(bias, rows, matrix) : at::mm(rows, matrix);
}

// The gradient of stride 1 is a convolution by the kernel turned by 180 degrees: tap t of y meets tap 8 - t.
at::Tensor to_big_of_stride_1(const at::Tensor& y, const at::Tensor& taps, const at::Tensor& bias) {
  const int64_t height = y.size(2), width = y.size(3);
  const at::Tensor turned = taps.flip(0).flatten(0, 1);  // [9 K, C]
  const at::Tensor x = product(rows_of(padded(y), {3, 1}, height, width), turned, bias);
  return channels_first(x.view({y.size(0), height, width, -1}));
}

// Of stride 2, each phase (even or odd rows and columns of x) is a convolution of y by the 2x2 taps that reach it.
// Padding 1: row 2 i + a takes tap k of small row (2 i + a + 1 - k) / 2: i - 1 and i for a = 0, i and i + 1 for
// a = 1.
at::Tensor to_big_of_stride_2(const at::Tensor& y, const at::Tensor& taps, const at::Tensor& bias) {
  constexpr int64_t tap_of[2][2] = {{3, 1}, {2, 0}};  // of phase a, in the order of small rows
  const int64_t n = y.size(0), height = y.size(2), width = y.size(3), channels = taps.size(2);
  const at::Tensor wide = padded(y);
  const at::Tensor x = at::empty({n, height, 2, width, 2, channels}, y.options());
  for (int64_t a = 0; a < 2; ++a)
    for (int64_t b = 0; b < 2; ++b) {
      std::vector<at::Tensor> met;
      for (const int64_t row : tap_of[a])
        for (const int64_t column : tap_of[b]) met.push_back(taps[4 * row + column]);
      const at::Tensor phase = product(rows_of(wide, {2, 1, a, b}, height, width), at::cat(met), bias);
      x.select(4, b).select(2, a).copy_(phase.view({n, height, width, channels}));
    }
  return channels_first(x.view({n, 2 * height, 2 * width, channels}));
}

}  // namespace

bool pays_for(Output output, at::IntArrayRef kernels, int64_t positions, at::ScalarType type) {
  if (type != at::kBFloat16 || !multiplies_bfloat16_tiles()) return false;
  // Measured at 16 to 128 images (docs/profiling.md). oneDNN keeps up while a layer's kernels fit the second cache.
  const int64_t elements = c10::multiply_integers(kernels);
  constexpr int64_t second_cache = 1 << 20;
  if (output != Output::kernel) return positions <= 16 && elements > second_cache;
  return (positions <= 16 && elements >= second_cache / 8) || (positions <= 64 && elements >= second_cache / 2);
}

at::Tensor big_to_small(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const int64_t stride = stride_of(weight), height = x.size(2) / stride, width = x.size(3) / stride;
  const at::Tensor matrix = weight.permute({0, 2, 3, 1}).flatten(1);  // [K, k k C]
  return in_parts(x, height * width, rows_of_product, [&](const at::Tensor& part) {
    const at::Tensor y = product(rows_of(padded(part), {weight.size(2), stride}, height, width), matrix.t(), bias);
    return channels_first(y.view({part.size(0), height, width, -1}));
  });
}

at::Tensor small_to_big(const at::Tensor& y, const at::Tensor& weight, const at::Tensor& bias) {
  const at::Tensor taps = weight.permute({2, 3, 0, 1}).flatten(0, 1);  // [k k, K, C], runs of C
  return in_parts(y, y.size(2) * y.size(3), rows_of_product, [&](const at::Tensor& part) {
    return stride_of(weight) == 1 ? to_big_of_stride_1(part, taps, bias) : to_big_of_stride_2(part, taps, bias);
  });
}

at::Tensor weight_gradient(const at::Tensor& x, const at::Tensor& dy) {
  const int64_t height = dy.size(2), width = dy.size(3), stride = x.size(2) / height, side = stride + 2;
  const int64_t images = std::max<int64_t>(1, rows_of_gradient / (height * width));
  const at::ScalarType type = dy.scalar_type() == at::kBFloat16 ? at::kFloat : dy.scalar_type();
  at::Tensor sum;
  for (int64_t from = 0; from < x.size(0); from += images) {
    const int64_t some = std::min(images, x.size(0) - from);
    const at::Tensor patches = rows_of(padded(x.narrow(0, from, some)), {side, stride}, height, width);
    const at::Tensor part = at::mm(positions_of(dy.narrow(0, from, some)).t(), patches);
    if (sum.defined())
      sum.add_(part);
    else
      sum = part.to(type);
  }
  return channels_first(sum.view({dy.size(1), side, side, x.size(1)}));
}

}  // namespace ddls::inference::patches
