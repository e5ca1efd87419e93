#pragma once
// Calibration by likelihood on a pool of prior draws: a temperature r = s d, or a tilt (ddls/calibration/tilt.hpp). Of
// the held-out reals, and of the pool, one half fits, a quarter chooses (ridge, features), and the last quarter is
// reported on.
#include "train/calibrate.hpp"

namespace ddls::train {

// **Collective.** The record and the tensors of the fit, on rank 0; empty on the others. Throws Error: data, config,
// missing.
Calibration fit_by_likelihood(const CalibrationTask& task, dist::Communicator& comm);

// A tilt as a target takes it. Not collective. Throws Error: a file of features is missing, or another than it was.
sampling::RatioCorrection correction_of(const Calibration& calibration, const models::SampleShape& sample,
                                        c10::Device device);

}  // namespace ddls::train
