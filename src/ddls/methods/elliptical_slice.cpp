// Elliptical slice sampling (Murray, Adams & MacKay, AISTATS 2010): no step size, no gradient. A step draws n ~ N(0, I) and a
// height log y = r(w) + log u, then offers points w cos t + n sin t of the ellipse through w and n at uniform angles t of a
// bracket, at first the whole ellipse, which every refused point shrinks towards w (t = 0), until r > log y. Exact for the
// prior N(0, I).
//
// The chains of a block shrink together, and only those without a point yet are evaluated. The angles of a chain are numbered by
// its own refusals, so what it draws does not depend on the others.
#include <ATen/ATen.h>

#include <algorithm>
#include <numbers>

#include "ddls/entry.hpp"

namespace ddls {
namespace {

struct EllipticalSliceOptions {
  int64_t steps = 200;
};

// Every refusal takes a part of the bracket away, in the mean half of it: after so many, t = 0 in float32 long since.
constexpr int64_t most_refusals = 128;
constexpr int64_t pieces = 8;

// `rows`, filled up with the first of them to a multiple of an eighth of n: networks meet eight batch shapes, not n.
at::Tensor filled_up(const at::Tensor& rows, int64_t n) {
  const int64_t piece = (n + pieces - 1) / pieces;
  const int64_t size = std::min((rows.size(0) + piece - 1) / piece * piece, n);
  return at::cat({rows, rows.narrow(0, 0, 1).expand({size - rows.size(0)})});
}

at::Tensor taken_rows(const at::Tensor& of, const at::Tensor& rows) {
  return of.defined() ? of.index_select(0, rows) : of;
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

void step_slice(Chains& chains, int64_t step, const Target& target, const Noise& noise) {
  const Chains from = chains;
  const at::Tensor other = normal_of(chains, noise, step, Stream::proposal);
  const at::Tensor log_y =
      from.now.log_ratio.to(at::kDouble) + uniform_of(chains, noise, step, Stream::accept).to(at::kDouble).log();
  const auto u = [&](int64_t refusals) {
    return uniform_of(chains, noise, step * most_refusals + refusals, Stream::choice).to(at::kDouble);
  };
  Bracket bracket(u(0));
  at::Tensor open = at::isfinite(log_y), evaluations = at::zeros_like(log_y);
  for (int64_t refusals = 0; refusals < most_refusals && open.any().item<bool>(); ++refusals) {
    if (refusals > 0) bracket.shrink(open, u(refusals));
    const at::Tensor wanted = open.nonzero().squeeze(1), rows = filled_up(wanted, open.size(0));
    const at::Tensor t = bracket.angle.index_select(0, rows).unsqueeze(1);
    const auto type = from.z.scalar_type();
    const at::Tensor z =
        from.z.index_select(0, rows) * t.cos().to(type) + other.index_select(0, rows) * t.sin().to(type);
    const Evaluation there = target.evaluate(z, taken_rows(chains.labels, rows));
    evaluations = evaluations + open.to(at::kDouble);
    const auto spread = [&](const at::Tensor& whole, const at::Tensor& part) {
      return whole.index_copy(0, wanted, part.narrow(0, 0, wanted.size(0)));
    };
    const Evaluation everywhere{spread(chains.now.log_prior, there.log_prior),
                                spread(chains.now.log_ratio, there.log_ratio),
                                spread(chains.now.grad_log_ratio, there.grad_log_ratio)};
    const at::Tensor found = open.logical_and(everywhere.log_ratio > log_y)
                                 .logical_and(at::isfinite(everywhere.log_ratio))
                                 .logical_and(at::isfinite(everywhere.grad_log_ratio).all(1));
    move_where(found, spread(chains.z, z), everywhere, chains);
    open = open.logical_and(found.logical_not());
  }
  chains.rates[evaluations_rate] = evaluations;
}

void bind_slice(Section& s, EllipticalSliceOptions& o) {
  s.value("steps", &o.steps, "steps, of as many ratios as it takes", at_least(0));
}

Method elliptical_slice(const EllipticalSliceOptions& config, const Target& target, const Noise& noise) {
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

}  // namespace ddls
