#include "train/phase.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "base/error.hpp"
#include "base/json_fields.hpp"
#include "base/log.hpp"
#include "base/progress.hpp"
#include "base/stop_signal.hpp"
#include "dist/failure.hpp"
#include "train/step_record.hpp"
#include "train/training_key.hpp"

namespace ddls::train {
namespace {

// The first line in which two keys differ, for a message that a person can act on.
std::string first_difference(const std::string& saved, const std::string& now) {
  size_t a = 0, b = 0;
  while (a < saved.size() || b < now.size()) {
    const size_t end_a = std::min(saved.find('\n', a), saved.size()), end_b = std::min(now.find('\n', b), now.size());
    const std::string line_a = saved.substr(a, end_a - a), line_b = now.substr(b, end_b - b);
    if (line_a != line_b) return fmt::format("'{}' there, '{}' now", line_a, line_b);
    a = end_a + 1;
    b = end_b + 1;
  }
  return "no difference";
}

bool same_weights(const Phase& phase, const std::string& key) {
  return key == phase.key || (phase.open_ended && for_any_steps(key) == for_any_steps(phase.key));
}

// Of a checkpoint at `step` that a training of another length left. A finished one made a ratio of its generator.
void require_a_way_on(const Phase& phase, int64_t step, const fs::path& checkpoint) {
  if (step > phase.steps)
    fail(Exit::config,
         "{} is of step {}, beyond train.steps = {}: choose {} or more, or remove {}-* there to begin anew",
         checkpoint.string(), step, phase.steps, step, phase.checkpoint_prefix);
  if (step == phase.steps || phase.followed_by.empty()) return;
  if (const auto later = CheckpointStore(checkpoint.parent_path(), phase.followed_by, 1).newest())
    fail(Exit::config,
         "{} is of the generator as it was at the end of a shorter training ({}): to train on, remove {}-* there and "
         "what was made of it (refined-*, calibrated-*), or copy the run and do so there",
         later->string(), checkpoint.filename().string(), phase.followed_by);
}

// **Collective.** The step to start from.
int64_t start_step(const Phase& phase, const CheckpointStore& store, Resume resume, dist::Communicator& comm) {
  if (resume == Resume::never) {
    comm.on_root([&] { store.clear(); });
    return 0;
  }
  const std::string folder = comm.on_root([&] {
    const auto path = store.newest();
    return path ? path->string() : std::string();
  });
  if (folder.empty()) {
    if (resume == Resume::require)
      dist::all_fail(Exit::missing, "--resume require: there is no checkpoint of phase {} ({})", phase.name,
                     store.path_of(0).parent_path().string());
    return 0;
  }
  int64_t step = 0;
  comm.together([&] {
    const Checkpoint checkpoint = read_checkpoint(folder);
    const fs::path state_file = fs::path(folder) / "state.json";
    const std::string key = json_field<std::string>(checkpoint.state, "key", state_file);
    if (!same_weights(phase, key))
      fail(Exit::config,
           "{} was made with another configuration ({}); remove {}-* there to do this phase and what follows it again, "
           "or use --resume never to start the whole run anew, or another --out",
           folder, first_difference(key, phase.key), phase.checkpoint_prefix);
    step = json_field<int64_t>(checkpoint.state, "step", state_file);
    if (key != phase.key) require_a_way_on(phase, step, folder);
    phase.restore(checkpoint, folder);
  });
  comm.require_same(phase.digest(), "the weights that were read from " + folder);
  return step;
}

// What a phase tells on its way: records of the log, and progress.
struct Reporter {
  const Phase& phase;
  RunLog& log;
  dist::Communicator& comm;
  Progress progress;
  int64_t recorded;  // the step of the last record, or the first of all
  std::chrono::steady_clock::time_point since = std::chrono::steady_clock::now();
  bool told = false;

  // **Collective.** Values are those of `watched`.
  void record(int64_t done, const std::vector<double>& values, dist::StepClock& clock) {
    const auto now = std::chrono::steady_clock::now();
    const double seconds = std::chrono::duration<double>(now - since).count();
    std::vector<NamedValue> record;
    std::string note;
    for (size_t i = 0; i < values.size(); ++i) {
      record.push_back({phase.watched[i], values[i]});
      note += fmt::format("{}{} {:.3f}", i ? "  " : "", phase.watched[i], values[i]);
    }
    if (phase.details)
      for (const NamedValue& value : phase.details()) record.push_back(value);
    const double samples = static_cast<double>((done - recorded) * phase.samples_per_step);
    record.push_back({"images_per_second", samples / std::max(seconds, 1e-9)});
    comm.on_root([&] { log.record(phase.name, done, record); });
    if (!std::exchange(told, true) || done == phase.steps)
      note_step_times(phase.name, clock, done == phase.steps, log, comm);
    progress.update(done, note);
    since = now;
    recorded = done;
  }
};

}  // namespace

void run_phase(const Phase& phase, const fs::path& checkpoints, Resume resume, RunLog& log, dist::Communicator& comm) {
  CheckpointStore store(checkpoints, phase.checkpoint_prefix, phase.keep_checkpoints, phase.keep_every);
  const int64_t first = start_step(phase, store, resume, comm);
  comm.on_root([&] {
    if (first < phase.steps) log.work_begins();
    log.resume(phase.name, first);
  });
  if (first >= phase.steps) {
    log::info("{}: complete ({} steps, from its checkpoint)", phase.name, first);
    return;
  }
  if (first > 0) log::info("{}: goes on from step {} of {}", phase.name, first, phase.steps);
  if (first == 0 && phase.from_scratch) phase.from_scratch();

  const auto save = [&](int64_t step) {
    comm.require_same(phase.digest(),
                      phase.name + "'s weights and spectral norms (are the ranks' GPUs, or processors, of one model?)");
    comm.on_root([&] {
      Checkpoint checkpoint = phase.save();
      checkpoint.state["step"] = step;
      checkpoint.state["key"] = phase.key;
      store.save(step, checkpoint);
    });
  };

  Reporter reporter{phase, log, comm, Progress(phase.name, phase.steps, first, log.root()), first};
  int64_t saved_at = first;
  dist::StepClock clock;
  for (int64_t step = first; step < phase.steps; ++step) {
    clock.begin();
    const std::vector<double> values = phase.step(step);
    clock.end();
    if (step == first && step + 1 < phase.steps) clock = {};  // the first step also makes what all others use
    const int64_t done = step + 1;
    if (!std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); }))
      dist::all_fail(
          Exit::config,
          "{}: a loss is not finite at step {}; the last good checkpoint is of step {}. A smaller learning rate helps",
          phase.name, done, saved_at);
    if (phase.after_step) {
      const stop_signal::Deferral whole;  // the step is saved below, and what belongs to it is not made again
      phase.after_step(done);
    }

    if (done % phase.log_every == 0 || done == phase.steps)
      reporter.record(done, values, clock);
    else
      reporter.progress.update(done);

    // Stopping is decided together, at the same step on all ranks.
    const bool stop = done < phase.steps && comm.any(stop_signal::requested());
    const bool due = phase.checkpoint_every > 0 && done % phase.checkpoint_every == 0;
    if (due || stop || done == phase.steps) {
      save(done);
      saved_at = done;
    }
    if (stop)
      dist::all_fail(Exit::stopped, "{}: stopped by a signal after step {}; saved, start again to go on", phase.name,
                     done);
  }
  reporter.progress.finish();
}

}  // namespace ddls::train
