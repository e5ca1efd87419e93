#include "ddls/calibration/tilt_fit.hpp"

#include <ATen/ATen.h>

#include <cmath>

#include "base/error.hpp"
#include "ddls/worth.hpp"

namespace ddls::sampling {

LabelledRows LabelledRows::rows(int64_t begin, int64_t count) const {
  return {phi.narrow(0, begin, count), classes.defined() ? classes.narrow(0, begin, count) : classes};
}

TiltProblem::TiltProblem(const LabelledRows& real, const LabelledRows& pool)
    : real_mean_(real.phi.mean(0)),
      pool_(pool.phi.contiguous()),
      classes_(pool.classes.defined() ? pool.classes : at::zeros({pool.phi.size(0)}, at::kLong)) {
  const at::Tensor reals = real.classes.defined() ? real.classes : at::zeros({real.phi.size(0)}, at::kLong);
  const int64_t count = 1 + std::max(classes_.max().item<int64_t>(), reals.max().item<int64_t>());
  shares_ = at::bincount(reals, {}, count).to(at::kDouble) / static_cast<double>(reals.numel());
  counts_ = at::bincount(classes_, {}, count).to(at::kDouble);
  if (at::logical_and(shares_ > 0, counts_ == 0).any().item<bool>())
    fail(Exit::data,
         "calibration: a class of the held-out reals has no draw in the pool; raise train.calibration.pool");
}

// What a pool tilted by w is: log Z of each class, and the weight of each draw (the shares of the classes in all).
struct TiltProblem::Weighted {
  at::Tensor log_z, weights;
};

TiltProblem::Weighted TiltProblem::weighted(const at::Tensor& w) const {
  const at::Tensor r = at::mv(pool_, w), log_z = log_means({r, classes_}, shares_.numel());
  // A class without reals has no share, and may have no draws.
  const at::Tensor used = shares_ > 0, zeros = at::zeros_like(shares_);
  const at::Tensor share_of_draw = at::where(used, shares_ / counts_, zeros).index_select(0, classes_);
  return {at::where(used, log_z, zeros), (r - log_z.index_select(0, classes_)).exp() * share_of_draw};
}

double TiltProblem::objective(const at::Tensor& w, double ridge) const {
  return ((weighted(w).log_z * shares_).sum() - w.dot(real_mean_) + ridge * w.dot(w)).item<double>();
}

at::Tensor TiltProblem::gradient(const at::Tensor& w, double ridge) const {
  return at::mv(pool_.t(), weighted(w).weights) - real_mean_ + 2 * ridge * w;
}

at::Tensor TiltProblem::minimum(double ridge, const at::Tensor& start) const {
  constexpr int most_steps = 200, most_halvings = 40;
  constexpr double tolerance = 1e-10;
  const int64_t k = pool_.size(1), classes = shares_.numel();
  at::Tensor w = start.defined() ? start : at::zeros({k}, pool_.options());
  double value = objective(w, ridge);
  for (int step = 0; step < most_steps; ++step) {
    const at::Tensor p = weighted(w).weights, rows = pool_ * p.unsqueeze(1);
    const at::Tensor slope = rows.sum(0) - real_mean_ + 2 * ridge * w;
    // The covariance of phi within each class: sum_i p_i phi phi^T - sum_y s_y mean_y mean_y^T.
    const at::Tensor sums = at::zeros({classes, k}, pool_.options()).index_add(0, classes_, rows);
    const at::Tensor within =
        at::mm(rows.t(), pool_) - at::mm((sums / shares_.clamp_min(1e-300).unsqueeze(1)).t(), sums);
    const at::Tensor hessian = within + at::eye(k, pool_.options()) * (2 * ridge + 1e-12);
    const at::Tensor direction = -at::cholesky_solve(slope.unsqueeze(1), at::linalg_cholesky(hessian)).squeeze(1);
    const double decrement = -slope.dot(direction).item<double>();
    if (!(decrement > tolerance)) break;
    double share = 1, next = objective(w + direction, ridge);
    for (int i = 0; i < most_halvings && !(next <= value - 1e-4 * share * decrement); ++i) {
      share /= 2;
      next = objective(w + share * direction, ridge);
    }
    if (!(next < value)) break;  // as low as rounding allows
    w = w + share * direction;
    value = next;
  }
  return w;
}

}  // namespace ddls::sampling
