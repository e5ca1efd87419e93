#include "ddls/flow_proposal.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/purpose.hpp"
#include "ddls/pilot_ratios.hpp"
#include "tensor/adam.hpp"

namespace ddls::sampling {
namespace {

constexpr int64_t rows_per_block = 64;  // so that ranks have something to share
constexpr int64_t most_checked = 4096;  // draws of q from which its weights are known
constexpr double largest_gradient = 100;

tensor::Noise fit_noise(const tensor::Noise& noise) { return {derive(noise.seed, Purpose::flow_fit)}; }

// Pilots as data of the forward divergence.
struct PilotPool {
  at::Tensor z, labels;   // of all pilots, on the device
  at::Tensor cumulative;  // [pilots] float64: of e^r, up to 1
};

struct Fit {
  const FlowPlan& plan;
  const RealNvp& flow;
  const Target& target;
  const tensor::Noise& noise;  // of the fit
  const std::optional<PilotPool>& pool;
};

// Sum over the block's rows of log q - log p0 - r at draws of q, as a function of the parameters. The path through r is
// put in by its gradient.
at::Tensor reverse_loss(const Fit& fit, const at::Tensor& parameters, const Block& block, int64_t update) {
  const Target& target = fit.target;
  const at::Tensor n = fit.noise.normal(block.padded, target.latent_dim, update, Stream::pilot, target.device);
  const at::Tensor labels = target.labels_at(block.padded);
  const RealNvp::Mapped drawn = fit.flow.forward(parameters, n, labels);
  const Evaluation e = target.evaluate(drawn.to.detach().to(at::kFloat), labels);
  const at::Tensor usable = at::isfinite(e.log_ratio).logical_and(at::isfinite(e.grad_log_ratio).all(1));
  const at::Tensor slope = at::where(usable.unsqueeze(1), e.grad_log_ratio, at::zeros_like(e.grad_log_ratio));
  const at::Tensor loss = 0.5 * drawn.to.square().sum(1) - drawn.log_det - (slope.to(at::kDouble) * drawn.to).sum(1);
  return at::where(usable, loss, at::zeros_like(loss)).narrow(0, 0, block.ids.size()).sum();
}

at::Tensor forward_loss(const Fit& fit, const at::Tensor& parameters, const Block& block, int64_t update) {
  const at::Tensor u = fit.noise.uniform(block.ids, 1, update, Stream::choice).squeeze(1).to(at::kDouble);
  const at::Tensor rows =
      at::searchsorted(fit.pool->cumulative, u).clamp_max(fit.pool->cumulative.numel() - 1).to(fit.target.device);
  const at::Tensor labels = fit.pool->labels.defined() ? fit.pool->labels.index_select(0, rows) : at::Tensor();
  return -fit.flow.log_density(parameters, fit.pool->z.index_select(0, rows), labels).sum();
}

// [P] float64 on the CPU: the gradient of the mean loss, as far as this block has a part in it.
at::Tensor block_gradient(const Fit& fit, const at::Tensor& parameters, const Block& block, int64_t update) {
  const at::Tensor leaf = parameters.detach().requires_grad_(true);
  at::Tensor loss;
  if (fit.plan.reverse) loss = reverse_loss(fit, leaf, block, update);
  if (fit.plan.forward) {
    const at::Tensor more = forward_loss(fit, leaf, block, update);
    loss = loss.defined() ? loss + more : more;
  }
  return (torch::autograd::grad({loss}, {leaf}).front() / static_cast<double>(fit.plan.batch)).cpu();
}

// Every rank leaves with the values of the first.
void take_from_first(at::Tensor& values, const WarmUp& warm_up) {
  if (!warm_up.sum) return;
  at::Tensor shared = warm_up.rank == 0 ? values.cpu().clone() : at::zeros_like(values.cpu());
  warm_up.sum(shared);
  values = shared.to(values.device());
}

at::Tensor fitted(const Fit& fit, const WarmUp& warm_up) {
  WarmUp small = warm_up;
  small.block_size = std::min(warm_up.block_size, rows_per_block);
  const BlockPlan blocks = pilot_blocks(fit.plan.batch, small);
  const std::vector<Block> mine = blocks.blocks_of(warm_up.rank, warm_up.ranks);
  const config::AdamConfig config{.lr = fit.plan.lr, .beta1 = 0.9, .beta2 = 0.999, .schedule = "cosine"};
  at::Tensor parameters = fit.flow.initial();
  tensor::Adam adam(config, parameters);
  for (int64_t update = 0; update < fit.plan.updates; ++update) {
    at::Tensor rows = at::zeros({blocks.blocks(), fit.flow.parameters()}, at::kDouble);
    for (const Block& block : mine) rows[block.index].copy_(block_gradient(fit, parameters, block, update));
    if (warm_up.sum) warm_up.sum(rows);  // every row is one rank's: nothing is rounded
    at::Tensor gradient = rows.sum(0);
    const double norm = gradient.norm().item<double>();
    if (norm > largest_gradient) gradient *= largest_gradient / norm;
    if (std::isfinite(norm))
      adam.step(parameters, gradient.to(parameters.device()), tensor::learning_rate(config, update, fit.plan.updates));
    if (warm_up.after_step) warm_up.after_step("fit", update + 1, fit.plan.updates);
  }
  take_from_first(parameters, warm_up);
  return parameters;
}

// [count] float64 log-weights of draws of q, not finite: -inf.
at::Tensor checked_weights(int64_t count, const FlowProposal& proposal, const Target& target,
                           const tensor::Noise& noise, const WarmUp& warm_up) {
  const BlockPlan plan = pilot_blocks(count, warm_up);
  at::Tensor all = at::zeros({count}, at::kDouble);
  constexpr int64_t draw = -1;  // no update has it
  for (const Block& block : plan.blocks_of(warm_up.rank, warm_up.ranks)) {
    const at::Tensor labels = target.labels_at(block.padded);
    const at::Tensor z =
        proposal.draw(noise.normal(block.padded, target.latent_dim, draw, Stream::pilot, target.device),
                      noise.uniform(block.padded, 1, draw, Stream::accept, target.device).squeeze(1), labels);
    const at::Tensor log_w = target.log_ratio(z, labels).to(at::kDouble) + proposal.log_prior_over_proposal(z, labels);
    const at::Tensor usable = at::where(at::isfinite(log_w), log_w, at::full_like(log_w, -1e300));
    all.narrow(0, block.ids.begin, block.ids.size()).copy_(usable.narrow(0, 0, block.ids.size()));
  }
  if (warm_up.sum) warm_up.sum(all);
  return all;
}

}  // namespace

FlowProposal::FlowProposal(RealNvp flow, at::Tensor parameters, double defensive)
    : flow_(std::move(flow)), parameters_(std::move(parameters)), defensive_(defensive) {}

at::Tensor FlowProposal::draw(const at::Tensor& n, const at::Tensor& u, const at::Tensor& labels) const {
  const at::Tensor z = flow_.forward(parameters_, n, labels).to.to(n.scalar_type());
  return at::where((u < defensive_).unsqueeze(1), n, z);
}

at::Tensor FlowProposal::log_prior_over_proposal(const at::Tensor& z, const at::Tensor& labels) const {
  const at::Tensor log_prior = -0.5 * z.to(at::kDouble).square().sum(1);
  const at::Tensor gap = flow_.log_density(parameters_, z, labels) - log_prior;
  // -log((1 - d) e^gap + d)
  return -at::logaddexp(gap + std::log1p(-defensive_), at::full_like(gap, std::log(defensive_)));
}

FittedFlow fit_flow(const FlowPlan& plan, const Target& target, const tensor::Noise& noise, const WarmUp& warm_up) {
  const tensor::Noise own = fit_noise(noise);
  const at::Tensor r = pilot_ratios(plan.pilots, target, noise, warm_up);
  const at::Tensor log_w = at::where(at::isfinite(r), r, at::full_like(r, -1e300));
  finite_ratios(r, "flow");
  const at::Tensor labels = target.labels_at({0, plan.pilots});
  std::optional<PilotPool> pool;
  if (plan.forward)
    pool = {pilot_latents(plan.pilots, target, noise), labels, (log_w - log_w.logsumexp(0)).exp().cumsum(0)};
  const int64_t classes = labels.defined() ? labels.max().item<int64_t>() + 1 : 0;
  const RealNvp flow({.dim = target.latent_dim, .couplings = plan.couplings, .width = plan.width, .classes = classes},
                     own.seed, target.device);
  const at::Tensor parameters = fitted({plan, flow, target, own, pool}, warm_up);
  const FlowProposal proposal(flow, parameters, plan.defensive);
  const at::Tensor checked = checked_weights(std::min(plan.pilots, most_checked), proposal, target, own, warm_up);
  return {proposal, ess_fraction(log_w), ess_fraction(checked), log_mean_exp(checked)};
}

}  // namespace ddls::sampling
