// Decoded images in, metrics out: the extractor (the pipeline's classifier at initial weights), the sums over ranks,
// and the pairs of KID and PRDC where evaluate.metrics has them. steps x evaluate.batch images over all ranks.
#include <ATen/ATen.h>
#include <unistd.h>

#include "base/files.hpp"
#include "bench/bench.hpp"
#include "metrics/set_metrics.hpp"
#include "models/classifier.hpp"
#include "train/gan_training.hpp"

namespace ddls::bench {
namespace {

// Written and read back: each rank its own file, since the machines of a job share no temporary folder.
metrics::Extractor classifier_extractor(const config::Config& config, const data::Dataset& data, c10::Device device) {
  constexpr int64_t classes = 10;
  const fs::path file = fs::temp_directory_path() / fmt::format("ddls_bench_{}_{}.pt", getpid(), config.seed);
  models::Classifier(train::sample_shape(data), config.model.classifier_widths, classes).save_torchscript(file);
  metrics::Extractor extractor = metrics::load_extractor(file, data.shape(), device);
  fs::remove(file);
  return extractor;
}

}  // namespace

Json bench_evaluation(const config::Config& config, const BenchOptions& options, dist::Communicator& comm) {
  const int64_t count = options.steps * config.evaluate.batch;
  const data::Dataset data = synthetic_data(config, count);
  std::optional<metrics::Extractor> extractor;
  if (data.images()) comm.together([&] { extractor = classifier_extractor(config, data, comm.topology().device); });
  const metrics::MetricContext context{comm, config.evaluate, extractor ? &*extractor : nullptr};
  const metrics::EvaluationSet set = metrics::set_of(data);
  const metrics::Reference reference = metrics::prepare_reference(context, set);
  for (int64_t i = 0; i < options.warmup; ++i) metrics::metrics_of(context, set, reference);
  std::vector<double> rates;
  for (int64_t round = 0; round < options.rounds; ++round)
    rates.push_back(static_cast<double>(count) /
                    seconds_together(comm, [&] { metrics::metrics_of(context, set, reference); }));
  return {{"bench", "evaluation"},
          {"metrics", config.evaluate.metrics},
          {"count", count},
          {"batch", config.evaluate.batch},
          {"features", extractor ? extractor->features : data.shape()[0]},
          {"ranks", comm.ranks()},
          {"threads", comm.topology().threads},
          {"images_per_second", spread_of(rates)},
          {"peak_resident_mib", peak_resident_mib()}};
}

}  // namespace ddls::bench
