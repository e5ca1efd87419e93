#pragma once
#include "ddls/target.hpp"

namespace ddls::sampling {

// The same target, whose evaluate is a recorded CUDA graph for each number of chains that it meets
// (device/cuda_graph.hpp): a step of small networks costs what their kernels take, not what launching them takes. Its
// values are those of `target`. On a CPU it is `target`. Throws Error(config) on a GPU if the program was built without
// CUDA.
Target graphed(Target target);

}  // namespace ddls::sampling
