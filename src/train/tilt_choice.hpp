#pragma once
// Which tilt: its ridge and its features, chosen on held-out nats under a floor of the effective sample size, never on
// a metric of images. On one process, float64, one thread: the same bits everywhere.
#include <vector>

#include "config/config.hpp"
#include "ddls/calibration/tilt_fit.hpp"
#include "ddls/worth.hpp"

namespace ddls::train {

// What the columns of phi are: the score first, then those of each part.
struct TiltColumns {
  std::vector<int64_t> parts;  // how many of each
  bool class_slopes = false;   // the score's slope depends on the class
};

struct TiltCandidate {
  double ridge = 0, nats = 0, ess = 0;  // ess: share of the draws
};

struct Reported {
  sampling::LogRatios real, pool;  // of rows that neither fitted nor chose
};

struct TiltChoice {
  at::Tensor slopes, offsets;     // [1] or [classes]; r has log Z = 0 on the pool
  std::vector<at::Tensor> parts;  // weights of each part's columns; undefined: left out
  std::vector<int64_t> part_columns;
  double ridge = 0;
  std::vector<TiltCandidate> tried;
  std::vector<double> nats_without;  // of each part, at the ridge chosen with all; empty for a single part
  struct Sizes {
    int64_t fitted = 0, reported = 0;
  } reals, pool;
  Reported before, after;
};

// r of rows as measured (the score first, then the columns of each part).
sampling::LogRatios log_ratios(const TiltChoice& choice, const sampling::LabelledRows& rows);

TiltChoice choose_tilt(const sampling::LabelledRows& real, const sampling::LabelledRows& pool,
                       const TiltColumns& columns, const config::CalibrationConfig& config);
// r = s d, by likelihood; s is lowered where the floor asks for it. Throws Error(data): reals do not score higher than
// fakes.
TiltChoice choose_temperature(const sampling::LabelledRows& real, const sampling::LabelledRows& pool,
                              const config::CalibrationConfig& config);

}  // namespace ddls::train
