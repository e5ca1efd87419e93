#include <ATen/ATen.h>

#include "base/files.hpp"
#include "base/log.hpp"
#include "base/stopwatch.hpp"
#include "metrics/neighbours.hpp"
#include "pipeline/stages.hpp"
#include "tensor/npz.hpp"

namespace ddls::pipeline {
namespace {

at::Tensor images_of(const metrics::EvaluationSet& set, const at::Tensor& ids) {
  std::vector<at::Tensor> images;
  for (int64_t i = 0; i < ids.numel(); ++i) {
    const auto id = ids[i].item<int64_t>();
    images.push_back(set.read({id, id + 1}).at(0).samples);
  }
  return at::cat(images);
}

// Columns of one kind, for the queries [first, first + count): images [count, k, C, H, W], their ids and distances.
void add_columns(const std::string& kind, const metrics::NearestRows& rows, int64_t first, int64_t count,
                 const metrics::EvaluationSet& training, tensor::NamedTensors& file) {
  const at::Tensor ids = rows.ids.narrow(0, first, count).contiguous();
  file[kind + "_ids"] = ids;
  file[kind + "_distances"] = rows.distances.narrow(0, first, count).contiguous();
  file[kind + "_images"] = images_of(training, ids.flatten()).unflatten(0, {count, ids.size(1)}).contiguous();
}

}  // namespace

void search_neighbours(Run& run, const metrics::Extractor& extractor) {
  const config::NeighboursConfig& config = run.config.evaluate.neighbours;
  const auto file_of = [&](const std::string& method) { return run.samples_of(method) / "neighbours.npz"; };
  run.comm.on_root([&] {
    for (const std::string& method : run.config.sample.methods) fs::remove(file_of(method));
  });
  if (config.samples == 0) return;

  const Stopwatch watch;
  const int64_t count = std::min(config.samples, run.config.sample.count);
  const metrics::EvaluationSet training = metrics::set_of(run.train);
  at::Tensor queries;
  run.comm.together([&] {
    std::vector<at::Tensor> all;
    for (const std::string& method : run.config.sample.methods)
      all.push_back(metrics::open_evaluation_set((run.samples_of(method) / "samples.npz").string())
                        .read({0, count})
                        .at(0)
                        .samples);
    queries = at::cat(all);
  });
  const auto found =
      metrics::nearest_images(run.comm, training, extractor, queries, config.count, run.config.evaluate.batch);
  run.comm.on_root([&] {
    int64_t first = 0;
    for (const std::string& method : run.config.sample.methods) {
      tensor::NamedTensors file{{"samples", queries.narrow(0, first, count).contiguous()}};
      add_columns("pixel", found->by_pixels, first, count, training, file);
      add_columns("feature", found->by_features, first, count, training, file);
      tensor::write_npz(file_of(method), file);
      first += count;
    }
  });
  log::info("nearest of {} training images to {} samples: {:.1f} s", training.count, queries.size(0), watch.seconds());
}

}  // namespace ddls::pipeline
