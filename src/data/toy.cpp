#include "data/toy.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "tensor/noise.hpp"

namespace ddls::data {
namespace {

constexpr int64_t modes_per_axis = 5, modes = modes_per_axis * modes_per_axis;

// `step` of the noise tells the draws of one point apart.
constexpr int64_t draw_place = 0, draw_spread = 1;

double centre(int64_t index) { return 2.0 * static_cast<double>(index - modes_per_axis / 2); }

}  // namespace

at::Tensor gaussians25(int64_t count, uint64_t seed) {
  const tensor::Noise noise{seed};
  const at::Tensor place = noise.uniform({0, count}, 1, draw_place, Stream::data_toy);
  at::Tensor points = noise.normal({0, count}, 2, draw_spread, Stream::data_toy);
  const float* u = place.const_data_ptr<float>();
  float* p = points.mutable_data_ptr<float>();
  for (int64_t i = 0; i < count; ++i) {
    const int64_t mode = std::min(static_cast<int64_t>(u[i] * static_cast<float>(modes)), modes - 1);
    const double x = centre(mode / modes_per_axis) + gaussians25_sd * p[2 * i];
    const double y = centre(mode % modes_per_axis) + gaussians25_sd * p[2 * i + 1];
    p[2 * i] = static_cast<float>(x / gaussians25_scale);
    p[2 * i + 1] = static_cast<float>(y / gaussians25_scale);
  }
  return points;
}

at::Tensor gaussians25_centres() {
  at::Tensor centres = at::empty({modes, 2}, at::kFloat);
  float* c = centres.mutable_data_ptr<float>();
  for (int64_t mode = 0; mode < modes; ++mode) {
    c[2 * mode] = static_cast<float>(centre(mode / modes_per_axis) / gaussians25_scale);
    c[2 * mode + 1] = static_cast<float>(centre(mode % modes_per_axis) / gaussians25_scale);
  }
  return centres;
}

at::Tensor swiss_roll(int64_t count, uint64_t seed) {
  constexpr double spread = 0.25, scale = 7.5;
  const tensor::Noise noise{seed};
  const at::Tensor place = noise.uniform({0, count}, 1, draw_place, Stream::data_toy);
  at::Tensor points = noise.normal({0, count}, 2, draw_spread, Stream::data_toy);
  const float* u = place.const_data_ptr<float>();
  float* p = points.mutable_data_ptr<float>();
  for (int64_t i = 0; i < count; ++i) {
    const double t = 1.5 * std::numbers::pi * (1 + 2 * static_cast<double>(u[i]));
    p[2 * i] = static_cast<float>((t * std::cos(t) + spread * p[2 * i]) / scale);
    p[2 * i + 1] = static_cast<float>((t * std::sin(t) + spread * p[2 * i + 1]) / scale);
  }
  return points;
}

}  // namespace ddls::data
