// CMMD (Jayasumana et al. 2024): 1000 times the squared maximum mean discrepancy with the kernel
// exp(-|x - y|^2/(2 sigma^2)) of rows of unit norm, means over all pairs (a biased estimate: never negative). The name
// is that of CLIP features; of others it is the same kernel and no CMMD.
#include <ATen/ATen.h>

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

at::Tensor of_unit_norm(const at::Tensor& rows) {
  const at::Tensor x = rows.to(at::kCPU, at::kDouble);
  return x / x.square().sum(1, true).sqrt();
}

// Sum of k - 1 over pairs of rows: k is near 1, and what is compared are small differences.
double deviation_sum(const at::Tensor& x, const at::Tensor& y, double sigma) {
  const at::Tensor half_squares = (1 - at::mm(of_unit_norm(x), of_unit_norm(y).t())).clamp_min_(0);
  return half_squares.mul_(-1 / (sigma * sigma)).expm1_().sum().item<double>();
}

// The mean over all pairs of rows of one set. **Collective.**
double deviation_within(dist::Communicator& comm, const FeatureBlocks& set, double sigma) {
  double sum = 0;
  for_each_pair(
      comm, set, set, Pairs::unordered,
      [&](const BlockOfRows& a, const BlockOfRows& b) {
        sum += (a.block == b.block ? 1 : 2) * deviation_sum(a.rows, b.rows, sigma);
      },
      "CMMD");
  return sum_over_ranks(comm, sum) / static_cast<double>(set.count) / static_cast<double>(set.count);
}

Json compute_cmmd(const CmmdOptions& options, const MetricInputs& in) {
  dist::Communicator& comm = in.context.comm;
  const FeatureBlocks &own = in.own.rows, &real = in.reference.set.rows;
  double sum = 0;
  for_each_pair(
      comm, own, real, Pairs::all,
      [&](const BlockOfRows& a, const BlockOfRows& b) { sum += deviation_sum(a.rows, b.rows, options.sigma); }, "CMMD");
  const double across =
      2 * sum_over_ranks(comm, sum) / static_cast<double>(own.count) / static_cast<double>(real.count);
  const double within = deviation_within(comm, own, options.sigma) + in.prepared_as<double>();
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
       .compute = compute_cmmd,
       .protocol =
           [](const CmmdOptions& o, const auto&...) {
             return Json{{"cmmd", {{"kernel", "exp(-|x - y|^2/(2 sigma^2)) of unit-norm rows"}, {"sigma", o.sigma}}}};
           }});
}

}  // namespace ddls::metrics
