#pragma once
// How long every rank takes for a step of its own work, the waits for the others left out, and who is slow.
#include <cstdint>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "base/stopwatch.hpp"
#include "dist/communicator.hpp"

namespace ddls::dist {

// Seconds that the collectives of this process have taken so far, all communicators together. Those that run on a GPU
// (NCCL) count as long as it takes to hand them over.
double seconds_in_collectives();

// Adds up the steps of one rank.
class StepClock {
 public:
  void begin();
  void end(int64_t steps = 1);  // of the work since `begin`
  int64_t steps() const { return steps_; }
  double seconds() const { return seconds_; }

 private:
  int64_t steps_ = 0;
  double seconds_ = 0, waited_ = 0;
  Stopwatch since_;
};

struct StepTimes {
  struct Rank {
    std::string host;
    double seconds = 0;  // of a step; 0: it made none
    bool slow = false;   // takes more than slow_factor times the median
  };
  std::vector<Rank> ranks;
  double median = 0;  // of those that made steps, the lower one where there are two
};
inline constexpr double slow_factor = 1.3;

StepTimes step_times(const std::vector<double>& seconds, const std::vector<std::string>& hosts);
// **Collective.** On rank 0; nobody's elsewhere.
StepTimes gather_step_times(Communicator& comm, const StepClock& clock);

// For report.json (docs/formats.md).
Json record_of(const StepTimes& times);
// "rank 3 on node7 takes 0.21 s for a step, 1.62 times the median"; a line for each slow rank.
std::vector<std::string> slow_ranks(const StepTimes& times);

}  // namespace ddls::dist
