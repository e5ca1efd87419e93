#pragma once
// Log-ratios of prior draws and of reals, by all ranks: what ddls/worth.hpp judges an energy by.
#include <string>

#include "config/config.hpp"
#include "data/dataset.hpp"
#include "ddls/target.hpp"
#include "ddls/worth.hpp"
#include "dist/communicator.hpp"

namespace ddls::train {

// Latents w of the prior draws `ids`, [n, k] on the target's device; apart from the chains' and from a calibration's. A
// pool's draw has the label of the chain with its id.
at::Tensor energy_latents(const sampling::Target& target, uint64_t seed, IdRange ids);

// **Collective.** r of prior draws 0, ..., draws - 1; the values are on rank 0. Stops as `stopped` (exit code 75) on a
// signal.
sampling::LogRatios prior_log_ratios(const sampling::Target& target, int64_t draws, uint64_t seed,
                                     dist::Communicator& comm);

// Reals that an energy is judged by: positions [first, first + count) of a random order of `data`, as the score was
// given its own.
struct JudgingReals {
  const data::Dataset* data = nullptr;  // null: there are none
  int64_t first = 0, count = 0;
  bool as_trained = false;  // mirrored and dequantised as data.flip and data.dequantise say
  bool seen = false;        // training saw them: nats are too high
  bool is_there() const { return data != nullptr && count > 0; }
};

// The part of `held_out` that no fit saw, the second half (of methods that choose on it the last quarter), in the order
// in which the first half fitted a calibration (held_out_scores.hpp); without them `test`, and where it does not match
// what was trained, or is empty, `train`. At most `most`.
JudgingReals judging_reals(const config::Config& config, const data::Dataset& held_out, const data::Dataset& test,
                           const data::Dataset& train, int64_t most);

// **Collective.** r of these reals, on rank 0.
sampling::LogRatios real_log_ratios(const sampling::Target& target, const JudgingReals& reals,
                                    const config::Config& config, dist::Communicator& comm);

}  // namespace ddls::train
