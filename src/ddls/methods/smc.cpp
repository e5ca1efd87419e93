// Annealed sequential Monte Carlo with log Z (Del Moral, Doucet & Jasra 2006; Neal 2001): the particles of a block go
// from the prior to the target by p0 e^{b r}, b from 0 to 1. A step raises b to b', multiplies the weights by e^{(b' -
// b) r}, resamples where they are worth less than half of the particles, and always where b reaches 1, then moves every
// particle by pCN at b'. Once at 1, further steps move alone. log Z = log E_p0 e^r is the sum of the logs of the mean
// weight factors.
//
// The population is the block, its padding included, so the last block is no smaller than the others and of its
// particles the first are kept. A label's particles are a population of their own. Levels and step size follow from the
// population: the same at any number of ranks, and not independent of the particles. Consistent as blocks grow; at any
// finite size the law has a bias of O(1/N).
#include "ddls/methods/smc.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "base/log.hpp"
#include "ddls/entry.hpp"
#include "ddls/pcn_move.hpp"
#include "ddls/population.hpp"

namespace ddls::sampling {
namespace {

constexpr const char *effective_rate = "population_ess", *level_rate = "inverse_temperature", *log_z_rate = "log_z",
                     *ancestors_rate = "ancestors";
constexpr double resample_below = 0.5;

// Chains::extra, [n] each; what a population shares stands in every row.
constexpr const char *weight_key = "weight", *level_key = "level", *log_z_key = "log_z", *size_key = "size",
                     *ancestor_key = "ancestor";

// Nobody waits for the copy.
template <typename Value>
at::Tensor on_device(const std::vector<Value>& values, const Chains& chains) {
  const at::Tensor host = at::tensor(values, c10::CppTypeToScalarType<Value>::value);
  return chains.z.is_cpu() ? host : host.pin_memory().to(chains.z.device(), /*non_blocking=*/true);
}

// What the host has of the particles: a GPU is waited for once in a step, for all of it.
struct SmcState {
  Groups groups;
  std::vector<double> weights, log_z, ratios;
  std::vector<int64_t> ancestors;
  double b = 0, h = 1;
};

// A particle that has started anew stands at the prior: while the others are beyond it, it has no weight.
SmcState state_of_particles(const Chains& chains) {
  std::vector<at::Tensor> columns{chains.now.log_ratio.to(at::kDouble), chains.extra.at(ancestor_key).to(at::kDouble)};
  for (const char* key : {level_key, size_key, weight_key, log_z_key}) columns.push_back(chains.extra.at(key));
  if (chains.labels.defined()) columns.push_back(chains.labels.to(at::kDouble));
  const at::Tensor host = at::stack(columns).to(at::kCPU);
  const auto column = [&](int64_t i) {
    const double* const first = host.const_data_ptr<double>() + i * host.size(1);
    return std::vector<double>(first, first + host.size(1));
  };
  const auto whole = [](const std::vector<double>& values) {
    return std::vector<int64_t>(values.begin(), values.end());
  };
  const std::vector<double> levels = column(2), sizes = column(3);
  const auto highest = std::max_element(levels.begin(), levels.end());
  SmcState p{.groups = groups_of(chains.z.size(0), chains.labels.defined() ? whole(column(6)) : std::vector<int64_t>()),
             .weights = column(4),
             .log_z = column(5),
             .ratios = column(0),
             .ancestors = whole(column(1)),
             .b = *highest,
             .h = sizes[static_cast<size_t>(highest - levels.begin())]};
  for (size_t i = 0; i < levels.size(); ++i)
    if (levels[i] < p.b) p.weights[i] = 0;
  for (const std::vector<int64_t>& group : p.groups)
    for (const int64_t i : group)
      if (levels[static_cast<size_t>(i)] < p.b)
        for (const int64_t j : group)
          if (levels[static_cast<size_t>(j)] == p.b) p.log_z[static_cast<size_t>(i)] = p.log_z[static_cast<size_t>(j)];
  return p;
}

double next_level(const SmcOptions& o, const SmcState& p, int64_t step) {
  if (step + 1 >= o.steps || p.b >= 1) return 1;
  if (!o.adaptive)
    return std::max(p.b, std::pow(static_cast<double>(step + 1) / static_cast<double>(o.steps), o.power));
  return std::min(1.0, p.b + step_of_share(p.weights, p.ratios, p.groups, 1 - p.b, o.share));
}

void take_places(Chains& chains, SmcState& p, const std::vector<int64_t>& from) {
  const std::vector<int64_t> before = p.ancestors;
  for (size_t i = 0; i < from.size(); ++i) p.ancestors[i] = before[static_cast<size_t>(from[i])];
  const at::Tensor rows = on_device(from, chains);
  chains.z = chains.z.index_select(0, rows);
  chains.now = {chains.now.log_prior.index_select(0, rows), chains.now.log_ratio.index_select(0, rows),
                chains.now.grad_log_ratio.index_select(0, rows)};
  chains.extra[ancestor_key] = chains.extra.at(ancestor_key).index_select(0, rows);
}

double share_of_ancestors(std::vector<int64_t> ids) {
  std::sort(ids.begin(), ids.end());
  const auto distinct = std::unique(ids.begin(), ids.end()) - ids.begin();
  return static_cast<double>(distinct) / static_cast<double>(ids.size());
}

// Raises the level. Returns the share of effective particles before resampling.
double anneal(Chains& chains, SmcState& p, int64_t step, const SmcOptions& o, const tensor::Noise& noise) {
  const double to = next_level(o, p, step);
  const bool arrives = p.b < 1 && to >= 1;
  if (o.adaptive && arrives && step + 1 == o.steps && o.steps > 1) {
    const double share = conditional_share(p.weights, p.ratios, p.groups, 1 - p.b);
    if (share < o.share / 2)
      log::warning(
          "smc: particles {} to {} go from inverse temperature {:.3g} to 1 in the last of {} steps, which leaves "
          "{:.2g} % of them effective: raise sample.smc.steps",
          chains.ids.begin, chains.ids.end - 1, p.b, o.steps, 100 * share);
  }
  reweight(p.weights, p.ratios, p.groups, to - p.b, p.log_z);
  p.b = to;
  const double effective = effective_share(p.weights, p.groups);
  const bool unequal = std::any_of(p.weights.begin(), p.weights.end(), [](double w) { return w != 1; });
  if (unequal && (effective < resample_below || to >= 1)) {
    const double u = noise.uniform({chains.ids.begin, chains.ids.begin + 1}, 1, step, Stream::choice).item<double>();
    take_places(chains, p, resample(p.weights, p.groups, u));
  }
  return effective;
}

void step_smc(Chains& chains, int64_t step, const SmcOptions& o, const Target& target, const tensor::Noise& noise) {
  SmcState p = state_of_particles(chains);
  const double effective = anneal(chains, p, step, o, noise);
  const double aimed_at = pcn_acceptance(o.target_acceptance, o.gradient);
  at::Tensor total = at::zeros({chains.z.size(0)}, chains.z.options().dtype(at::kDouble)), late_size;
  for (int64_t i = 0; i < o.moves; ++i) {
    const int64_t at = step * o.moves + i;
    const PcnMove move{.size = p.h, .langevin = o.gradient, .inverse_temperature = p.b};
    const at::Tensor acceptance = pcn_move(chains, move, normal_of(chains, noise, at, Stream::langevin),
                                           uniform_of(chains, noise, at, Stream::accept), target);
    total = total + acceptance;
    if (!o.adapt) continue;
    // Bounded, since near the prior everything is accepted. On a GPU the next step reads the last, and nobody waits.
    const at::Tensor mean = acceptance.mean(at::kDouble);
    if (total.is_cpu() || i + 1 < o.moves)
      p.h = std::clamp(p.h * std::exp(mean.item<double>() - aimed_at), 1e-6, 1e2);
    else
      late_size = ((mean - aimed_at).exp() * p.h).clamp(1e-6, 1e2).expand_as(total).contiguous();
  }
  const auto shared = [&](double value) { return at::full_like(total, value); };
  chains.extra[weight_key] = on_device(p.weights, chains);
  chains.extra[log_z_key] = on_device(p.log_z, chains);
  chains.extra[level_key] = shared(p.b);
  chains.extra[size_key] = late_size.defined() ? late_size : shared(p.h);
  chains.rates["acceptance"] = total / static_cast<double>(o.moves);
  chains.rates[effective_rate] = shared(effective);
  chains.rates[level_rate] = chains.extra[level_key];
  chains.rates[log_z_rate] = chains.extra[log_z_key];
  chains.rates[ancestors_rate] = shared(share_of_ancestors(p.ancestors));
}

void start_particles(Chains& chains, double first_size) {
  const at::Tensor ones = at::ones({chains.z.size(0)}, chains.z.options().dtype(at::kDouble));
  chains.extra[weight_key] = ones;
  chains.extra[log_z_key] = at::zeros_like(ones);
  chains.extra[level_key] = at::zeros_like(ones);
  chains.extra[size_key] = ones * first_size;
  chains.extra[ancestor_key] = at::arange(chains.ids.begin, chains.ids.end, chains.z.options().dtype(at::kLong));
}

void bind_smc(config::Section& s, SmcOptions& o) {
  s.value("steps", &o.steps, "steps: the inverse temperature rises until it is 1, the others move alone",
          config::at_least(1));
  s.value("moves", &o.moves, "pCN moves of a step", config::at_least(1));
  s.value("gradient", &o.gradient, "moves are preconditioned Langevin");
  s.value("adaptive", &o.adaptive, "inverse temperatures are chosen by what they leave of the particles");
  s.value("share", &o.share, "adaptive: effective share of the particles after each rise", config::inside(0, 1));
  s.value("power", &o.power, "not adaptive: inverse temperatures (k / steps)^power", config::above(0));
  s.value("step_size", &o.step_size, "b of the moves (or where its adaptation starts)", config::inside(0, 1));
  s.value("adapt", &o.adapt, "adapt b from move to move, by the acceptance of the block");
  s.value("target_acceptance", &o.target_acceptance,
          "acceptance that the adaptation aims at; 0: 0.3, with the gradient 0.574", config::at_least_below(0, 1));
}

}  // namespace

Method smc(const SmcOptions& config, const Target& target, const tensor::Noise& noise) {
  const auto moves = static_cast<double>(config.moves);
  return {.name = "smc",
          .steps = config.steps,
          .population = true,
          .cost = {.gradients = config.gradient ? moves : 0, .ratios = config.gradient ? 0 : moves},
          .rates = {"acceptance", effective_rate, level_rate, log_z_rate, ancestors_rate},
          .last_rates = {level_rate, log_z_rate, ancestors_rate},
          .step_size = [b = config.adapt ? 0 : config.step_size](int64_t) { return b; },
          .start = [h = pcn_size(config.step_size)](Chains& chains, int64_t) { start_particles(chains, h); },
          .advance = [=](Chains& chains, int64_t step) { step_smc(chains, step, config, target, noise); }};
}

// Not exact: see above.
Sampler smc_sampler() {
  return described<SmcOptions>(
      {.name = "smc",
       .title = "SMC",
       .summary = "annealed sequential Monte Carlo: a block is a population, log Z comes with it",
       .keys = bind_smc,
       .needs_gradient = [](const SmcOptions& o) { return o.gradient; },
       .make = [](const SmcOptions& o, const SamplerContext& c) { return smc(o, c.target, c.noise); },
       .rates = {acceptance_rate(),
                 {effective_rate, "effective", "share", "effective share of the population"},
                 {level_rate, "inverse temperature", "", "inverse temperature"},
                 {log_z_rate, "log Z", "nats", "log Z"},
                 {ancestors_rate, "ancestors", "share", "share of the starts that have descendants"}}});
}

}  // namespace ddls::sampling
