#include "tensor/k_means.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace ddls::tensor {
namespace {

// A uniform point, then each with the probability of its squared distance to the nearest that was taken.
at::Tensor first_centres(const at::Tensor& points, const at::Tensor& u) {
  const int64_t n = points.size(0), k = u.numel();
  at::Tensor least = at::full({n}, 1, at::kDouble), centres = at::empty({k, points.size(1)}, at::kDouble);
  for (int64_t i = 0; i < k; ++i) {
    const at::Tensor below = least.cumsum(0);
    const int64_t id = std::min(at::searchsorted(below, u[i] * below[n - 1]).item<int64_t>(), n - 1);
    centres[i] = points[id];
    const at::Tensor squares = squares_between(points, points.narrow(0, id, 1)).squeeze(1);
    least = i == 0 ? squares : at::minimum(least, squares);
  }
  return centres;
}

// Centres and the sum of squared distances to them. A cell that loses all points keeps its centre.
std::pair<at::Tensor, double> lloyd(const at::Tensor& points, at::Tensor centres, int64_t rounds) {
  at::Tensor cells;
  for (int64_t round = 0; round < rounds; ++round) {
    const at::Tensor now = nearest_centre(points, centres);
    if (cells.defined() && at::equal(now, cells)) break;
    cells = now;
    for (int64_t i = 0; i < centres.size(0); ++i) {
      const at::Tensor members = cells.eq(i).nonzero().squeeze(1);
      if (members.numel() > 0) centres[i] = points.index_select(0, members).mean(0);
    }
  }
  return {centres, std::get<0>(squares_between(points, centres).min(1)).sum().item<double>()};
}

}  // namespace

at::Tensor k_means(const at::Tensor& points, const at::Tensor& uniforms, int64_t rounds) {
  at::Tensor best;
  double least = std::numeric_limits<double>::infinity();
  for (int64_t start = 0; start < uniforms.size(0); ++start) {
    auto [centres, squares] = lloyd(points, first_centres(points, uniforms[start]), rounds);
    if (best.defined() && squares >= least) continue;
    best = std::move(centres);
    least = squares;
  }
  return best;
}

at::Tensor squares_between(const at::Tensor& points, const at::Tensor& centres) {
  const at::Tensor norms = points.square().sum(1, true) + centres.square().sum(1).unsqueeze(0);
  return at::addmm(norms, points, centres.t(), 1, -2).clamp_min_(0);
}

at::Tensor nearest_centre(const at::Tensor& points, const at::Tensor& centres) {
  return squares_between(points, centres).argmin(1);
}

}  // namespace ddls::tensor
