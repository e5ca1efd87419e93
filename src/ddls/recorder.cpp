#include "ddls/recorder.hpp"

#include <ATen/ATen.h>

#include <algorithm>

#include "base/purpose.hpp"
#include "tensor/image_io.hpp"

namespace ddls::sampling {
namespace {

// Steps 0, every, 2*every, ..., and the last.
std::vector<int64_t> every_nth(int64_t steps, int64_t every) {
  std::vector<int64_t> chosen;
  for (int64_t step = 0; step < steps; step += every) chosen.push_back(step);
  chosen.push_back(steps);
  return chosen;
}

bool contains(const std::vector<int64_t>& steps, int64_t step) {
  return std::binary_search(steps.begin(), steps.end(), step);
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// The same directions in every run, so that runs can be compared.
at::Tensor random_directions(int64_t dim) {
  const at::Tensor rows =
      tensor::Noise{derive(0, Purpose::projections)}.normal({0, trace_projections}, dim, 0, Stream::projection);
  return (rows / rows.norm(2, 1, true)).t().contiguous();
}

at::Tensor joined(const std::vector<at::Tensor>& parts, at::ScalarType dtype) {
  return parts.empty() ? at::empty({0}, dtype) : at::stack(parts).contiguous();
}

void load_list(std::vector<at::Tensor>& list, const at::Tensor& saved) {
  list.clear();
  if (saved.numel() > 0)
    for (const at::Tensor& part : saved.unbind(0)) list.push_back(part.contiguous());
}

}  // namespace

at::Tensor as_stored(const at::Tensor& samples) {
  return (samples.dim() == 4 ? tensor::quantise(samples) : samples).contiguous();
}

RecordPlan plan_records(const config::SampleConfig& config, int64_t steps) {
  RecordPlan plan;
  plan.records = every_nth(steps, config.record_every);
  if (config.snapshot_every > 0 && steps > 0) plan.snapshots = every_nth(steps, config.snapshot_every);
  plan.trajectories = std::min(config.trajectories, config.count);
  plan.diagnosed = std::min(config.diagnosed_chains, config.count);
  return plan;
}

Recorder::Recorder(const Method& method, const Target& target, const Block& block, const RecordPlan& plan)
    : method_(method),
      target_(target),
      plan_(plan),
      count_(block.ids.size()),
      kept_(std::clamp<int64_t>(plan.trajectories - block.ids.begin, 0, count_)),
      traced_(std::clamp<int64_t>(plan.diagnosed - block.ids.begin, 0, count_)),
      projections_(random_directions(target.latent_dim).to(target.device)) {
  std::vector<double> summed{1};
  for (const std::string& rate : method.rates) summed.push_back(contains(method.last_rates, rate) ? 0 : 1);
  summed_ = at::tensor(summed, at::kDouble).to(target.device);
}

at::Tensor Recorder::column_sums(const Chains& chains) const {
  const auto sum = [this](const at::Tensor& per_chain) { return per_chain.narrow(0, 0, count_).to(at::kDouble).sum(); };
  const at::Tensor now =
      at::stack({sum(energy(chains.now)), sum(chains.now.log_ratio), sum(-chains.now.log_prior),
                 sum(energy_gradient(chains.z, chains.now).norm(2, 1)), sum(chains.z.square().mean(1))})
          .cpu();
  const at::Tensor since = since_.defined() ? (since_ / (summed_ * static_cast<double>(steps_since_ - 1) + 1)).cpu()
                                            : at::zeros({1 + static_cast<int64_t>(method_.rates.size())}, at::kDouble);
  return at::cat({now, since, at::full({1}, restarted_since_, at::kDouble)});
}

at::Tensor Recorder::scalars_of(const Chains& chains, const at::Tensor& samples) const {
  std::vector<at::Tensor> columns{energy(chains.now).unsqueeze(1), chains.now.log_ratio.unsqueeze(1),
                                  chains.z.square().sum(1, true), at::mm(chains.z, projections_.to(chains.z.dtype()))};
  for (at::Tensor& column : columns) column = column.narrow(0, 0, traced_).to(at::kFloat);
  if (plan_.components) {
    const at::Tensor labels = chains.labels.defined() ? chains.labels.narrow(0, 0, traced_) : chains.labels;
    columns.push_back(plan_.components->of(target_.features_by(samples.narrow(0, 0, traced_), labels)));
  }
  return at::cat(columns, 1).cpu();
}

void Recorder::record(const Chains& chains, int64_t step) {
  const bool recorded = contains(plan_.records, step), snapshot = contains(plan_.snapshots, step);
  // Only where they are needed, and the whole block: a network may round differently for another batch size.
  at::Tensor samples;
  if (snapshot || (recorded && (kept_ > 0 || (traced_ > 0 && plan_.components))))
    samples = samples_of(method_, chains, target_);
  if (snapshot) snapshots_.push_back(as_stored(samples.narrow(0, 0, count_)).cpu());
  if (!recorded) return;
  curves_.push_back(column_sums(chains));
  since_ = at::Tensor();
  steps_since_ = restarted_since_ = 0;
  if (kept_ > 0) {
    path_latents_.push_back(target_.latents(chains.z).narrow(0, 0, kept_).cpu());
    path_samples_.push_back(as_stored(samples.narrow(0, 0, kept_)).cpu());
  }
  if (traced_ > 0) traces_.push_back(scalars_of(chains, samples));
}

bool Recorder::looks_at(int64_t step) const { return contains(plan_.records, step) || contains(plan_.snapshots, step); }

void Recorder::observe_start(const Chains& chains) { record(chains, 0); }

void Recorder::observe(const Chains& chains, int64_t step, const at::Tensor& before, int64_t restarted) {
  const auto sum = [this](const at::Tensor& per_chain) { return per_chain.narrow(0, 0, count_).to(at::kDouble).sum(); };
  const at::Tensor jump = (chains.z - before).square().sum(1);
  // A chain that is lost and not yet found out has none.
  std::vector<at::Tensor> sums{sum(at::where(at::isfinite(jump), jump, at::zeros_like(jump)))};
  for (const std::string& rate : method_.rates) sums.push_back(sum(chains.rates.at(rate)));
  const at::Tensor all = at::stack(sums);
  since_ = since_.defined() ? since_ * summed_ + all : all;
  ++steps_since_;
  restarted_since_ += restarted;
  record(chains, step);
}

BlockResult Recorder::result(const Chains& chains) const {
  BlockResult r;
  r.latents = target_.latents(chains.z).narrow(0, 0, count_).contiguous();
  r.samples = as_stored(samples_of(method_, chains, target_).narrow(0, 0, count_));
  if (chains.labels.defined()) r.labels = chains.labels.narrow(0, 0, count_).contiguous();
  r.curves = joined(curves_, at::kDouble);
  r.snapshot_steps = plan_.snapshots;
  r.snapshots = joined(snapshots_, r.samples.scalar_type());
  r.trajectory_latents = joined(path_latents_, at::kFloat);
  r.trajectory_samples = joined(path_samples_, r.samples.scalar_type());
  r.traces = joined(traces_, at::kFloat);
  return r;
}

tensor::NamedTensors Recorder::save() const {
  tensor::NamedTensors saved{{"curves", joined(curves_, at::kDouble)},
                             {"snapshots", joined(snapshots_, at::kFloat)},
                             {"path_latents", joined(path_latents_, at::kFloat)},
                             {"path_samples", joined(path_samples_, at::kFloat)},
                             {"traces", joined(traces_, at::kFloat)},
                             {"counts", at::tensor({steps_since_, restarted_since_}, at::kLong)}};
  if (since_.defined()) saved["since"] = since_.cpu();
  return saved;
}

void Recorder::load(const tensor::NamedTensors& saved) {
  load_list(curves_, saved.at("curves"));
  load_list(snapshots_, saved.at("snapshots"));
  load_list(path_latents_, saved.at("path_latents"));
  load_list(path_samples_, saved.at("path_samples"));
  load_list(traces_, saved.at("traces"));
  steps_since_ = saved.at("counts")[0].item<int64_t>();
  restarted_since_ = saved.at("counts")[1].item<int64_t>();
  since_ = saved.contains("since") ? saved.at("since").to(target_.device) : at::Tensor();
}

}  // namespace ddls::sampling
