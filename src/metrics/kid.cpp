#include "metrics/kid.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>

#include "base/error.hpp"
#include "metrics/numpy_random.hpp"
#include "metrics/rounding.hpp"

namespace ddls {
namespace {

// Sum of (g * scale + 1)^3. Eight partial sums: independent, so the compiler may compute them side by side.
double cube_sum(const float* products, int64_t count, double scale) {
  constexpr int64_t lanes = 8;
  std::array<double, lanes> sums{};
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes)
    for (int64_t lane = 0; lane < lanes; ++lane) {
      const double t = products[i + lane] * scale + 1;
      sums[static_cast<size_t>(lane)] += t * t * t;
    }
  double sum = 0;
  for (; i < count; ++i) {
    const double t = products[i] * scale + 1;
    sum += t * t * t;
  }
  for (const double part : sums) sum += part;
  return sum;
}

at::Tensor dense(const at::Tensor& x) { return x.to(at::kCPU, at::kFloat).contiguous(); }

}  // namespace

double kernel_sum(const at::Tensor& x, const at::Tensor& y) {
  if (x.size(0) == 0 || y.size(0) == 0) return 0;
  const at::Tensor products = at::mm(dense(x), dense(y).t()).contiguous();
  return cube_sum(products.const_data_ptr<float>(), products.numel(), 1 / static_cast<double>(x.size(1)));
}

double kernel_sum_off_diagonal(const at::Tensor& x) {
  if (x.size(0) == 0) return 0;
  const at::Tensor rows = dense(x), products = at::mm(rows, rows.t()).contiguous();
  const at::Tensor diagonal = products.diagonal().contiguous();
  const double scale = 1 / static_cast<double>(x.size(1));
  return cube_sum(products.const_data_ptr<float>(), products.numel(), scale) -
         cube_sum(diagonal.const_data_ptr<float>(), diagonal.numel(), scale);
}

double squared_mmd(const KernelSums& sums, int64_t m, int64_t n) {
  ensure(m >= 2 && n >= 2, "KID needs at least 2 rows of either set, got {} and {}", m, n);
  const auto dm = static_cast<double>(m), dn = static_cast<double>(n);
  const double within = sums.xx / (dm * (dm - 1)) + sums.yy / (dn * (dn - 1)), across = 2 * sums.xy / (dm * dn);
  return without_rounding(within - across, within);
}

std::vector<KidSubset> draw_kid_subsets(int64_t fake_count, int64_t real_count, int64_t subsets, int64_t size) {
  size = std::min({size, fake_count, real_count});
  NumpyRandom random(2020);
  std::vector<KidSubset> result;
  for (int64_t i = 0; i < subsets; ++i) {
    const at::Tensor fake = random.permutation(fake_count).narrow(0, 0, size).clone();
    result.push_back({fake, random.permutation(real_count).narrow(0, 0, size).clone()});
  }
  return result;
}

}  // namespace ddls
