#include "pipeline/energy_metrics.hpp"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "base/files.hpp"
#include "ddls/registry.hpp"
#include "dist/failure.hpp"
#include "metrics/registry.hpp"
#include "metrics/weighted_frechet.hpp"
#include "tensor/image_io.hpp"
#include "tensor/noise.hpp"
#include "train/block_rows.hpp"
#include "train/energy_ratios.hpp"
#include "train/gan_training.hpp"

namespace ddls::pipeline {
namespace {

at::Tensor latents_at(const sampling::Target& target, uint64_t seed, const at::Tensor& ids) {
  std::vector<at::Tensor> rows;
  for (const int64_t id : std::vector<int64_t>(ids.data_ptr<int64_t>(), ids.data_ptr<int64_t>() + ids.numel()))
    rows.push_back(train::energy_latents(target, seed, {id, id + 1}));
  return at::cat(rows);
}

at::Tensor labels_at(const sampling::Target& target, const at::Tensor& ids) {
  if (!target.labels_of) return {};
  std::vector<at::Tensor> rows;
  for (int64_t i = 0; i < ids.numel(); ++i) {
    const int64_t id = ids[i].item<int64_t>();
    rows.push_back(target.labels_at({id, id + 1}));
  }
  return at::cat(rows);
}

// Prior draws `ids`, decoded when they are asked for, in blocks of one shape.
metrics::EvaluationSet decoded_draws(const sampling::Target& target, const std::vector<int64_t>& shape, uint64_t seed,
                                     const at::Tensor& ids, const std::string& name) {
  metrics::EvaluationSet set;
  set.name = name;
  set.count = ids.numel();
  set.images = shape.size() == 3;
  set.sample_shape = shape;
  set.on_calling_thread = !target.device.is_cpu();
  set.read = [=, images = set.images](IdRange range) {
    at::NoGradGuard no_grad;
    std::vector<at::Tensor> blocks;
    for (int64_t from = range.begin; from < range.end; from += train::measured_block) {
      const int64_t rows = std::min(train::measured_block, range.end - from);
      at::Tensor block = ids.narrow(0, from, rows);
      if (rows < train::measured_block) block = at::cat({block, block[0].expand({train::measured_block - rows})});
      const at::Tensor made =
          target.decode(latents_at(target, seed, block), labels_at(target, block)).narrow(0, 0, rows);
      blocks.push_back(images ? tensor::quantise(made).cpu() : made.cpu());
    }
    return std::vector<metrics::Piece>{{metrics::all_rows(range.size()), at::cat(blocks)}};
  };
  return set;
}

void add_frechet(Json& metrics, const metrics::MetricContext& context, const metrics::Reference& reference,
                 const at::Tensor& weights, int64_t count, const metrics::EvaluationSet& draws) {
  metrics::ExtractOptions options;
  options.extractor = context.extractor;
  options.batch = context.config.batch;
  options.moments = false;
  options.keep = draws.count;
  std::string why;
  const auto distance = metrics::weighted_frechet(context.comm, metrics::extract_set(context.comm, draws, options).rows,
                                                  weights, count, reference.factor, why);
  if (!distance) return metrics::refuse(metrics, {"frechet_distance"}, why);
  metrics["frechet_distance"] = distance->all;
  metrics["frechet_distance_at_count"] = distance->at_count;
  metrics["frechet_distance_at_count_std"] = distance->std;
}

// The others know no weights.
void add_resampled(Json& metrics, const metrics::MetricContext& context, const metrics::Reference& reference,
                   const at::Tensor& weights, int64_t count, double u,
                   const std::function<metrics::EvaluationSet(const at::Tensor& ids)>& draws) {
  config::EvaluateConfig config = context.config;
  std::erase_if(config.metrics, [](const std::string& metric) { return metric != "is" && metric != "prdc"; });
  if (config.metrics.empty() && !context.gaussians25) return;
  const double ess = 1 / weights.square().sum().item<double>();
  // More would be the same draws again.
  const int64_t rows = std::min(count, static_cast<int64_t>(ess));
  metrics["resampled"] = rows;
  if (rows < 2) return;
  const metrics::MetricContext own{context.comm, config, context.extractor, context.gaussians25};
  metrics.update(metrics::metrics_of(own, draws(sampling::systematic_resample(weights, rows, u)), reference));
}

// The networks that the run samples from; nothing where they are not there any more.
std::optional<TrainedTarget> networks_of(Run& run) {
  try {
    return load_target(run, "");
  } catch (const dist::CollectiveError& error) {
    if (error.code() != Exit::missing) throw;
    return std::nullopt;
  }
}

}  // namespace

Json metrics_of_energy(const KeptEnergy& energy, const sampling::Target& target, const std::vector<int64_t>& shape,
                       const config::Config& config, const metrics::MetricContext& context,
                       const metrics::Reference& reference) {
  const uint64_t seed = config.seed;
  const int64_t count = config.sample.count;
  sampling::LogRatios pool{energy.log_ratios.clone(), energy.labels};
  pool.values.masked_fill_(at::isfinite(pool.values).logical_not(), -INFINITY);
  Json metrics = Json::object();
  const at::Tensor weights = sampling::normalised_weights(pool);
  if (!at::isfinite(weights).all().item<bool>()) {
    metrics::refuse(metrics, {"frechet_distance"}, "a class has no draw of finite log-ratio");
    return metrics;
  }
  const auto draws = [&](const at::Tensor& ids) {
    return decoded_draws(target, shape, seed, ids, fmt::format("prior draws by the energy {}", energy.judged.name));
  };
  if (std::ranges::find(context.config.metrics, "fid") != context.config.metrics.end())
    add_frechet(metrics, context, reference, weights, count, draws(at::arange(weights.numel(), at::kLong)));
  constexpr int64_t after_bootstrap = 1 << 20;
  const double u = tensor::Noise{seed}.uniform({0, 1}, 1, after_bootstrap, Stream::worth).item<double>();
  add_resampled(metrics, context, reference, weights, count, u, draws);
  return metrics;
}

Json judged_energies(Run& run, const TrainedTarget* trained, const metrics::MetricContext& context,
                     const metrics::Reference& reference) {
  const std::optional<KeptEnergy> kept = kept_energy(run);
  if (!kept) return Json::object();
  std::optional<TrainedTarget> loaded;
  if (trained == nullptr) {
    loaded = networks_of(run);
    if (loaded) trained = &*loaded;
  }
  Json record = kept->judged.record;
  Json metrics = Json::object();
  if (trained == nullptr || hex64(trained->digest) != kept->judged.weights)
    metrics::refuse(metrics, {"frechet_distance"}, "the networks that made these draws are not there");
  else if (record.contains("ess"))
    metrics = metrics_of_energy(*kept, trained->target, train::sample_shape(run.train), run.config, context, reference);
  record["metrics"] = std::move(metrics);
  return {{kept->judged.name, std::move(record)}};
}

bool is_short_run(const std::string& method, const config::Config& config, const Json& method_record,
                  const Json& energy_record) {
  const sampling::Sampler* sampler = sampling::find_sampler(method);
  if (sampler == nullptr || !sampler->uses_ratio || !method_record.contains("steps")) return false;
  const config::Options& options = config.sample.options_of(method);
  if (sampler->exact(options) || !sampler->needs_gradient(options)) return false;
  const auto number = [](const Json& object, const char* key) {
    return object.contains(key) && object[key].is_number() ? object[key].get<double>() : NAN;
  };
  if (number(energy_record, "nats_high") < 0) return true;
  if (!energy_record.contains("metrics") || energy_record.value("few_draws", true)) return false;
  const double own = number(method_record["metrics"], "frechet_distance"),
               law = number(energy_record["metrics"], "frechet_distance_at_count"),
               noise = number(energy_record["metrics"], "frechet_distance_at_count_std");
  return own + 2 * noise < 0.95 * law;  // false where one of them is not known
}

}  // namespace ddls::pipeline
