#pragma once
// Weights of particles that are one population per group (a class's particles cannot take the place of another's).
// Plain float64 on the CPU, so that every machine adds up in one order. Weights are multiples of the mean: a group's
// sum is its size.
#include <cstdint>
#include <vector>

namespace ddls::sampling {

using Groups = std::vector<std::vector<int64_t>>;  // the particles of each, in order

// One group per label, in the order of labels; one of all n particles where there are no labels.
Groups groups_of(int64_t n, const std::vector<int64_t>& labels = {});

// Share of the particles that weights w e^{step r} would be worth beside weights w (conditional effective sample size
// of Zhou, Johansen & Aston 2016): (sum w v)^2 / (sum w sum w v^2), v = e^{step r}; the mean over particles of that of
// their group.
double conditional_share(const std::vector<double>& weights, const std::vector<double>& ratios, const Groups& groups,
                         double step);

// (sum w)^2 / (n sum w^2), the mean over particles of that of their group.
double effective_share(const std::vector<double>& weights, const Groups& groups);

// The largest step in (0, most] with conditional_share >= share, by bisection.
double step_of_share(const std::vector<double>& weights, const std::vector<double>& ratios, const Groups& groups,
                     double most, double share);

// Multiplies the weights by e^{step r}, brings them back to mean 1 and adds the logarithm of what that took, the
// increment of log Z, to the particle's `log_z`. Particles whose ratio is not finite lose their weight; a group without
// any weight keeps what it had.
void reweight(std::vector<double>& weights, const std::vector<double>& ratios, const Groups& groups, double step,
              std::vector<double>& log_z);

// Systematic resampling within each group (Kitagawa 1996), u in (0, 1): which particle each one becomes. Sets the
// weights to 1.
std::vector<int64_t> resample(std::vector<double>& weights, const Groups& groups, double u);

}  // namespace ddls::sampling
