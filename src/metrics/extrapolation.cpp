#include "metrics/extrapolation.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"
#include "metrics/numpy_random.hpp"
#include "metrics/rounding.hpp"

namespace ddls::metrics {

Subsets extrapolation_subsets(int64_t n) {
  constexpr int64_t points = 15, smallest = 5000;
  const int64_t from = std::min(smallest, n / 2);
  NumpyRandom random(2020);
  Subsets subsets{{}, at::zeros({points, n}, at::kBool)};
  for (int64_t i = 0; i < points; ++i) {
    subsets.sizes.push_back(from + (n - from) * i / (points - 1));
    subsets.members[i].index_fill_(0, random.permutation(n).narrow(0, 0, subsets.sizes.back()), true);
  }
  return subsets;
}

Line line_in_inverse_size(const std::vector<int64_t>& sizes, const std::vector<double>& values) {
  ensure(sizes.size() == values.size() && sizes.size() >= 2, "a line needs two points");
  const at::Tensor x = at::tensor(sizes, at::kDouble).reciprocal(), y = at::tensor(values, at::kDouble);
  const at::Tensor dx = x - x.mean();
  const double spread = dx.square().sum().item<double>();
  ensure(spread > 0, "a line in 1/size needs two different sizes");
  const double widest = dx.abs().max().item<double>();
  const double slope =
      without_rounding((dx * y).sum().item<double>() / spread * widest, y.abs().max().item<double>()) / widest;
  return {y.mean().item<double>() - slope * x.mean().item<double>(), slope};
}

}  // namespace ddls::metrics
