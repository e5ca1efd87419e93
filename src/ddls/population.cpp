#include "ddls/population.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

namespace ddls::sampling {
namespace {

size_t place(int64_t i) { return static_cast<size_t>(i); }

// Where a particle that has weight has the largest r of its group; -infinity: none.
double largest(const std::vector<double>& weights, const std::vector<double>& ratios,
               const std::vector<int64_t>& group) {
  double most = -std::numeric_limits<double>::infinity();
  for (const int64_t i : group)
    if (weights[place(i)] > 0 && std::isfinite(ratios[place(i)])) most = std::max(most, ratios[place(i)]);
  return most;
}

// e^{step (r - most)}, 0 where r is not finite.
double factor(double ratio, double most, double step) {
  return std::isfinite(ratio) ? std::exp(step * (ratio - most)) : 0;
}

}  // namespace

Groups groups_of(int64_t n, const std::vector<int64_t>& labels) {
  std::map<int64_t, std::vector<int64_t>> of_label;
  for (int64_t i = 0; i < n; ++i) of_label[labels.empty() ? 0 : labels[place(i)]].push_back(i);
  Groups groups;
  for (auto& [label, particles] : of_label) groups.push_back(std::move(particles));
  return groups;
}

double conditional_share(const std::vector<double>& weights, const std::vector<double>& ratios, const Groups& groups,
                         double step) {
  double total = 0, particles = 0;
  for (const std::vector<int64_t>& group : groups) {
    const double most = largest(weights, ratios, group);
    double w = 0, wv = 0, wv2 = 0;
    for (const int64_t i : group) {
      if (!std::isfinite(ratios[place(i)])) continue;
      const double v = factor(ratios[place(i)], most, step);
      w += weights[place(i)];
      wv += weights[place(i)] * v;
      wv2 += weights[place(i)] * v * v;
    }
    const auto size = static_cast<double>(group.size());
    total += size * (wv2 > 0 ? wv * wv / (w * wv2) : 1);
    particles += size;
  }
  return total / particles;
}

double effective_share(const std::vector<double>& weights, const Groups& groups) {
  double total = 0;
  for (const std::vector<int64_t>& group : groups) {
    double w = 0, w2 = 0;
    for (const int64_t i : group) {
      w += weights[place(i)];
      w2 += weights[place(i)] * weights[place(i)];
    }
    total += w2 > 0 ? w * w / w2 : 0;
  }
  return total / static_cast<double>(weights.size());
}

double step_of_share(const std::vector<double>& weights, const std::vector<double>& ratios, const Groups& groups,
                     double most, double share) {
  if (conditional_share(weights, ratios, groups, most) >= share) return most;
  double enough = 0, too_far = most;
  constexpr int halvings = 50;
  for (int i = 0; i < halvings; ++i) {
    const double middle = (enough + too_far) / 2;
    (conditional_share(weights, ratios, groups, middle) >= share ? enough : too_far) = middle;
  }
  return enough > 0 ? enough : too_far;
}

void reweight(std::vector<double>& weights, const std::vector<double>& ratios, const Groups& groups, double step,
              std::vector<double>& log_z) {
  for (const std::vector<int64_t>& group : groups) {
    const double most = largest(weights, ratios, group);
    if (!std::isfinite(most)) continue;
    double sum = 0;
    for (const int64_t i : group) sum += weights[place(i)] *= factor(ratios[place(i)], most, step);
    const double mean = sum / static_cast<double>(group.size());
    for (const int64_t i : group) {
      weights[place(i)] /= mean;
      log_z[place(i)] += std::log(mean) + step * most;
    }
  }
}

std::vector<int64_t> resample(std::vector<double>& weights, const Groups& groups, double u) {
  std::vector<int64_t> from(weights.size());
  for (const std::vector<int64_t>& group : groups) {
    double sum = 0;
    for (const int64_t i : group) sum += weights[place(i)];
    const double unit = sum / static_cast<double>(group.size());
    size_t chosen = 0;
    double passed = weights[place(group[0])];  // weight up to and with the chosen one
    for (size_t j = 0; j < group.size(); ++j) {
      if (!(sum > 0)) {
        from[place(group[j])] = group[j];
        continue;
      }
      while (passed < (static_cast<double>(j) + u) * unit && chosen + 1 < group.size())
        passed += weights[place(group[++chosen])];
      // Rounding may run past the last particle that has weight.
      while (weights[place(group[chosen])] == 0) --chosen;
      from[place(group[j])] = group[chosen];
    }
  }
  std::fill(weights.begin(), weights.end(), 1.0);
  return from;
}

}  // namespace ddls::sampling
