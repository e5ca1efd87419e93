#include "metrics/entries/prdc.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "metrics/balls.hpp"
#include "metrics/entry.hpp"

namespace ddls::metrics {

PrdcCounts::PrdcCounts(at::Tensor real_radii, at::Tensor fake_radii)
    : PairSums(real_radii.size(0), fake_radii.size(0),
               at::zeros({fake_radii.size(0) + 2 * real_radii.size(0)}, at::kLong)),
      real_radii_(std::move(real_radii)),
      fake_radii_(std::move(fake_radii)) {}

void PrdcCounts::add(const PairBlock& block) {
  const int64_t real = block.rows.begin, fake = block.columns.begin, m = block.rows.size(), n = block.columns.size();
  const at::Tensor in_real_ball = block.distances() < real_radii_.narrow(0, real, m).unsqueeze(1);
  const at::Tensor in_fake_ball = block.distances() < fake_radii_.narrow(0, fake, n).unsqueeze(0);
  sums().narrow(0, fake, n) += in_real_ball.sum(0);
  sums().narrow(0, fakes() + real, m) += in_real_ball.sum(1);
  sums().narrow(0, fakes() + reals() + real, m) += in_fake_ball.sum(1);
}

Prdc PrdcCounts::result(int64_t k) const {
  const auto share = [](const at::Tensor& counts) { return (counts > 0).to(at::kDouble).mean().item<double>(); };
  const at::Tensor of_fake = sums().narrow(0, 0, fakes());
  return {share(of_fake), share(sums().narrow(0, fakes() + reals(), reals())),
          of_fake.to(at::kDouble).mean().item<double>() / static_cast<double>(k),
          share(sums().narrow(0, fakes(), reals()))};
}

namespace {

// Why there are no balls; empty where there are some.
std::string no_balls_why(const std::string& name, const at::Tensor& radii, int64_t k) {
  if (radii.max().item<float>() > 0) return {};
  return fmt::format("every sample of {} has {} equals in it: the balls have radius 0 and hold nothing", name, k);
}

void warn_of_equals(const MetricContext& context, const std::string& name, const at::Tensor& radii, int64_t k) {
  const int64_t points = radii.eq(0).sum().item<int64_t>();
  if (context.comm.root() && points > 0)
    log::warning(
        "{}: {} of {} samples have {} equals among them; in precision, recall, density and coverage their balls have "
        "radius 0 and hold nothing",
        name, points, radii.numel(), k);
}

// The radii of the reference; undefined where it is too small.
std::any prepare_prdc(const PrdcOptions& options, const MetricContext& context, const Reference& reference) {
  at::Tensor radii;
  if (reference.set.rows.first(options.count).count > options.k) {
    radii = neighbour_radii(context.comm, reference.set, options.count, options.k);
    warn_of_equals(context, reference.set.name, radii, options.k);
  }
  return radii;
}

std::shared_ptr<PairSums> count_pairs(const PrdcOptions& options, const MetricInputs& in) {
  const auto& real_radii = in.prepared_as<at::Tensor>();
  if (in.own.rows.first(options.count).count <= options.k || !real_radii.defined()) return nullptr;
  const at::Tensor radii = neighbour_radii(in.context.comm, in.own, options.count, options.k);
  warn_of_equals(in.context, in.own.name, radii, options.k);
  return std::make_shared<PrdcCounts>(real_radii, radii);
}

Json compute_prdc(const PrdcOptions& options, const MetricInputs& in) {
  const std::string &own = in.own.name, &real = in.reference.set.name;
  const auto& real_radii = in.prepared_as<at::Tensor>();
  Json metrics = Json::object();
  if (in.pairs == nullptr) {
    const bool few = in.own.rows.first(options.count).count <= options.k;
    refuse(metrics, {"precision", "recall", "density", "coverage"},
           fmt::format("{} has no more than k = {} samples", few ? own : real, options.k));
    return metrics;
  }
  const auto& counts = static_cast<const PrdcCounts&>(*in.pairs);
  const Prdc p = counts.result(options.k);
  metrics.update({{"precision", p.precision}, {"recall", p.recall}, {"density", p.density}, {"coverage", p.coverage}});
  const std::string no_real = no_balls_why(real, real_radii, options.k);
  const std::string no_fake = no_balls_why(own, counts.fake_radii(), options.k);
  if (!no_real.empty()) refuse(metrics, {"precision", "density", "coverage"}, no_real);
  if (!no_fake.empty()) refuse(metrics, {"recall"}, no_fake);
  return metrics;
}

MetricKey share(const std::string& name, const std::string& more = "") {
  return {name, "(prdc)" + more, "", MetricColumn{.title = name}};
}

}  // namespace

Metric prdc_metric() {
  return described<PrdcOptions>(
      {.name = "prdc",
       .summary = "precision, recall, density, coverage",
       .options = [](config::Section& s, PrdcOptions& o) { bind_balls(s, o.k, o.count); },
       .keys = {share("precision"), share("recall"), share("density", "; may exceed 1"), share("coverage")},
       .protocol_keys = ball_keys("prdc"),
       .needs = [](const PrdcOptions& o) { return first_rows(o.count); },
       .prepare = prepare_prdc,
       .pairs = count_pairs,
       .compute = compute_prdc,
       .protocol =
           [](const PrdcOptions& o, const Json&, int64_t count, int64_t reference_count) {
             return Json{{"prdc", ball_protocol(o.k, o.count, count, reference_count)}};
           }});
}

}  // namespace ddls::metrics
