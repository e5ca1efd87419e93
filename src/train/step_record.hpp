#pragma once
// What the ranks' steps take, in a run's folder and in the log.
#include <string>

#include "dist/step_times.hpp"
#include "train/run_log.hpp"

namespace ddls::train {

// **Collective.** Keeps the times of a phase in step_times.json of the run and names slow ranks; `ended`: also tells
// the times of all. Where no rank made a step, what was kept before stays.
void note_step_times(const std::string& phase, const dist::StepClock& clock, bool ended, const RunLog& log,
                     dist::Communicator& comm);

}  // namespace ddls::train
