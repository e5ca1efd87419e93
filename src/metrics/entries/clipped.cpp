// Clipped density and coverage (Salvy, Talbot, Thirion 2026): both are the share of good samples that would score as
// much. Balls of reals reach the k-th neighbour, for density no farther than the median of these distances; a sample
// counts at most once, however many balls hold it, and so does a ball, however many samples it holds.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "base/json.hpp"
#include "metrics/entries/clipped.hpp"
#include "metrics/balls.hpp"
#include "metrics/entry.hpp"
#include "metrics/neighbour_distances.hpp"

namespace ddls::metrics {

double expected_coverage(int64_t reals, int64_t fakes, int64_t k) {
  // The mass of a ball among N reals is Beta(k, N - k), so the number of m fakes in it is beta-binomial.
  const auto m = static_cast<double>(fakes), a = static_cast<double>(k), b = static_cast<double>(reals - k);
  const auto log_beta = [](double x, double y) { return std::lgamma(x) + std::lgamma(y) - std::lgamma(x + y); };
  double missing = 0;  // E[k - min(count, k)]
  for (int64_t i = 0; i < std::min(k, fakes + 1); ++i) {
    const auto j = static_cast<double>(i);
    const double log_choose = std::lgamma(m + 1) - std::lgamma(j + 1) - std::lgamma(m - j + 1);
    missing += (a - j) * std::exp(log_choose + log_beta(j + a, m - j + b) - log_beta(a, b));
  }
  return 1 - missing / a;
}

double good_share_of_coverage(double coverage, int64_t reals, int64_t fakes, int64_t k) {
  int64_t low = 0, high = fakes;
  if (coverage >= expected_coverage(reals, fakes, k)) return 1;
  while (high - low > 1) {
    const int64_t middle = low + (high - low) / 2;
    (expected_coverage(reals, middle, k) <= coverage ? low : high) = middle;
  }
  const double from = expected_coverage(reals, low, k), to = expected_coverage(reals, high, k);
  const double between = std::clamp((coverage - from) / (to - from), 0.0, 1.0);
  return (static_cast<double>(low) + between) / static_cast<double>(fakes);
}

namespace {

struct ClippedOptions {
  int64_t k = 5;
  int64_t count = 10'000;
};

// The mean of min(count/k, 1).
double clipped_mean(const at::Tensor& counts, int64_t k) {
  return counts.clamp_max(k).to(at::kDouble).mean().item<double>() / static_cast<double>(k);
}

// Of the reference: undefined where it is too small.
struct RealBalls {
  at::Tensor radii, clipped;  // [count] float32
  double density = 0;         // of the reals themselves, each in the balls of the others
};

at::Tensor clipped_at_median(const at::Tensor& radii) {
  const at::Tensor ascending = std::get<0>(radii.sort());
  const int64_t n = radii.numel();
  return at::minimum(radii, (ascending[(n - 1) / 2] + ascending[n / 2]) / 2);
}

RealBalls real_balls(dist::Communicator& comm, const SetFeatures& real, const ClippedOptions& options) {
  RealBalls balls;
  const FeatureBlocks rows = real.rows.first(options.count);
  if (rows.count <= options.k) return balls;
  balls.radii = neighbour_radii(comm, real, options.count, options.k);
  balls.clipped = clipped_at_median(balls.radii);
  at::Tensor held = at::zeros({rows.count}, at::kLong);
  const auto of = [&](IdRange ids) { return held.narrow(0, ids.begin, ids.size()); };
  const auto radii_of = [&](IdRange ids) { return balls.clipped.narrow(0, ids.begin, ids.size()); };
  for_each_product(
      comm, rows, rows, Pairs::unordered,
      [&](const PairBlock& block) {
        const bool itself = block.rows == block.columns;
        const at::Tensor distances = itself ? without_diagonal(block.distances()) : block.distances();
        of(block.columns) += distances.le(radii_of(block.rows).unsqueeze(1)).sum(0);
        if (!itself) of(block.rows) += distances.le(radii_of(block.columns).unsqueeze(0)).sum(1);
      },
      "clipped density of the reference");
  comm.all_reduce(held);
  balls.density = clipped_mean(held, options.k);
  return balls;
}

// [fakes + reals] int64: how many clipped balls hold each fake, how many fakes the whole ball of each real holds.
class HeldByReals final : public PairSums {
 public:
  HeldByReals(const RealBalls& balls, int64_t fakes)
      : PairSums(balls.radii.numel(), fakes, at::zeros({fakes + balls.radii.numel()}, at::kLong)), balls_(balls) {}

  void add(const PairBlock& block) override {
    const int64_t real = block.rows.begin, m = block.rows.size();
    const auto within = [&](const at::Tensor& radii) {
      return block.distances().le(radii.narrow(0, real, m).unsqueeze(1));
    };
    sums().narrow(0, block.columns.begin, block.columns.size()) += within(balls_.clipped).sum(0);
    sums().narrow(0, fakes() + real, m) += within(balls_.radii).sum(1);
  }

 private:
  RealBalls balls_;
};

std::shared_ptr<PairSums> held_by_reals(const ClippedOptions& options, const MetricInputs& in) {
  const auto& balls = in.prepared_as<RealBalls>();
  if (!balls.radii.defined()) return nullptr;
  return std::make_shared<HeldByReals>(balls, in.own.rows.first(options.count).count);
}

Json compute_clipped(const ClippedOptions& options, const MetricInputs& in) {
  Json metrics = Json::object();
  if (in.pairs == nullptr) {
    refuse(metrics, {"clipped_density", "clipped_coverage"},
           fmt::format("{} has no more than k = {} samples", in.reference.set.name, options.k));
    return metrics;
  }
  const int64_t fakes = in.pairs->fakes(), reals = in.pairs->reals();
  const double density = clipped_mean(in.pairs->sums().narrow(0, 0, fakes), options.k);
  const double coverage = clipped_mean(in.pairs->sums().narrow(0, fakes, reals), options.k);
  if (const auto& balls = in.prepared_as<RealBalls>(); balls.density > 0)
    metrics["clipped_density"] = std::min(density / balls.density, 1.0);
  else
    refuse(metrics, {"clipped_density"}, "no sample of " + in.reference.set.name + " lies in the balls of the others");
  metrics["clipped_coverage"] = good_share_of_coverage(coverage, reals, fakes, options.k);
  return metrics;
}

}  // namespace

Metric clipped_metric() {
  return described<ClippedOptions>(
      {.name = "clipped",
       .summary = "clipped density and coverage, as shares of good samples",
       .options = [](config::Section& s, ClippedOptions& o) { bind_balls(s, o.k, o.count); },
       .keys = {{"clipped_density", "share of good fakes that scores as much (clipped)", "",
                 MetricColumn{.title = "clipped density"}},
                {"clipped_coverage", "share of good fakes that covers as many reals (clipped)", "",
                 MetricColumn{.title = "clipped coverage"}}},
       .protocol_keys = ball_keys("clipped"),
       .needs = [](const ClippedOptions& o) { return first_rows(o.count); },
       .prepare = [](const ClippedOptions& o, const MetricContext& context, const Reference& reference) -> std::any {
         return real_balls(context.comm, reference.set, o);
       },
       .pairs = held_by_reals,
       .compute = compute_clipped,
       .protocol =
           [](const ClippedOptions& o, const Json&, int64_t count, int64_t reference_count) {
             return Json{{"clipped", ball_protocol(o.k, o.count, count, reference_count)}};
           }});
}

}  // namespace ddls::metrics
