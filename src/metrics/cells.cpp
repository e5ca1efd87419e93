#include "metrics/cells.hpp"

#include <ATen/ATen.h>

#include "tensor/k_means.hpp"
#include "tensor/noise.hpp"

namespace ddls::metrics {
namespace {

constexpr uint64_t starts_seed = 0x63656C6C;  // of no run's seed: the same for all
constexpr int64_t starts = 10, most_rounds = 300;

}  // namespace

at::Tensor Components::of(const at::Tensor& rows) const {
  const at::Tensor x = rows.to(at::kCPU, at::kDouble);
  return directions.defined() ? at::mm(x - mean, directions) : x;
}

Components principal_components(const GaussianStatistics& statistics, int64_t count) {
  const int64_t features = statistics.mean.numel();
  if (count >= features) return {};
  const at::Tensor vectors = std::get<1>(at::linalg_eigh(statistics.covariance));  // ascending
  return {statistics.mean, vectors.narrow(1, features - count, count).contiguous()};
}

at::Tensor k_means(const at::Tensor& points, int64_t k) {
  const at::Tensor uniforms = tensor::Noise{starts_seed}.uniform({0, starts}, k, 0, Stream::choice);
  return tensor::k_means(points, uniforms.to(at::kDouble), most_rounds);
}

}  // namespace ddls::metrics
