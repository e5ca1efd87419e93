// Discriminator rejection sampling (Azadi et al., ICLR 2019): prior draws are accepted with probability sigma(F),
//   F = D - log(1 - e^{D - e}) - gamma,  D = r - max r,
// which for gamma = 0 and e -> 0 is e^D: exact rejection. max r is taken from pilot draws and fixed, so that chains do not
// depend on each other; a ratio above it counts as the maximum. Step t offers candidate t to the chains that have none yet;
// a chain that never accepts ends with its best candidate.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "ddls/method.hpp"

namespace ddls {
namespace {

constexpr double epsilon = 1e-6;
constexpr const char* taken = "taken";  // [n] 1 once a candidate was accepted

struct Bound {
  double largest = 0, gamma = 0;
};

at::Tensor score(const at::Tensor& log_ratio, const Bound& bound) {
  const at::Tensor d = (log_ratio.to(at::kDouble) - bound.largest).clamp_max(0);
  return d - at::log(-at::expm1(d - epsilon)) - bound.gamma;
}

Bound bound_of(const DrsConfig& c, const Target& target, const Noise& noise, const WarmUpStep& after_step) {
  constexpr int64_t batch = 500;
  std::vector<at::Tensor> all;
  for (int64_t first = 0; first < c.pilots; first += batch) {
    const IdRange ids{first, first + batch};  // whole batches: one shape for the networks
    const at::Tensor z = noise.normal(ids, target.latent_dim, 0, Stream::pilot, target.device);
    const at::Tensor labels = target.labels_of ? target.labels_of(ids).to(target.device) : at::Tensor();
    all.push_back(target.log_ratio(z, labels).to(at::kDouble).cpu());
    if (after_step) after_step(std::min(first + batch, c.pilots), c.pilots);
  }
  const at::Tensor r = at::cat(all).narrow(0, 0, c.pilots);
  const at::Tensor finite = r.masked_select(at::isfinite(r));
  Bound bound{finite.max().item<double>(), 0};
  if (c.percentile > 0) {
    const at::Tensor sorted = std::get<0>(score(finite, bound).sort());
    const auto at = static_cast<int64_t>(c.percentile / 100 * static_cast<double>(sorted.numel() - 1));
    bound.gamma = sorted[at].item<double>();
  }
  return bound;
}

void step_drs(Chains& chains, int64_t step, const Bound& bound, const Target& target, const Noise& noise) {
  at::Tensor& done = chains.extra.at(taken);
  // The start of a chain is its first candidate.
  const bool first = step == 0;
  const at::Tensor z = first ? chains.z : normal_of(chains, noise, step, Stream::proposal);
  const Evaluation there = first ? chains.now : target.evaluate(z, chains.labels);
  const at::Tensor f = score(there.log_ratio, bound);
  const at::Tensor probability = at::where(at::isfinite(there.log_ratio), f.sigmoid(), at::zeros_like(f));
  const at::Tensor open = done == 0;
  const at::Tensor accepted = open.logical_and(uniform_of(chains, noise, step, Stream::accept) < probability);
  const at::Tensor better = open.logical_and(there.log_ratio > chains.now.log_ratio);
  move_where(accepted.logical_or(better), z, there, chains);
  done = done.logical_or(accepted).to(at::kByte);
  chains.rates["acceptance"] = probability;
}

}  // namespace

Method drs(const DrsConfig& config, const Target& target, const Noise& noise, const WarmUpStep& after_step) {
  const Bound bound = bound_of(config, target, noise, after_step);
  return {.name = "drs",
          .steps = config.steps,
          .cost = {.gradients = 0, .ratios = 1},
          .rates = {"acceptance"},
          .step_size = [](int64_t) { return 0.0; },
          .start =
              [](Chains& chains, int64_t) {
                chains.extra[taken] = at::zeros({chains.z.size(0)}, chains.z.options().dtype(at::kByte));
              },
          .advance = [=](Chains& chains, int64_t step) { step_drs(chains, step, bound, target, noise); }};
}

}  // namespace ddls
