#include "metrics/mixture_sums.hpp"

#include <ATen/ATen.h>

#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "base/error.hpp"

// One binary for all processors: the loader picks the clone.
#define DDLS_MIXTURE_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))

namespace ddls::metrics {
namespace {

constexpr int64_t lanes = 8;  // computed side by side

// terms[j] = constants[j] - halves[j] squares[j]; returns the largest.
DDLS_MIXTURE_CLONES double terms_of(const float* squares, const double* constants, const double* halves, int64_t count,
                                    double* terms) {
  std::array<double, lanes> most;
  most.fill(-std::numeric_limits<double>::infinity());
  int64_t j = 0;
  for (; j + lanes <= count; j += lanes)
    for (int64_t lane = 0; lane < lanes; ++lane) {
      const double term = constants[j + lane] - halves[j + lane] * static_cast<double>(squares[j + lane]);
      terms[j + lane] = term;
      most[static_cast<size_t>(lane)] = term > most[static_cast<size_t>(lane)] ? term : most[static_cast<size_t>(lane)];
    }
  double largest = most[0];
  for (const double one : most) largest = std::max(largest, one);
  for (; j < count; ++j) {
    terms[j] = constants[j] - halves[j] * static_cast<double>(squares[j]);
    largest = std::max(largest, terms[j]);
  }
  return largest;
}

// Where terms exceed `limit`.
DDLS_MIXTURE_CLONES int64_t above(const double* terms, int64_t count, double limit, int64_t* where) {
  int64_t found = 0, j = 0;
  for (; j + lanes <= count; j += lanes) {
    int any = 0;
    for (int64_t lane = 0; lane < lanes; ++lane) any |= terms[j + lane] > limit;
    if (any == 0) continue;
    for (int64_t lane = 0; lane < lanes; ++lane)
      if (terms[j + lane] > limit) where[found++] = j + lane;
  }
  for (; j < count; ++j)
    if (terms[j] > limit) where[found++] = j;
  return found;
}

}  // namespace

MixtureSums mixture_sums(const at::Tensor& squares, const at::Tensor& log_variances, int64_t features) {
  constexpr double negligible = 60;  // exp(-60) is 1e-26: in float64, nothing beside the largest
  const int64_t rows = squares.size(0), count = squares.size(1);
  ensure(squares.is_contiguous() && count == log_variances.numel(), "squared distances to {} centres", count);
  MixtureSums sums{0, at::zeros({count}, at::kDouble), at::zeros({count}, at::kDouble)};
  const at::Tensor constants =
                       log_variances * (-0.5 * static_cast<double>(features)) - std::log(static_cast<double>(count)),
                   halves = (-log_variances).exp() / 2;
  std::vector<double> terms(static_cast<size_t>(count));
  std::vector<int64_t> where(static_cast<size_t>(count));
  auto* const share = sums.shares.mutable_data_ptr<double>();
  auto* const spread = sums.spreads.mutable_data_ptr<double>();
  for (int64_t row = 0; row < rows; ++row) {
    const float* const square = squares.const_data_ptr<float>() + row * count;
    const double largest =
        terms_of(square, constants.const_data_ptr<double>(), halves.const_data_ptr<double>(), count, terms.data());
    const int64_t found = above(terms.data(), count, largest - negligible, where.data());
    double sum = 0;
    for (int64_t i = 0; i < found; ++i) {
      double& term = terms[static_cast<size_t>(where[static_cast<size_t>(i)])];
      term = std::exp(term - largest);
      sum += term;
    }
    for (int64_t i = 0; i < found; ++i) {
      const int64_t j = where[static_cast<size_t>(i)];
      const double probability = terms[static_cast<size_t>(j)] / sum;
      share[j] += probability;
      spread[j] += probability * static_cast<double>(square[j]);
    }
    sums.log_density += largest + std::log(sum);
  }
  return sums;
}

}  // namespace ddls::metrics
