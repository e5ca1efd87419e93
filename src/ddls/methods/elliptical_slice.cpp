// Elliptical slice sampling (Murray, Adams & MacKay, AISTATS 2010): no step size, no gradient. A step draws n ~ N(0, I)
// and a height log y = r(w) + log u, then offers points w cos t + n sin t of the ellipse through w and n at uniform
// angles t of a bracket, at first the whole ellipse, which every refused point shrinks towards w (t = 0), until r > log
// y. Exact for the prior N(0, I).
//
// The chains of a block shrink together, and only those without a point yet are evaluated (on a GPU as open_chains.hpp
// says). The angles of a chain are numbered by its own refusals, so what it draws does not depend on the others.
#include <ATen/ATen.h>

#include <algorithm>
#include <numbers>

#include "ddls/entry.hpp"
#include "ddls/open_chains.hpp"

namespace ddls::sampling {
namespace {

struct EllipticalSliceOptions {
  int64_t steps = 200;
};

// Every refusal takes a part of the bracket away, in the mean half of it: after so many, t = 0 in float32 long since.
constexpr int64_t most_refusals = 128;
constexpr int64_t pieces = 8;

// A multiple of an eighth of n that holds `count`: networks meet eight batch shapes, not n.
int64_t batch_for_open(int64_t count, int64_t n) {
  const int64_t piece = (n + pieces - 1) / pieces;
  return std::min((count + piece - 1) / piece * piece, n);
}

struct Bracket {
  at::Tensor angle, low, high;  // [n] float64

  explicit Bracket(const at::Tensor& u)
      : angle(u * (2 * std::numbers::pi)), low(angle - 2 * std::numbers::pi), high(angle) {}

  // Where `open`: the refused angle becomes an end, and another is drawn by u.
  void shrink(const at::Tensor& open, const at::Tensor& u) {
    low = at::where(open.logical_and(angle < 0), angle, low);
    high = at::where(open.logical_and(angle >= 0), angle, high);
    angle = at::where(open, low + (high - low) * u, angle);
  }
};

void step_slice(Chains& chains, int64_t step, const Target& target, const tensor::Noise& noise) {
  const Chains from = chains;
  const at::Tensor other = normal_of(chains, noise, step, Stream::proposal);
  const at::Tensor log_y =
      from.now.log_ratio.to(at::kDouble) + uniform_of(chains, noise, step, Stream::accept).to(at::kDouble).log();
  const auto u = [&](int64_t refusals) {
    return uniform_of(chains, noise, step * most_refusals + refusals, Stream::choice).to(at::kDouble);
  };
  Bracket bracket(u(0));
  at::Tensor open = at::isfinite(log_y), evaluations = at::zeros_like(log_y);
  OpenChains waiting;
  for (int64_t refusals = 0; refusals < most_refusals; ++refusals) {
    const auto offered = waiting.next(open, [n = open.size(0)](int64_t count) { return batch_for_open(count, n); });
    if (!offered) break;
    const auto& [wanted, rows] = *offered;
    if (refusals > 0) bracket.shrink(open, u(refusals));
    const at::Tensor t = bracket.angle.index_select(0, rows).unsqueeze(1);
    const auto type = from.z.scalar_type();
    const at::Tensor z =
        from.z.index_select(0, rows) * t.cos().to(type) + other.index_select(0, rows) * t.sin().to(type);
    evaluations = evaluations + open.to(at::kDouble);
    const auto [to, there] = evaluate_rows(chains, wanted, rows, z, target);
    const at::Tensor found = open.logical_and(there.log_ratio > log_y)
                                 .logical_and(at::isfinite(there.log_ratio))
                                 .logical_and(at::isfinite(there.grad_log_ratio).all(1));
    move_where(found, to, there, chains);
    open = open.logical_and(found.logical_not());
  }
  chains.rates[evaluations_rate] = evaluations;
}

void bind_slice(config::Section& s, EllipticalSliceOptions& o) {
  s.value("steps", &o.steps, "steps, of as many ratios as it takes", config::at_least(0));
}

Method elliptical_slice(const EllipticalSliceOptions& config, const Target& target, const tensor::Noise& noise) {
  return {.name = "elliptical_slice",
          .steps = config.steps,
          .cost = {.gradients = 0, .ratios = 0, .counted = true},
          .rates = {evaluations_rate},
          .step_size = [](int64_t) { return 0.0; },
          .advance = [=](Chains& chains, int64_t step) { step_slice(chains, step, target, noise); }};
}

}  // namespace

Sampler elliptical_slice_sampler() {
  return described<EllipticalSliceOptions>(
      {.name = "elliptical_slice",
       .title = "elliptical slice",
       .summary = "slice sampling on ellipses, without a step size",
       .colour = 4,
       .keys = bind_slice,
       .needs_gradient = false,
       .exact = true,
       .make = [](const EllipticalSliceOptions& o,
                  const SamplerContext& c) { return elliptical_slice(o, c.target, c.noise); },
       .rates = {evaluations_of_step()}});
}

}  // namespace ddls::sampling
