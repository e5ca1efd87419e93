#pragma once
// Small sets of points, and a configuration whose blocks they do not fill evenly.
#include <mpi.h>

#include "metrics/entries/kid.hpp"
#include "metrics/entries/prdc.hpp"
#include "metrics/registry.hpp"
#include "metrics/set_metrics.hpp"
#include "tensor/noise.hpp"

namespace ddls {

inline Communicator alone() {
  Topology topology;
  return Communicator(MPI_COMM_SELF, topology);
}

inline EvaluationSet points(int64_t count, uint64_t seed, double shift) {
  Dataset data;
  data.name = "points";
  data.samples = Noise{seed}.normal({0, count}, 6, 0, Stream::prior) + shift;
  return set_of(data);
}

inline void set(EvaluateConfig& c, KidOptions kid, PrdcOptions prdc) {
  for (MetricConfig& metric : c.known) {
    if (metric.name == "kid") metric.options.as<KidOptions>() = kid;
    if (metric.name == "prdc") metric.options.as<PrdcOptions>() = prdc;
  }
}

// Blocks of 20 rows times a factor; 530 rows are 3 uneven blocks, so a rank may have none.
inline EvaluateConfig config() {
  EvaluateConfig c;
  c.batch = 20;
  add_metrics(c);
  set(c, KidOptions{7, 90}, PrdcOptions{3, 400});
  return c;
}

}  // namespace ddls
