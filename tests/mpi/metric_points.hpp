#pragma once
// Small sets of points, and a configuration whose blocks they do not fill evenly.
#include <mpi.h>

#include "metrics/entries/kid.hpp"
#include "metrics/entries/prdc.hpp"
#include "metrics/registry.hpp"
#include "metrics/set_metrics.hpp"
#include "tensor/noise.hpp"

namespace ddls {

inline dist::Communicator alone() {
  dist::Topology topology;
  return dist::Communicator(MPI_COMM_SELF, topology);
}

inline metrics::EvaluationSet points(int64_t count, uint64_t seed, double shift) {
  data::Dataset data;
  data.name = "points";
  data.samples = tensor::Noise{seed}.normal({0, count}, 6, 0, Stream::prior) + shift;
  return metrics::set_of(data);
}

inline void set(config::EvaluateConfig& c, metrics::KidOptions kid, metrics::PrdcOptions prdc) {
  for (config::MetricConfig& metric : c.known) {
    if (metric.name == "kid") metric.options.as<metrics::KidOptions>() = kid;
    if (metric.name == "prdc") metric.options.as<metrics::PrdcOptions>() = prdc;
  }
}

// Blocks of 20 rows times a factor; 530 rows are 3 uneven blocks, so a rank may have none.
inline config::EvaluateConfig every_metric() {
  config::EvaluateConfig c;
  c.batch = 20;
  metrics::add_metrics(c);
  set(c, metrics::KidOptions{7, 90}, metrics::PrdcOptions{3, 400});
  return c;
}

}  // namespace ddls
