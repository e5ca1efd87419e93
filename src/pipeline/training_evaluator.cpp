#include <ATen/ATen.h>

#include "metrics/set_metrics.hpp"
#include "metrics/set_notes.hpp"
#include "models/network.hpp"
#include "pipeline/stages.hpp"
#include "tensor/image_io.hpp"
#include "train/gan_training.hpp"
#include "train/latents.hpp"

namespace ddls {
namespace {

// Samples of the generator, made when they are asked for: always the same latents.
EvaluationSet samples_of(const NetworkPtr& generator, const LatentSource& source, const SampleShape& shape,
                         int64_t count) {
  EvaluationSet set;
  set.name = "generator";
  set.count = count;
  set.images = shape.size() == 3;
  set.sample_shape = shape;
  set.read = [generator, source, images = set.images](IdRange ids) {
    at::NoGradGuard no_grad;
    const at::Tensor made =
        generator->forward(source.latents(ids, 0, Stream::prior), source.labels(ids, 0, Stream::prior));
    return std::vector<Piece>{{all_rows(ids.size()), images ? quantise(made).cpu() : made.cpu()}};
  };
  return set;
}

// Everything that evaluations of one run share.
struct Evaluator {
  std::optional<Extractor> extractor;
  EvaluateConfig config;
  LatentSource source;
  SampleShape shape;
  int64_t count;
  Reference reference;
};

}  // namespace

std::function<std::vector<NamedValue>(const NetworkPtr& generator)> training_evaluator(Run& run) {
  if (run.config.train.evaluate_every == 0) return {};
  auto shared = std::make_shared<Evaluator>();
  if (run.train.images()) shared->extractor = extractor_of(run);
  shared->config = run.config.evaluate;
  shared->config.metrics = metrics_with_curves();
  // A run that is taken up again need not extract the reference's features again.
  if (shared->config.cache.empty()) shared->config.cache = (run.folder / "reference").string();
  shared->source = latent_source(run.config, run.classes, run.comm.topology().device);
  shared->shape = sample_shape(run.train);
  shared->count = run.config.train.evaluate_count;
  const auto context = [shared, &comm = run.comm] {
    return MetricContext{comm, shared->config, shared->extractor ? &*shared->extractor : nullptr};
  };
  shared->reference = prepare_reference(
      context(), without_damaged(run.comm, set_of(run.reference(), run.config.evaluate.reference_count)));
  return [shared, context](const NetworkPtr& generator) {
    const Json metrics =
        metrics_of(context(), samples_of(generator, shared->source, shared->shape, shared->count), shared->reference);
    std::vector<NamedValue> values;
    for (const auto& [name, value] : curve_values(metrics)) values.push_back({name, value});
    return values;
  };
}

}  // namespace ddls
