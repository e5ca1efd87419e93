#pragma once
// Step-size adaptation by dual averaging (Hoffman & Gelman 2014, section 3.2; gamma 0.05, t0 10, kappa 0.75).
#include <cmath>
#include <cstdint>

namespace ddls::sampling {

class DualAveraging {
 public:
  DualAveraging(double first, double target_acceptance)
      : target_(target_acceptance), mu_(std::log(10 * first)), log_step_(std::log(first)) {}

  // `acceptance`: mean of min(1, A) of the step just made with step().
  void update(double acceptance) {
    ++m_;
    const double m = static_cast<double>(m_);
    mean_error_ += (target_ - acceptance - mean_error_) / (m + 10);
    log_step_ = mu_ - std::sqrt(m) / 0.05 * mean_error_;
    const double weight = std::pow(m, -0.75);
    log_averaged_ = weight * log_step_ + (1 - weight) * log_averaged_;
  }

  double step() const { return std::exp(log_step_); }               // to use next while warming up
  double averaged_step() const { return std::exp(log_averaged_); }  // to freeze afterwards

 private:
  double target_, mu_, log_step_, log_averaged_ = 0, mean_error_ = 0;
  int64_t m_ = 0;
};

}  // namespace ddls::sampling
