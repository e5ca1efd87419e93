#include "app/set_metrics.hpp"

#include <ATen/ATen.h>

#include <optional>

#include "base/error.hpp"
#include "data/toy.hpp"
#include "eval/inception_score.hpp"
#include "eval/modes.hpp"

namespace ddls {
namespace {

using Json = nlohmann::ordered_json;

// Rows of one block, filled up to the full batch with its first row: a network may round differently for another batch.
at::Tensor padded_rows(const at::Tensor& samples, const Block& block) {
  const at::Tensor rows = samples.narrow(0, block.ids.begin, block.ids.size());
  const int64_t missing = block.padded.size() - rows.size(0);
  if (missing == 0) return rows;
  std::vector<int64_t> sizes = rows.sizes().vec();
  sizes.front() = missing;
  return at::cat({rows, rows.narrow(0, 0, 1).expand(sizes)});
}

void add_modes(Json& metrics, const at::Tensor& points) {
  const ModeMetrics m = mode_metrics(points, gaussians25_centres(), gaussians25_sd, gaussians25_scale);
  metrics["modes"] = gaussians25_centres().size(0);
  metrics["modes_recovered"] = m.modes_recovered;
  metrics["high_quality_fraction"] = m.high_quality_fraction;
  metrics["high_quality_std"] = m.high_quality_std;
  metrics["high_quality_radial"] = m.high_quality_radial;
  metrics["mass_total_variation"] = m.mass_total_variation;
  metrics["mass_chi2"] = m.mass_chi2;
  metrics["mass_min"] = m.mass_min;
  metrics["mass_max"] = m.mass_max;
}

}  // namespace

SetStatistics statistics_of(const MetricContext& context, const at::Tensor& samples, const std::string& what) {
  Communicator& comm = context.comm;
  SetStatistics result;
  if (!context.extractor) {  // points: cheap, every rank sums all of them
    Moments moments(samples.size(1));
    moments.add(samples);
    comm.together([&] { result.gaussian = moments.statistics(what); });
    return result;
  }
  Moments moments(context.extractor->features);
  std::optional<InceptionScore> score;
  if (context.extractor->classes > 0 && samples.size(0) >= InceptionScore::splits)
    score.emplace(context.extractor->classes, samples.size(0));
  comm.together([&] {
    for (const Block& block : BlockPlan{samples.size(0), context.batch}.blocks_of(comm.rank(), comm.ranks())) {
      const Features f = context.extractor->extract(padded_rows(samples, block));
      moments.add(f.features.narrow(0, 0, block.ids.size()));
      if (score) score->add(f.logits.narrow(0, 0, block.ids.size()), block.ids);
    }
  });
  comm.all_reduce(moments.sums());
  comm.together([&] { result.gaussian = moments.statistics(what); });
  if (score) {
    comm.all_reduce(score->sums());
    const MeanStd is = score->score();
    result.inception_score = {{"mean", is.mean}, {"std", is.std}};
  }
  return result;
}

Json metrics_of(const MetricContext& context, const at::Tensor& samples, const SetStatistics& reference,
                const std::string& what) {
  const SetStatistics own = statistics_of(context, samples, what);
  Json metrics;
  metrics["frechet_distance"] = frechet_distance(own.gaussian, reference.gaussian);
  if (!own.inception_score.is_null()) {
    metrics["inception_score"] = own.inception_score;
  } else if (context.extractor) {
    metrics["inception_score"] = nullptr;
    metrics["inception_score_why"] = context.extractor->classes == 0
                                         ? "the extractor gives no logits"
                                         : fmt::format("fewer than {} images", InceptionScore::splits);
  }
  if (context.gaussians25) add_modes(metrics, samples);
  return metrics;
}

}  // namespace ddls
