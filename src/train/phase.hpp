#pragma once
// A phase of training: a counted loop of steps that reports, saves, stops on a signal and resumes. The GAN, the
// density-ratio discriminator and the classifier are three phases.
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "dist/communicator.hpp"
#include "train/checkpoint.hpp"
#include "train/run_log.hpp"

namespace ddls::train {

enum class Resume { automatic, never, require };

// The same word for a phase that is not a run's first: `require` asks for a run that has begun, not for each of its
// phases.
inline Resume of_later_phase(Resume resume) { return resume == Resume::require ? Resume::automatic : resume; }

struct Phase {
  std::string name;               // "gan"
  std::string checkpoint_prefix;  // "step"
  std::string key;                // what decides the weights, as text; a checkpoint of another key is refused
  int64_t steps = 0, samples_per_step = 0;
  // No step depends on how many there are (constant learning rates): a checkpoint that differs in train.steps alone is
  // gone on from, or taken for the end.
  bool open_ended = false;
  std::string followed_by;  // prefix of the checkpoints of what is made of this phase's end
  int64_t log_every = 100, checkpoint_every = 0, keep_checkpoints = 2,
          keep_every = 0;  // checkpoint_every 0: only at the end

  std::vector<std::string> watched;                       // names of what `step` returns
  std::function<std::vector<double>(int64_t step)> step;  // **collective**; one optimiser step
  std::function<std::vector<NamedValue>()> details;       // optional, **collective**; further values for a record
  std::function<void(int64_t done)> after_step;           // optional; pictures
  std::function<void()> from_scratch;                     // optional, **collective**; before the first step of all
  std::function<Checkpoint()> save;                       // neither writes nor communicates
  std::function<void(const Checkpoint&, const std::string& source)> restore;  // called on every rank
  std::function<uint64_t()> digest;  // of the weights: replicas must agree when saved
};

// **Collective.** Runs the phase to its end, from its newest checkpoint unless `resume` is never. A value that is not
// finite ends it with CollectiveError(config), a signal saves and ends it with CollectiveError(stopped).
void run_phase(const Phase& phase, const std::filesystem::path& checkpoints, Resume resume, RunLog& log,
               dist::Communicator& comm);

}  // namespace ddls::train
