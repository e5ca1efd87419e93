#pragma once
// Maximum likelihood in the exponential family p_g(x | y) e^{w . phi(x, y)} / Z_y over a pool of prior draws (Kanamori,
// Sugiyama's KLIEP in log-linear form; docs/algorithm.md, equation 71): min over w of
//   sum_y s_y log mean_{pool of y} e^{w . phi} - mean_real w . phi + ridge |w|^2,
// s_y the share of class y among the reals. Convex; the gradient is the weighted pool's means less those of the reals.
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace ddls::sampling {

// Columns phi of rows, float64 on the CPU, and the class of each row (undefined: all are of one).
struct LabelledRows {
  at::Tensor phi, classes;  // [n, k], [n] int64

  LabelledRows rows(int64_t begin, int64_t count) const;
};

// The fit as its data gives it; phi should have mean 0 and deviation 1 over the reals, else the ridge has no meaning.
class TiltProblem {
 public:
  // Throws Error(data): a class of the reals has no draws in the pool.
  TiltProblem(const LabelledRows& real, const LabelledRows& pool);

  // The minimum, by Newton's method from `start` ([k], or undefined: 0), until the Newton decrement is below 1e-10.
  at::Tensor minimum(double ridge, const at::Tensor& start = {}) const;
  double objective(const at::Tensor& w, double ridge) const;
  at::Tensor gradient(const at::Tensor& w, double ridge) const;

 private:
  struct Weighted;
  Weighted weighted(const at::Tensor& w) const;

  at::Tensor real_mean_, pool_, classes_, shares_, counts_;  // [k], [m, k], [m], [c], [c]
};

}  // namespace ddls::sampling
