#pragma once
// What networks say of reals that training never saw and of prior draws: the data of a calibration. Whole blocks go to
// ranks, and everything is keyed by position, so results are the same at any rank count. All functions are
// **collective**.
#include <functional>

#include "config/config.hpp"
#include "data/dataset.hpp"
#include "ddls/target.hpp"
#include "dist/communicator.hpp"

namespace ddls::train {

using Measure =
    std::function<at::Tensor(const at::Tensor& samples, const at::Tensor& labels)>;  // [n, c], must not communicate

// What is measured, on whose samples. All are held on to.
struct HeldOutTask {
  const sampling::Target& target;
  const data::Dataset& reals;
  const config::Config& config;
  bool as_trained = true;            // reals are mirrored and dequantised as data.flip and data.dequantise say
  const char* what = "calibration";  // for progress and messages
};

// The reals at these positions of a random order that training does not know, as rows_by_all_ranks (block_rows.hpp)
// gives rows.
at::Tensor measure_reals(const HeldOutTask& task, const Measure& measure, IdRange positions, dist::Communicator& comm);
// Of `count` prior draws; those of a conditional model have the labels of the reals at their places of the order, which
// goes on from epoch to epoch.
at::Tensor measure_draws(const HeldOutTask& task, const Measure& measure, int64_t count, dist::Communicator& comm);

struct RealsAndFakes {
  at::Tensor real, fake;  // [held out, c] CPU, on rank 0; undefined on the others
};
RealsAndFakes measure_held_out(const HeldOutTask& task, const Measure& measure, dist::Communicator& comm);

}  // namespace ddls::train
