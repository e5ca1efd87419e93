// CMMD (Jayasumana et al. 2024): 1000 times the squared maximum mean discrepancy with the kernel
// exp(-|x - y|^2/(2 sigma^2)) of rows of unit norm, means over all pairs (a biased estimate: never negative). The name
// is that of CLIP features; of others it is the same kernel and no CMMD.
#include <ATen/ATen.h>

#include <cmath>

#include "base/json.hpp"
#include "metrics/entry.hpp"
#include "metrics/rounding.hpp"
#include "metrics/sum_over_ranks.hpp"

namespace ddls::metrics {
namespace {

struct CmmdOptions {
  double sigma = 10;
};

void bind_cmmd(config::Section& s, CmmdOptions& o) {
  s.value("sigma", &o.sigma, "width of the kernel", config::above(0));
}

// Sum of k - 1 over the pairs: k is near 1, and what is compared are small differences. Not finite where a row is 0.
double deviation_sum(const PairBlock& block, double sigma) {
  const at::Tensor cosines = block.products / (block.x_squares.sqrt() * block.y_squares.sqrt());
  return (1 - cosines).clamp_min_(0).mul_(-1 / (sigma * sigma)).expm1_().sum().item<double>();
}

// The mean over all pairs of rows of one set. **Collective.**
double deviation_within(dist::Communicator& comm, const FeatureBlocks& set, double sigma) {
  double sum = 0;
  for_each_product(
      comm, set, set, Pairs::unordered,
      [&](const PairBlock& block) { sum += (block.rows == block.columns ? 1 : 2) * deviation_sum(block, sigma); },
      "CMMD");
  return sum_over_ranks(comm, sum) / static_cast<double>(set.count) / static_cast<double>(set.count);
}

class DeviationAcross final : public PairSums {
 public:
  DeviationAcross(int64_t reals, int64_t fakes, double sigma)
      : PairSums(reals, fakes, at::zeros({1}, at::kDouble)), sigma_(sigma) {}
  void add(const PairBlock& block) override { sums() += deviation_sum(block, sigma_); }

 private:
  double sigma_;
};

Json compute_cmmd(const CmmdOptions& options, const MetricInputs& in) {
  const auto reals = static_cast<double>(in.pairs->reals()), fakes = static_cast<double>(in.pairs->fakes());
  const double across = 2 * in.pairs->sums().item<double>() / reals / fakes;
  const double within = deviation_within(in.context.comm, in.own.rows, options.sigma) + in.prepared_as<double>();
  if (!std::isfinite(within - across))
    return no_value("cmmd", "some samples have features that are all 0: they have no direction");
  return {{"cmmd", 1000 * without_rounding(within - across, within)}};
}

}  // namespace

Metric cmmd_metric() {
  return described<CmmdOptions>(
      {.name = "cmmd",
       .summary = "squared MMD with a Gaussian kernel of unit-norm features (CMMD with a CLIP network)",
       .options = bind_cmmd,
       .keys = {{"cmmd", "1000 times the squared MMD (cmmd)", "",
                 MetricColumn{.title = "CMMD", .better = Better::lower}}},
       .protocol_keys = {{"cmmd", "metric cmmd"}, {"cmmd.kernel"}, {"cmmd.sigma", "its width"}},
       .needs = MetricNeeds{.rows = all_rows_needed, .reference_rows = all_rows_needed},
       .prepare = [](const CmmdOptions& o, const MetricContext& context, const Reference& reference) -> std::any {
         return deviation_within(context.comm, reference.set.rows, o.sigma);
       },
       .pairs =
           [](const CmmdOptions& o, const MetricInputs& in) {
             return std::make_shared<DeviationAcross>(in.reference.set.rows.count, in.own.rows.count, o.sigma);
           },
       .compute = compute_cmmd,
       .protocol =
           [](const CmmdOptions& o, const auto&...) {
             return Json{{"cmmd", {{"kernel", "exp(-|x - y|^2/(2 sigma^2)) of unit-norm rows"}, {"sigma", o.sigma}}}};
           }});
}

}  // namespace ddls::metrics
