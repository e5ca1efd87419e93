// Parallel tempering of the ratio (Geyer 1991): replicas of a chain on p0 e^{b r} for 1 = b_1 > ... > b_K, each moved
// by MALA with its own step size; then neighbours i, j swap with log A = (b_i - b_j)(r_j - r_i), even and odd pairs in
// turn. With b_K = 0 the last replica is a fresh prior draw every step. The chain itself is the replica at b = 1.
#include "ddls/methods/tempering.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "ddls/entry.hpp"
#include "ddls/mala_move.hpp"

namespace ddls::sampling {
namespace {

constexpr const char* swap_rate = "swap_acceptance";

std::vector<double> ladder(const TemperingOptions& c) {
  const int64_t rungs = c.prior_level ? c.levels - 1 : c.levels;
  std::vector<double> b{1};
  for (int64_t i = 1; i < rungs; ++i)
    b.push_back(std::pow(c.smallest, static_cast<double>(i) / static_cast<double>(rungs - 1)));
  if (c.prior_level) b.push_back(0);
  return b;
}

// Replicas below the first lie in Chains::extra, [n, K - 1, ...] each.
std::vector<Chains> unpack(const Chains& chains, size_t levels) {
  std::vector<Chains> all{chains};
  all[0].extra.clear();
  for (size_t level = 1; level < levels; ++level) {
    const auto part = [&](const char* name) {
      return chains.extra.at(name).select(1, static_cast<int64_t>(level) - 1).contiguous();
    };
    Chains replica = all[0];
    replica.z = part("replica_z");
    replica.now = {part("replica_log_prior"), part("replica_log_ratio"), part("replica_grad")};
    all.push_back(std::move(replica));
  }
  return all;
}

void pack(const std::vector<Chains>& all, Chains& chains) {
  std::vector<at::Tensor> z, log_prior, log_ratio, grad;
  for (size_t level = 1; level < all.size(); ++level) {
    z.push_back(all[level].z);
    log_prior.push_back(all[level].now.log_prior);
    log_ratio.push_back(all[level].now.log_ratio);
    grad.push_back(all[level].now.grad_log_ratio);
  }
  chains.z = all[0].z;
  chains.now = all[0].now;
  chains.extra["replica_z"] = at::stack(z, 1);
  chains.extra["replica_log_prior"] = at::stack(log_prior, 1);
  chains.extra["replica_log_ratio"] = at::stack(log_ratio, 1);
  chains.extra["replica_grad"] = at::stack(grad, 1);
}

// Every replica but the first starts from a prior draw of its own.
void start_replicas(Chains& chains, int64_t draw, size_t levels, const Target& target, const tensor::Noise& noise) {
  std::vector<Chains> all{chains};
  for (size_t level = 1; level < levels; ++level) {
    Chains replica = chains;
    const auto count = static_cast<int64_t>(levels) - 1;
    replica.z = normal_of(chains, noise, draw * count + static_cast<int64_t>(level) - 1, Stream::start);
    replica.now = target.evaluate(replica.z, chains.labels);
    all.push_back(std::move(replica));
  }
  pack(all, chains);
}

void swap_where(const at::Tensor& mask, Chains& a, Chains& b) {
  const Chains before = a;
  move_where(mask, b.z, b.now, a);
  move_where(mask, before.z, before.now, b);
}

// Returns the acceptance probabilities of MALA level by level (none for b = 0).
std::vector<at::Tensor> step_tempering(Chains& chains, int64_t step, const std::vector<double>& b,
                                       const std::vector<double>& eps, const Target& target,
                                       const tensor::Noise& noise) {
  std::vector<Chains> all = unpack(chains, b.size());
  const auto levels = static_cast<int64_t>(b.size());
  std::vector<at::Tensor> acceptance;
  for (size_t level = 0; level < b.size(); ++level) {
    const int64_t at = step * levels + static_cast<int64_t>(level);
    if (b[level] == 0) {
      const at::Tensor z = normal_of(chains, noise, at, Stream::proposal);
      const Evaluation there = target.evaluate(z, chains.labels);
      const at::Tensor usable = at::isfinite(there.log_ratio).logical_and(at::isfinite(there.grad_log_ratio).all(1));
      move_where(usable, z, there, all[level]);
    } else {
      acceptance.push_back(mala_move(all[level], eps[level], b[level], normal_of(chains, noise, at, Stream::langevin),
                                     uniform_of(chains, noise, at, Stream::accept), target));
    }
  }
  at::Tensor swapped;
  int64_t pairs = 0;
  for (size_t i = b.size() == 2 ? 0 : static_cast<size_t>(step % 2); i + 1 < b.size(); i += 2, ++pairs) {
    const at::Tensor log_a = (all[i + 1].now.log_ratio - all[i].now.log_ratio) * (b[i] - b[i + 1]);
    const at::Tensor probability = acceptance_of(log_a);
    const at::Tensor u = uniform_of(chains, noise, step * levels + static_cast<int64_t>(i), Stream::swap);
    swap_where(u < probability, all[i], all[i + 1]);
    swapped = swapped.defined() ? swapped + probability : probability;
  }
  pack(all, chains);
  chains.rates["acceptance"] = acceptance.front();
  chains.rates[swap_rate] = swapped / static_cast<double>(pairs);
  return acceptance;
}

// Level by level, from the one of the chain itself; the last of all, b = 0, has none.
std::vector<double> adapted_epsilons(const TemperingOptions& c, const std::vector<double>& b, const Target& target,
                                     const tensor::Noise& noise, const WarmUp& warm_up) {
  const auto squares = [&](std::vector<double> h) {
    for (double& s : h) s *= s;
    h.resize(b.size(), c.step_size);
    return h;
  };
  const auto moved = static_cast<size_t>(std::count_if(b.begin(), b.end(), [](double level) { return level > 0; }));
  const PilotPlan plan{std::vector<double>(moved, std::sqrt(c.step_size)), c.target_acceptance, c.warmup,
                       c.pilot_chains};
  const auto move = [&](Chains& chains, int64_t step, const std::vector<double>& h, const tensor::Noise& own) {
    return step_tempering(chains, step, b, squares(h), target, own);
  };
  const auto start = [&](Chains& chains, const tensor::Noise& own) {
    start_replicas(chains, 0, b.size(), target, own);
  };
  return squares(adapted_steps(plan, target, noise, warm_up, move, start));
}

void bind_tempering(config::Section& s, TemperingOptions& o) {
  s.value("steps", &o.steps, "steps: MALA on every level, then swaps", config::at_least(0));
  s.value("levels", &o.levels, "replicas of a chain", config::at_least(2));
  s.value("smallest", &o.smallest, "inverse temperature at which the geometric ladder ends", config::inside(0, 1));
  s.value("prior_level", &o.prior_level, "a last level at inverse temperature 0: fresh prior draws");
  s.value("step_size", &o.step_size, "epsilon of MALA (or where its adaptation starts)", config::above(0));
  s.value("adapt", &o.adapt, "adapt epsilon of every level during the warm-up, then freeze it");
  bind_warm_up(s, o);
}

std::vector<config::Conflict> check_tempering(const TemperingOptions& o) {
  if (!o.prior_level || o.levels >= 3 || o.smallest == TemperingOptions().smallest) return {};
  return {{{"smallest", "levels"},
           "two levels with prior_level are the target and the prior; a ladder needs three levels"}};
}

}  // namespace

Method tempering(const TemperingOptions& config, const Target& target, const tensor::Noise& noise,
                 const WarmUp& warm_up) {
  const std::vector<double> b = ladder(config);
  std::vector<double> eps(b.size(), config.step_size);
  if (adapts(config)) eps = adapted_epsilons(config, b, target, noise, warm_up);
  return {.name = "tempering",
          .steps = config.steps,
          .cost = {.gradients = static_cast<double>(b.size())},
          .rates = {"acceptance", swap_rate},
          .step_size = [first = eps.front()](int64_t) { return first; },
          .start = [=](Chains& chains, int64_t draw) { start_replicas(chains, draw, b.size(), target, noise); },
          .advance = [=](Chains& chains, int64_t step) { step_tempering(chains, step, b, eps, target, noise); }};
}

Sampler tempering_sampler() {
  return described<TemperingOptions>(
      {.name = "tempering",
       .title = "tempering",
       .summary = "parallel tempering of the density ratio",
       .colour = 7,
       .keys = bind_tempering,
       .check = check_tempering,
       .has_warm_up = adapts<TemperingOptions>,
       .exact = true,
       .make = [](const TemperingOptions& o,
                  const SamplerContext& c) { return tempering(o, c.target, c.noise, c.warm_up); },
       .rates = {acceptance_rate(), {swap_rate, "swaps", "accepted", "acceptance of swaps"}}});
}

}  // namespace ddls::sampling
