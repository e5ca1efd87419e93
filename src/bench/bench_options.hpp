#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace ddls::bench {

struct BenchOptions {
  int64_t warmup = 3, rounds = 5, steps = 10;  // steps per round
  bool profile = false;                        // of the sampler: where a step's time goes
  std::string trace;                           // file for that as a Chrome trace; empty: none
  std::vector<int64_t> block_sizes;            // of the sampler: sizes to try; empty: sample.block_size alone
};

}  // namespace ddls::bench
