#include "data/resample.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "base/error.hpp"
#include "data/fit_image.hpp"

namespace ddls::data {
namespace {

struct Kernel {
  double support;
  double (*at)(double x);
};

double box_at(double x) { return x > -0.5 && x <= 0.5 ? 1 : 0; }

double bilinear_at(double x) { return std::max(0.0, 1 - std::abs(x)); }

double bicubic_at(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

double sinc(double x) { return x == 0 ? 1 : std::sin(std::numbers::pi * x) / (std::numbers::pi * x); }

double lanczos_at(double x) { return -3 <= x && x < 3 ? sinc(x) * sinc(x / 3) : 0; }

Kernel kernel_of(Filter filter) {
  switch (filter) {
    case Filter::box:
      return {0.5, box_at};
    case Filter::bilinear:
      return {1, bilinear_at};
    case Filter::bicubic:
      return {2, bicubic_at};
    default:
      return {3, lanczos_at};
  }
}

// Output pixel i is the sum over k < count[i] of weights[i * most + k] times input pixel first[i] + k.
template <typename Weight>
struct Weights {
  int64_t from = 0, to = 0, most = 0;
  std::vector<int64_t> first, count;
  std::vector<Weight> weights;
  bool none() const { return from == to; }  // the axis keeps its size
};

Weights<double> weights_of(const Kernel& kernel, int64_t from, int64_t to) {
  const double scale = static_cast<double>(from) / static_cast<double>(to), stretch = std::max(scale, 1.0);
  const double support = kernel.support * stretch;
  Weights<double> w{from, to, static_cast<int64_t>(std::ceil(support)) * 2 + 1, {}, {}, {}};
  w.weights.resize(static_cast<size_t>(to * w.most));
  for (int64_t i = 0; i < to; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * scale;
    const int64_t begin = std::max<int64_t>(static_cast<int64_t>(centre - support + 0.5), 0);
    const int64_t end = std::min(static_cast<int64_t>(centre + support + 0.5), from);
    double* const own = w.weights.data() + i * w.most;
    double sum = 0;
    for (int64_t k = 0; k < end - begin; ++k)
      sum += own[k] = kernel.at((static_cast<double>(k + begin) - centre + 0.5) * (1 / stretch));
    for (int64_t k = 0; k < end - begin && sum != 0; ++k) own[k] /= sum;
    w.first.push_back(begin);
    w.count.push_back(end - begin);
  }
  return w;
}

// Bytes: fixed point, half a unit added before the last bits go.
struct ToBytes {
  using Pixel = uint8_t;
  using Weight = int32_t;
  static constexpr int bits = 22;
  static constexpr int32_t start = 1 << (bits - 1);
  static Weight weight(double w) { return static_cast<Weight>(w * (1 << bits) + (w < 0 ? -0.5 : 0.5)); }
  static Pixel pixel(int32_t sum) { return static_cast<Pixel>(std::clamp(sum >> bits, 0, 255)); }
};

struct ToFloats {
  using Pixel = float;
  using Weight = double;
  static constexpr double start = 0;
  static Weight weight(double w) { return w; }
  static Pixel pixel(double sum) { return static_cast<Pixel>(sum); }
};

template <typename Kind>
Weights<typename Kind::Weight> in_kind(const Weights<double>& w) {
  Weights<typename Kind::Weight> result{w.from, w.to, w.most, w.first, w.count, {}};
  for (const double weight : w.weights) result.weights.push_back(Kind::weight(weight));
  return result;
}

// [rows, w.from] -> [rows, w.to]
template <typename Kind, typename In>
std::vector<typename Kind::Pixel> along_rows(const In* in, int64_t rows, const Weights<typename Kind::Weight>& w) {
  std::vector<typename Kind::Pixel> out(static_cast<size_t>(rows * w.to));
  auto* put = out.data();
  for (int64_t y = 0; y < rows; ++y, in += w.from) {
    const auto* weight = w.weights.data();
    for (size_t x = 0; x < static_cast<size_t>(w.to); ++x, weight += w.most) {
      const In* const from = in + w.first[x];
      auto sum = Kind::start;
      for (int64_t k = 0; k < w.count[x]; ++k) sum += weight[k] * from[k];
      *put++ = Kind::pixel(sum);
    }
  }
  return out;
}

// [w.from, width] -> [w.to, width]
template <typename Kind, typename In>
void along_columns(const In* in, int64_t width, const Weights<typename Kind::Weight>& w, typename Kind::Pixel* out) {
  using Sum = typename Kind::Weight;
  std::vector<Sum> sums(static_cast<size_t>(width));
  for (size_t y = 0; y < static_cast<size_t>(w.to); ++y) {
    std::fill(sums.begin(), sums.end(), Kind::start);
    for (int64_t k = 0; k < w.count[y]; ++k) {
      const In* const row = in + (w.first[y] + k) * width;
      const Sum weight = w.weights[y * static_cast<size_t>(w.most) + static_cast<size_t>(k)];
      for (size_t x = 0; x < sums.size(); ++x) sums[x] += weight * static_cast<Sum>(row[x]);
    }
    for (const Sum sum : sums) *out++ = Kind::pixel(sum);
  }
}

// Which axis goes first shows where rounding in between clips. Pillow 13 takes the rows together first where the height
// shrinks by more than twice what the width does, else (and before version 13 always) the columns.
bool down_comes_first(int64_t rows, int64_t columns, int64_t height, int64_t width) {
  return height < rows && rows - height > 2 * (columns - width);
}

template <typename Kind>
at::Tensor resampled(const at::Tensor& images, int64_t height, int64_t width, const Kernel& kernel,
                     at::ScalarType type) {
  using Pixel = typename Kind::Pixel;
  const int64_t planes = images.size(0) * images.size(1), rows = images.size(2), columns = images.size(3);
  const auto across = in_kind<Kind>(weights_of(kernel, columns, width)),
             down = in_kind<Kind>(weights_of(kernel, rows, height));
  const bool down_first = down_comes_first(rows, columns, height, width);
  at::Tensor result = at::empty({images.size(0), images.size(1), height, width}, type);
  const uint8_t* const in = images.const_data_ptr<uint8_t>();
  Pixel* const out = result.mutable_data_ptr<Pixel>();
  at::parallel_for(0, planes, 1, [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane) {
      const uint8_t* const from = in + plane * rows * columns;
      Pixel* const to = out + plane * height * width;
      if (across.none()) {
        along_columns<Kind>(from, width, down, to);
      } else if (down_first) {
        std::vector<Pixel> low(static_cast<size_t>(height * columns));
        along_columns<Kind>(from, columns, down, low.data());
        const std::vector<Pixel> both = along_rows<Kind>(low.data(), height, across);
        std::copy(both.begin(), both.end(), to);
      } else {
        const std::vector<Pixel> wide = along_rows<Kind>(from, rows, across);
        if (down.none())
          std::copy(wide.begin(), wide.end(), to);
        else
          along_columns<Kind>(wide.data(), width, down, to);
      }
    }
  });
  return result;
}

at::Tensor by_areas(const at::Tensor& images, int64_t height, int64_t width, bool rounded) {
  at::Tensor result = at::empty({images.size(0), images.size(1), height, width},
                                rounded ? at::ScalarType::Byte : at::ScalarType::Float);
  at::parallel_for(0, images.size(0), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      at::Tensor place = result[i];
      scale_by_areas(images[i], place);
    }
  });
  return result;
}

}  // namespace

at::Tensor resample(const at::Tensor& images, int64_t height, int64_t width, Filter filter, bool rounded) {
  ensure(images.dim() == 4 && images.scalar_type() == at::kByte && images.is_cpu() && images.numel() > 0,
         "resample needs uint8 [n, C, H, W] on the CPU");
  ensure(height > 0 && width > 0, "resample to {} x {}", height, width);
  const at::Tensor dense = images.contiguous();
  if (dense.size(2) == height && dense.size(3) == width) return rounded ? dense : dense.to(at::kFloat);
  if (filter == Filter::area) return by_areas(dense, height, width, rounded);
  const Kernel kernel = kernel_of(filter);
  return rounded ? resampled<ToBytes>(dense, height, width, kernel, at::kByte)
                 : resampled<ToFloats>(dense, height, width, kernel, at::kFloat);
}

}  // namespace ddls::data
