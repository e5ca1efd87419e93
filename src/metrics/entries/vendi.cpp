// Vendi score (Friedman, Dieng 2023) with the cosine kernel: exp of the entropy of the eigenvalues of X X^T/n, rows of
// unit norm; those of the F x F matrix X^T X/n are the same, and it is added up as features pass.
#include <ATen/ATen.h>

#include <cmath>

#include "base/json.hpp"
#include "metrics/entry.hpp"

namespace ddls::metrics {
namespace {

// [1 + F F] float64: how many rows are 0, sum x x^T of the others at unit norm.
class UnitProducts final : public StreamedSums {
 public:
  explicit UnitProducts(int64_t features)
      : features_(features), sums_(at::zeros({1 + features * features}, at::kDouble)) {}

  void add(const Features& block, IdRange) override {
    const at::Tensor x = block.features.to(at::kCPU, at::kDouble);
    const at::Tensor norms = x.square().sum(1, true).sqrt(), empty = norms.eq(0);
    sums_[0] += empty.sum();
    const at::Tensor unit = x / norms.masked_fill(empty, 1);
    products().addmm_(unit.t(), unit);
  }
  at::Tensor& sums() override { return sums_; }
  int64_t empty_rows() const { return static_cast<int64_t>(sums_[0].item<double>()); }
  at::Tensor products() const { return sums_.narrow(0, 1, features_ * features_).view({features_, features_}); }

 private:
  int64_t features_;
  at::Tensor sums_;
};

std::shared_ptr<StreamedSums> stream_products(const config::NoOptions&, const MetricContext& context,
                                              const EvaluationSet& set) {
  return std::make_shared<UnitProducts>(context.extractor ? context.extractor->features : set.sample_shape.at(0));
}

double score_of(const at::Tensor& products, int64_t count) {
  const at::Tensor shares = at::linalg_eigvalsh(products / static_cast<double>(count)).clamp_min(0);
  return std::exp(-at::xlogy(shares, shares).sum().item<double>());
}

Json compute_vendi(const config::NoOptions&, const MetricInputs& in) {
  if (in.streamed == nullptr) return no_value("vendi", in.own.name + " holds statistics only");
  const auto& sums = static_cast<const UnitProducts&>(*in.streamed);
  const at::Tensor products = sums.products();
  if (!at::isfinite(products).all().item<bool>())
    return no_value("vendi", in.own.name + " has features that are not finite");
  if (sums.empty_rows() > 0)
    return no_value("vendi", fmt::format("{} samples of {} have features that are all 0: they have no direction",
                                         sums.empty_rows(), in.own.name));
  at::Tensor score = at::zeros({1}, at::kDouble);
  in.context.comm.on_root([&] { score.fill_(score_of(products, in.own.count)); });
  in.context.comm.broadcast(score);
  return {{"vendi", score.item<double>()}};
}

}  // namespace

Metric vendi_metric() {
  return described<config::NoOptions>(
      {.name = "vendi",
       .summary = "Vendi score: how many different samples there are, without a reference",
       .keys = {{"vendi", "effective number of different samples (vendi)", "samples",
                 MetricColumn{.title = "Vendi score", .unit = "samples", .decimals = -4}}},
       .needs = MetricNeeds{},
       .stream = stream_products,
       .compute = compute_vendi});
}

}  // namespace ddls::metrics
