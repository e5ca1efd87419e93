#include <ATen/ATen.h>

#include "metrics/set_metrics.hpp"
#include "metrics/set_notes.hpp"
#include "models/network.hpp"
#include "pipeline/stages.hpp"
#include "tensor/image_io.hpp"
#include "train/gan_training.hpp"
#include "train/latents.hpp"

namespace ddls::pipeline {
namespace {

// Samples of the generator, made when they are asked for: always the same latents.
metrics::EvaluationSet samples_of(const models::NetworkPtr& generator, const train::LatentSource& source,
                                  const models::SampleShape& shape, int64_t count) {
  metrics::EvaluationSet set;
  set.name = "generator";
  set.count = count;
  set.images = shape.size() == 3;
  set.sample_shape = shape;
  set.on_calling_thread = !source.device.is_cpu();
  set.read = [generator, source, images = set.images](IdRange ids) {
    at::NoGradGuard no_grad;
    const at::Tensor made =
        generator->forward(source.latents(ids, 0, Stream::prior), source.labels(ids, 0, Stream::prior));
    return std::vector<metrics::Piece>{
        {metrics::all_rows(ids.size()), images ? tensor::quantise(made).cpu() : made.cpu()}};
  };
  return set;
}

// Everything that evaluations of one run share.
struct Evaluator {
  std::optional<metrics::Extractor> extractor;
  config::EvaluateConfig config;
  train::LatentSource source;
  models::SampleShape shape;
  int64_t count;
  metrics::Reference reference;
};

}  // namespace

std::function<std::vector<train::NamedValue>(const models::NetworkPtr& generator)> training_evaluator(Run& run) {
  if (run.config.train.evaluate_every == 0) return {};
  auto shared = std::make_shared<Evaluator>();
  if (run.train.images()) shared->extractor = extractor_of(run);
  shared->config = run.config.evaluate;
  shared->config.metrics = metrics::metrics_while_training();
  shared->config.keep_statistics = false;  // of the end alone
  // A run that is taken up again need not extract the reference's features again.
  if (shared->config.cache.empty()) shared->config.cache = (run.folder / "reference").string();
  shared->source = train::latent_source(run.config, run.classes, run.comm.topology().device);
  shared->shape = train::sample_shape(run.train);
  shared->count = run.config.train.evaluate_count;
  const auto context = [shared, &comm = run.comm] {
    return metrics::MetricContext{comm, shared->config, shared->extractor ? &*shared->extractor : nullptr};
  };
  shared->reference = metrics::prepare_reference(
      context(),
      metrics::without_damaged(run.comm, metrics::set_for_run(run.reference(), run.config.evaluate.reference_count)));
  return [shared, context](const models::NetworkPtr& generator) {
    const Json metrics = metrics::metrics_of(
        context(), samples_of(generator, shared->source, shared->shape, shared->count), shared->reference);
    std::vector<train::NamedValue> values;
    for (const auto& [name, value] : metrics::curve_values(metrics)) values.push_back({name, value});
    return values;
  };
}

}  // namespace ddls::pipeline
